#include "folder/folder_parts.h"

#include <limits.h>
#include <stdio.h>
#include <sys/xattr.h>

static int check_name(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;
    return length > FOLDER_NAME_MAX ? -ENAMETOOLONG : 0;
}

static int make_durable(const struct folder *folder, int fd)
{
    return !folder->filling && fsync(fd) < 0 ? -errno : 0;
}

/* ---- a directory while its names change ---- */

struct place {
    int fd;
    struct folder_object object;
    uint64_t before;
};

static int place_open(struct folder *folder, struct folder_object object, const char *name,
                      struct place *place)
{
    struct statx st;
    int r = check_name(name);

    place->fd = -1;
    place->object = object;
    if (r == 0)
        r = resolve_directory(folder, object, &place->fd, &st);
    if (r == 0)
        place->before = object_change(&st, index_find(&folder->index, object.inode));
    return r;
}

static void place_close(const struct place *place)
{
    cleanup_fd(&place->fd);
}

/* Its names have changed (or, if not `changed`, have not). */
static void place_step(struct folder *folder, const struct place *place, bool changed,
                       struct folder_step *step)
{
    struct index_node *node = index_find(&folder->index, place->object.inode);
    struct statx st;

    *step = (struct folder_step){place->before, place->before};
    if (!changed)
        return;
    if (node)
        node->changes++;
    step->after = object_stat(place->fd, &st) == 0 ? object_change(&st, node) : place->before + 1;
}

static int stat_name(const struct place *place, const char *name, struct statx *st)
{
    if (statx(place->fd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, st) < 0)
        return -errno;
    return S_ISREG(st->stx_mode) || S_ISDIR(st->stx_mode) ? 0 : -ENOENT;
}

static void touch_node(struct folder *folder, uint64_t inode)
{
    struct index_node *node = index_find(&folder->index, inode);

    if (node)
        node->changes++;
}

static void name_is_gone(struct folder *folder, const struct statx *st, const struct place *place,
                         const char *name)
{
    touch_node(folder, st->stx_ino);
    index_forget(&folder->index, st->stx_ino, place->object.inode, name);
    file_name_is_gone(folder, st->stx_ino);
}

/* ---- looking up ---- */

static int attributes_by_name(struct folder *folder, const struct place *place, const char *name,
                              struct statx *st, struct folder_attributes *attributes)
{
    CLEANUP_FD int fd = resolve_name(place->fd, name, O_RDONLY);

    int r = fd < 0 ? fd : object_stat(fd, st);
    if (r < 0)
        return r;
    const struct index_node *node =
        index_note(&folder->index, object_identity(st), place->object.inode, name);
    return node ? object_attributes(folder, fd, st, node, attributes) : -ENFILE;
}

int folder_lookup(struct folder *folder, struct folder_object directory, const char *name,
                  struct folder_attributes *attributes)
{
    struct place place;
    struct statx st;

    pthread_mutex_lock(&folder->lock);
    int r = place_open(folder, directory, name, &place);
    if (r == 0)
        r = attributes_by_name(folder, &place, name, &st, attributes);
    pthread_mutex_unlock(&folder->lock);
    place_close(&place);
    return r;
}

int folder_parent(struct folder *folder, struct folder_object object, struct folder_object *parent)
{
    char buffer[PATH_MAX];
    const char *path;

    *parent = folder->top;
    if (object.inode == folder->top.inode)
        return object.generation == folder->top.generation ? 0 : -ESTALE;
    pthread_mutex_lock(&folder->lock);
    int r = resolve_path(folder, object, buffer, sizeof(buffer), &path);
    if (r == 0) {
        uint64_t inode = index_find(&folder->index, object.inode)->names->parent;
        if (inode != folder->top.inode)
            *parent = index_find(&folder->index, inode)->object;
    }
    pthread_mutex_unlock(&folder->lock);
    return r;
}

/* ---- making ---- */

static int fill_file(int fd, mode_t mode, const struct folder_make *make)
{
    size_t length = make->target ? strlen(make->target) : 0;

    if (mode & FOLDER_MARK && fchmod(fd, mode) < 0) /* the umask, or open(2), may have taken the mark away */
        return -errno;
    if (make->verifier && fsetxattr(fd, FOLDER_XATTR_CREATE, make->verifier, FOLDER_VERIFIER_BYTES, 0) < 0)
        return -errno;
    if (make->kind == FOLDER_SYMLINK && pwrite(fd, make->target, length, 0) != (ssize_t)length)
        return -EIO;
    return 0;
}

