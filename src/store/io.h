/*
 * Everything the store asks of a file system, as one table of functions.
 *
 * The store calls nothing else that touches files, so that a simulated disk can stand below it and cut its
 * power between any two calls. The table is plain: one function is one system call, made once. Repeating
 * after a signal and going on after a short count is done here, in io_read and io_write, for all tables
 * alike.
 */
#pragma once

#include "base/base.h"
#include "store/iov.h"

struct store_file_stat {
    uint64_t size_bytes;
    uint64_t allocated_bytes;
};

struct store_fs_stat {
    uint64_t total_bytes;
    uint64_t free_bytes; /* to us, who may not be root */
    uint64_t type;       /* the magic number of statfs(2) */
};

/* Functions give 0 (or a descriptor, or a count) or a negative errno. Paths are absolute. */
struct store_io {
    void *context;
    const char *sqlite_vfs; /* what meta.db is opened through; NULL: SQLite's default */

    int (*open)(void *context, const char *path, int flags); /* open(2) flags; close-on-exec; mode 0600 */
    void (*close)(void *context, int fd);
    /* `no_wait`: only what is in memory (RWF_NOWAIT), else -EAGAIN. 0 is the end of the file. */
    ssize_t (*preadv)(void *context, int fd, const struct iovec *vec, int count, uint64_t offset,
                      bool no_wait);
    ssize_t (*pwritev)(void *context, int fd, const struct iovec *vec, int count, uint64_t offset);
    int (*punch)(void *context, int fd, uint64_t offset, uint64_t length_bytes); /* keeps the file's size */
    int (*allocate)(void *context, int fd, uint64_t offset, uint64_t length_bytes);
    int (*truncate)(void *context, int fd, uint64_t size_bytes);
    int (*fdatasync)(void *context, int fd);
    int (*fsync)(void *context, int fd);
    /* Reads bring only what they ask for into memory: a hint. */
    void (*no_readahead)(void *context, int fd);
    /* Begins writing back what is dirty and makes nothing durable: a hint. */
    void (*start_writeback)(void *context, int fd);
    /* Forgets what is cached and not waiting to be written, so that reads see what the disk holds. */
    void (*drop_cache)(void *context, int fd);
    int (*lock)(void *context,
                int fd); /* exclusive, of the whole file; -EWOULDBLOCK if another process has it */
    /* The first hole at or after `offset`, or the end of the file, and the same for data: SEEK_HOLE,
     * SEEK_DATA. */
    int (*next_hole)(void *context, int fd, uint64_t offset, uint64_t *at);
    int (*next_data)(void *context, int fd, uint64_t offset, uint64_t *at); /* -ENXIO: none up to the end */

    int (*mkdir)(void *context, const char *path);
    int (*rmdir)(void *context, const char *path);
    int (*unlink)(void *context, const char *path);
    int (*rename)(void *context, const char *from, const char *to);
    int (*sync_directory)(void *context, const char *path);
    /* Calls `entry` for every name but "." and "..". */
    int (*list)(void *context, const char *path, void (*entry)(void *arg, const char *name), void *arg);
    int (*stat)(void *context, const char *path, struct store_file_stat *stat);
    int (*statfs)(void *context, const char *path, struct store_fs_stat *stat);
};

/* The real thing. */
extern const struct store_io store_io_system;

/* Reads `length_bytes` to where the cursor stands, and moves it. Beyond the end of the file are zeros. With
 * `no_wait` -EAGAIN as soon as one byte is not in memory. */
int io_read(const struct store_io *io, int fd, struct iov_cursor *to, uint64_t length_bytes, uint64_t offset,
            bool no_wait);
int io_write(const struct store_io *io, int fd, struct iov_cursor *from, uint64_t length_bytes,
             uint64_t offset);
int io_read_bytes(const struct store_io *io, int fd, void *to, size_t length_bytes, uint64_t offset);
int io_write_bytes(const struct store_io *io, int fd, const void *from, size_t length_bytes, uint64_t offset);
