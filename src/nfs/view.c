#include "nfs/view.h"

#include "base/bytes.h"

enum { FIRST_COOKIE = 3 };

/* ---- directories above the exports: every beginning of an export's path ---- */

static struct nfs_object above(const char *path, size_t path_bytes)
{
    return (struct nfs_object){.path = path, .path_bytes = path_bytes, .set = true};
}

static struct nfs_object top_of(const struct nfs_export *export)
{
    return (struct nfs_object){.export = export, .object = folder_top(export->folder), .set = true};
}

struct nfs_object view_root(const struct nfs_view *view)
{
    return above("", 0);
}

static bool is_below(const struct nfs_export *export, const struct nfs_object *directory)
{
    return strncmp(export->path, directory->path, directory->path_bytes) == 0 &&
           export->path[directory->path_bytes] == '/';
}

/* The component of an export's path that follows the directory. */
static size_t next_component(const struct nfs_export *export, const struct nfs_object *directory,
                             const char **name)
{
    *name = export->path + directory->path_bytes + 1;
    return strcspn(*name, "/");
}

/* What stands at `directory`/component: an export, or a directory that leads to one. */
static struct nfs_object child_of(const struct nfs_export *export, const struct nfs_object *directory,
                                  size_t length)
{
    size_t path_bytes = directory->path_bytes + 1 + length;

    return export->path[path_bytes] ? above(export->path, path_bytes) : top_of(export);
}

static int lookup_above(const struct nfs_view *view, const struct nfs_object *directory, const char *name,
                        struct nfs_object *object)
{
    for (size_t i = 0; i < view->exports->count; i++) {
        const struct nfs_export *export = &view->exports->list[i];
        const char *component;
        if (!is_below(export, directory))
            continue;
        size_t length = next_component(export, directory, &component);
        if (strlen(name) == length && memcmp(name, component, length) == 0) {
            *object = child_of(export, directory, length);
            return 0;
        }
    }
    return -ENOENT;
}

static uint64_t number_of_path(const struct nfs_view *view, const char *path, size_t path_bytes)
{
    return siphash(view->key, path, path_bytes) | 1;
}

static int find_above(const struct nfs_view *view, uint64_t number, struct nfs_object *object)
{
    *object = view_root(view);
    if (number_of_path(view, "", 0) == number)
        return 0;
    for (size_t i = 0; i < view->exports->count; i++) {
        const char *path = view->exports->list[i].path;
        for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
            *object = above(path, (size_t)(end - path));
            if (number_of_path(view, path, object->path_bytes) == number)
                return 0;
        }
    }
    return -ESTALE;
}

static void attributes_above(const struct nfs_view *view, const struct nfs_object *object,
                             struct folder_attributes *a)
{
    struct timespec started = {(time_t)(view->started_ns / 1000000000),
                               (long)(view->started_ns % 1000000000)};

    *a = (struct folder_attributes){
        .object.inode = number_of_path(view, object->path, object->path_bytes),
        .kind = FOLDER_DIRECTORY,
        .mode = 0555,
        .links = 2,
        .size_bytes = 4096,
        .used_bytes = 4096,
        .change = view->started_ns,
        .accessed = started,
        .modified = started,
        .changed = started,
    };
}

int view_find(const struct nfs_view *view, const char *path, struct nfs_object *object)
{
    char name[FOLDER_NAME_MAX + 1];
    struct folder_attributes attributes;
    int r = 0;

    *object = view_root(view);
    while (r == 0 && *(path += strspn(path, "/"))) {
        size_t length = strcspn(path, "/");
        const struct nfs_object directory = *object;
        if (length > FOLDER_NAME_MAX)
            return -ENOENT;
        memcpy(name, path, length);
        name[length] = '\0';
        r = directory.export ? view_lookup(view, &directory, name, object, &attributes)
                             : lookup_above(view, &directory, name, object);
        path += length;
    }
    return r;
}

/* ---- handles: folder, inode, generation, and our signature ---- */

void view_handle(const struct nfs_view *view, const struct nfs_object *object,
                 uint8_t handle[NFS_HANDLE_BYTES])
{
    struct writer w = writer_over(handle, NFS_HANDLE_BYTES);

    writer_be64(&w, view_file_system(object));
    writer_be64(&w, object->export ? object->object.inode
                                   : number_of_path(view, object->path, object->path_bytes));
    writer_be64(&w, object->export ? object->object.generation : 0);
    writer_be64(&w, siphash(view->key, handle, w.offset));
}

int view_resolve(const struct nfs_view *view, const uint8_t *handle, size_t length_bytes,
                 struct nfs_object *object)
{
    struct reader r = reader_over(handle, length_bytes);
    uint64_t folder = reader_be64(&r);
    struct folder_object inside = {.inode = reader_be64(&r)};

