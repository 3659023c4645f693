#include "simdisk.h"

#include "store/volume.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>

enum { SECTOR = 512, FDS_MAX = 256, NAMES_MAX = 256, PATH_BYTES = 128 };

/* Shared by copies of a disk until one of them changes it. */
struct sector {
    unsigned refs;
    uint8_t durable[SECTOR];
    uint8_t cached[SECTOR];
    bool dirty;
    bool dropped; /* its sync failed: the cache calls it clean */
};

struct node {
    unsigned refs; /* names, durable and pending ones, and descriptors */
    bool directory;
    uint64_t size;
    uint64_t durable_size;
    struct sector **sectors; /* NULL: a hole */
    uint64_t sector_count;
    struct node *copy; /* while a disk is copied */
};

struct name {
    char path[PATH_BYTES];
    struct node *durable;
    struct node *cached;
};

struct simdisk {
    struct store_io io;
    uint64_t random;
    uint64_t calls;
    uint64_t cut_at;
    uint64_t fail_at;
    int fail_error;
    bool dead;
    bool rough;
    void (*on_call)(void *arg);
    void *on_call_arg;
    sqlite3_vfs vfs;
    char vfs_name[32];
    char top[PATH_BYTES]; /* the first folder that was made: what it lies in was there before */
    struct name names[NAMES_MAX];
    struct node *fds[FDS_MAX];
};

static uint64_t next_random(struct simdisk *disk, uint64_t limit)
{
    uint64_t z = disk->random += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (z ^ z >> 31) % limit;
}

/* Every function begins with this. */
static int call(struct simdisk *disk)
{
    if (disk->on_call && !disk->dead)
        disk->on_call(disk->on_call_arg);
    if (disk->dead || ++disk->calls == disk->cut_at) {
        disk->dead = true;
        return -EIO;
    }
    return disk->calls == disk->fail_at ? disk->fail_error : 0;
}

/* ---- nodes and names ---- */

static struct node *node_ref(struct node *node)
{
    if (node)
        node->refs++;
    return node;
}

static void sector_unref(struct sector *sector)
{
    if (sector && --sector->refs == 0)
        free(sector);
}

static void node_unref(struct node *node)
{
    if (!node || --node->refs > 0)
        return;
    for (uint64_t i = 0; i < node->sector_count; i++)
        sector_unref(node->sectors[i]);
    free(node->sectors);
    free(node);
}

static void set_node(struct node **at, struct node *node)
{
    struct node *old = *at;

    *at = node_ref(node);
    node_unref(old);
}

static struct name *find_name(struct simdisk *disk, const char *path)
{
    for (int i = 0; i < NAMES_MAX; i++)
        if (disk->names[i].path[0] && strcmp(disk->names[i].path, path) == 0)
            return &disk->names[i];
    return NULL;
}

static struct name *make_name(struct simdisk *disk, const char *path)
{
    struct name *name = find_name(disk, path);

    for (int i = 0; !name && i < NAMES_MAX; i++)
        if (!disk->names[i].path[0])
            name = &disk->names[i];
    CHECK(name != NULL && COPY_STRING(name->path, path));
    return name;
}

static void forget_if_gone(struct name *name)
{
    if (!name->durable && !name->cached)
        name->path[0] = '\0';
}

static bool is_child(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    return strncmp(path, folder, length) == 0 && path[length] == '/' && !strchr(path + length + 1, '/');
}

static bool has_children(struct simdisk *disk, const char *folder)
{
    for (int i = 0; i < NAMES_MAX; i++)
        if (disk->names[i].cached && is_child(disk->names[i].path, folder))
            return true;
    return false;
}

/* To be changed: nobody else's. */
static struct sector *own_sector(struct node *node, uint64_t index)
{
    struct sector *old = node->sectors[index];

    if (old->refs == 1)
        return old;
    node->sectors[index] = xcalloc(1, sizeof(struct sector));
    *node->sectors[index] = *old;
    node->sectors[index]->refs = 1;
    sector_unref(old);
    return node->sectors[index];
}

static struct sector *sector_of(struct node *node, uint64_t index)
{
    if (index >= node->sector_count) {
        uint64_t count = MAX(index + 1, node->sector_count * 2);
        node->sectors = xrealloc(node->sectors, count, sizeof(*node->sectors));
        memset(node->sectors + node->sector_count, 0, (count - node->sector_count) * sizeof(*node->sectors));
        node->sector_count = count;
    }
    if (node->sectors[index])
        return own_sector(node, index);
    node->sectors[index] = xcalloc(1, sizeof(struct sector));
    node->sectors[index]->refs = 1;
    return node->sectors[index];
}

