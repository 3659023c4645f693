/*
 * Memory for commands and their data, kept for the next command instead of going back to the system.
 *
 * The C library maps and unmaps large pieces each time, and filling fresh pages costs a write more than everything else
 * about it (measured: half of the sequential write rate); of small ones it keeps a handful at hand and searches for
 * more. Used by one loop's thread only.
 */
#pragma once

#include "base/base.h"

struct buffers;

enum {
    BUFFERS_MIN_BYTES = 512,
    BUFFERS_LARGE_BYTES = 64 << 10,
    BUFFERS_MAX_BYTES = 1 << 20,
    BUFFERS_KEPT_MAX = 16,        /* of each size from BUFFERS_LARGE_BYTES on: powers of two, 31 MiB in all */
    BUFFERS_KEPT_SMALL_MAX = 128, /* of each size below, 8 MiB in all */
};

struct buffers *buffers_new(void);
/* All buffers must have been given back. NULL is fine. */
void buffers_free(struct buffers *buffers);

/* Not cleared. `buffers` NULL: plain memory. */
void *buffers_take(struct buffers *buffers, size_t length_bytes);
/* With the length that it was taken with. NULL is fine. */
void buffers_give(struct buffers *buffers, void *buffer, size_t length_bytes);
