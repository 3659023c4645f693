#include "base/clock.h"
#include "folder/folder_parts.h"

#include <dirent.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

enum {
    LISTING_BYTES = 32768,
    /* A machine that asks for what is gone must not make us walk all the time. */
    WALK_INTERVAL_MS = 10 * 1000,
};

static int open_beneath(int directory, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    long fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));

    if (fd >= 0)
        return (int)fd;
    /* Links and sockets of others: not ours, not there. */
    return errno == ELOOP || errno == ENXIO || errno == EXDEV ? -ENOENT : -errno;
}

int resolve_name(int directory, const char *name, int flags)
{
    return open_beneath(directory, name, flags);
}

/* ---- listing ---- */

/* As the kernel gives it (getdents64(2)). */
static bool show_entries(const uint8_t *bytes, size_t length_bytes,
                         bool (*fn)(void *, const struct raw_entry *), void *arg)
{
    for (size_t at = 0; at < length_bytes;) {
        const struct dirent64 *d = (const struct dirent64 *)(bytes + at);
        const struct raw_entry entry = {d->d_ino, (uint64_t)d->d_off, d->d_type, d->d_name};
        at += d->d_reclen;
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (!fn(arg, &entry))
            return false;
    }
    return true;
}

int resolve_list(int directory, uint64_t cookie, bool (*fn)(void *arg, const struct raw_entry *entry),
                 void *arg, bool *ended)
{
    CLEANUP_FREE uint8_t *buffer = xcalloc(1, LISTING_BYTES);

    *ended = false;
    if (lseek(directory, (off_t)cookie, SEEK_SET) < 0)
        return -errno;
    for (;;) {
        long got = syscall(SYS_getdents64, directory, buffer, LISTING_BYTES);
        if (got < 0)
            return -errno;
        if (got == 0) {
            *ended = true;
            return 0;
        }
        if (!show_entries(buffer, (size_t)got, fn, arg))
            return 0;
    }
}

/* ---- walking: all names become known ---- */

struct walk {
    struct folder *folder;
    struct folder_object *queue; /* directories still to be read */
    size_t count, capacity;
    struct folder_object directory;
    int fd;
};

static void enqueue(struct walk *walk, struct folder_object directory)
{
    if (walk->count == walk->capacity) {
        walk->capacity = MAX(walk->capacity * 2, (size_t)64);
        walk->queue = xrealloc(walk->queue, walk->capacity, sizeof(*walk->queue));
    }
    walk->queue[walk->count++] = directory;
}

static bool note_entry(void *arg, const struct raw_entry *entry)
{
    struct walk *walk = arg;
    struct statx st;

    if (statx(walk->fd, entry->name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st) < 0 ||
        (!S_ISREG(st.stx_mode) && !S_ISDIR(st.stx_mode)))
        return true;
    struct folder_object object = object_identity(&st);
    if (!index_note(&walk->folder->index, object, walk->directory.inode, entry->name))
        return false;
    if (S_ISDIR(st.stx_mode))
        enqueue(walk, object);
    return true;
}

static int open_known(struct folder *folder, struct folder_object object, int flags, int *fd,
                      struct statx *st);

static void walk_all(struct folder *folder)
{
    struct walk walk = {.folder = folder};
    struct statx st;
    bool ended;

    enqueue(&walk, folder->top);
    while (walk.count) {
        walk.directory = walk.queue[--walk.count];
        if (open_known(folder, walk.directory, O_RDONLY | O_DIRECTORY, &walk.fd, &st) < 0)
            continue;
        resolve_list(walk.fd, 0, note_entry, &walk, &ended);
        close(walk.fd);
    }
    free(walk.queue);
}

static bool may_walk(struct folder *folder)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (now_ms < folder->next_walk_ms)
        return false;
    walk_all(folder);
    folder->next_walk_ms = clock_monotonic_ms() + WALK_INTERVAL_MS;
    return true;
}

/* ---- from identity to descriptor ---- */

static bool same_object(struct folder_object a, struct folder_object b)
{
    return a.inode == b.inode && a.generation == b.generation;
}

static int open_and_verify(struct folder *folder, const char *path, struct folder_object object, int flags,
                           int *fd, struct statx *st)
{
    CLEANUP_FD int opened = open_beneath(folder->fd, path, flags);
    int r = opened < 0 ? opened : object_stat(opened, st);

    if (r < 0)
        return r;
    if (!same_object(object_identity(st), object))
        return -ENOENT;
    *fd = TAKE_FD(opened);
    return 0;
}

/* By one of its names. One that proves wrong is forgotten; gives -ENOENT when none is left. */
static int open_by_name(struct folder *folder, struct index_node *node, int flags, int *fd, struct statx *st)
{
    struct folder_object object = node->object;
    char buffer[PATH_MAX];
    const char *path;

    while (node && node->names) {
        struct index_name *name = node->names;
        int r = index_path(&folder->index, folder->top.inode, name, buffer, sizeof(buffer), &path);
        if (r == 0)
            r = open_and_verify(folder, path, object, flags, fd, st);
        if (r != -ENOENT && r != -ENOTDIR)
            return r;
        CLEANUP_FREE char *text = xstrdup(name->name);
        index_forget(&folder->index, object.inode, name->parent, text);
        node = index_find(&folder->index, object.inode);
    }
    return -ENOENT;
}

/* What has no name any more but is open. */
static int open_nameless(const struct index_node *node, int *fd, struct statx *st)
{
    if (!node || !node->file)
        return -ENOENT;
    CLEANUP_FD int opened = fcntl(node->file->fd, F_DUPFD_CLOEXEC, 0);
    int r = opened < 0 ? -errno : object_stat(opened, st);
    if (r == 0)
        *fd = TAKE_FD(opened);
    return r;
}

static int open_known(struct folder *folder, struct folder_object object, int flags, int *fd,
                      struct statx *st)
{
    struct index_node *node = index_find(&folder->index, object.inode);

    if (same_object(object, folder->top))
        return open_and_verify(folder, ".", object, flags, fd, st);
    if (!node || node->object.generation != object.generation)
        return -ENOENT;
    int r = open_by_name(folder, node, flags, fd, st);
    return r == -ENOENT ? open_nameless(index_find(&folder->index, object.inode), fd, st) : r;
}

int resolve_object(struct folder *folder, struct folder_object object, int flags, int *fd, struct statx *st)
{
    int r = open_known(folder, object, flags, fd, st);

    if (r == -ENOENT && may_walk(folder))
        r = open_known(folder, object, flags, fd, st);
    return r == -ENOENT ? -ESTALE : r;
}

int resolve_directory(struct folder *folder, struct folder_object object, int *fd, struct statx *st)
{
    int r = resolve_object(folder, object, O_RDONLY, fd, st);

    if (r < 0)
        return r;
    if (S_ISDIR(st->stx_mode))
        return 0;
    close(*fd);
    return -ENOTDIR;
}

int resolve_path(struct folder *folder, struct folder_object object, char *buffer, size_t buffer_bytes,
                 const char **path)
{
    struct statx st;
    int fd;
    int r = resolve_object(folder, object, O_RDONLY, &fd, &st);

    if (r < 0)
        return r;
    close(fd);
    const struct index_node *node = index_find(&folder->index, object.inode);
    if (!node || !node->names)
        return -ESTALE;
    return index_path(&folder->index, folder->top.inode, node->names, buffer, buffer_bytes, path);
}
