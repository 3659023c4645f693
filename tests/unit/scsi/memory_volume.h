/*
 * A volume in memory, for tests of what stands above the store: it does what store/volume.h says, and fails
 * on demand.
 */
#pragma once

#include "store/volume.h"

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
    unsigned flushes;
    unsigned durable_writes;
};

struct volume *memory_volume_new(uint64_t size_bytes);
void memory_volume_free(struct volume *volume);
