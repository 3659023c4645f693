/* Opening a store: its lock, what the file system below must be able to do, and sweeping after a crash. */
#include "store/state.h"

#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>

enum {
    RESERVE_BYTES = 16 << 20,
    NEARLY_FULL_BYTES = 8 << 20, /* less than this is free: the reserve is given up */
    PLENTY_BYTES = 256 << 20,    /* more than this is free: the reserve is taken back */
    PROBE_BYTES = 4 * VOLUME_BLOCK_BYTES,
    MERGE_STEP_BLOCKS = 4096, /* 16 MiB */
};

static const struct {
    uint64_t type;
    const char *name;
} refused_file_systems[] = {
    {0x6969, "NFS"},        {0xff534d42, "CIFS"}, {0xfe534d42, "SMB"}, {0x01021997, "9p"},
    {0x00c36400, "CephFS"}, {0x517b, "SMB"},      {0x5346414f, "AFS"},
};

void store_path(const struct store *store, char to[LAYER_PATH_SIZE], const char *file)
{
    int length = snprintf(to, LAYER_PATH_SIZE, "%s/%s", store->folder, file);

    CHECK(length > 0 && length < LAYER_PATH_SIZE);
}

/* ---- the reserve ---- */

static uint64_t free_bytes(struct store *store)
{
    struct store_fs_stat stat;

    return store->io->statfs(store->io->context, store->folder, &stat) == 0 ? stat.free_bytes : UINT64_MAX;
}

void store_make_room(struct store *store)
{
    char path[LAYER_PATH_SIZE];

    if (free_bytes(store) >= NEARLY_FULL_BYTES)
        return;
    store_path(store, path, "reserve");
    store->io->unlink(store->io->context, path);
}

void store_restore_reserve(struct store *store)
{
    const struct store_io *io = store->io;
    struct store_file_stat stat;
    char path[LAYER_PATH_SIZE];

    store_path(store, path, "reserve");
    if (io->stat(io->context, path, &stat) == 0 || free_bytes(store) < PLENTY_BYTES)
        return;
    int fd = io->open(io->context, path, O_RDWR | O_CREAT);
    if (fd < 0)
        return;
    int rc = io->allocate(io->context, fd, 0, RESERVE_BYTES);
    io->close(io->context, fd);
    if (rc)
        io->unlink(io->context, path);
}

/* ---- what the file system must do ---- */

static int refuse_network_file_systems(struct store *store, struct error *error)
{
    struct store_fs_stat stat;
    int rc = store->io->statfs(store->io->context, store->folder, &stat);

    if (rc)
        return error_set_errno(error, rc, "%s", store->folder);
    for (size_t i = 0; i < ARRAY_SIZE(refused_file_systems); i++)
        if (stat.type == refused_file_systems[i].type)
            return error_set(
                error, -EOPNOTSUPP,
                "%s is on %s, which cannot promise that a flushed write survives; use a local file system",
                store->folder, refused_file_systems[i].name);
    return 0;
}

static int probe_punch(const struct store_io *io, int fd)
{
    uint8_t bytes[PROBE_BYTES];

    memset(bytes, 0xa5, sizeof(bytes));
    int rc = io->allocate(io->context, fd, 0, PROBE_BYTES);
    rc = rc ?: io_write_bytes(io, fd, bytes, PROBE_BYTES, 0);
    rc = rc ?: io->punch(io->context, fd, VOLUME_BLOCK_BYTES, VOLUME_BLOCK_BYTES);
    rc = rc ?: io_read_bytes(io, fd, bytes, PROBE_BYTES, 0);
    if (rc)
        return rc;
    return bytes_are_zero(bytes + VOLUME_BLOCK_BYTES, VOLUME_BLOCK_BYTES) && bytes[0] == 0xa5 &&
                   bytes[2 * VOLUME_BLOCK_BYTES] == 0xa5
               ? 0
               : -EOPNOTSUPP;
}

