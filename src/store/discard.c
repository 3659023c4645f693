/* Ranges that read as zeros afterwards (FORMAT.md, W2). */
#include "store/state.h"

enum { ZERO_RANGES_MAX = 64 }; /* looked up at once */

struct block_range {
    uint64_t block;
    uint64_t end;
};

static const uint8_t zeros[VOLUME_BLOCK_BYTES];

/* Zeros over part of a block that some layer owns. */
static int zero_part(struct volume *volume, uint64_t offset, uint64_t length_bytes)
{
    const struct iovec vec = {(void *)zeros, length_bytes};
    struct iov_cursor from = iov_cursor_over(&vec, 1);
    uint64_t block = offset / VOLUME_BLOCK_BYTES;
    uint64_t length;
    int layer;

    pthread_mutex_lock(&volume->lock);
    int rc = chain_find(volume->chain, 0, block, 1, &layer, &length);
    pthread_mutex_unlock(&volume->lock);
    if (rc || layer == CHAIN_NOBODY)
        return rc;
    return volume_write_claimed(volume, &from, offset, length_bytes);
}

static int punch(struct volume *volume, const struct block_range *range)
{
    const struct layer *top = volume->chain->layers[0];
    uint64_t count = range->end - range->block;
    int rc;

    do
        rc = top->io->punch(top->io->context, top->data_fd, range->block * VOLUME_BLOCK_BYTES,
                            count * VOLUME_BLOCK_BYTES);
    while (rc == -EINTR);
    /* A punch that failed half way may have zeroed some of what was owned: that counts for the next flush. */
    if (rc)
        rc = volume_write_failed(volume, rc, "punching a hole");
    volume_note_change(volume, range->block, rc ? 0 : count, 0);
    return rc;
}

/* The next ranges of blocks that some layer owns; moves `*block` past what it looked at. Gives their number.
 */
static int owned_ranges(struct volume *volume, uint64_t *block, uint64_t end, struct block_range *ranges,
                        int *count)
{
    int rc = 0;

    *count = 0;
    pthread_mutex_lock(&volume->lock);
    while (!rc && *block < end && *count < ZERO_RANGES_MAX) {
        uint64_t length;
        int layer;
        rc = chain_find(volume->chain, 0, *block, end - *block, &layer, &length);
        if (rc)
            break;
        if (layer != CHAIN_NOBODY && *count > 0 && ranges[*count - 1].end == *block)
            ranges[*count - 1].end += length;
        else if (layer != CHAIN_NOBODY)
            ranges[(*count)++] = (struct block_range){*block, *block + length};
        *block += length;
    }
    pthread_mutex_unlock(&volume->lock);
    return rc;
}

static int zero_blocks(struct volume *volume, uint64_t block, uint64_t end)
{
    int rc = 0;

    while (!rc && block < end) {
        struct block_range ranges[ZERO_RANGES_MAX];
        int count;
        rc = owned_ranges(volume, &block, end, ranges, &count);
        for (int i = 0; !rc && i < count; i++)
            rc = punch(volume, &ranges[i]);
    }
    return rc;
}

static int zero_claimed(struct volume *volume, uint64_t offset, uint64_t length_bytes)
{
    uint64_t end = offset + length_bytes;
    uint64_t first_whole = (offset + VOLUME_BLOCK_BYTES - 1) / VOLUME_BLOCK_BYTES;
    uint64_t end_whole = end / VOLUME_BLOCK_BYTES;

    if (first_whole > end_whole)
        return zero_part(volume, offset, length_bytes);
    uint64_t head_bytes = first_whole * VOLUME_BLOCK_BYTES - offset;
    uint64_t tail_bytes = end - end_whole * VOLUME_BLOCK_BYTES;
    int rc = head_bytes ? zero_part(volume, offset, head_bytes) : 0;
    rc = rc ?: zero_blocks(volume, first_whole, end_whole);
    if (!rc && tail_bytes)
        rc = zero_part(volume, end - tail_bytes, tail_bytes);
    return rc;
}

int volume_discard(struct volume *volume, uint64_t offset, uint64_t length_bytes)
{
    struct claim claim;
    int rc = volume_check_change(volume, offset, length_bytes);

    if (rc || length_bytes == 0)
        return rc;
    rc = volume_claim(volume, &claim, offset / VOLUME_BLOCK_BYTES,
                      (offset + length_bytes + VOLUME_BLOCK_BYTES - 1) / VOLUME_BLOCK_BYTES);
    if (rc)
        return rc;
    rc = zero_claimed(volume, offset, length_bytes);
    volume_unclaim(volume, &claim);
    return rc;
}

/* Every zeroing punches: a hole is the cheapest zero, and the only whiteout. */
int volume_write_zeroes(struct volume *volume, uint64_t offset, uint64_t length_bytes)
{
    return volume_discard(volume, offset, length_bytes);
}
