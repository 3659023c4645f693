/*
 * A volume in memory, for tests of what stands above the store: it does what store/volume.h says, and fails
 * on demand.
 */
#pragma once

#include "store/volume.h"

#include <pthread.h>
#include <stdatomic.h>

struct volume {
    uint8_t *data;
    uint64_t size_bytes;
    bool *mapped; /* by block of VOLUME_BLOCK_BYTES */
    bool read_only;
    uint8_t uuid[16];
    int references;

    bool cold;      /* nothing is in memory: what may not wait gives -EAGAIN */
    int read_error; /* what the next calls give, 0 for success */
    int write_error;
    int flush_error;
    uint64_t fails_in_the_middle; /* a write across this offset is done up to it, then gives -ENOSPC */
    atomic_uint flushes;
    atomic_uint durable_writes;

    pthread_mutex_t lock; /* guards data and mapped, a block at a time */
};

struct volume *memory_volume_new(uint64_t size_bytes);
void memory_volume_free(struct volume *volume);
