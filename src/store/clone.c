/* New volumes, empty or out of frozen layers, their growth and their end (FORMAT.md, 6). */
#include "store/state.h"

#include "base/clock.h"

enum {
    UUID_VERSION_RANDOM = 0x40,
    UUID_VARIANT = 0x80,
};

#define VOLUME_BYTES_MAX (1ull << 46) /* 64 TiB: a map of 2 GiB on disk */

void store_make_uuid(uint8_t uuid[16])
{
    random_bytes(uuid, 16);
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | UUID_VERSION_RANDOM); /* RFC 9562 section 5.4 */
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | UUID_VARIANT);
}

/* ---- what every new volume needs ---- */

/* In one transaction: the top, the volume, and the name of the state it began from, if it began from one. */
static int name_volume(struct store *store, struct tree_layer *top, const char *name)
{
    struct tree *tree = store->tree;
    struct tree_volume volume = {.layer = top->id, .created_seconds = clock_wall_seconds()};
    struct tree_snapshot pristine = {
        .layer = top->parent, .created_seconds = volume.created_seconds, .name = "pristine"};
    int rc = tree_begin(tree);

    if (rc)
        return rc;
    COPY_STRING(volume.name, name);
    store_make_uuid(volume.uuid);
    top->state = TREE_LAYER_TOP;
    rc = tree_layer_insert(tree, top);
    rc = rc ?: tree_volume_insert(tree, &volume);
    top->owner = volume.id;
    pristine.volume = volume.id;
    rc = rc ?: tree_layer_update(tree, top);
    if (!rc && top->parent)
        rc = tree_snapshot_insert(tree, &pristine);
    return tree_end(tree, rc);
}

/* `parent` 0: on nothing. */
static int make_volume(struct store *store, uint64_t parent, uint64_t blocks, const char *name, struct error *error)
{
    struct tree_layer top;
    int rc = store_new_layer(store, parent, blocks, false, &top);

    if (rc)
        return error_set_errno(error, rc, "%s: cannot make its files", name);
    rc = name_volume(store, &top, name);
    if (!rc)
        return 0;
    if (rc != -EIO) /* else the commit may be on disk after all: the next open knows */
        layer_remove_files(store->io, store->folder, top.id);
    return error_set_errno(error, rc, "%s: cannot record it", name);
}

static uint64_t blocks_of(uint64_t size_bytes)
{
    return size_bytes / VOLUME_BLOCK_BYTES + (size_bytes % VOLUME_BLOCK_BYTES != 0);
}

/* ---- create ---- */

static int create_locked(struct store *store, const char *name, uint64_t size_bytes, struct error *error)
{
    int rc = store_check_new_name(store, name, error);

    rc = rc ?: store_refuse_when_low(store, error);
    if (rc)
        return rc;
    if (size_bytes == 0)
        return error_set(error, -EINVAL, "%s: a volume has at least one block", name);
    if (size_bytes > VOLUME_BYTES_MAX)
        return error_set(error, -EFBIG, "%s: a volume has at most 64 TiB", name);
    return make_volume(store, 0, blocks_of(size_bytes), name, error);
}

