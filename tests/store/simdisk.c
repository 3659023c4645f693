#include "simdisk.h"

#include "store/volume.h"

#include <fcntl.h>

enum { SECTOR = 512, FDS_MAX = 256, NAMES_MAX = 512, PATH_BYTES = 128 };

struct sector {
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

static void node_unref(struct node *node)
{
    if (!node || --node->refs > 0)
        return;
    for (uint64_t i = 0; i < node->sector_count; i++)
        free(node->sectors[i]);
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

static struct sector *sector_of(struct node *node, uint64_t index)
{
    if (index >= node->sector_count) {
        uint64_t count = MAX(index + 1, node->sector_count * 2);
        node->sectors = xrealloc(node->sectors, count, sizeof(*node->sectors));
        memset(node->sectors + node->sector_count, 0, (count - node->sector_count) * sizeof(*node->sectors));
        node->sector_count = count;
    }
    if (!node->sectors[index])
        node->sectors[index] = xcalloc(1, sizeof(struct sector));
    return node->sectors[index];
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

    for (uint64_t i = offset / SECTOR; !rc && i < MIN((offset + length_bytes) / SECTOR, node->sector_count);
         i++)
        if (node->sectors[i]) {
            memset(node->sectors[i]->cached, 0, SECTOR);
            node->sectors[i]->dirty = true;
            node->sectors[i]->dropped = false;
        }
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
    int rc = call(disk);

    if (!rc)
        disk->fds[fd]->size = size_bytes;
    return rc;
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
        sector->dropped = rc != 0;
        sector->dirty = rc != 0;
        if (!rc)
            memcpy(sector->durable, sector->cached, SECTOR);
    }
    if (!rc)
        node->durable_size = node->size;
    return rc;
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
            memcpy(node->sectors[i]->cached, node->sectors[i]->durable, SECTOR);
            node->sectors[i]->dirty = node->sectors[i]->dropped = false;
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

/* ---- power ---- */

struct simdisk *simdisk_new(uint64_t seed)
{
    struct simdisk *disk = xcalloc(1, sizeof(*disk));

    disk->io = table;
    disk->io.context = disk;
    disk->random = seed;
    disk->cut_at = UINT64_MAX;
    disk->fail_at = UINT64_MAX;
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

static void settle_node(struct simdisk *disk, struct node *node)
{
    if (next_random(disk, 2))
        node->durable_size = node->size;
    node->size = node->durable_size;
    for (uint64_t i = 0; i < node->sector_count; i++) {
        struct sector *sector = node->sectors[i];
        if (!sector || !sector->dirty)
            continue;
        if (!sector->dropped && next_random(disk, 2))
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
    for (int i = 0; i < NAMES_MAX; i++) {
        struct name *name = &disk->names[i];
        if (name->cached != name->durable && next_random(disk, 2))
            set_node(&name->durable, name->cached);
        else
            set_node(&name->cached, name->durable);
        if (name->durable)
            settle_node(disk, name->durable);
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

unsigned simdisk_entries(struct simdisk *disk, const char *path)
{
    unsigned count = 0;

    for (int i = 0; i < NAMES_MAX; i++)
        count += disk->names[i].cached && is_child(disk->names[i].path, path);
    return count;
}
