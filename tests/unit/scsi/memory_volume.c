#include "memory_volume.h"

struct volume *memory_volume_new(uint64_t size_bytes)
{
    struct volume *volume = xcalloc(1, sizeof(*volume));

    volume->size_bytes = size_bytes;
    volume->data = xcalloc(1, size_bytes);
    volume->mapped = xcalloc(size_bytes / VOLUME_BLOCK_BYTES + 1, sizeof(bool));
    volume->references = 1;
    pthread_mutex_init(&volume->lock, NULL);
    for (uint8_t i = 0; i < sizeof(volume->uuid); i++)
        volume->uuid[i] = (uint8_t)(0xa0 + i);
    return volume;
}

void memory_volume_free(struct volume *volume)
{
    CHECK(volume->references == 1);
    free(volume->data);
    free(volume->mapped);
    free(volume);
}

struct volume *volume_ref(struct volume *volume)
{
    volume->references++;
    return volume;
}

void volume_unref(struct volume *volume)
{
    if (volume)
        volume->references--;
}

uint64_t volume_size_bytes(const struct volume *volume)
{
    return volume->size_bytes;
}

bool volume_is_read_only(const struct volume *volume)
{
    return volume->read_only;
}

const uint8_t *volume_uuid(const struct volume *volume)
{
    return volume->uuid;
}

static int check(const struct volume *volume, uint64_t offset, uint64_t length_bytes)
{
    bool whole = offset % VOLUME_SECTOR_BYTES == 0 && length_bytes % VOLUME_SECTOR_BYTES == 0;

    return whole && offset <= volume->size_bytes && length_bytes <= volume->size_bytes - offset ? 0 : -EINVAL;
}

/* Others may come between any two blocks. */
static void copy_by_block(struct volume *volume, uint8_t *to, const uint8_t *from, size_t length_bytes)
{
    for (size_t at = 0; at < length_bytes; at += VOLUME_BLOCK_BYTES) {
        pthread_mutex_lock(&volume->lock);
        memcpy(to + at, from + at, MIN(length_bytes - at, (size_t)VOLUME_BLOCK_BYTES));
        pthread_mutex_unlock(&volume->lock);
    }
}

static uint64_t total_of(const struct iovec *vec, int count)
{
    uint64_t total = 0;

    for (int i = 0; i < count; i++)
        total += vec[i].iov_len;
    return total;
}

int volume_read(struct volume *volume, const struct iovec *vec, int count, uint64_t offset,
                enum volume_wait wait)
{
    int r = check(volume, offset, total_of(vec, count));

    if (r < 0)
        return r;
    if (volume->cold && wait == VOLUME_NO_WAIT)
        return -EAGAIN;
    if (volume->read_error)
        return volume->read_error;
    for (int i = 0; i < count; offset += vec[i].iov_len, i++)
        copy_by_block(volume, vec[i].iov_base, volume->data + offset, vec[i].iov_len);
    return 0;
}

static void set_mapped(struct volume *volume, uint64_t offset, uint64_t length_bytes, bool mapped)
{
    for (uint64_t at = offset; at < offset + length_bytes; at += VOLUME_SECTOR_BYTES)
        volume->mapped[at / VOLUME_BLOCK_BYTES] = mapped;
}

int volume_write(struct volume *volume, const struct iovec *vec, int count, uint64_t offset, bool fua,
                 enum volume_wait wait)
{
    uint64_t total = total_of(vec, count);
    int r = check(volume, offset, total);

    if (r < 0)
        return r;
    if (volume->read_only)
        return -EROFS;
    if ((volume->cold || fua) && wait == VOLUME_NO_WAIT)
        return -EAGAIN;
    if (volume->write_error)
        return volume->write_error;
    if (volume->fails_in_the_middle && offset <= volume->fails_in_the_middle &&
        volume->fails_in_the_middle < offset + total) {
        /* What lies before it is written. */
        memcpy(volume->data + offset, vec[0].iov_base, volume->fails_in_the_middle - offset);
        return -ENOSPC;
    }
    pthread_mutex_lock(&volume->lock);
    set_mapped(volume, offset, total, true);
    pthread_mutex_unlock(&volume->lock);
    for (int i = 0; i < count; offset += vec[i].iov_len, i++)
        copy_by_block(volume, volume->data + offset, vec[i].iov_base, vec[i].iov_len);
    atomic_fetch_add(&volume->durable_writes, fua);
    return 0;
}

int volume_flush(struct volume *volume)
{
    atomic_fetch_add(&volume->flushes, 1);
    return volume->flush_error;
}

int volume_discard(struct volume *volume, uint64_t offset, uint64_t length_bytes)
{
    int r = check(volume, offset, length_bytes);

    if (r < 0)
        return r;
    memset(volume->data + offset, 0, length_bytes);
    set_mapped(volume, offset, length_bytes, false);
    return 0;
}

int volume_write_zeroes(struct volume *volume, uint64_t offset, uint64_t length_bytes)
{
    return volume_discard(volume, offset, length_bytes);
}

int volume_extent(struct volume *volume, uint64_t offset, uint64_t limit_bytes, uint64_t *length_bytes,
                  bool *mapped)
{
    uint64_t end = offset;

    *mapped = volume->mapped[offset / VOLUME_BLOCK_BYTES];
    while (end < volume->size_bytes && end - offset < limit_bytes &&
           volume->mapped[end / VOLUME_BLOCK_BYTES] == *mapped)
        end += VOLUME_SECTOR_BYTES;
    *length_bytes = end - offset;
    return 0;
}

int volume_compare_and_write(struct volume *volume, const void *expected, const void *update,
                             size_t length_bytes, uint64_t offset, size_t *mismatch_offset)
{
    const uint8_t *wanted = expected;
    int r = check(volume, offset, length_bytes);

    if (r < 0)
        return r;
    for (size_t i = 0; i < length_bytes; i++) {
        if (volume->data[offset + i] != wanted[i]) {
            *mismatch_offset = i;
            return -EILSEQ;
        }
    }
    memcpy(volume->data + offset, update, length_bytes);
    return 0;
}