int store_volume_create(struct store *store, const char *name, uint64_t size_bytes, struct error *error)
{
    pthread_mutex_lock(&store->tree_lock);
    int rc = create_locked(store, name, size_bytes, error);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

/* ---- clone ---- */

int store_find_source(struct store *store, const char *from, const char *snapshot, struct tree_layer *layer,
                      struct error *error)
{
    struct tree_volume volume;
    struct tree_snapshot row;
    int rc = store_find_volume(store, from, &volume, error);

    if (rc)
        return rc;
    if (!snapshot && !volume.read_only)
        return error_set(error, -EINVAL,
                         "%s is being written to: name the snapshot of it that is to be cloned", from);
    if (!snapshot)
        return tree_layer_get(store->tree, volume.layer, layer);
    rc = store_find_snapshot(store, &volume, snapshot, &row, error);
    return rc ?: tree_layer_get(store->tree, row.layer, layer);
}

static int blocks_for(const struct tree_layer *source, const char *name, uint64_t size_bytes,
                      uint64_t *blocks, struct error *error)
{
    if (size_bytes > VOLUME_BYTES_MAX)
        return error_set(error, -EFBIG, "%s: a volume has at most 64 TiB", name);
    *blocks = blocks_of(size_bytes);
    if (size_bytes == 0)
        *blocks = source->blocks;
    if (*blocks < source->blocks)
        return error_set(error, -EINVAL, "%s: cannot be smaller than what it is cloned from (%llu MiB)", name,
                         (unsigned long long)(source->blocks * VOLUME_BLOCK_BYTES >> 20));
    return 0;
}

static int clone_locked(struct store *store, const char *from, const char *snapshot, const char *name,
                        uint64_t size_bytes, struct error *error)
{
    struct tree_layer source;
    uint64_t blocks = 0;
    int rc = store_check_new_name(store, name, error);

    rc = rc ?: store_refuse_when_low(store, error);
    rc = rc ?: store_find_source(store, from, snapshot, &source, error);
    rc = rc ?: store_check_depth(store, source.id, error);
    rc = rc ?: blocks_for(&source, name, size_bytes, &blocks, error);
    return rc ?: make_volume(store, source.id, blocks, name, error);
}

int store_volume_clone(struct store *store, const char *from, const char *snapshot, const char *name,
                       uint64_t size_bytes, struct error *error)
{
    pthread_mutex_lock(&store->tree_lock);
    int rc = clone_locked(store, from, snapshot, name, size_bytes, error);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

/* ---- delete ---- */

static int forget(struct store *store, const struct tree_volume *volume)
{
    int rc = tree_begin(store->tree);

    if (rc)
        return rc;
    rc = tree_volume_delete(store->tree, volume->id);
    rc = rc ?: tree_layer_mark_dying(store->tree, false);
    return tree_end(store->tree, rc);
}

static int delete_locked(struct store *store, const char *name, struct error *error)
{
    struct tree_volume volume;
    int rc = store_find_volume(store, name, &volume, error);

    if (rc)
        return rc;
    if (store_volume_is_open(store, name))
        return error_set(error, -EBUSY, "%s is in use", name);
    store_make_room(store);
    rc = forget(store, &volume);
    if (rc)
        return error_set_errno(error, rc, "%s: cannot delete it", name);
    store_sweep_dying(store); /* or the next open does: nothing names those files any more */
    store_restore_reserve(store);
    return 0;
}

int store_volume_delete(struct store *store, const char *name, struct error *error)
{
    pthread_mutex_lock(&store->tree_lock);
    int rc = delete_locked(store, name, error);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

/* ---- resize ---- */

static int record_size(struct store *store, const char *name, uint64_t blocks)
{
    struct tree_volume row;
    struct tree_layer layer;
    int rc = tree_volume_get(store->tree, name, &row);

    rc = rc ?: tree_layer_get(store->tree, row.layer, &layer);
    rc = rc ?: tree_begin(store->tree);
    if (rc)
        return rc;
    layer.blocks = blocks;
    rc = tree_layer_update(store->tree, &layer);
    rc = rc ?: tree_volume_update(store->tree, &row);
    return tree_end(store->tree, rc);
}

static int grow(struct store *store, struct volume *volume, uint64_t blocks)
{
    struct layer *top = volume->chain->layers[0];

    store_make_room(store);
    int rc = layer_prepare_growth(top, blocks);
    rc = rc ?: record_size(store, volume->name, blocks);
    if (rc)
        return rc;
    pthread_mutex_lock(&volume->lock);
    layer_grow(top, blocks);
    atomic_store(&volume->size_bytes, blocks * VOLUME_BLOCK_BYTES);
    pthread_mutex_unlock(&volume->lock);
    return 0;
}

static int resize_locked(struct store *store, struct volume *volume, uint64_t size_bytes, struct error *error)
{
    uint64_t blocks = blocks_of(size_bytes);

    if (volume->read_only)
        return error_set(error, -EROFS, "%s is read-only", volume->name);
    if (size_bytes > VOLUME_BYTES_MAX)
        return error_set(error, -EFBIG, "%s: a volume has at most 64 TiB", volume->name);
    if (blocks < volume->chain->layers[0]->blocks)
        return error_set(error, -EINVAL, "%s: a volume can only grow", volume->name);
    int rc = grow(store, volume, blocks);
    return rc ? error_set_errno(error, rc, "%s: cannot grow", volume->name) : 0;
}

int store_volume_resize(struct store *store, const char *name, uint64_t size_bytes, struct error *error)
{
    struct volume *volume = NULL;
    struct tree_volume row;

    pthread_mutex_lock(&store->tree_lock);
    int rc = store_find_volume(store, name, &row, error);
    if (!rc) {
        rc = store_open_volume_locked(store, name, &volume);
        rc = rc ? error_set_errno(error, rc, "%s", name) : resize_locked(store, volume, size_bytes, error);
    }
    pthread_mutex_unlock(&store->tree_lock);
    volume_unref(volume);
    return rc;
}
