/* Beginning again from an image or a snapshot, and becoming an image (FORMAT.md, 6). */
#include "store/state.h"

#include "base/clock.h"

struct reset {
    struct store *store;
    struct tree_volume volume;
    struct tree_layer old_top;
    struct tree_layer below; /* what the new top lies on */
    bool is_elsewhere;       /* `below` is another volume's */
    struct tree_snapshot kept;
    bool keeps;
};

/* ---- has anything been written? ---- */

static bool decides_anything(const struct layer *layer)
{
    uint64_t length = 0;

    return layer_run(layer, 0, layer->blocks, &length) || length < layer->blocks;
}

/* Of a volume that nobody has open. It is not opened for this: whoever came meanwhile would share what is found. */
static int look_at_layer(struct store *store, const struct tree_layer *row, bool *changed)
{
    struct layer *layer;
    int rc = store_layer_get(store, row, true, &layer);

    if (rc)
        return rc;
    *changed = decides_anything(layer);
    store_layer_put(store, layer);
    return 0;
}

static bool look_at_open_volume(struct volume *volume)
{
    pthread_mutex_lock(&volume->lock);
    bool changed = decides_anything(volume->chain->layers[0]);
    pthread_mutex_unlock(&volume->lock);
    return changed;
}

static int look_at_top(struct store *store, const char *name, bool *changed)
{
    struct volume *volume;
    struct tree_volume row;
    struct tree_layer top;
    int rc = tree_volume_get(store->tree, name, &row);

    if (!rc && row.read_only)
        *changed = false;
    if (rc || row.read_only)
        return rc;
    if (!store_volume_is_open(store, name)) {
        rc = tree_layer_get(store->tree, row.layer, &top);
        return rc ?: look_at_layer(store, &top, changed);
    }
    rc = store_open_volume_locked(store, name, &volume);
    if (rc)
        return rc;
    *changed = look_at_open_volume(volume);
    store_unref_volume_locked(volume);
    return 0;
}

