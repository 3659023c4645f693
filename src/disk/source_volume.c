#include "disk/source.h"

/* A volume reads whole sectors: what was not asked for in the first and the last goes into two spare pieces.
 */
static int read_volume(const struct disk_source *source, void *buffer, size_t length_bytes, uint64_t offset,
                       enum volume_wait wait)
{
    uint8_t before[VOLUME_SECTOR_BYTES];
    uint8_t after[VOLUME_SECTOR_BYTES];
    uint64_t start = source->start_bytes + offset;
    size_t before_bytes = start % VOLUME_SECTOR_BYTES;
    size_t over_bytes = (start + length_bytes) % VOLUME_SECTOR_BYTES;
    size_t after_bytes = over_bytes ? VOLUME_SECTOR_BYTES - over_bytes : 0;
    struct iovec vec[3];
    int count = 0;

    if (before_bytes)
        vec[count++] = (struct iovec){.iov_base = before, .iov_len = before_bytes};
    vec[count++] = (struct iovec){.iov_base = buffer, .iov_len = length_bytes};
    if (after_bytes)
        vec[count++] = (struct iovec){.iov_base = after, .iov_len = after_bytes};
    return volume_read(source->context, vec, count, start - before_bytes, wait);
}

struct disk_source disk_source_over_volume(struct volume *volume)
{
    return (struct disk_source){
        .size_bytes = volume_size_bytes(volume), .read = read_volume, .context = volume};
}
