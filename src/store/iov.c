#include "store/iov.h"

uint64_t iov_length(const struct iovec *vec, int count)
{
    uint64_t length_bytes = 0;

    for (int i = 0; i < count; i++)
        length_bytes += vec[i].iov_len;
    return length_bytes;
}

struct iov_cursor iov_cursor_over(const struct iovec *vec, int count)
{
    return (struct iov_cursor){.vec = vec, .left = count};
}

/* The next piece in one buffer, at most `length_bytes` and at least one; moves past it. */
static struct iovec take_piece(struct iov_cursor *at, uint64_t length_bytes)
{
    while (at->left > 0 && at->offset == at->vec->iov_len) {
        at->vec++;
        at->left--;
        at->offset = 0;
    }
    CHECK(at->left > 0);
    size_t length = MIN((uint64_t)(at->vec->iov_len - at->offset), length_bytes);
    struct iovec piece = {(char *)at->vec->iov_base + at->offset, length};
    at->offset += length;
    return piece;
}

int iov_cursor_peek(const struct iov_cursor *at, uint64_t length_bytes, struct iovec *to, int max)
{
    struct iov_cursor next = *at;
    int count = 0;

    while (length_bytes > 0 && count < max) {
        to[count] = take_piece(&next, length_bytes);
        length_bytes -= to[count++].iov_len;
    }
    return count;
}

void iov_cursor_skip(struct iov_cursor *at, uint64_t length_bytes)
{
    while (length_bytes > 0)
        length_bytes -= take_piece(at, length_bytes).iov_len;
}

void iov_cursor_zero(struct iov_cursor *at, uint64_t length_bytes)
{
    while (length_bytes > 0) {
        struct iovec piece = take_piece(at, length_bytes);
        memset(piece.iov_base, 0, piece.iov_len);
        length_bytes -= piece.iov_len;
    }
}

void iov_cursor_copy_out(struct iov_cursor *at, void *to, size_t length_bytes)
{
    while (length_bytes > 0) {
        struct iovec piece = take_piece(at, length_bytes);
        memcpy(to, piece.iov_base, piece.iov_len);
        to = (char *)to + piece.iov_len;
        length_bytes -= piece.iov_len;
    }
}
