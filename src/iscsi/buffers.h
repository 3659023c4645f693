/*
 * Large buffers for data-out, kept for the next command instead of going back to the system.
 *
 * The C library maps and unmaps memory of this size each time, and filling fresh pages costs a write more
 * than everything else about it (measured: half of the sequential write rate). Used by one loop's thread
 * only.
 */
#pragma once

#include "base/base.h"

struct buffers;

enum {
    BUFFERS_MIN_BYTES = 64 << 10, /* smaller ones the C library keeps itself */
    BUFFERS_MAX_BYTES = 1 << 20,
    BUFFERS_KEPT_MAX = 16, /* of each size: powers of two between the two above, 31 MiB in all */
};

struct buffers *buffers_new(void);
/* All buffers must have been given back. NULL is fine. */
void buffers_free(struct buffers *buffers);

/* Not cleared. `buffers` NULL: plain memory. */
uint8_t *buffers_take(struct buffers *buffers, size_t length_bytes);
/* With the length that it was taken with. NULL is fine. */
void buffers_give(struct buffers *buffers, uint8_t *buffer, size_t length_bytes);
