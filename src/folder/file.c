#include "folder/folder_parts.h"

/* ---- which stay open after their last use: a list by age ---- */

static void leave_idle(struct folder_file *file)
{
    struct folder *folder = file->folder;

    *(file->older ? &file->older->newer : &folder->oldest) = file->newer;
    *(file->newer ? &file->newer->older : &folder->newest) = file->older;
    file->older = file->newer = NULL;
    folder->idle_count--;
}

static void become_idle(struct folder_file *file)
{
    struct folder *folder = file->folder;

    file->older = folder->newest;
    *(folder->newest ? &folder->newest->newer : &folder->oldest) = file;
    folder->newest = file;
    folder->idle_count++;
}

static void close_file(struct folder_file *file)
{
    struct index_node *node = file->node;

    close(file->fd);
    node->file = NULL;
    index_drop_if_unused(&file->folder->index, node);
    free(file);
}

static void close_idle(struct folder_file *file)
{
    leave_idle(file);
    close_file(file);
}

void file_close_idle(struct folder *folder)
{
    while (folder->oldest)
        close_idle(folder->oldest);
}

void file_name_is_gone(struct folder *folder, uint64_t inode)
{
    struct index_node *node = index_find(&folder->index, inode);

    if (node && !node->names && node->file && !node->file->users)
        close_idle(node->file);
}

/* ---- opening ---- */

static int open_new(struct folder *folder, struct folder_object object, struct folder_file **file)
{
    CLEANUP_FD int fd = -1;
    struct statx st;
    int r = resolve_object(folder, object, O_RDWR, &fd, &st);

    if (r < 0)
        return r;
    if (st.stx_mode & FOLDER_MARK)
        return -EINVAL;
    struct index_node *node = index_note(&folder->index, object, 0, NULL);
    if (!node)
        return -ENFILE;
    struct folder_file *opened = xcalloc(1, sizeof(*opened));
    *opened = (struct folder_file){.folder = folder, .node = node, .fd = TAKE_FD(fd), .users = 1};
    node->file = opened;
    *file = opened;
    return 0;
}

static bool take_open(struct folder *folder, struct folder_object object, struct folder_file **file)
{
    const struct index_node *node = index_find(&folder->index, object.inode);

    if (!node || !node->file || node->object.generation != object.generation)
        return false;
    *file = node->file;
    if (!(*file)->users++)
        leave_idle(*file);
    return true;
}

int folder_file_open(struct folder *folder, struct folder_object object, struct folder_file **file)
{
    int r = 0;

    pthread_mutex_lock(&folder->lock);
    if (!take_open(folder, object, file))
        r = open_new(folder, object, file);
    pthread_mutex_unlock(&folder->lock);
    if (r == 0)
        folder_ref(folder);
    return r;
}

struct folder_file *folder_file_ref(struct folder_file *file)
{
    pthread_mutex_lock(&file->folder->lock);
    file->users++;
    pthread_mutex_unlock(&file->folder->lock);
    folder_ref(file->folder);
    return file;
}

void folder_file_put(struct folder_file *file)
{
    if (!file)
        return;
    struct folder *folder = file->folder;
    pthread_mutex_lock(&folder->lock);
    if (--file->users == 0) {
        become_idle(file);
        if (!file->node->names)
            close_idle(file);
        else if (folder->idle_count > FOLDER_IDLE_FILES_MAX)
            close_idle(folder->oldest);
    }
    pthread_mutex_unlock(&folder->lock);
    folder_unref(folder);
}

/* ---- contents ---- */

int folder_file_attributes(struct folder_file *file, struct folder_attributes *attributes)
{
    struct folder *folder = file->folder;
    struct statx st;

    pthread_mutex_lock(&folder->lock);
    int r = object_stat(file->fd, &st);
    if (r == 0)
        r = object_attributes(folder, file->fd, &st, file->node, attributes);
    pthread_mutex_unlock(&folder->lock);
    return r;
}

int folder_file_size(struct folder_file *file, uint64_t *size_bytes)
{
    struct stat st;

    if (fstat(file->fd, &st) < 0)
        return -errno;
    *size_bytes = (uint64_t)st.st_size;
    return 0;
}

ssize_t folder_file_read(struct folder_file *file, void *to, size_t length_bytes, uint64_t offset)
{
    size_t done = 0;

    while (done < length_bytes) {
        ssize_t got = pread(file->fd, (uint8_t *)to + done, length_bytes - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static int write_all(int fd, const uint8_t *from, size_t length_bytes, uint64_t offset)
{
    while (length_bytes) {
        ssize_t put = pwrite(fd, from, length_bytes, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        from += put;
        length_bytes -= (size_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

int folder_file_write(struct folder_file *file, const void *from, size_t length_bytes, uint64_t offset)
{
    int r = write_all(file->fd, from, length_bytes, offset);

    pthread_mutex_lock(&file->folder->lock);
    file->node->changes++;
    pthread_mutex_unlock(&file->folder->lock);
    return r;
}

int folder_file_sync(struct folder_file *file)
{
    return !file->folder->filling && fsync(file->fd) < 0 ? -errno : 0;
}
