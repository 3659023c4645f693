#include "store/group.h"

/* ---- who ---- */

static int add_member(struct group *group, const char *name, struct error *error)
{
    struct member *added = &group->members[group->count];
    int rc = store_find_volume(group->store, name, &added->volume, error);

    for (size_t i = 0; !rc && i < group->count; i++)
        if (group->members[i].volume.id == added->volume.id)
            rc = error_set(error, -EINVAL, "%s is named twice", name);
    group->count += !rc;
    return rc;
}

int group_find(struct store *store, const char *const *names, size_t count, struct group **found,
               struct error *error)
{
    if (count == 0 || count > STORE_GROUP_MAX)
        return error_set(error, -EINVAL, "from 1 to %d volumes can change together, not %zu", STORE_GROUP_MAX, count);
    CLEANUP(cleanup_group) struct group *group = xcalloc(1, sizeof(*group));
    int rc = 0;

    group->store = store;
    for (size_t i = 0; !rc && i < count; i++)
        rc = add_member(group, names[i], error);
    if (!rc)
        *found = TAKE_PTR(group);
    return rc;
}

void group_free(struct group *group)
{
    free(group);
}

int group_find_snapshots(struct group *group, const char *name, struct error *error)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < group->count; i++)
        rc = store_find_snapshot(group->store, &group->members[i].volume, name, &group->members[i].snapshot, error);
    return rc;
}

int group_refuse_images(const struct group *group, struct error *error)
{
    for (size_t i = 0; i < group->count; i++)
        if (group->members[i].volume.read_only)
            return error_set(error, -EROFS, "%s is an image and never changes", group->members[i].volume.name);
    return 0;
}

/* ---- new tops ---- */

int group_make_tops(struct group *group)
{
    struct store *store = group->store;
    int rc = 0;

    for (size_t i = 0; !rc && i < group->count; i++) {
        struct member *member = &group->members[i];
        rc = tree_layer_get(store->tree, member->volume.layer, &member->old_top);
        rc = rc ?: store_new_layer(store, member->below, member->old_top.blocks, false, &member->new_top);
        if (rc)
            member->new_top.id = 0;
    }
    if (rc)
        group_forget_tops(group);
    return rc;
}

void group_forget_tops(struct group *group)
{
    for (size_t i = 0; i < group->count; i++)
        if (group->members[i].new_top.id)
            layer_remove_files(group->store->io, group->store->folder, group->members[i].new_top.id);
}

static int record_top(struct tree *tree, const struct member *member, const void *arg)
{
    struct tree_layer frozen = member->old_top;
    struct tree_layer top = member->new_top;
    struct tree_volume volume = member->volume;
    struct tree_snapshot snapshot = member->snapshot;

    frozen.state = TREE_LAYER_FROZEN;
    top.state = TREE_LAYER_TOP;
    top.owner = volume.id;
    volume.layer = top.id;
    snapshot.volume = volume.id;
    snapshot.layer = frozen.id;
    int rc = tree_layer_update(tree, &frozen);
    rc = rc ?: tree_layer_insert(tree, &top);
    rc = rc ?: tree_volume_update(tree, &volume);
    return rc ?: tree_snapshot_insert(tree, &snapshot);
}

static void doubt(struct group *group)
{
    struct store *store = group->store;

    for (size_t i = 0; i < group->count; i++)
        store->in_doubt[i] = group->members[i].volume.id;
}

int group_record_tops(struct group *group)
{
    struct tree *tree = group->store->tree;
    bool doubted_before = tree_is_in_doubt(tree); /* then nothing is tried any more */
    int rc = group_change(group, record_top, NULL);

    group->store->verify.look_for_new |= rc == 0;
    if (!rc)
        return 0;
    if (doubted_before || !tree_is_in_doubt(tree))
        group_forget_tops(group);
    else
        doubt(group); /* the commit may be on disk after all: the next open knows */
    return rc;
}

bool store_is_in_doubt(const struct store *store, uint64_t volume)
{
    for (size_t i = 0; i < STORE_GROUP_MAX; i++)
        if (store->in_doubt[i] == volume)
            return true;
    return false;
}

int group_change(struct group *group, int (*change)(struct tree *tree, const struct member *member, const void *arg),
                 const void *arg)
{
    struct tree *tree = group->store->tree;
    int rc = tree_begin(tree);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < group->count; i++)
        rc = change(tree, &group->members[i], arg);
    return tree_end(tree, rc);
}
