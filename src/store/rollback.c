/* Going back to a snapshot: a switch to a fresh child of its layer (FORMAT.md, 6). */
#include "store/group.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

enum { NAMES_PER_SECOND = 1000 };

/* ---- a name for the state that is left ---- */

/* 0 if one of them has a snapshot of that name, -ENOENT if none has. */
static int find_in_any(const struct group *group, const char *name)
{
    struct tree_snapshot existing;
    int rc = -ENOENT;

    for (size_t i = 0; rc == -ENOENT && i < group->count; i++)
        rc = tree_snapshot_get(group->store->tree, group->members[i].volume.id, name, &existing);
    return rc;
}

/* A second rollback within the same second gets "-2" behind it. */
static int name_what_was(const struct group *group, struct tree_snapshot *kept)
{
    time_t now = (time_t)kept->created_seconds;
    struct tm local;
    char stamp[20];
    int rc = 0;

    localtime_r(&now, &local);
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &local);
    for (int i = 1; !rc && i <= NAMES_PER_SECOND; i++) {
        snprintf(kept->name, sizeof(kept->name), "before-rollback-%s", stamp);
        if (i > 1)
            snprintf(kept->name, sizeof(kept->name), "before-rollback-%s-%d", stamp, i);
        rc = find_in_any(group, kept->name);
    }
    return rc == -ENOENT ? 0 : rc ?: -EEXIST;
}

/* ---- the switch ---- */

/* What is kept under a name must be on disk before that name is (S4). */
static int sync_volumes(struct group *group)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < group->count; i++)
        rc = store_sync_closed_volume(group->store, &group->members[i].volume);
    return rc;
}

static int switch_tops(struct group *group, const struct tree_snapshot *kept)
{
    for (size_t i = 0; i < group->count; i++) {
        struct member *member = &group->members[i];
        member->below = member->snapshot.layer;
        member->snapshot = *kept;
    }
    int rc = sync_volumes(group);
    rc = rc ?: group_make_tops(group);
    return rc ?: group_record_tops(group);
}

static int check_group(struct group *group, const char *snapshot, struct error *error)
{
    int rc = group_refuse_images(group, error);

    rc = rc ?: group_find_snapshots(group, snapshot, error);
    for (size_t i = 0; !rc && i < group->count; i++) {
        const struct member *member = &group->members[i];
        rc = store_volume_is_open(group->store, member->volume.name)
                 ? error_set(error, -EBUSY, "%s is in use", member->volume.name)
                 : store_check_depth(group->store, member->snapshot.layer, error);
    }
    return rc;
}

static int rollback_locked(struct group *group, const char *snapshot, struct tree_snapshot *kept, struct error *error)
{
    int rc = check_group(group, snapshot, error);

    if (rc)
        return rc;
    rc = name_what_was(group, kept);
    rc = rc ?: switch_tops(group, kept);
    return rc ? error_set_errno(error, rc, "%s: cannot roll back to %s", group->members[0].volume.name, snapshot) : 0;
}

int store_volume_rollback_group(struct store *store, const char *const *volumes, size_t count, const char *snapshot,
                                char kept_name[STORE_NAME_SIZE], struct error *error)
{
    struct tree_snapshot kept = {.created_seconds = clock_wall_seconds()};
    CLEANUP(cleanup_group) struct group *group = NULL;

    snprintf(kept.comment, sizeof(kept.comment), "before the rollback to %.60s", snapshot);
    pthread_mutex_lock(&store->tree_lock);
    int rc = group_find(store, volumes, count, &group, error);
    rc = rc ?: rollback_locked(group, snapshot, &kept, error);
    pthread_mutex_unlock(&store->tree_lock);
    if (!rc)
        copy_string(kept_name, STORE_NAME_SIZE, kept.name);
    return rc;
}
