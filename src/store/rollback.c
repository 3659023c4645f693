/* Going back to a snapshot: a switch to a fresh child of its layer (FORMAT.md, 6). */
#include "store/state.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

enum { NAMES_PER_SECOND = 1000 };

/* A name for the state that is left; a second rollback within the same second gets "-2" behind it. */
static int name_what_was(struct store *store, const struct tree_volume *volume, struct tree_snapshot *kept)
{
    time_t now = (time_t)kept->created_seconds;
    struct tree_snapshot existing;
    struct tm local;
    char stamp[20];
    int rc = 0;

    localtime_r(&now, &local);
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &local);
    for (int i = 1; !rc && i <= NAMES_PER_SECOND; i++) {
        snprintf(kept->name, sizeof(kept->name), "before-rollback-%s", stamp);
        if (i > 1)
            snprintf(kept->name, sizeof(kept->name), "before-rollback-%s-%d", stamp, i);
        rc = tree_snapshot_get(store->tree, volume->id, kept->name, &existing);
    }
    return rc == -ENOENT ? 0 : rc ?: -EEXIST;
}

/* What is kept under a name must be on disk before that name is (S4). */
static int switch_top(struct store *store, const struct tree_volume *volume, uint64_t below,
                      struct tree_snapshot *kept)
{
    struct tree_layer old_top;
    struct tree_layer new_top;
    int rc = tree_layer_get(store->tree, volume->layer, &old_top);

    rc = rc ?: store_sync_closed_volume(store, volume);
    rc = rc ?: store_new_layer(store, below, old_top.blocks, false, &new_top);
    if (rc)
        return rc;
    kept->volume = volume->id;
    kept->layer = old_top.id;
    rc = store_record_new_top(store, volume, &old_top, &new_top, kept);
    if (rc && rc != -EIO) /* else the commit may be on disk after all: the next open knows */
        layer_remove_files(store->io, store->folder, new_top.id);
    return rc;
}

static int check_rollback(struct store *store, const char *name, const char *snapshot_name,
                          struct tree_volume *volume, struct tree_snapshot *snapshot, struct error *error)
{
    int rc = store_find_volume(store, name, volume, error);

    if (rc)
        return rc;
    if (volume->read_only)
        return error_set(error, -EROFS, "%s is an image and never changes", name);
    rc = store_find_snapshot(store, volume, snapshot_name, snapshot, error);
    if (rc)
        return rc;
    if (store_volume_is_open(store, name))
        return error_set(error, -EBUSY, "%s is in use", name);
    return store_check_depth(store, snapshot->layer, error);
}

static int rollback_locked(struct store *store, const char *name, const char *snapshot_name,
                           struct tree_snapshot *kept, struct error *error)
{
    struct tree_snapshot snapshot;
    struct tree_volume volume;
    int rc = check_rollback(store, name, snapshot_name, &volume, &snapshot, error);

    if (rc)
        return rc;
    rc = name_what_was(store, &volume, kept);
    rc = rc ?: switch_top(store, &volume, snapshot.layer, kept);
    return rc ? error_set_errno(error, rc, "%s: cannot roll back to %s", name, snapshot_name) : 0;
}

int store_volume_rollback(struct store *store, const char *volume, const char *snapshot,
                          char kept_name[STORE_NAME_SIZE], struct error *error)
{
    struct tree_snapshot kept = {.created_seconds = clock_wall_seconds()};

    snprintf(kept.comment, sizeof(kept.comment), "before the rollback to %.60s", snapshot);
    pthread_mutex_lock(&store->tree_lock);
    int rc = rollback_locked(store, volume, snapshot, &kept, error);
    pthread_mutex_unlock(&store->tree_lock);
    if (!rc)
        copy_string(kept_name, STORE_NAME_SIZE, kept.name);
    return rc;
}