static void zero_sectors(struct node *node, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < MIN(end, node->sector_count); i++) {
        if (!node->sectors[i])
            continue;
        struct sector *sector = own_sector(node, i);
        memset(sector->cached, 0, SECTOR);
        sector->dirty = true;
        sector->dropped = false;
    }
}

/* ---- the table ---- */

static int sim_open(void *context, const char *path, int flags)
{
    struct simdisk *disk = context;
    int rc = call(disk);
    struct name *name = find_name(disk, path);
    int fd = 0;

    if (rc)
        return rc;
    if (name && name->cached && flags & O_EXCL)
        return -EEXIST;
    if (!name || !name->cached) {
        if (!(flags & O_CREAT))
            return -ENOENT;
        name = make_name(disk, path);
        set_node(&name->cached, xcalloc(1, sizeof(struct node)));
    }
    while (disk->fds[fd])
        CHECK(++fd < FDS_MAX);
    disk->fds[fd] = node_ref(name->cached);
    return fd;
}

static void sim_close(void *context, int fd)
{
    struct simdisk *disk = context;

    set_node(&disk->fds[fd], NULL);
}

/* How much of a request is done at once, up to the end of some sector: a kernel stops between pages, never
 * inside a sector. An interrupted one gives -EINTR. */
static int64_t portion(struct simdisk *disk, uint64_t offset, uint64_t length_bytes)
{
    if (!disk->rough || next_random(disk, 3))
        return (int64_t)length_bytes;
    if (next_random(disk, 2))
        return -EINTR;
    uint64_t end = offset + next_random(disk, length_bytes) + 1;
    return (int64_t)MIN((end + SECTOR - 1) / SECTOR * SECTOR - offset, length_bytes);
}

static void copy_sector(struct node *node, uint64_t offset, uint8_t *to, const uint8_t *from, size_t length)
{
    if (to) {
        struct sector *sector = offset / SECTOR < node->sector_count ? node->sectors[offset / SECTOR] : NULL;
        if (sector)
            memcpy(to, sector->cached + offset % SECTOR, length);
        else
            memset(to, 0, length);
        return;
    }
    struct sector *sector = sector_of(node, offset / SECTOR);
    memcpy(sector->cached + offset % SECTOR, from, length);
    sector->dirty = true;
    sector->dropped = false;
}

/* Both ways, sector by sector. */
static void transfer(struct node *node, const struct iovec *vec, uint64_t offset, uint64_t length_bytes,
                     bool read)
{
    size_t within = 0;

    while (length_bytes > 0) {
        if (within == vec->iov_len) {
            vec++;
            within = 0;
            continue;
        }
        uint8_t *at = (uint8_t *)vec->iov_base + within;
        size_t step = MIN(length_bytes, (uint64_t)(vec->iov_len - within));
        step = MIN(step, SECTOR - offset % SECTOR);
        copy_sector(node, offset, read ? at : NULL, at, step);
        within += step;
        offset += step;
        length_bytes -= step;
    }
}

static ssize_t sim_preadv(void *context, int fd, const struct iovec *vec, int count, uint64_t offset,
                          bool no_wait)
{
    struct simdisk *disk = context;
    struct node *node = disk->fds[fd];
    int rc = call(disk);

    if (rc)
        return rc;
    if (offset >= node->size)
        return 0;
    int64_t length = portion(disk, offset, MIN(iov_length(vec, count), node->size - offset));
    if (length > 0)
        transfer(node, vec, offset, (uint64_t)length, true);
    return length;
}

static ssize_t sim_pwritev(void *context, int fd, const struct iovec *vec, int count, uint64_t offset)
{
    struct simdisk *disk = context;
    struct node *node = disk->fds[fd];
    int rc = call(disk);

    if (rc)
        return rc;
    int64_t length = portion(disk, offset, iov_length(vec, count));
    if (length <= 0)
        return length;
    transfer(node, vec, offset, (uint64_t)length, false);
    node->size = MAX(node->size, offset + (uint64_t)length);
    return length;
}

static int sim_punch(void *context, int fd, uint64_t offset, uint64_t length_bytes)
{
    struct simdisk *disk = context;
    struct node *node = disk->fds[fd];
    int rc = call(disk);

    if (!rc)
        zero_sectors(node, offset / SECTOR, (offset + length_bytes) / SECTOR);
    return rc;
}

