/* Changing blocks: claims, copy-up, writing without waiting, comparing (FORMAT.md, W1 W3). */
#include "store/state.h"

#include "base/clock.h"

enum {
    COMPARE_BYTES_MAX = 1 << 20,
    HINT_BYTES = 64 << 20,    /* so much is written before write-back is begun, to keep flushes short */
    NOW_BYTES_MAX = 256 << 10, /* more takes too long for a thread that has others to serve */
    NOW_SLOW_NS = 5000000,     /* a write into memory that took longer has waited for the disk */
    NOW_PAUSE_NS = 100000000,  /* then the disk is given so long before that is tried again */
};

/* ---- claims ---- */

static bool is_claimed(const struct volume *volume, uint64_t block, uint64_t end)
{
    for (const struct claim *claim = volume->claims; claim; claim = claim->next)
        if (block < claim->end && claim->block < end)
            return true;
    return false;
}

int volume_claim(struct volume *volume, struct claim *claim, uint64_t block, uint64_t end)
{
    pthread_mutex_lock(&volume->lock);
    while (!volume->stopped && (volume->held || is_claimed(volume, block, end)))
        pthread_cond_wait(&volume->changed, &volume->lock);
    bool stopped = volume->stopped;
    if (!stopped) {
        *claim = (struct claim){.block = block, .end = end, .next = volume->claims};
        volume->claims = claim;
    }
    pthread_mutex_unlock(&volume->lock);
    return stopped ? -EIO : 0;
}

static void remove_claim(struct volume *volume, struct claim *claim)
{
    struct claim **at = &volume->claims;

    while (*at != claim)
        at = &(*at)->next;
    *at = claim->next;
    pthread_cond_broadcast(&volume->changed);
}

void volume_unclaim(struct volume *volume, struct claim *claim)
{
    pthread_mutex_lock(&volume->lock);
    remove_claim(volume, claim);
    pthread_mutex_unlock(&volume->lock);
}

void volume_hold(struct volume *volume)
{
    pthread_mutex_lock(&volume->lock);
    while (volume->held)
        pthread_cond_wait(&volume->changed, &volume->lock);
    volume->held = true;
    while (volume->claims)
        pthread_cond_wait(&volume->changed, &volume->lock);
    pthread_mutex_unlock(&volume->lock);
}

void volume_release(struct volume *volume)
{
    pthread_mutex_lock(&volume->lock);
    volume->held = false;
    pthread_cond_broadcast(&volume->changed);
    pthread_mutex_unlock(&volume->lock);
}

/* ---- what a change does to the volume ---- */

/* "No space" and "no memory" leave what was there; anything else leaves what nobody knows. */
static bool leaves_doubt(int rc)
{
    return rc != -ENOSPC && rc != -EDQUOT && rc != -EFBIG && rc != -ENOMEM;
}

int volume_write_failed(struct volume *volume, int rc, const char *what)
{
    if (!leaves_doubt(rc))
        return rc == -ENOMEM ? rc : -ENOSPC;
    volume_stop(volume, rc, what);
    return -EIO;
}

void volume_note_change(struct volume *volume, uint64_t block, uint64_t count, uint64_t written_bytes)
{
    struct layer *top = volume->chain->layers[0];

    pthread_mutex_lock(&volume->lock);
    map_set(top->map, block, count);
    volume->changes++;
    volume->unhinted_bytes += written_bytes;
    bool hint = volume->unhinted_bytes >= HINT_BYTES;
    if (hint)
        volume->unhinted_bytes = 0;
    pthread_mutex_unlock(&volume->lock);
    if (hint)
        top->io->start_writeback(top->io->context, top->data_fd);
}

/* ---- writing ---- */

static bool top_owns(struct volume *volume, uint64_t block, uint64_t end)
{
    pthread_mutex_lock(&volume->lock);
    bool owned = map_owns_all(volume->chain->layers[0]->map, block, end - block);
    pthread_mutex_unlock(&volume->lock);
    return owned;
}

