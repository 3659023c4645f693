#include "folder/folder_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

enum { IDENTITY_TEXT_SIZE = 64 };

static const char *const owner_names[] = {[FOLDER_OWNER_ROOT] = "root", [FOLDER_OWNER_MAPPED] = "mapped"};

char *folder_place(const char *store_path, const char *kind, uint64_t machine_id)
{
    return xasprintf("%s/folders/%s-%llu", store_path, kind, (unsigned long long)machine_id);
}

/* ---- identity: "mapped 0123456789abcdef" ---- */

static int write_identity(int fd, enum folder_owner owner)
{
    char text[IDENTITY_TEXT_SIZE];
    uint64_t id = 0;

    while (!id) {
        if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
            return -EIO;
    }
    int length = snprintf(text, sizeof(text), "%s %016" PRIx64, owner_names[owner], id);
    return fsetxattr(fd, FOLDER_XATTR_IDENTITY, text, (size_t)length, XATTR_CREATE) < 0 ? -errno : 0;
}

static int read_identity(int fd, enum folder_owner *owner, uint64_t *id)
{
    char text[IDENTITY_TEXT_SIZE], name[IDENTITY_TEXT_SIZE];
    ssize_t length = fgetxattr(fd, FOLDER_XATTR_IDENTITY, text, sizeof(text) - 1);

    if (length < 0)
        return -errno;
    text[length] = '\0';
    if (sscanf(text, "%63s %16" SCNx64, name, id) != 2 || !*id)
        return -EIO;
    for (size_t i = 0; i < ARRAY_SIZE(owner_names); i++) {
        if (strcmp(owner_names[i], name) == 0) {
            *owner = (enum folder_owner)i;
            return 0;
        }
    }
    return -EIO;
}

int folder_create(const char *path, enum folder_owner owner, struct error *error)
{
    if (mkdir(path, FOLDER_DIRECTORY_MODE) < 0)
        return error_set_errno(error, -errno, "%s: cannot be created", path);
    CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 ? -errno : write_identity(fd, owner);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == -EOPNOTSUPP)
        error_set(error, r, "%s: its file system keeps no extended attributes (user.*)", path);
    else if (r < 0)
        error_set_errno(error, r, "%s: cannot be prepared", path);
    if (r < 0)
        rmdir(path);
    return r;
}

/* ---- life ---- */

static int prepare(struct folder *folder)
{
    struct statx st;
    int r = read_identity(folder->fd, &folder->owner, &folder->id);

    if (r == 0)
        r = object_stat(folder->fd, &st);
    if (r < 0)
        return r;
    folder->top = object_identity(&st);
    index_note(&folder->index, folder->top, 0, NULL);
    return 0;
}

int folder_open(const char *path, struct folder **folder, struct error *error)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return error_set_errno(error, -errno, "%s: cannot be opened", path);
    CLEANUP(cleanup_folder) struct folder *opened = xcalloc(1, sizeof(*opened));
    opened->fd = TAKE_FD(fd);
    opened->references = 1;
    pthread_mutex_init(&opened->lock, NULL);
    index_init(&opened->index);
    int r = prepare(opened);
    if (r == -ENODATA)
        return error_set(error, r, "%s: is no folder that farboot made", path);
    if (r < 0)
        return error_set_errno(error, r, "%s: cannot be read", path);
    *folder = TAKE_PTR(opened);
    return 0;
}

struct folder *folder_ref(struct folder *folder)
{
    atomic_fetch_add(&folder->references, 1);
    return folder;
}

void folder_unref(struct folder *folder)
{
    if (!folder || atomic_fetch_sub(&folder->references, 1) != 1)
        return;
    file_close_idle(folder);
    index_end(&folder->index);
    pthread_mutex_destroy(&folder->lock);
    close(folder->fd);
    free(folder);
}

uint64_t folder_id(const struct folder *folder)
{
    return folder->id;
}

enum folder_owner folder_owner(const struct folder *folder)
{
    return folder->owner;
}

struct folder_object folder_top(const struct folder *folder)
{
    return folder->top;
}

void folder_set_filling(struct folder *folder, bool filling)
{
    folder->filling = filling;
}

int folder_sync(struct folder *folder)
{
    return syncfs(folder->fd) < 0 ? -errno : 0;
}

int folder_space(struct folder *folder, struct folder_space *space)
{
    struct statvfs st;

    if (fstatvfs(folder->fd, &st) < 0)
        return -errno;
    *space = (struct folder_space){
        .total_bytes = st.f_blocks * st.f_frsize,
        .free_bytes = st.f_bfree * st.f_frsize,
        .available_bytes = st.f_bavail * st.f_frsize,
        .total_files = st.f_files,
        .free_files = st.f_ffree,
    };
    return 0;
}
