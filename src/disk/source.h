/*
 * Something to read at an offset: a volume, a file, memory, or a part of one of them.
 *
 * A plain value that may be copied; it never owns what it reads from, never writes, and never caches. Reads
 * need not be aligned to sectors. Everything in this folder looks at disks through it, and hands out the
 * files it finds in them as sources again.
 */
#pragma once

#include "store/volume.h"

struct disk_source;

/* Reads exactly `length_bytes`; the range was checked against the source's size. */
typedef int disk_source_read_fn(const struct disk_source *source, void *buffer, size_t length_bytes,
                                uint64_t offset, enum volume_wait wait);

struct disk_source {
    uint64_t size_bytes;
    disk_source_read_fn *read;
    void *context;        /* what `read` reads from; outlives every copy of the source */
    uint64_t start_bytes; /* where the source begins in it */
};

struct disk_source disk_source_over_volume(struct volume *volume);
/* A regular file or block device, whose size is taken now. -errno. */
int disk_source_over_fd(int fd, struct disk_source *source);
struct disk_source disk_source_over_memory(const void *data, size_t length_bytes);
/* The part of `source` from `start_bytes`, cut to what `source` has: possibly empty. */
struct disk_source disk_source_part(const struct disk_source *source, uint64_t start_bytes,
                                    uint64_t length_bytes);

/* All or nothing. -EINVAL outside the source, -EAGAIN if VOLUME_NO_WAIT and the bytes are not in memory, or
 * what the volume or file gave. */
int disk_source_read(const struct disk_source *source, void *buffer, size_t length_bytes, uint64_t offset,
                     enum volume_wait wait);