static int make_file(const struct place *place, const char *name, const struct folder_make *make)
{
    mode_t mode = make->kind == FOLDER_FILE ? FOLDER_FILE_MODE : FOLDER_FILE_MODE | FOLDER_MARK;
    CLEANUP_FD int fd = openat(place->fd, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, mode);

    if (fd < 0)
        return -errno;
    int r = fill_file(fd, mode, make);
    if (r < 0) {
        unlinkat(place->fd, name, 0);
        return r;
    }
    return TAKE_FD(fd);
}

static int make_directory(const struct place *place, const char *name)
{
    if (mkdirat(place->fd, name, FOLDER_DIRECTORY_MODE) < 0)
        return -errno;
    return resolve_name(place->fd, name, O_RDONLY | O_DIRECTORY);
}

static int mark_new(const struct folder *folder, int fd, const struct folder_make *make)
{
    const struct folder_attributes attributes = {.kind = make->kind,
                                                 .mode = make->mode,
                                                 .uid = make->uid,
                                                 .gid = make->gid,
                                                 .major = make->major,
                                                 .minor = make->minor};
    int r = object_set_kind(folder, fd, &attributes);

    /* A link's target is contents, which a synced directory does not cover. */
    return r == 0 && make->kind == FOLDER_SYMLINK ? make_durable(folder, fd) : r;
}

/* Whether the exclusive creation that asks again is the one that made the file (RFC 8881 18.16.3). */
static bool made_by(const struct place *place, const char *name, const uint8_t *verifier)
{
    uint8_t kept[FOLDER_VERIFIER_BYTES];
    CLEANUP_FD int fd = resolve_name(place->fd, name, O_RDONLY);

    return fd >= 0 && fgetxattr(fd, FOLDER_XATTR_CREATE, kept, sizeof(kept)) == (ssize_t)sizeof(kept) &&
           memcmp(kept, verifier, sizeof(kept)) == 0;
}

static int make_in_place(struct folder *folder, const struct place *place, const char *name,
                         const struct folder_make *make)
{
    CLEANUP_FD int fd =
        make->kind == FOLDER_DIRECTORY ? make_directory(place, name) : make_file(place, name, make);

    int r = fd < 0 ? fd : mark_new(folder, fd, make);
    if (r < 0 && fd >= 0)
        unlinkat(place->fd, name, make->kind == FOLDER_DIRECTORY ? AT_REMOVEDIR : 0);
    return r;
}

int folder_make(struct folder *folder, struct folder_object directory, const char *name,
                const struct folder_make *make, struct folder_attributes *attributes,
                struct folder_step *step)
{
    struct place place;
    struct statx st;

    pthread_mutex_lock(&folder->lock);
    int r = place_open(folder, directory, name, &place);
    if (r == 0)
        r = make_in_place(folder, &place, name, make);
    bool made = r == 0;
    if (r == -EEXIST && make->verifier && made_by(&place, name, make->verifier))
        r = 0;
    if (r == 0) {
        place_step(folder, &place, made, step);
        r = attributes_by_name(folder, &place, name, &st, attributes);
    }
    pthread_mutex_unlock(&folder->lock);
    if (r == 0 && made)
        r = make_durable(folder, place.fd);
    place_close(&place);
    return r;
}

/* ---- removing ---- */

static int remove_in_place(struct folder *folder, const struct place *place, const char *name,
                           enum folder_remove what)
{
    struct statx st;
    int r = stat_name(place, name, &st);

    if (r < 0)
        return r;
    bool directory = S_ISDIR(st.stx_mode);
    if (what == FOLDER_REMOVE_DIRECTORY && !directory)
        return -ENOTDIR;
    if (what == FOLDER_REMOVE_OTHER && directory)
        return -EISDIR;
    if (unlinkat(place->fd, name, directory ? AT_REMOVEDIR : 0) < 0)
        return -errno;
    name_is_gone(folder, &st, place, name);
    return 0;
}

int folder_remove(struct folder *folder, struct folder_object directory, const char *name,
                  enum folder_remove what, struct folder_step *step)
{
    struct place place;

    pthread_mutex_lock(&folder->lock);
    int r = place_open(folder, directory, name, &place);
    if (r == 0)
        r = remove_in_place(folder, &place, name, what);
    if (r == 0)
        place_step(folder, &place, true, step);
    pthread_mutex_unlock(&folder->lock);
    if (r == 0)
        r = make_durable(folder, place.fd);
    place_close(&place);
    return r;
}

/* ---- renaming and linking ---- */

struct renaming {
    struct place from, to;
    const char *from_name, *to_name;
    bool changed;
};

