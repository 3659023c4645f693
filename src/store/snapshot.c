/* Points in the life of volumes that have a name (FORMAT.md, S4 and 6). */
#include "store/group.h"

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

static int check_name(const char *name, struct error *error)
{
    if (strlen(name) < STORE_NAME_SIZE && is_valid_name(name))
        return 0;
    return error_set(error, -EINVAL, "'%s' cannot be the name of a snapshot", name);
}

/* ---- making one ---- */

static int check_member(struct store *store, struct member *member, const struct tree_snapshot *wanted,
                        struct error *error)
{
    const struct tree_volume *volume = &member->volume;
    int rc = tree_snapshot_get(store->tree, volume->id, wanted->name, &member->snapshot);

    if (rc == 0)
        return error_set(error, -EEXIST, "%s has a snapshot %s already", volume->name, wanted->name);
    if (rc != -ENOENT)
        return error_set_errno(error, rc, "%s", volume->name);
    member->snapshot = *wanted;
    member->below = volume->layer;
    return store_check_depth(store, volume->layer, error);
}

static int check_group(struct group *group, const struct tree_snapshot *wanted, struct error *error)
{
    int rc = group_refuse_images(group, error);

    rc = rc ?: store_refuse_when_low(group->store, error);
    for (size_t i = 0; !rc && i < group->count; i++)
        rc = check_member(group->store, &group->members[i], wanted, error);
    return rc;
}

static int open_volumes(struct group *group)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < group->count; i++) {
        struct member *member = &group->members[i];
        rc = store_open_volume_locked(group->store, member->volume.name, &member->open);
        if (!rc && member->open->read_only)
            rc = -EROFS; /* its map is damaged */
    }
    return rc;
}

/* Together with what is written meanwhile, until somebody holds them. */
static int flush_all(struct group *group)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < group->count; i++)
        rc = volume_flush(group->members[i].open);
    return rc;
}

static int open_tops(struct group *group)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < group->count; i++)
        rc = store_layer_get(group->store, &group->members[i].new_top, true, &group->members[i].opened);
    return rc;
}

static void close_tops(struct group *group)
{
    for (size_t i = 0; i < group->count; i++)
        if (group->members[i].opened)
            store_layer_put(group->store, TAKE_PTR(group->members[i].opened));
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

static void swap_chains(struct group *group)
{
    for (size_t i = 0; i < group->count; i++)
        swap_chain(group->members[i].open, TAKE_PTR(group->members[i].opened));
}

/* The commit may be on disk: what is written to the old tops from now on could be inside the snapshots. */
static void stop_doubtful(struct group *group, int rc)
{
    for (size_t i = 0; i < group->count; i++)
        if (store_is_in_doubt(group->store, group->members[i].volume.id))
            volume_stop(group->members[i].open, rc, "recording a snapshot");
}

/* Between hold and release: nothing changes, so what was flushed is all there is (S4). */
static int record_held(struct group *group)
{
    int rc = flush_all(group);

    if (rc) {
        group_forget_tops(group);
        return rc;
    }
    rc = group_record_tops(group);
    if (rc)
        stop_doubtful(group, rc);
    else
        swap_chains(group);
    return rc;
}

static int record_snapshots(struct group *group)
{
    for (size_t i = 0; i < group->count; i++)
        volume_hold(group->members[i].open);
    int rc = record_held(group);
    for (size_t i = 0; i < group->count; i++)
        volume_release(group->members[i].open);
    return rc;
}

/* New tops are made, and most of what is dirty is written, before anybody is held up. */
static int make_snapshots(struct group *group)
{
    int rc = open_volumes(group);

    rc = rc ?: flush_all(group);
    rc = rc ?: group_make_tops(group);
    if (rc)
        return rc;
    rc = open_tops(group);
    if (rc)
        group_forget_tops(group);
    rc = rc ?: record_snapshots(group);
    close_tops(group);
    return rc;
}

static int create_locked(struct group *group, const struct tree_snapshot *wanted, struct error *error)
{
    int rc = check_group(group, wanted, error);

    if (rc)
        return rc;
    rc = make_snapshots(group);
    return rc ? error_set_errno(error, rc, "%s: cannot make the snapshot %s", group->members[0].volume.name,
                                wanted->name)
              : 0;
}

/* What was dirty since is flushed without the tree. */
static void close_volumes(struct group *group)
{
    for (size_t i = 0; group && i < group->count; i++)
        volume_unref(group->members[i].open);
}

int store_snapshot_create_group(struct store *store, const char *const *volumes, size_t count, const char *name,
                                const char *comment, struct error *error)
{
    struct tree_snapshot wanted = {.created_seconds = clock_wall_seconds()};
    CLEANUP(cleanup_group) struct group *group = NULL;
    int rc = check_name(name, error);

    if (rc)
        return rc;
    COPY_STRING(wanted.name, name);
    if (!COPY_STRING(wanted.comment, comment ? comment : ""))
        return error_set(error, -EINVAL, "the comment of a snapshot has at most %zu bytes", sizeof(wanted.comment) - 1);
    pthread_mutex_lock(&store->tree_lock);
    rc = group_find(store, volumes, count, &group, error);
    rc = rc ?: create_locked(group, &wanted, error);
    pthread_mutex_unlock(&store->tree_lock);
    close_volumes(group);
    return rc;
}

/* ---- other names, and none ---- */

static int rename_member(struct tree *tree, const struct member *member, const void *new_name)
{
    return tree_snapshot_rename(tree, member->snapshot.id, new_name);
}

static int rename_locked(struct group *group, const char *name, const char *new_name, struct error *error)
{
    int rc = group_find_snapshots(group, name, error);

    if (rc)
        return rc;
    store_make_room(group->store);
    rc = group_change(group, rename_member, new_name);
    if (rc == -EEXIST)
        return error_set(error, rc, "%s has a snapshot %s already", group->members[0].volume.name, new_name);
    return rc ? error_set_errno(error, rc, "%s: cannot rename the snapshot %s", group->members[0].volume.name, name)
              : 0;
}

int store_snapshot_rename_group(struct store *store, const char *const *volumes, size_t count, const char *name,
                                const char *new_name, struct error *error)
{
    CLEANUP(cleanup_group) struct group *group = NULL;
    int rc = check_name(new_name, error);

    if (rc)
        return rc;
    pthread_mutex_lock(&store->tree_lock);
    rc = group_find(store, volumes, count, &group, error);
    rc = rc ?: rename_locked(group, name, new_name, error);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

static int remove_member(struct tree *tree, const struct member *member, const void *arg)
{
    int rc = tree_snapshot_delete(tree, member->snapshot.id);

    return rc ?: tree_layer_mark_dying(tree, false);
}

static int remove_locked(struct group *group, const char *name, struct error *error)
{
    int rc = group_find_snapshots(group, name, error);

    if (rc)
        return rc;
    store_make_room(group->store);
    rc = group_change(group, remove_member, NULL);
    if (rc)
        return error_set_errno(error, rc, "%s: cannot remove the snapshot %s", group->members[0].volume.name, name);
    store_sweep_dying(group->store); /* or the next open does */
    store_restore_reserve(group->store);
    return 0;
}

int store_snapshot_remove_group(struct store *store, const char *const *volumes, size_t count, const char *name,
                                struct error *error)
{
    CLEANUP(cleanup_group) struct group *group = NULL;

    pthread_mutex_lock(&store->tree_lock);
    int rc = group_find(store, volumes, count, &group, error);
    rc = rc ?: remove_locked(group, name, error);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}