int store_volume_changed(struct store *store, const char *name, bool *changed)
{
    pthread_mutex_lock(&store->tree_lock);
    int rc = look_at_top(store, name, changed);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

/* ---- reset ---- */

static int find(struct reset *r, const char *name, const char *from, const char *snapshot, struct error *error)
{
    int rc = store_find_volume(r->store, name, &r->volume, error);

    if (rc)
        return rc;
    if (r->volume.read_only)
        return error_set(error, -EROFS, "%s is an image and never changes", name);
    if (store_volume_is_open(r->store, name))
        return error_set(error, -EBUSY, "%s is in use", name);
    rc = store_find_source(r->store, from ? from : name, snapshot, &r->below, error);
    rc = rc ?: store_check_depth(r->store, r->below.id, error);
    if (rc)
        return rc;
    r->is_elsewhere = from && strcmp(from, name) != 0;
    rc = tree_layer_get(r->store->tree, r->volume.layer, &r->old_top);
    return rc ? error_set_errno(error, rc, "%s", name) : 0;
}

/* "pristine" is where the volume began: from now on that is elsewhere. */
static int move_pristine(struct reset *r)
{
    struct tree *tree = r->store->tree;
    struct tree_snapshot pristine;
    int rc = tree_snapshot_get(tree, r->volume.id, "pristine", &pristine);

    if (rc || pristine.layer == r->below.id)
        return rc == -ENOENT ? 0 : rc;
    rc = tree_snapshot_delete(tree, pristine.id);
    pristine.layer = r->below.id;
    return rc ?: tree_snapshot_insert(tree, &pristine);
}

static int record(struct reset *r, struct tree_layer *new_top)
{
    struct tree *tree = r->store->tree;
    struct tree_volume row = r->volume;
    int rc = tree_begin(tree);

    if (rc)
        return rc;
    r->old_top.state = TREE_LAYER_FROZEN;
    new_top->state = TREE_LAYER_TOP;
    new_top->owner = row.id;
    row.layer = new_top->id;
    rc = tree_layer_update(tree, &r->old_top);
    rc = rc ?: tree_layer_insert(tree, new_top);
    rc = rc ?: tree_volume_update(tree, &row);
    if (!rc && r->keeps)
        rc = tree_snapshot_insert(tree, &r->kept);
    if (!rc && r->is_elsewhere)
        rc = move_pristine(r);
    rc = rc ?: tree_layer_mark_dying(tree, false);
    rc = tree_end(tree, rc);
    if (rc && tree_is_in_doubt(tree))
        r->store->in_doubt[0] = row.id;
    return rc;
}

/* What is kept under a name must be on disk before that name is (S4); what is dropped need not be. */
static int switch_top(struct reset *r)
{
    struct store *store = r->store;
    struct tree_layer new_top;
    int rc = r->keeps ? store_sync_closed_volume(store, &r->volume) : 0;

    rc = rc ?: store_new_layer(store, r->below.id, MAX(r->old_top.blocks, r->below.blocks), false, &new_top);
    if (rc)
        return rc;
    rc = record(r, &new_top);
    if (rc && !tree_is_in_doubt(store->tree)) /* else the commit may be on disk after all: the next open knows */
        layer_remove_files(store->io, store->folder, new_top.id);
    if (!rc)
        store_sweep_dying(store); /* or the next open does: nothing names those files any more */
    return rc;
}

static int reset_locked(struct reset *r, const char *name, const char *from, const char *snapshot,
                        struct error *error)
{
    bool changed = true;
    int rc = find(r, name, from, snapshot, error);

    if (rc)
        return rc;
    if (r->old_top.parent == r->below.id && r->old_top.blocks >= r->below.blocks)
        changed = look_at_layer(r->store, &r->old_top, &changed) < 0 || changed; /* a damaged one can be dropped */
    if (!changed)
        return 0;
    r->kept.volume = r->volume.id;
    r->kept.layer = r->old_top.id;
    rc = switch_top(r);
    if (rc == -EEXIST)
        return error_set(error, rc, "%s has a snapshot %s already", name, r->kept.name);
    return rc ? error_set_errno(error, rc, "%s: cannot begin again", name) : 0;
}

int store_volume_reset(struct store *store, const char *name, const char *from, const char *snapshot,
                       const struct store_snapshot_info *keep, struct error *error)
{
    struct reset r = {.store = store, .keeps = keep != NULL};

    if (keep) {
        r.kept.created_seconds = clock_wall_seconds();
        COPY_STRING(r.kept.name, keep->name);
        COPY_STRING(r.kept.comment, keep->comment);
    }
    pthread_mutex_lock(&store->tree_lock);
    int rc = reset_locked(&r, name, from, snapshot, error);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

/* ---- seal ---- */

/* Its snapshots go: an image has none. */
static int record_seal(struct store *store, const struct tree_volume *volume)
{
    CLEANUP_FREE struct tree_snapshot *snapshots = NULL;
    struct tree *tree = store->tree;
    struct tree_layer top;
    size_t count = 0;
    int rc = tree_snapshot_list(tree, volume->id, &snapshots, &count);

    rc = rc ?: tree_layer_get(tree, volume->layer, &top);
    rc = rc ?: tree_begin(tree);
    if (rc)
        return rc;
    top.state = TREE_LAYER_FROZEN;
    for (size_t i = 0; !rc && i < count; i++)
        rc = tree_snapshot_delete(tree, snapshots[i].id);
    rc = rc ?: tree_layer_update(tree, &top);
    rc = rc ?: tree_volume_seal(tree, volume->id);
    return tree_end(tree, rc);
}

static int seal_locked(struct store *store, const char *name, struct error *error)
{
    struct tree_volume volume;
    int rc = store_find_volume(store, name, &volume, error);

    if (rc)
        return rc;
    if (store_volume_is_open(store, name))
        return error_set(error, -EBUSY, "%s is in use", name);
    if (volume.read_only)
        return 0;
    rc = store_sync_closed_volume(store, &volume);
    rc = rc ?: record_seal(store, &volume);
    return rc ? error_set_errno(error, rc, "%s: cannot become an image", name) : 0;
}

int store_volume_seal(struct store *store, const char *name, struct error *error)
{
    pthread_mutex_lock(&store->tree_lock);
    int rc = seal_locked(store, name, error);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}