    inside.generation = reader_be64(&r);
    if (length_bytes != NFS_HANDLE_BYTES ||
        reader_be64(&r) != siphash(view->key, handle, NFS_HANDLE_BYTES - 8))
        return -EBADF;
    if (folder == 0)
        return find_above(view, inside.inode, object);
    for (size_t i = 0; i < view->exports->count; i++) {
        const struct nfs_export *export = &view->exports->list[i];
        if (folder_id(export->folder) == folder) {
            *object = (struct nfs_object){.export = export, .object = inside, .set = true};
            return 0;
        }
    }
    return -ESTALE;
}

uint64_t view_file_system(const struct nfs_object *object)
{
    return object->export ? folder_id(object->export->folder) : 0;
}

static bool is_top(const struct nfs_object *object)
{
    return object->export && object->object.inode == folder_top(object->export->folder).inode;
}

uint64_t view_number_above(const struct nfs_view *view, const struct nfs_object *object,
                           const struct folder_attributes *attributes)
{
    if (!is_top(object))
        return attributes->object.inode;
    return number_of_path(view, object->export->path, strlen(object->export->path));
}

/* ---- looking ---- */

int view_attributes(const struct nfs_view *view, const struct nfs_object *object, struct folder_attributes *a)
{
    if (object->export)
        return folder_attributes(object->export->folder, object->object, a);
    attributes_above(view, object, a);
    return 0;
}

int view_may(const struct nfs_view *view, const struct folder_attributes *a, uint32_t may)
{
    return may & ~permission_of(a, view->credential) ? -EACCES : 0;
}

/* The directory's attributes are asked for only where a mode can forbid anything. */
static int may_in_directory(const struct nfs_view *view, const struct nfs_object *directory, uint32_t may)
{
    struct folder_attributes a;

    if (may & MAY_WRITE && (!directory->export || directory->export->read_only))
        return -EROFS;
    if (view->credential->uid == 0)
        return 0;
    int r = view_attributes(view, directory, &a);
    if (r == 0 && a.kind != FOLDER_DIRECTORY)
        return -ENOTDIR;
    return r < 0 ? r : view_may(view, &a, may);
}

int view_lookup(const struct nfs_view *view, const struct nfs_object *directory, const char *name,
                struct nfs_object *object, struct folder_attributes *a)
{
    struct nfs_object found;
    int r = may_in_directory(view, directory, MAY_EXECUTE);

    if (r < 0)
        return r;
    if (!directory->export) {
        r = lookup_above(view, directory, name, &found);
        if (r == 0)
            r = view_attributes(view, &found, a);
    } else {
        found = *directory;
        r = folder_lookup(directory->export->folder, directory->object, name, a);
        found.object = a->object;
    }
    if (r == 0)
        *object = found;
    return r;
}

int view_parent(const struct nfs_view *view, const struct nfs_object *object, struct nfs_object *parent)
{
    const char *path = object->export ? object->export->path : object->path;
    size_t path_bytes = object->export ? strlen(path) : object->path_bytes;

    if (object->export && !is_top(object)) {
        struct nfs_object found = *object;
        int r = folder_parent(object->export->folder, object->object, &found.object);
        if (r == 0)
            *parent = found;
        return r;
    }
    if (path_bytes == 0)
        return -ENOENT;
    while (path[--path_bytes] != '/')
        ;
    *parent = above(path, path_bytes);
    return 0;
}

int view_read_link(const struct nfs_object *object, char target[FOLDER_TARGET_MAX + 1])
{
    return object->export ? folder_read_link(object->export->folder, object->object, target) : -EINVAL;
}

static bool was_listed(const struct nfs_view *view, const struct nfs_object *directory, size_t index)
{
    const char *name, *earlier;
    size_t length = next_component(&view->exports->list[index], directory, &name);

    for (size_t i = 0; i < index; i++) {
        if (is_below(&view->exports->list[i], directory) &&
            next_component(&view->exports->list[i], directory, &earlier) == length &&
            memcmp(name, earlier, length) == 0)
            return true;
    }
    return false;
}

static int list_above(const struct nfs_view *view, const struct nfs_object *directory, uint64_t cookie,
                      bool (*fn)(void *arg, const struct folder_entry *entry), void *arg, bool *ended)
{
    char text[FOLDER_NAME_MAX + 1];
    const char *name;

    *ended = false;
    for (size_t i = cookie ? cookie - FIRST_COOKIE + 1 : 0; i < view->exports->count; i++) {
        const struct nfs_export *export = &view->exports->list[i];
        struct folder_attributes a;
        if (!is_below(export, directory) || was_listed(view, directory, i))
            continue;
        size_t length = MIN(next_component(export, directory, &name), sizeof(text) - 1);
        struct nfs_object child = child_of(export, directory, length);
        if (view_attributes(view, &child, &a) < 0)
            continue;
        memcpy(text, name, length);
        text[length] = '\0';
        struct folder_entry entry = {text, view_number_above(view, &child, &a), i + FIRST_COOKIE, &a};
        if (!fn(arg, &entry))
            return 0;
    }
    *ended = true;
    return 0;
}