static int probe_file_system(struct store *store, struct error *error)
{
    const struct store_io *io = store->io;
    char path[LAYER_PATH_SIZE];

    store_path(store, path, "probe");
    int fd = io->open(io->context, path, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return error_set_errno(error, fd, "%s", path);
    int rc = probe_punch(io, fd);
    io->close(io->context, fd);
    io->unlink(io->context, path);
    if (rc == -EOPNOTSUPP || rc == -ENOSYS)
        return error_set(
            error, -EOPNOTSUPP,
            "%s: this file system cannot punch holes or preallocate files; ext4, XFS and btrfs can",
            store->folder);
    return rc ? error_set_errno(error, rc, "%s", path) : 0;
}

/* ---- what changes of the tree begin with ---- */

int store_new_layer(struct store *store, uint64_t parent, uint64_t blocks, bool root,
                    struct tree_layer *layer)
{
    *layer =
        (struct tree_layer){.id = store->next_layer_id++, .parent = parent, .blocks = blocks, .root = root};
    store_make_room(store);
    return layer_create_files(store->io, store->folder, layer->id, blocks, root);
}

int store_check_new_name(struct store *store, const char *name, struct error *error)
{
    struct tree_volume row;

    if (!is_valid_name(name))
        return error_set(
            error, -EINVAL,
            "a name has letters, digits, '-', '_' and '.', begins with a letter or digit, and has at most %d",
            STORE_NAME_SIZE - 1);
    int rc = store_import_is_running(store, name) ? 0 : tree_volume_get(store->tree, name, &row);
    if (rc == -ENOENT)
        return 0;
    return rc ? error_set_errno(error, rc, "%s", name) : error_set(error, -EEXIST, "%s exists already", name);
}

int store_find_volume(struct store *store, const char *name, struct tree_volume *volume, struct error *error)
{
    int rc = tree_volume_get(store->tree, name, volume);

    if (rc == -ENOENT)
        return error_set(error, rc, "there is no volume %s", name);
    return rc ? error_set_errno(error, rc, "%s", name) : 0;
}

/* ---- open ---- */

static int sync_parent(const struct store_io *io, const char *path)
{
    CLEANUP_FREE char *parent = xstrdup(path);
    char *slash = strrchr(parent, '/');

    if (!slash)
        return io->sync_directory(io->context, ".");
    slash[slash == parent] = '\0'; /* the root folder keeps its slash */
    return io->sync_directory(io->context, parent);
}

static int make_folder(const struct store_io *io, const char *path, struct error *error)
{
    int rc = io->mkdir(io->context, path);

    if (rc == -EEXIST)
        return 0;
    rc = rc ?: sync_parent(io, path);
    return rc ? error_set_errno(error, rc, "cannot make the folder %s", path) : 0;
}

static int take_lock(struct store *store, struct error *error)
{
    const struct store_io *io = store->io;
    char path[LAYER_PATH_SIZE];

    store_path(store, path, "lock");
    store->lock_fd = io->open(io->context, path, O_RDWR | O_CREAT);
    if (store->lock_fd < 0)
        return error_set_errno(error, store->lock_fd, "%s", path);
    int rc = io->lock(io->context, store->lock_fd);
    if (rc == -EWOULDBLOCK)
        return error_set(error, -EBUSY, "the store %s is in use by another farboot", store->folder);
    return rc ? error_set_errno(error, rc, "%s", path) : 0;
}

static int prepare_folder(struct store *store, struct error *error)
{
    const struct store_io *io = store->io;
    char path[LAYER_PATH_SIZE];

    store_path(store, path, "layers");
    int rc = make_folder(io, store->folder, error);
    rc = rc ?: take_lock(store, error);
    rc = rc ?: refuse_network_file_systems(store, error);
    rc = rc ?: probe_file_system(store, error);
    return rc ?: make_folder(io, path, error);
}

static int open_tree(struct store *store, struct error *error)
{
    const struct store_io *io = store->io;
    char path[LAYER_PATH_SIZE];

    store_path(store, path, "meta.db");
    int rc = tree_open(path, io->sqlite_vfs, &store->tree, error);
    if (rc)
        return rc;
    /* The names `layers` and `meta.db` themselves. */
    rc = io->sync_directory(io->context, store->folder);
    return rc ? error_set_errno(error, rc, "%s", store->folder) : 0;
}

/* ---- sweeping (S2) ---- */

int store_sweep_dying(struct store *store)
{
    CLEANUP_FREE struct tree_layer *layers = NULL;
    size_t count = 0;
    int rc = tree_layer_list(store->tree, &layers, &count);

    for (size_t i = 0; !rc && i < count; i++) {
        if (layers[i].state != TREE_LAYER_DYING)
            continue;
        rc = layer_remove_files(store->io, store->folder, layers[i].id);
        rc = rc ?: tree_begin(store->tree);
        if (!rc)
            rc = tree_end(store->tree, tree_layer_delete(store->tree, layers[i].id));
    }
    return rc;
}

struct folder_names {
    uint64_t *ids;
    size_t count;
};

static void note_folder(void *arg, const char *name)
{
    struct folder_names *names = arg;
    uint64_t id;

    if (!parse_u64(name, INT64_MAX, &id))
        return; /* not ours */
    names->ids = xrealloc(names->ids, names->count + 1, sizeof(uint64_t));
    names->ids[names->count++] = id;
}

static bool is_listed(const struct tree_layer *layers, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (layers[i].id == id)
            return true;
    return false;
}

int store_find_orphans(struct store *store, void (*orphan)(void *arg, uint64_t layer), void *arg)
{
    CLEANUP_FREE struct tree_layer *layers = NULL;
    struct folder_names names = {0};
    char path[LAYER_PATH_SIZE];
    size_t count = 0;

    store_path(store, path, "layers");
    int rc = tree_layer_list(store->tree, &layers, &count);
    rc = rc ?: store->io->list(store->io->context, path, note_folder, &names);
    for (size_t i = 0; !rc && i < names.count; i++)
        if (!is_listed(layers, count, names.ids[i]))
            orphan(arg, names.ids[i]);
    free(names.ids);
    return rc;
}

struct sweep {
    struct store *store;
    int rc;
};

static void sweep_orphan(void *arg, uint64_t layer)
{
    struct sweep *sweep = arg;

    sweep->rc = sweep->rc ?: layer_remove_files(sweep->store->io, sweep->store->folder, layer);
}

int store_recover(struct store *store, struct error *error)
{
    struct sweep sweep = {.store = store};
    int rc = tree_begin(store->tree);

    if (!rc)
        rc = tree_end(store->tree, tree_layer_mark_dying(store->tree, true));
    rc = rc ?: store_sweep_dying(store);
    rc = rc ?: store_find_orphans(store, sweep_orphan, &sweep);
    rc = rc ?: sweep.rc;
    return rc ? error_set_errno(error, rc, "%s: cannot clear away what was left behind", store->folder) : 0;
}

static int note_last_id(struct store *store, struct error *error)
{
    uint64_t last_id = 0;
    int rc = tree_layer_last_id(store->tree, &last_id);

    store->next_layer_id = last_id + 1;
    return rc ? error_set_errno(error, rc, "%s", store->folder) : 0;
}

static struct store *new_store(const char *path, const struct store_io *io)
{
    struct store *store = xcalloc(1, sizeof(*store));

    CHECK(strlen(path) < LAYER_PATH_SIZE / 2);
    store->io = io ? io : &store_io_system;
    store->folder = xstrdup(path);
    store->lock_fd = -1;
    store->merge.step_blocks = MERGE_STEP_BLOCKS;
    store->verify.look_for_new = true;
    pthread_mutex_init(&store->tree_lock, NULL);
    pthread_mutex_init(&store->lock, NULL);
    return store;
}

int store_open(const char *path, const struct store_io *io, struct store **opened, struct error *error)
{
    struct store *store = new_store(path, io);
    int rc = prepare_folder(store, error);

    rc = rc ?: open_tree(store, error);
    rc = rc ?: store_recover(store, error);
    rc = rc ?: note_last_id(store, error);
    if (rc) {
        store_close(store);
        return rc;
    }
    store_restore_reserve(store);
    *opened = store;
    return 0;
}

int store_open_as_found(const char *path, const struct store_io *io, struct store **opened, struct error *error)
{
    struct store *store = new_store(path, io);
    char meta[LAYER_PATH_SIZE];
    struct store_file_stat stat;

    store->as_found = true;
    store_path(store, meta, "meta.db");
    int rc = store->io->stat(store->io->context, meta, &stat);
    if (rc)
        error_set(error, rc, rc == -ENOENT ? "there is no store in %s" : "the store in %s cannot be read", path);
    rc = rc ?: take_lock(store, error);
    rc = rc ?: open_tree(store, error);
    rc = rc ?: note_last_id(store, error);
    if (rc) {
        store_close(store);
        return rc;
    }
    *opened = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store_verify_stop(store);
    CHECK(!store->volumes && !store->layers && !store->imports);
    tree_close(store->tree);
    if (store->lock_fd >= 0)
        store->io->close(store->io->context, store->lock_fd);
    pthread_mutex_destroy(&store->tree_lock);
    pthread_mutex_destroy(&store->lock);
    free(store->folder);
    free(store);
}

int store_usage(struct store *store, struct store_usage *usage)
{
    CLEANUP_FREE struct tree_layer *layers = NULL;
    struct store_fs_stat stat;
    size_t count = 0;
    int rc = store->io->statfs(store->io->context, store->folder, &stat);

    pthread_mutex_lock(&store->tree_lock);
    rc = rc ?: tree_layer_list(store->tree, &layers, &count);
    pthread_mutex_unlock(&store->tree_lock);
    if (rc)
        return rc;
    *usage = (struct store_usage){.total_bytes = stat.total_bytes, .free_bytes = stat.free_bytes};
    for (size_t i = 0; i < count; i++)
        usage->used_bytes += layer_allocated_bytes(store->io, store->folder, layers[i].id);
    return 0;
}