static int rename_in_place(struct folder *folder, struct renaming *renaming)
{
    const struct place *from = &renaming->from, *to = &renaming->to;
    struct statx moved, replaced;
    int r = stat_name(from, renaming->from_name, &moved);

    if (r < 0)
        return r;
    bool replaces = stat_name(to, renaming->to_name, &replaced) == 0;
    if (replaces &&
        replaced.stx_ino == moved.stx_ino) /* two names of one object, or one name: nothing is done */
        return 0;
    if (renameat(from->fd, renaming->from_name, to->fd, renaming->to_name) < 0)
        return -errno;
    renaming->changed = true;
    if (replaces)
        name_is_gone(folder, &replaced, to, renaming->to_name);
    index_note(&folder->index, object_identity(&moved), to->object.inode, renaming->to_name);
    index_forget(&folder->index, moved.stx_ino, from->object.inode, renaming->from_name);
    touch_node(folder, moved.stx_ino);
    return 0;
}

static int rename_durably(struct folder *folder, const struct renaming *renaming)
{
    int r = 0;

    if (renaming->changed)
        r = make_durable(folder, renaming->to.fd);
    if (r == 0 && renaming->changed && renaming->from.object.inode != renaming->to.object.inode)
        r = make_durable(folder, renaming->from.fd);
    return r;
}

int folder_rename(struct folder *folder, struct folder_object from, const char *from_name,
                  struct folder_object to, const char *to_name, struct folder_step *from_step,
                  struct folder_step *to_step)
{
    struct renaming renaming = {.from_name = from_name, .to_name = to_name, .to.fd = -1};

    pthread_mutex_lock(&folder->lock);
    int r = place_open(folder, from, from_name, &renaming.from);
    if (r == 0)
        r = place_open(folder, to, to_name, &renaming.to);
    if (r == 0)
        r = rename_in_place(folder, &renaming);
    if (r == 0) {
        place_step(folder, &renaming.from, renaming.changed, from_step);
        place_step(folder, &renaming.to, renaming.changed, to_step);
    }
    pthread_mutex_unlock(&folder->lock);
    if (r == 0)
        r = rename_durably(folder, &renaming);
    place_close(&renaming.from);
    place_close(&renaming.to);
    return r;
}

static int link_in_place(struct folder *folder, struct folder_object object, const struct place *place,
                         const char *name)
{
    char buffer[PATH_MAX];
    const char *path;
    int r = resolve_path(folder, object, buffer, sizeof(buffer), &path);

    if (r < 0)
        return r;
    if (linkat(folder->fd, path, place->fd, name, 0) < 0)
        return -errno;
    index_note(&folder->index, object, place->object.inode, name);
    touch_node(folder, object.inode);
    return 0;
}

int folder_link(struct folder *folder, struct folder_object object, struct folder_object directory,
                const char *name, struct folder_step *step)
{
    struct place place;

    pthread_mutex_lock(&folder->lock);
    int r = place_open(folder, directory, name, &place);
    if (r == 0)
        r = link_in_place(folder, object, &place, name);
    if (r == 0)
        place_step(folder, &place, true, step);
    pthread_mutex_unlock(&folder->lock);
    if (r == 0)
        r = make_durable(folder, place.fd);
    place_close(&place);
    return r;
}

/* ---- listing ---- */

struct listing {
    struct folder *folder;
    struct place place;
    bool with_attributes;
    bool (*fn)(void *arg, const struct folder_entry *entry);
    void *arg;
};

static bool show_entry(void *arg, const struct raw_entry *raw)
{
    struct listing *listing = arg;
    struct folder_attributes attributes;
    struct folder_entry entry = {.name = raw->name, .inode = raw->inode, .cookie = raw->cookie};
    struct statx st;
    int r = 0;

    if (listing->with_attributes) {
        pthread_mutex_lock(&listing->folder->lock);
        r = attributes_by_name(listing->folder, &listing->place, raw->name, &st, &attributes);
        pthread_mutex_unlock(&listing->folder->lock);
        entry.attributes = &attributes;
    }
    /* What was removed meanwhile, or is not ours, is passed over. */
    return r < 0 || listing->fn(listing->arg, &entry);
}

int folder_list(struct folder *folder, struct folder_object directory, uint64_t cookie, bool with_attributes,
                bool (*fn)(void *arg, const struct folder_entry *entry), void *arg, bool *ended)
{
    struct listing listing = {.folder = folder, .with_attributes = with_attributes, .fn = fn, .arg = arg};

    pthread_mutex_lock(&folder->lock);
    int r = place_open(folder, directory, "any", &listing.place);
    pthread_mutex_unlock(&folder->lock);
    if (r == 0)
        r = resolve_list(listing.place.fd, cookie, show_entry, &listing, ended);
    place_close(&listing.place);
    return r;
}