/* W1: part of a block that the top does not own: the chain's bytes, the new ones laid over, all written. */
static int copy_up(struct volume *volume, struct iov_cursor *from, uint64_t offset, uint64_t length_bytes)
{
    _Alignas(512) uint8_t bytes[VOLUME_BLOCK_BYTES];
    const struct iovec vec = {bytes, sizeof(bytes)};
    struct iov_cursor to = iov_cursor_over(&vec, 1);
    const struct layer *top = volume->chain->layers[0];
    uint64_t within = offset % VOLUME_BLOCK_BYTES;

    int rc = chain_read(volume->chain, 1, NULL, &to, offset - within, sizeof(bytes), false);
    if (rc)
        return rc;
    iov_cursor_copy_out(from, bytes + within, length_bytes);
    rc = io_write_bytes(top->io, top->data_fd, bytes, sizeof(bytes), offset - within);
    return rc ? volume_write_failed(volume, rc, "writing data") : 0;
}

static int write_in_place(struct volume *volume, struct iov_cursor *from, uint64_t offset,
                          uint64_t length_bytes)
{
    const struct layer *top = volume->chain->layers[0];
    int rc = io_write(top->io, top->data_fd, from, length_bytes, offset);

    return rc ? volume_write_failed(volume, rc, "writing data") : 0;
}

/* The next piece that is written in one way: part of a block, or whole blocks. Gives its length. */
static int write_piece(struct volume *volume, struct iov_cursor *from, uint64_t offset, uint64_t length_bytes,
                       uint64_t *piece_bytes)
{
    uint64_t within = offset % VOLUME_BLOCK_BYTES;
    uint64_t block = offset / VOLUME_BLOCK_BYTES;

    if (within == 0 && length_bytes >= VOLUME_BLOCK_BYTES) {
        *piece_bytes = length_bytes - length_bytes % VOLUME_BLOCK_BYTES;
        return write_in_place(volume, from, offset, *piece_bytes);
    }
    *piece_bytes = MIN(VOLUME_BLOCK_BYTES - within, length_bytes);
    if (top_owns(volume, block, block + 1))
        return write_in_place(volume, from, offset, *piece_bytes);
    return copy_up(volume, from, offset, *piece_bytes);
}

int volume_write_claimed(struct volume *volume, struct iov_cursor *from, uint64_t offset,
                         uint64_t length_bytes)
{
    uint64_t block = offset / VOLUME_BLOCK_BYTES;
    uint64_t end = (offset + length_bytes + VOLUME_BLOCK_BYTES - 1) / VOLUME_BLOCK_BYTES;
    uint64_t left_bytes = length_bytes;
    int rc = 0;

    if (top_owns(volume, block, end)) {
        rc = write_in_place(volume, from, offset, length_bytes);
        left_bytes = 0;
    } else if (store_is_full(volume->store)) {
        return -ENOSPC;
    }
    while (!rc && left_bytes > 0) {
        uint64_t piece_bytes;
        rc = write_piece(volume, from, offset, left_bytes, &piece_bytes);
        offset += piece_bytes;
        left_bytes -= piece_bytes;
    }
    /* A write that failed half way may have changed blocks that were owned: those count for the next flush.
     */
    volume_note_change(volume, block, rc ? 0 : end - block, length_bytes);
    return rc;
}

/* ---- writing without waiting ---- */

/* Takes the claim if everything that a write could wait for is absent: others who change these blocks, a snapshot, a
 * flush, a copy-up, and the call that begins write-back, which is left to whoever writes on a worker next. */
static int claim_now(struct volume *volume, struct claim *claim, uint64_t block, uint64_t end)
{
    if (pthread_mutex_trylock(&volume->lock) != 0)
        return -EAGAIN;
    bool quick = !volume->stopped && !volume->held && !volume->flushing && volume->unhinted_bytes < HINT_BYTES &&
                 !is_claimed(volume, block, end) && map_owns_all(volume->chain->layers[0]->map, block, end - block);
    if (quick) {
        *claim = (struct claim){.block = block, .end = end, .next = volume->claims};
        volume->claims = claim;
    }
    pthread_mutex_unlock(&volume->lock);
    return quick ? 0 : -EAGAIN;
}

/* The kernel makes a writer wait when too much is dirty, or when its journal is busy; it offers no way to ask. So it is
 * measured, and after a slow one workers do the waiting for a while. */
static int write_measured(struct volume *volume, struct iov_cursor *from, uint64_t offset, uint64_t length_bytes,
                          uint64_t begun_ns)
{
    int rc = write_in_place(volume, from, offset, length_bytes);
    uint64_t now_ns = clock_monotonic_ns();

    if (now_ns - begun_ns > NOW_SLOW_NS)
        atomic_store(&volume->store->slow_until_ns, now_ns + NOW_PAUSE_NS);
    return rc;
}