static int sim_allocate(void *context, int fd, uint64_t offset, uint64_t length_bytes)
{
    struct simdisk *disk = context;
    int rc = call(disk);

    if (!rc)
        disk->fds[fd]->size = MAX(disk->fds[fd]->size, offset + length_bytes);
    return rc;
}

static int sim_truncate(void *context, int fd, uint64_t size_bytes)
{
    struct simdisk *disk = context;
    struct node *node = disk->fds[fd];
    int rc = call(disk);

    if (rc)
        return rc;
    zero_sectors(node, (size_bytes + SECTOR - 1) / SECTOR, node->sector_count);
    node->size = size_bytes;
    return 0;
}

static int sim_sync(void *context, int fd)
{
    struct simdisk *disk = context;
    struct node *node = disk->fds[fd];
    int rc = call(disk);

    for (uint64_t i = 0; !disk->dead && i < node->sector_count; i++) {
        struct sector *sector = node->sectors[i];
        if (!sector || !sector->dirty || sector->dropped)
            continue;
        sector = own_sector(node, i);
        sector->dropped = rc != 0;
        sector->dirty = rc != 0;
        if (!rc)
            memcpy(sector->durable, sector->cached, SECTOR);
    }
    if (!rc)
        node->durable_size = node->size;
    return rc;
}

static void sim_no_readahead(void *context, int fd)
{
}

static void sim_start_writeback(void *context, int fd)
{
    call(context);
}

static void sim_drop_cache(void *context, int fd)
{
    struct simdisk *disk = context;
    struct node *node = disk->fds[fd];

    if (call(disk))
        return;
    for (uint64_t i = 0; i < node->sector_count; i++)
        if (node->sectors[i] && node->sectors[i]->dropped) {
            struct sector *sector = own_sector(node, i);
            memcpy(sector->cached, sector->durable, SECTOR);
            sector->dirty = sector->dropped = false;
        }
}

static int sim_lock(void *context, int fd)
{
    return call(context);
}

static int sim_next_hole(void *context, int fd, uint64_t offset, uint64_t *at)
{
    struct simdisk *disk = context;

    *at = disk->fds[fd]->size;
    return call(disk);
}

static int sim_next_data(void *context, int fd, uint64_t offset, uint64_t *at)
{
    *at = offset;
    return call(context);
}

static int sim_mkdir(void *context, const char *path)
{
    struct simdisk *disk = context;
    int rc = call(disk);
    struct name *name = find_name(disk, path);

    if (rc)
        return rc;
    if (name && name->cached)
        return -EEXIST;
    name = make_name(disk, path);
    struct node *node = xcalloc(1, sizeof(*node));
    node->directory = true;
    if (!disk->top[0])
        COPY_STRING(disk->top, path);
    set_node(&name->cached, node);
    return 0;
}

static int remove_name(struct simdisk *disk, const char *path, bool directory)
{
    int rc = call(disk);
    struct name *name = find_name(disk, path);

    if (rc)
        return rc;
    if (!name || !name->cached)
        return -ENOENT;
    if (name->cached->directory != directory)
        return directory ? -ENOTDIR : -EISDIR;
    if (directory && has_children(disk, path))
        return -ENOTEMPTY;
    set_node(&name->cached, NULL);
    forget_if_gone(name);
    return 0;
}

static int sim_rmdir(void *context, const char *path)
{
    return remove_name(context, path, true);
}

static int sim_unlink(void *context, const char *path)
{
    return remove_name(context, path, false);
}

static int sim_rename(void *context, const char *from, const char *to)
{
    struct simdisk *disk = context;
    int rc = call(disk);
    struct name *old = find_name(disk, from);

    if (rc)
        return rc;
    if (!old || !old->cached)
        return -ENOENT;
    set_node(&make_name(disk, to)->cached, old->cached);
    set_node(&old->cached, NULL);
    forget_if_gone(old);
    return 0;
}

static int sim_sync_directory(void *context, const char *path)
{
    struct simdisk *disk = context;
    int rc = call(disk);

    for (int i = 0; !rc && i < NAMES_MAX; i++)
        if (disk->names[i].path[0] && is_child(disk->names[i].path, path)) {
            set_node(&disk->names[i].durable, disk->names[i].cached);
            forget_if_gone(&disk->names[i]);
        }
    return rc;
}

