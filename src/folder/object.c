#include "folder/folder_parts.h"

#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum {
    DIRECTORY_MODE_DEFAULT = 0755,
    FILE_MODE_DEFAULT = 0644,
    BOOT_MODE = 0755, /* of everything, as FAT shows it */
    MODE_BITS = 07777,
    OBJECT_TEXT_SIZE = 96,
    NAME_XATTR_MAX = 255,
};

static const char kind_letters[] = {
    [FOLDER_FILE] = 'f',   [FOLDER_DIRECTORY] = 'd', [FOLDER_SYMLINK] = 'l',   [FOLDER_FIFO] = 'p',
    [FOLDER_SOCKET] = 's', [FOLDER_BLOCK] = 'b',     [FOLDER_CHARACTER] = 'c',
};

int object_stat(int fd, struct statx *st)
{
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, st) < 0)
        return -errno;
    return S_ISREG(st->stx_mode) || S_ISDIR(st->stx_mode) ? 0 : -ENOENT;
}

static uint64_t nanoseconds(const struct statx_timestamp *t)
{
    return (uint64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

struct folder_object object_identity(const struct statx *st)
{
    return (struct folder_object){st->stx_ino, st->stx_mask & STATX_BTIME ? nanoseconds(&st->stx_btime) : 0};
}

uint64_t object_change(const struct statx *st, const struct index_node *node)
{
    return nanoseconds(&st->stx_ctime) + (node ? node->changes : 0);
}

static struct timespec timespec_of(const struct statx_timestamp *t)
{
    return (struct timespec){t->tv_sec, t->tv_nsec};
}

/* "f 644 0 0 0 0": kind, mode, owner, group, device. */
static int read_object_text(int fd, struct folder_attributes *a)
{
    char text[OBJECT_TEXT_SIZE + 1];
    char letter;
    ssize_t length = fgetxattr(fd, FOLDER_XATTR_OBJECT, text, OBJECT_TEXT_SIZE);

    if (length < 0)
        return errno == ENODATA ? 0 : -errno;
    text[length] = '\0';
    if (sscanf(text, "%c %o %u %u %u %u", &letter, &a->mode, &a->uid, &a->gid, &a->major, &a->minor) != 6)
        return -EIO;
    const char *kind = memchr(kind_letters, letter, sizeof(kind_letters));
    if (!kind || (a->kind == FOLDER_DIRECTORY) != (letter == 'd'))
        return -EIO;
    a->kind = (enum folder_kind)(kind - kind_letters);
    a->mode &= MODE_BITS;
    return 0;
}

static void make_constant(struct folder_attributes *a)
{
    a->uid = a->gid = 0;
    a->mode = BOOT_MODE;
}

int object_attributes(const struct folder *folder, int fd, const struct statx *st,
                      const struct index_node *node, struct folder_attributes *a)
{
    bool directory = S_ISDIR(st->stx_mode);
    int r = 0;

    *a = (struct folder_attributes){
        .object = object_identity(st),
        .kind = directory ? FOLDER_DIRECTORY : FOLDER_FILE,
        .mode = directory ? DIRECTORY_MODE_DEFAULT : FILE_MODE_DEFAULT,
        .links = st->stx_nlink,
        .size_bytes = st->stx_size,
        .used_bytes = st->stx_blocks * 512,
        .change = object_change(st, node),
        .accessed = timespec_of(&st->stx_atime),
        .modified = timespec_of(&st->stx_mtime),
        .changed = timespec_of(&st->stx_ctime),
    };
    if (folder->owner == FOLDER_OWNER_MAPPED || (!directory && st->stx_mode & FOLDER_MARK))
        r = read_object_text(fd, a);
    if (folder->owner == FOLDER_OWNER_ROOT)
        make_constant(a);
    if (a->kind != FOLDER_FILE && a->kind != FOLDER_DIRECTORY && a->kind != FOLDER_SYMLINK)
        a->size_bytes = 0;
    return r;
}

int object_set_kind(const struct folder *folder, int fd, const struct folder_attributes *a)
{
    char text[OBJECT_TEXT_SIZE];
    bool marked = a->kind != FOLDER_FILE && a->kind != FOLDER_DIRECTORY;

    if (folder->owner == FOLDER_OWNER_ROOT && !marked)
        return 0;
    int length = snprintf(text, sizeof(text), "%c %o %u %u %u %u", kind_letters[a->kind], a->mode & MODE_BITS,
                          a->uid, a->gid, a->major, a->minor);
    return fsetxattr(fd, FOLDER_XATTR_OBJECT, text, (size_t)length, 0) < 0 ? -errno : 0;
}

int folder_attributes(struct folder *folder, struct folder_object object,
                      struct folder_attributes *attributes)
{
    CLEANUP_FD int fd = -1;
    struct statx st;

    pthread_mutex_lock(&folder->lock);
    const struct index_node *node = index_find(&folder->index, object.inode);
    bool is_open = node && node->file && node->object.generation == object.generation;
    int r = is_open ? object_stat(node->file->fd, &st) : resolve_object(folder, object, O_RDONLY, &fd, &st);
    if (r == 0) {
        node = index_find(&folder->index, object.inode); /* resolving may have walked */
        r = object_attributes(folder, is_open ? node->file->fd : fd, &st, node, attributes);
    }
    pthread_mutex_unlock(&folder->lock);
    return r;
}

int folder_read_link(struct folder *folder, struct folder_object object, char target[FOLDER_TARGET_MAX + 1])
{
    struct folder_attributes attributes;
    CLEANUP_FD int fd = -1;
    struct statx st;

    pthread_mutex_lock(&folder->lock);
    int r = resolve_object(folder, object, O_RDONLY, &fd, &st);
    pthread_mutex_unlock(&folder->lock);
    if (r == 0)
        r = object_attributes(folder, fd, &st, NULL, &attributes);
    if (r < 0)
        return r;
    if (attributes.kind != FOLDER_SYMLINK)
        return -EINVAL;
    ssize_t length = pread(fd, target, FOLDER_TARGET_MAX, 0);
    if (length < 0)
        return -errno;
    target[length] = '\0';
    return 0;
}

/* ---- changing ---- */

static int change_owner(struct folder *folder, int fd, const struct statx *st,
                        const struct folder_change *change)
{
    struct folder_attributes a;

    if (folder->owner == FOLDER_OWNER_ROOT || (!change->set_mode && !change->set_uid && !change->set_gid))
        return 0;
    int r = object_attributes(folder, fd, st, NULL, &a);
    if (r < 0)
        return r;
    if (change->set_mode)
        a.mode = change->mode;
    if (change->set_uid)
        a.uid = change->uid;
    if (change->set_gid)
        a.gid = change->gid;
    return object_set_kind(folder, fd, &a);
}

static struct timespec time_to_set(enum folder_time what, struct timespec given)
{
    switch (what) {
    case FOLDER_TIME_KEEP:
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    case FOLDER_TIME_NOW:
        return (struct timespec){.tv_nsec = UTIME_NOW};
    case FOLDER_TIME_GIVEN:
        break;
    }
    return given;
}

static int change_times(int fd, const struct folder_change *change)
{
    const struct timespec times[2] = {time_to_set(change->set_accessed, change->accessed),
                                      time_to_set(change->set_modified, change->modified)};

    if (change->set_accessed == FOLDER_TIME_KEEP && change->set_modified == FOLDER_TIME_KEEP)
        return 0;
    return futimens(fd, times) < 0 ? -errno : 0;
}

static int apply_change(struct folder *folder, int fd, const struct statx *st,
                        const struct folder_change *change)
{
    int r = 0;

    if (change->set_size && (S_ISDIR(st->stx_mode) || st->stx_mode & FOLDER_MARK))
        return S_ISDIR(st->stx_mode) ? -EISDIR : -EINVAL;
    if (change->set_size && ftruncate(fd, (off_t)change->size_bytes) < 0)
        r = -errno;
    if (r == 0)
        r = change_owner(folder, fd, st, change);
    if (r == 0)
        r = change_times(fd, change);
    return r;
}

int folder_change(struct folder *folder, struct folder_object object, const struct folder_change *change)
{
    CLEANUP_FD int fd = -1;
    struct statx st;

    pthread_mutex_lock(&folder->lock);
    int r = resolve_object(folder, object, change->set_size ? O_RDWR : O_RDONLY, &fd, &st);
    if (r == 0)
        r = apply_change(folder, fd, &st, change);
    struct index_node *node = index_find(&folder->index, object.inode);
    if (node)
        node->changes++;
    pthread_mutex_unlock(&folder->lock);
    if (r == 0 && !folder->filling && fsync(fd) < 0)
        r = -errno;
    return r;
}

int folder_set_xattr(struct folder *folder, struct folder_object object, const char *name, const void *value,
                     size_t length_bytes)
{
    char full[NAME_XATTR_MAX + 1];
    CLEANUP_FD int fd = -1;
    struct statx st;

    if (snprintf(full, sizeof(full), FOLDER_XATTR_OWN "%s", name) > NAME_XATTR_MAX)
        return -ENAMETOOLONG;
    pthread_mutex_lock(&folder->lock);
    int r = resolve_object(folder, object, O_RDONLY, &fd, &st);
    pthread_mutex_unlock(&folder->lock);
    if (r == 0 && fsetxattr(fd, full, value, length_bytes, 0) < 0)
        r = -errno;
    if (r == 0 && !folder->filling && fsync(fd) < 0)
        r = -errno;
    return r;
}