/* The map knows these blocks already, and write-back is begun by others. */
static void note_write_now(struct volume *volume, struct claim *claim, uint64_t length_bytes)
{
    pthread_mutex_lock(&volume->lock);
    volume->changes++;
    volume->unhinted_bytes += length_bytes;
    remove_claim(volume, claim);
    pthread_mutex_unlock(&volume->lock);
}

static int write_now(struct volume *volume, struct iov_cursor *from, uint64_t offset, uint64_t length_bytes)
{
    uint64_t block = offset / VOLUME_BLOCK_BYTES;
    uint64_t count = length_bytes / VOLUME_BLOCK_BYTES;
    uint64_t begun_ns = clock_monotonic_ns();
    struct claim claim;

    /* Part of a block may have to be read first. */
    if (offset % VOLUME_BLOCK_BYTES || length_bytes % VOLUME_BLOCK_BYTES || length_bytes > NOW_BYTES_MAX ||
        begun_ns < atomic_load(&volume->store->slow_until_ns))
        return -EAGAIN;
    int rc = claim_now(volume, &claim, block, block + count);
    if (rc)
        return rc;
    rc = write_measured(volume, from, offset, length_bytes, begun_ns);
    note_write_now(volume, &claim, length_bytes);
    return rc;
}

int volume_write(struct volume *volume, const struct iovec *vec, int count, uint64_t offset, bool fua,
                 enum volume_wait wait)
{
    uint64_t length_bytes = iov_length(vec, count);
    struct iov_cursor from = iov_cursor_over(vec, count);
    struct claim claim;
    int rc = volume_check_change(volume, offset, length_bytes);

    if (rc || length_bytes == 0)
        return rc;
    if (wait == VOLUME_NO_WAIT)
        return fua ? -EAGAIN : write_now(volume, &from, offset, length_bytes);
    rc = volume_claim(volume, &claim, offset / VOLUME_BLOCK_BYTES,
                      (offset + length_bytes + VOLUME_BLOCK_BYTES - 1) / VOLUME_BLOCK_BYTES);
    if (rc)
        return rc;
    rc = volume_write_claimed(volume, &from, offset, length_bytes);
    volume_unclaim(volume, &claim);
    if (rc || !fua)
        return rc;
    return volume_flush(volume);
}

/* ---- comparing ---- */

static int read_claimed(struct volume *volume, void *to, size_t length_bytes, uint64_t offset)
{
    const struct iovec vec = {to, length_bytes};
    struct iov_cursor at = iov_cursor_over(&vec, 1);

    return chain_read(volume->chain, 0, &volume->lock, &at, offset, length_bytes, false);
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t length_bytes)
{
    size_t at = 0;

    while (at < length_bytes && a[at] == b[at])
        at++;
    return at;
}

static int compare_and_write_claimed(struct volume *volume, const void *expected, const void *update,
                                     size_t length_bytes, uint64_t offset, size_t *mismatch_offset)
{
    CLEANUP_FREE uint8_t *found = xcalloc(1, length_bytes);
    const struct iovec vec = {(void *)update, length_bytes};
    struct iov_cursor from = iov_cursor_over(&vec, 1);
    int rc = read_claimed(volume, found, length_bytes, offset);

    if (rc)
        return rc;
    *mismatch_offset = first_difference(found, expected, length_bytes);
    if (*mismatch_offset < length_bytes)
        return -EILSEQ;
    return volume_write_claimed(volume, &from, offset, length_bytes);
}

int volume_compare_and_write(struct volume *volume, const void *expected, const void *update,
                             size_t length_bytes, uint64_t offset, size_t *mismatch_offset)
{
    struct claim claim;
    int rc = volume_check_change(volume, offset, length_bytes);

    *mismatch_offset = 0;
    if (rc || length_bytes == 0)
        return rc;
    if (length_bytes > COMPARE_BYTES_MAX)
        return -EINVAL;
    rc = volume_claim(volume, &claim, offset / VOLUME_BLOCK_BYTES,
                      (offset + length_bytes + VOLUME_BLOCK_BYTES - 1) / VOLUME_BLOCK_BYTES);
    if (rc)
        return rc;
    rc = compare_and_write_claimed(volume, expected, update, length_bytes, offset, mismatch_offset);
    volume_unclaim(volume, &claim);
    return rc;
}