static int sim_list(void *context, const char *path, void (*entry)(void *arg, const char *name), void *arg)
{
    struct simdisk *disk = context;
    int rc = call(disk);

    for (int i = 0; !rc && i < NAMES_MAX; i++)
        if (disk->names[i].cached && is_child(disk->names[i].path, path))
            entry(arg, disk->names[i].path + strlen(path) + 1);
    return rc;
}

static int sim_stat(void *context, const char *path, struct store_file_stat *stat)
{
    struct simdisk *disk = context;
    int rc = call(disk);
    struct name *name = find_name(disk, path);

    if (rc)
        return rc;
    if (!name || !name->cached)
        return -ENOENT;
    *stat = (struct store_file_stat){.size_bytes = name->cached->size, .allocated_bytes = name->cached->size};
    return 0;
}

/* Never so much that a reserve is made. */
static int sim_statfs(void *context, const char *path, struct store_fs_stat *stat)
{
    *stat = (struct store_fs_stat){.total_bytes = 1ull << 30, .free_bytes = 64 << 20};
    return call(context);
}

static const struct store_io table = {
    .open = sim_open,
    .close = sim_close,
    .preadv = sim_preadv,
    .pwritev = sim_pwritev,
    .punch = sim_punch,
    .allocate = sim_allocate,
    .truncate = sim_truncate,
    .fdatasync = sim_sync,
    .fsync = sim_sync,
    .no_readahead = sim_no_readahead,
    .start_writeback = sim_start_writeback,
    .drop_cache = sim_drop_cache,
    .lock = sim_lock,
    .next_hole = sim_next_hole,
    .next_data = sim_next_data,
    .mkdir = sim_mkdir,
    .rmdir = sim_rmdir,
    .unlink = sim_unlink,
    .rename = sim_rename,
    .sync_directory = sim_sync_directory,
    .list = sim_list,
    .stat = sim_stat,
    .statfs = sim_statfs,
};

/* ---- the same for SQLite ---- */

struct sim_file {
    sqlite3_file base;
    struct simdisk *disk;
    int fd;
    char folder[PATH_BYTES]; /* to be synced with the file when that is new; else empty */
    void **shared;           /* the index of the log, which is memory of the processes that have it open */
    int shared_count;
};

static struct sim_file *file_of(sqlite3_file *base)
{
    return (struct sim_file *)base;
}

static int file_close(sqlite3_file *base)
{
    sim_close(file_of(base)->disk, file_of(base)->fd);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *to, int length, sqlite3_int64 offset)
{
    struct sim_file *file = file_of(base);
    uint64_t size = file->disk->fds[file->fd]->size;

    if (io_read_bytes(&file->disk->io, file->fd, to, (size_t)length, (uint64_t)offset))
        return SQLITE_IOERR_READ;
    return (uint64_t)offset + (uint64_t)length > size ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int file_write(sqlite3_file *base, const void *from, int length, sqlite3_int64 offset)
{
    struct sim_file *file = file_of(base);
    int rc = io_write_bytes(&file->disk->io, file->fd, from, (size_t)length, (uint64_t)offset);

    return rc == -ENOSPC ? SQLITE_FULL : rc ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    return sim_truncate(file_of(base)->disk, file_of(base)->fd, (uint64_t)size) ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct sim_file *file = file_of(base);

    if (sim_sync(file->disk, file->fd))
        return SQLITE_IOERR_FSYNC;
    if (file->folder[0] && sim_sync_directory(file->disk, file->folder))
        return SQLITE_IOERR_DIR_FSYNC;
    file->folder[0] = '\0';
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    *size = (sqlite3_int64)file_of(base)->disk->fds[file_of(base)->fd]->size;
    return SQLITE_OK;
}

/* There is one connection: the store's lock sees to that. */
static int file_lock(sqlite3_file *base, int level)
{
    return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *base, int *reserved)
{
    *reserved = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int operation, void *arg)
{
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base)
{
    return 4096;
}

static int file_characteristics(sqlite3_file *base)
{
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **at)
{
    struct sim_file *file = file_of(base);

    *at = NULL;
    if (region >= file->shared_count && !extend)
        return SQLITE_OK;
    while (file->shared_count <= region) {
        file->shared = xrealloc(file->shared, (size_t)file->shared_count + 1, sizeof(void *));
        file->shared[file->shared_count++] = xcalloc(1, (size_t)size);
    }
    *at = file->shared[region];
    return SQLITE_OK;
}

static int file_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    return SQLITE_OK;
}

