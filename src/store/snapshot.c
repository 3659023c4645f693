/* Points in a volume's life that have a name (FORMAT.md, S4 and 6). */
#include "store/state.h"

#include "base/clock.h"
#include "base/text.h"

int store_check_depth(struct store *store, uint64_t layer_id, struct error *error)
{
    struct tree_layer layer;
    int depth = 0;
    int rc = 0;

    for (uint64_t id = layer_id; !rc && id != 0; id = layer.parent, depth++)
        rc = tree_layer_get(store->tree, id, &layer);
    if (!rc && depth >= CHAIN_LAYERS_MAX)
        return error_set(error, -EMLINK, "%d layers lie on each other already: remove snapshots first",
                         depth);
    return rc;
}

int store_find_snapshot(struct store *store, const struct tree_volume *volume, const char *name,
                        struct tree_snapshot *snapshot, struct error *error)
{
    int rc = tree_snapshot_get(store->tree, volume->id, name, snapshot);

    if (rc == -ENOENT)
        return error_set(error, rc, "%s has no snapshot %s", volume->name, name);
    return rc ? error_set_errno(error, rc, "%s: %s", volume->name, name) : 0;
}

int store_record_new_top(struct store *store, const struct tree_volume *volume,
                         const struct tree_layer *old_top, struct tree_layer *new_top,
                         const struct tree_snapshot *snapshot)
{
    struct tree *tree = store->tree;
    struct tree_volume row = *volume;
    struct tree_layer frozen = *old_top;
    int rc = tree_begin(tree);

    if (rc)
        return rc;
    frozen.state = TREE_LAYER_FROZEN;
    new_top->state = TREE_LAYER_TOP;
    new_top->owner = volume->id;
    row.layer = new_top->id;
    rc = tree_layer_update(tree, &frozen);
    rc = rc ?: tree_layer_insert(tree, new_top);
    rc = rc ?: tree_volume_update(tree, &row);
    rc = rc ?: tree_snapshot_insert(tree, snapshot);
    rc = tree_end(tree, rc);
    if (rc == -EIO && store->volume_in_doubt == 0)
        store->volume_in_doubt = volume->id;
    return rc;
}

/* The volume goes on with an empty top on what was its top. */
static void swap_chain(struct volume *volume, struct layer *new_top)
{
    struct chain *old = volume->chain;
    struct layer *layers[CHAIN_LAYERS_MAX] = {new_top};

    pthread_mutex_lock(&volume->store->lock);
    for (int i = 0; i < old->count; i++) {
        layers[i + 1] = old->layers[i];
        old->layers[i]->refs++;
    }
    pthread_mutex_unlock(&volume->store->lock);
    struct chain *chain = chain_new(layers, old->count + 1, store_layer_put, volume->store);
    pthread_mutex_lock(&volume->lock);
    layer_freeze(old->layers[0]);
    volume->chain = chain;
    pthread_mutex_unlock(&volume->lock);
    chain_unref(old);
}

/* Between hold and release: nothing changes, so what was flushed is all there is (S4). */
static int snapshot_held(struct volume *volume, const struct tree_volume *row, struct layer *new_layer,
                         struct tree_layer *new_top, struct tree_snapshot *snapshot)
{
    struct store *store = volume->store;
    struct tree_layer old_top;
    int rc = volume_flush(volume);

    rc = rc ?: tree_layer_get(store->tree, row->layer, &old_top);
    if (rc)
        return rc;
    snapshot->layer = old_top.id;
    rc = store_record_new_top(store, row, &old_top, new_top, snapshot);
    if (!rc) {
        swap_chain(volume, new_layer);
    } else if (rc == -EIO) {
        /* The commit may be on disk: what is written to the old top from now on could be inside the snapshot.
         */
        volume_stop(volume, rc, "recording a snapshot");
    }
    return rc;
}

/* Makes the new top before anybody is held up. */
static int snapshot_volume(struct volume *volume, const struct tree_volume *row,
                           struct tree_snapshot *snapshot)
{
    struct store *store = volume->store;
    struct layer *new_layer = NULL;
    struct tree_layer new_top;
    int rc = store_new_layer(store, row->layer, volume->chain->layers[0]->blocks, false, &new_top);

    if (rc)
        return rc;
    rc = store_layer_get(store, &new_top, true, &new_layer);
    if (!rc) {
        volume_hold(volume);
        rc = snapshot_held(volume, row, new_layer, &new_top, snapshot);
        volume_release(volume);
    }
    if (rc && new_layer)
        store_layer_put(store, new_layer);
    if (rc && rc != -EIO)
        layer_remove_files(store->io, store->folder, new_top.id);
    return rc;
}