int view_list(const struct nfs_view *view, const struct nfs_object *directory, uint64_t cookie,
              bool with_attributes, bool (*fn)(void *arg, const struct folder_entry *entry), void *arg,
              bool *ended)
{
    int r = may_in_directory(view, directory, MAY_READ);

    if (r < 0)
        return r;
    if (!directory->export)
        return list_above(view, directory, cookie, fn, arg, ended);
    return folder_list(directory->export->folder, directory->object, cookie, with_attributes, fn, arg, ended);
}

int view_open(const struct nfs_view *view, const struct nfs_object *object, uint32_t may,
              struct folder_file **file)
{
    struct folder_attributes a;
    int r;

    if (!object->export)
        return -EISDIR;
    if (may & MAY_WRITE && object->export->read_only)
        return -EROFS;
    r = folder_file_open(object->export->folder, object->object, file);
    if (r < 0 || view->credential->uid == 0)
        return r;
    r = folder_file_attributes(*file, &a);
    /* The owner may always: he had it open before he took his own right away (RFC 1813 4.4). */
    if (r == 0 && view->credential->uid != a.uid)
        r = view_may(view, &a, may);
    if (r < 0)
        folder_file_put(TAKE_PTR(*file));
    return r;
}

/* ---- changing ---- */

/* What giving a file away does to the bits that lend its owner's rights. */
static void clear_lent_rights(const struct folder_attributes *a, struct folder_change *change)
{
    if (a->kind != FOLDER_FILE || change->set_mode || (!change->set_uid && !change->set_gid) ||
        !(a->mode & 06000))
        return;
    change->set_mode = true;
    change->mode = a->mode & ~(04000u | (a->mode & 010 ? 02000u : 0));
}

int view_change(const struct nfs_view *view, const struct nfs_object *object, struct folder_change *change,
                bool writable)
{
    struct folder_attributes a;

    if (!object->export || object->export->read_only)
        return -EROFS;
    int r = view_attributes(view, object, &a);
    if (r == 0)
        r = permission_to_change(&a, view->credential, change, writable);
    if (r < 0)
        return r;
    clear_lent_rights(&a, change);
    return folder_change(object->export->folder, object->object, change);
}

int view_make(const struct nfs_view *view, const struct nfs_object *directory, const char *name,
              struct folder_make *make, struct nfs_object *object, struct folder_attributes *a,
              struct folder_step *step)
{
    struct folder_attributes parent;
    int r = may_in_directory(view, directory, MAY_WRITE | MAY_EXECUTE);

    if (r == 0)
        r = view_attributes(view, directory, &parent);
    if (r < 0)
        return r;
    make->uid = view->credential->uid;
    make->gid = view->credential->gid;
    if (parent.mode & 02000) { /* such a directory hands its group down */
        make->gid = parent.gid;
        make->mode |= make->kind == FOLDER_DIRECTORY ? 02000 : 0;
    }
    r = folder_make(directory->export->folder, directory->object, name, make, a, step);
    if (r == 0) {
        *object = *directory;
        object->object = a->object;
    }
    return r;
}

/* In a directory like /tmp everybody removes only what is his own. */
static int check_sticky(const struct nfs_view *view, const struct nfs_object *directory, const char *name)
{
    struct folder_attributes parent, a;
    struct nfs_object object;

    if (view->credential->uid == 0)
        return 0;
    int r = view_attributes(view, directory, &parent);
    if (r < 0 || !(parent.mode & 01000) || parent.uid == view->credential->uid)
        return r;
    if (view_lookup(view, directory, name, &object, &a) < 0) /* nothing there that could be somebody's */
        return 0;
    return a.uid != view->credential->uid ? -EPERM : 0;
}

int view_remove(const struct nfs_view *view, const struct nfs_object *directory, const char *name,
                enum folder_remove what, struct folder_step *step)
{
    int r = may_in_directory(view, directory, MAY_WRITE | MAY_EXECUTE);

    if (r == 0)
        r = check_sticky(view, directory, name);
    return r < 0 ? r : folder_remove(directory->export->folder, directory->object, name, what, step);
}

int view_rename(const struct nfs_view *view, const struct nfs_object *from, const char *from_name,
                const struct nfs_object *to, const char *to_name, struct folder_step *from_step,
                struct folder_step *to_step)
{
    int r = may_in_directory(view, from, MAY_WRITE | MAY_EXECUTE);

    if (r == 0)
        r = may_in_directory(view, to, MAY_WRITE | MAY_EXECUTE);
    if (r == 0)
        r = check_sticky(view, from, from_name);
    if (r == 0)
        r = check_sticky(view, to, to_name);
    if (r == 0 && from->export != to->export)
        r = -EXDEV;
    return r < 0 ? r
                 : folder_rename(from->export->folder, from->object, from_name, to->object, to_name,
                                 from_step, to_step);
}

int view_link(const struct nfs_view *view, const struct nfs_object *object,
              const struct nfs_object *directory, const char *name, struct folder_step *step)
{
    int r = may_in_directory(view, directory, MAY_WRITE | MAY_EXECUTE);

    if (r == 0 && object->export != directory->export)
        r = -EXDEV;
    return r < 0 ? r : folder_link(directory->export->folder, object->object, directory->object, name, step);
}
