/*
 * A place inside a list of buffers: what scattered reads and writes are cut into pieces with.
 *
 * Owns nothing. The caller never moves it past the end of the list.
 */
#pragma once

#include "base/base.h"

#include <sys/uio.h>

struct iov_cursor {
    const struct iovec *vec;
    int left; /* entries, this one included */
    size_t offset;
};

uint64_t iov_length(const struct iovec *vec, int count);

struct iov_cursor iov_cursor_over(const struct iovec *vec, int count);
/* Up to `max` buffers that cover at most `length_bytes` from here on; gives their number. Does not move. */
int iov_cursor_peek(const struct iov_cursor *at, uint64_t length_bytes, struct iovec *to, int max);
void iov_cursor_skip(struct iov_cursor *at, uint64_t length_bytes);
/* Fills with zeros, and moves. */
void iov_cursor_zero(struct iov_cursor *at, uint64_t length_bytes);
/* Copies out into one piece, and moves. */
void iov_cursor_copy_out(struct iov_cursor *at, void *to, size_t length_bytes);
