#include "store/io.h"

enum { PIECES_MAX = 128 }; /* buffers handed to one system call */

int io_read(const struct store_io *io, int fd, struct iov_cursor *to, uint64_t length_bytes, uint64_t offset,
            bool no_wait)
{
    while (length_bytes > 0) {
        struct iovec pieces[PIECES_MAX];
        int count = iov_cursor_peek(to, length_bytes, pieces, PIECES_MAX);
        ssize_t got = io->preadv(io->context, fd, pieces, count, offset, no_wait);
        if (got == -EINTR)
            continue;
        if (got < 0)
            return (int)got;
        if (got == 0) {
            iov_cursor_zero(to, length_bytes);
            return 0;
        }
        iov_cursor_skip(to, (uint64_t)got);
        length_bytes -= (uint64_t)got;
        offset += (uint64_t)got;
    }
    return 0;
}

int io_write(const struct store_io *io, int fd, struct iov_cursor *from, uint64_t length_bytes,
             uint64_t offset)
{
    while (length_bytes > 0) {
        struct iovec pieces[PIECES_MAX];
        int count = iov_cursor_peek(from, length_bytes, pieces, PIECES_MAX);
        ssize_t put = io->pwritev(io->context, fd, pieces, count, offset);
        if (put == -EINTR)
            continue;
        if (put < 0)
            return (int)put;
        if (put == 0)
            return -EIO; /* a disk that takes nothing and gives no reason */
        iov_cursor_skip(from, (uint64_t)put);
        length_bytes -= (uint64_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

int io_read_bytes(const struct store_io *io, int fd, void *to, size_t length_bytes, uint64_t offset)
{
    struct iovec vec = {to, length_bytes};
    struct iov_cursor at = iov_cursor_over(&vec, 1);

    return io_read(io, fd, &at, length_bytes, offset, false);
}

int io_write_bytes(const struct store_io *io, int fd, const void *from, size_t length_bytes, uint64_t offset)
{
    struct iovec vec = {(void *)from, length_bytes};
    struct iov_cursor at = iov_cursor_over(&vec, 1);

    return io_write(io, fd, &at, length_bytes, offset);
}