static int check_snapshot(struct store *store, const struct tree_volume *row, const char *name,
                          struct error *error)
{
    struct tree_snapshot existing;

    if (row->read_only)
        return error_set(error, -EROFS, "%s is an image and never changes", row->name);
    if (!is_valid_name(name))
        return error_set(error, -EINVAL, "'%s' cannot be the name of a snapshot", name);
    int rc = tree_snapshot_get(store->tree, row->id, name, &existing);
    if (rc == 0)
        return error_set(error, -EEXIST, "%s has a snapshot %s already", row->name, name);
    return rc == -ENOENT ? store_check_depth(store, row->layer, error)
                         : error_set_errno(error, rc, "%s", row->name);
}

static int create_locked(struct store *store, const char *volume_name, struct tree_snapshot *snapshot,
                         struct volume **volume, struct error *error)
{
    struct tree_volume row;
    int rc = store_find_volume(store, volume_name, &row, error);

    rc = rc ?: check_snapshot(store, &row, snapshot->name, error);
    if (rc)
        return rc;
    snapshot->volume = row.id;
    rc = store_open_volume_locked(store, volume_name, volume);
    if (!rc)
        rc = (*volume)->read_only ? -EROFS : snapshot_volume(*volume, &row, snapshot);
    return rc ? error_set_errno(error, rc, "%s: cannot make the snapshot %s", volume_name, snapshot->name)
              : 0;
}

int store_snapshot_create(struct store *store, const char *volume_name, const char *name, const char *comment,
                          struct error *error)
{
    struct tree_snapshot snapshot = {.created_seconds = clock_wall_seconds()};
    struct volume *volume = NULL;

    if (!COPY_STRING(snapshot.name, name) || !COPY_STRING(snapshot.comment, comment ? comment : ""))
        return error_set(error, -EINVAL, "the name or comment of a snapshot is too long");
    pthread_mutex_lock(&store->tree_lock);
    int rc = create_locked(store, volume_name, &snapshot, &volume, error);
    pthread_mutex_unlock(&store->tree_lock);
    volume_unref(volume);
    return rc;
}

/* ---- other names, and none ---- */

static int find_both(struct store *store, const char *volume_name, const char *name, struct tree_volume *volume,
                     struct tree_snapshot *snapshot, struct error *error)
{
    int rc = store_find_volume(store, volume_name, volume, error);

    return rc ?: store_find_snapshot(store, volume, name, snapshot, error);
}

static int rename_locked(struct store *store, const char *volume_name, const char *name, const char *new_name,
                         struct error *error)
{
    struct tree_volume volume;
    struct tree_snapshot snapshot;
    int rc = find_both(store, volume_name, name, &volume, &snapshot, error);

    if (rc)
        return rc;
    store_make_room(store);
    rc = tree_begin(store->tree);
    if (!rc)
        rc = tree_end(store->tree, tree_snapshot_rename(store->tree, snapshot.id, new_name));
    if (rc == -EEXIST)
        return error_set(error, rc, "%s has a snapshot %s already", volume.name, new_name);
    return rc ? error_set_errno(error, rc, "%s: cannot rename the snapshot %s", volume.name, name) : 0;
}

int store_snapshot_rename(struct store *store, const char *volume, const char *name, const char *new_name,
                          struct error *error)
{
    if (strlen(new_name) >= STORE_NAME_SIZE || !is_valid_name(new_name))
        return error_set(error, -EINVAL, "'%s' cannot be the name of a snapshot", new_name);
    pthread_mutex_lock(&store->tree_lock);
    int rc = rename_locked(store, volume, name, new_name, error);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

static int forget(struct store *store, uint64_t id)
{
    int rc = tree_begin(store->tree);

    if (rc)
        return rc;
    rc = tree_snapshot_delete(store->tree, id);
    rc = rc ?: tree_layer_mark_dying(store->tree, false);
    return tree_end(store->tree, rc);
}

static int remove_locked(struct store *store, const char *volume_name, const char *name, struct error *error)
{
    struct tree_volume volume;
    struct tree_snapshot snapshot;
    int rc = find_both(store, volume_name, name, &volume, &snapshot, error);

    if (rc)
        return rc;
    store_make_room(store);
    rc = forget(store, snapshot.id);
    if (rc)
        return error_set_errno(error, rc, "%s: cannot remove the snapshot %s", volume.name, name);
    store_sweep_dying(store); /* or the next open does */
    store_restore_reserve(store);
    return 0;
}

int store_snapshot_remove(struct store *store, const char *volume, const char *name, struct error *error)
{
    pthread_mutex_lock(&store->tree_lock);
    int rc = remove_locked(store, volume, name, error);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}