static void file_shm_barrier(sqlite3_file *base)
{
}

static int file_shm_unmap(sqlite3_file *base, int delete)
{
    struct sim_file *file = file_of(base);

    while (file->shared_count > 0)
        free(file->shared[--file->shared_count]);
    free(TAKE_PTR(file->shared));
    return SQLITE_OK;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static bool is_there(struct simdisk *disk, const char *path)
{
    struct name *name = find_name(disk, path);

    return name && name->cached;
}

static void folder_of(char to[PATH_BYTES], const char *path)
{
    CHECK(copy_string(to, PATH_BYTES, path));
    *strrchr(to, '/') = '\0';
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags)
{
    struct simdisk *disk = vfs->pAppData;
    struct sim_file *file = file_of(base);
    bool is_new = path && !is_there(disk, path) && flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
    int fd = path ? sim_open(disk, path, O_RDWR | (flags & SQLITE_OPEN_CREATE ? O_CREAT : 0)) : -EIO;

    *file = (struct sim_file){0};
    if (fd < 0)
        return SQLITE_CANTOPEN;
    *file = (struct sim_file){.base.pMethods = &file_methods, .disk = disk, .fd = fd};
    if (is_new)
        folder_of(file->folder, path);
    if (out_flags)
        *out_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    struct simdisk *disk = vfs->pAppData;
    char folder[PATH_BYTES];
    int rc = sim_unlink(disk, path);

    if (rc == -ENOENT)
        return SQLITE_IOERR_DELETE_NOENT;
    folder_of(folder, path);
    if (!rc && sync_folder)
        rc = sim_sync_directory(disk, folder);
    return rc ? SQLITE_IOERR_DELETE : SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *yes)
{
    *yes = is_there(vfs->pAppData, path);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int size, char *to)
{
    return copy_string(to, (size_t)size, path) ? SQLITE_OK : SQLITE_CANTOPEN;
}

static void register_vfs(struct simdisk *disk)
{
    const sqlite3_vfs *system = sqlite3_vfs_find(NULL);

    snprintf(disk->vfs_name, sizeof(disk->vfs_name), "simdisk-%p", (void *)disk);
    disk->vfs = (sqlite3_vfs){.iVersion = 1,
                              .szOsFile = sizeof(struct sim_file),
                              .mxPathname = PATH_BYTES,
                              .zName = disk->vfs_name,
                              .pAppData = disk,
                              .xOpen = vfs_open,
                              .xDelete = vfs_delete,
                              .xAccess = vfs_access,
                              .xFullPathname = vfs_full_path,
                              .xRandomness = system->xRandomness,
                              .xSleep = system->xSleep,
                              .xCurrentTime = system->xCurrentTime};
    CHECK(sqlite3_vfs_register(&disk->vfs, 0) == SQLITE_OK);
    disk->io.sqlite_vfs = disk->vfs_name;
}

/* ---- power ---- */

struct simdisk *simdisk_new(uint64_t seed)
{
    struct simdisk *disk = xcalloc(1, sizeof(*disk));

    disk->io = table;
    disk->io.context = disk;
    disk->random = seed;
    disk->cut_at = UINT64_MAX;
    disk->fail_at = UINT64_MAX;
    register_vfs(disk);
    return disk;
}

void simdisk_free(struct simdisk *disk)
{
    for (int i = 0; i < NAMES_MAX; i++) {
        set_node(&disk->names[i].durable, NULL);
        set_node(&disk->names[i].cached, NULL);
    }
    for (int i = 0; i < FDS_MAX; i++)
        CHECK(!disk->fds[i]);
    sqlite3_vfs_unregister(&disk->vfs);
    free(disk);
}

const struct store_io *simdisk_io(struct simdisk *disk)
{
    return &disk->io;
}

uint64_t simdisk_calls(const struct simdisk *disk)
{
    return disk->calls;
}

void simdisk_cut_at(struct simdisk *disk, uint64_t at)
{
    disk->cut_at = at;
}

bool simdisk_is_dead(const struct simdisk *disk)
{
    return disk->dead;
}

void simdisk_fail_at(struct simdisk *disk, uint64_t at, int error)
{
    disk->fail_at = at;
    disk->fail_error = error;
}

void simdisk_set_rough(struct simdisk *disk, bool rough)
{
    disk->rough = rough;
}

void simdisk_restart(struct simdisk *disk)
{
    disk->dead = false;
    disk->cut_at = UINT64_MAX;
}

/* How much of what is pending a cut lets survive: half, nothing, everything, nearly everything. */
enum survival { SURVIVES_HALF, SURVIVES_NOTHING, SURVIVES_ALL, SURVIVES_MOST, SURVIVALS };

static bool survives(struct simdisk *disk, enum survival survival)
{
    static const uint64_t out_of_16[SURVIVALS] = {[SURVIVES_HALF] = 8, [SURVIVES_ALL] = 16, [SURVIVES_MOST] = 15};

    return next_random(disk, 16) < out_of_16[survival];
}

static void settle_node(struct simdisk *disk, struct node *node, enum survival survival)
{
    if (node->size != node->durable_size && survives(disk, survival))
        node->durable_size = node->size;
    node->size = node->durable_size;
    for (uint64_t i = 0; i < node->sector_count; i++) {
        struct sector *sector = node->sectors[i];
        if (!sector || !sector->dirty)
            continue;
        sector = own_sector(node, i);
        if (!sector->dropped && survives(disk, survival))
            memcpy(sector->durable, sector->cached, SECTOR);
        memcpy(sector->cached, sector->durable, SECTOR);
        sector->dirty = sector->dropped = false;
    }
}

static bool folder_is_there(struct simdisk *disk, const char *path)
{
    char folder[PATH_BYTES];

    if (strcmp(path, disk->top) == 0)
        return true;
    COPY_STRING(folder, path);
    char *slash = strrchr(folder, '/');
    *slash = '\0';
    struct name *name = find_name(disk, folder);
    return name && name->durable;
}

void simdisk_power_on(struct simdisk *disk)
{
    enum survival survival = (enum survival)next_random(disk, SURVIVALS);

    for (int i = 0; i < NAMES_MAX; i++) {
        struct name *name = &disk->names[i];
        if (name->cached != name->durable && survives(disk, survival))
            set_node(&name->durable, name->cached);
        else
            set_node(&name->cached, name->durable);
        if (name->durable)
            settle_node(disk, name->durable, survival);
    }
    /* Twice is deep enough: a lost folder takes what is in it along. */
    for (int pass = 0; pass < 3; pass++)
        for (int i = 0; i < NAMES_MAX; i++) {
            struct name *name = &disk->names[i];
            if (!name->path[0])
                continue;
            if (name->durable && !folder_is_there(disk, name->path)) {
                set_node(&name->durable, NULL);
                set_node(&name->cached, NULL);
            }
            forget_if_gone(name);
        }
    disk->dead = false;
    disk->cut_at = UINT64_MAX;
}

/* ---- copies ---- */

void simdisk_on_call(struct simdisk *disk, void (*fn)(void *arg), void *arg)
{
    disk->on_call = fn;
    disk->on_call_arg = arg;
}

static struct node *node_copy(struct node *node)
{
    if (!node)
        return NULL;
    if (node->copy)
        return node->copy;
    node->copy = xcalloc(1, sizeof(*node));
    *node->copy = *node;
    node->copy->refs = 0;
    node->copy->copy = NULL;
    node->copy->sectors = xcalloc(node->sector_count, sizeof(struct sector *));
    for (uint64_t i = 0; i < node->sector_count; i++)
        if ((node->copy->sectors[i] = node->sectors[i]))
            node->sectors[i]->refs++;
    return node->copy;
}

static void forget_copies(struct simdisk *disk)
{
    for (int i = 0; i < NAMES_MAX; i++) {
        if (disk->names[i].durable)
            disk->names[i].durable->copy = NULL;
        if (disk->names[i].cached)
            disk->names[i].cached->copy = NULL;
    }
}

struct simdisk *simdisk_after_cut(struct simdisk *disk, uint64_t seed)
{
    struct simdisk *copy = simdisk_new(seed);

    COPY_STRING(copy->top, disk->top);
    for (int i = 0; i < NAMES_MAX; i++) {
        if (!disk->names[i].path[0])
            continue;
        COPY_STRING(copy->names[i].path, disk->names[i].path);
        set_node(&copy->names[i].durable, node_copy(disk->names[i].durable));
        set_node(&copy->names[i].cached, node_copy(disk->names[i].cached));
    }
    forget_copies(disk);
    simdisk_power_on(copy);
    return copy;
}

unsigned simdisk_entries(struct simdisk *disk, const char *path)
{
    unsigned count = 0;

    for (int i = 0; i < NAMES_MAX; i++)
        count += disk->names[i].cached && is_child(disk->names[i].path, path);
    return count;
}
