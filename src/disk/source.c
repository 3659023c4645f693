#include "disk/source.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static int read_fd(const struct disk_source *source, void *buffer, size_t length_bytes, uint64_t offset,
                   enum volume_wait wait)
{
    int fd = (int)(intptr_t)source->context;
    uint64_t position = source->start_bytes + offset;
    uint8_t *to = buffer;

    while (length_bytes) {
        struct iovec vec = {.iov_base = to, .iov_len = length_bytes};
        ssize_t got = preadv2(fd, &vec, 1, (off_t)position, wait == VOLUME_NO_WAIT ? RWF_NOWAIT : 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -EIO;
        to += got;
        position += (uint64_t)got;
        length_bytes -= (size_t)got;
    }
    return 0;
}

static int read_memory(const struct disk_source *source, void *buffer, size_t length_bytes, uint64_t offset,
                       enum volume_wait wait)
{
    memcpy(buffer, (const uint8_t *)source->context + source->start_bytes + offset, length_bytes);
    return 0;
}

int disk_source_over_fd(int fd, struct disk_source *source)
{
    struct stat st;
    uint64_t size_bytes;

    if (fstat(fd, &st) < 0)
        return -errno;
    size_bytes = (uint64_t)st.st_size;
    if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, &size_bytes) < 0)
        return -errno;
    if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
        return -ESPIPE;
    *source =
        (struct disk_source){.size_bytes = size_bytes, .read = read_fd, .context = (void *)(intptr_t)fd};
    return 0;
}

struct disk_source disk_source_over_memory(const void *data, size_t length_bytes)
{
    return (struct disk_source){.size_bytes = length_bytes, .read = read_memory, .context = (void *)data};
}

struct disk_source disk_source_part(const struct disk_source *source, uint64_t start_bytes,
                                    uint64_t length_bytes)
{
    struct disk_source part = *source;
    uint64_t start = MIN(start_bytes, source->size_bytes);

    part.start_bytes += start;
    part.size_bytes = MIN(length_bytes, source->size_bytes - start);
    return part;
}

int disk_source_read(const struct disk_source *source, void *buffer, size_t length_bytes, uint64_t offset,
                     enum volume_wait wait)
{
    if (offset > source->size_bytes || length_bytes > source->size_bytes - offset)
        return -EINVAL;
    return length_bytes ? source->read(source, buffer, length_bytes, offset, wait) : 0;
}
