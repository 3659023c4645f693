/* The table of store/io.h over the kernel's own calls. */
#include "store/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static int result(int rc)
{
    return rc < 0 ? -errno : rc;
}

/* Nobody asks when a layer was last read, and noting it is a share of every read. Only the file's owner may leave it
 * out. */
static int system_open(void *context, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOATIME, 0600);

    if (fd < 0 && errno == EPERM)
        fd = open(path, flags | O_CLOEXEC, 0600);
    return result(fd);
}

static void system_close(void *context, int fd)
{
    close(fd);
}

static ssize_t system_preadv(void *context, int fd, const struct iovec *vec, int count, uint64_t offset,
                             bool no_wait)
{
    ssize_t got = preadv2(fd, vec, count, (off_t)offset, no_wait ? RWF_NOWAIT : 0);

    if (got >= 0)
        return got;
    /* File systems that cannot tell whether they would wait (tmpfs, FUSE) are taken to. */
    return no_wait && errno == EOPNOTSUPP ? -EAGAIN : -errno;
}

static ssize_t system_pwritev(void *context, int fd, const struct iovec *vec, int count, uint64_t offset)
{
    ssize_t put = pwritev(fd, vec, count, (off_t)offset);

    return put < 0 ? -errno : put;
}

static int system_punch(void *context, int fd, uint64_t offset, uint64_t length_bytes)
{
    return result(
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length_bytes));
}

static int system_allocate(void *context, int fd, uint64_t offset, uint64_t length_bytes)
{
    return result(fallocate(fd, 0, (off_t)offset, (off_t)length_bytes));
}

static int system_truncate(void *context, int fd, uint64_t size_bytes)
{
    return result(ftruncate(fd, (off_t)size_bytes));
}

static int system_fdatasync(void *context, int fd)
{
    return result(fdatasync(fd));
}

static int system_fsync(void *context, int fd)
{
    return result(fsync(fd));
}

static void system_start_writeback(void *context, int fd)
{
    (void)!sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static void system_drop_cache(void *context, int fd)
{
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void system_no_readahead(void *context, int fd)
{
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
}

static int system_lock(void *context, int fd)
{
    return result(flock(fd, LOCK_EX | LOCK_NB));
}

static int seek(int fd, uint64_t offset, int whence, uint64_t *at)
{
    off_t found = lseek(fd, (off_t)offset, whence);

    if (found < 0)
        return -errno;
    *at = (uint64_t)found;
    return 0;
}

static int system_next_hole(void *context, int fd, uint64_t offset, uint64_t *at)
{
    return seek(fd, offset, SEEK_HOLE, at);
}

static int system_next_data(void *context, int fd, uint64_t offset, uint64_t *at)
{
    return seek(fd, offset, SEEK_DATA, at);
}

static int system_mkdir(void *context, const char *path)
{
    return result(mkdir(path, 0700));
}

static int system_rmdir(void *context, const char *path)
{
    return result(rmdir(path));
}

static int system_unlink(void *context, const char *path)
{
    return result(unlink(path));
}

static int system_rename(void *context, const char *from, const char *to)
{
    return result(rename(from, to));
}

static int system_sync_directory(void *context, const char *path)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    return result(fsync(fd));
}

static int system_list(void *context, const char *path, void (*entry)(void *arg, const char *name), void *arg)
{
    DIR *dir = opendir(path);
    struct dirent *found;

    if (!dir)
        return -errno;
    while ((found = readdir(dir)))
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
            entry(arg, found->d_name);
    closedir(dir);
    return 0;
}

static int system_stat(void *context, const char *path, struct store_file_stat *out)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    *out = (struct store_file_stat){.size_bytes = (uint64_t)st.st_size,
                                    .allocated_bytes = (uint64_t)st.st_blocks * 512};
    return 0;
}

static int system_statfs(void *context, const char *path, struct store_fs_stat *out)
{
    struct statfs st;

    if (statfs(path, &st) < 0)
        return -errno;
    *out = (struct store_fs_stat){
        .total_bytes = (uint64_t)st.f_blocks * (uint64_t)st.f_bsize,
        .free_bytes = (uint64_t)st.f_bavail * (uint64_t)st.f_bsize,
        .type = (uint64_t)st.f_type & 0xffffffff,
    };
    return 0;
}

const struct store_io store_io_system = {
    .open = system_open,
    .close = system_close,
    .preadv = system_preadv,
    .pwritev = system_pwritev,
    .punch = system_punch,
    .allocate = system_allocate,
    .truncate = system_truncate,
    .fdatasync = system_fdatasync,
    .fsync = system_fsync,
    .no_readahead = system_no_readahead,
    .start_writeback = system_start_writeback,
    .drop_cache = system_drop_cache,
    .lock = system_lock,
    .next_hole = system_next_hole,
    .next_data = system_next_data,
    .mkdir = system_mkdir,
    .rmdir = system_rmdir,
    .unlink = system_unlink,
    .rename = system_rename,
    .sync_directory = system_sync_directory,
    .list = system_list,
    .stat = system_stat,
    .statfs = system_statfs,
};
