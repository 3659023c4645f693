/*
 * Several volumes of which the tree changes in one commit: all of them, or none. For the files of this folder only.
 *
 * The store's tree_lock is held from group_find to group_free.
 */
#pragma once

#include "store/state.h"

struct member {
    struct tree_volume volume;
    struct tree_snapshot snapshot; /* the one that is meant, or made */
    struct tree_layer old_top;
    struct tree_layer new_top; /* its id is 0 until it has files */
    uint64_t below;            /* the layer that the new top lies on */
    struct volume *open;       /* held while its top changes; NULL when nobody may have it open */
    struct layer *opened;      /* the new top of that */
};

struct group {
    struct store *store;
    size_t count;
    struct member members[STORE_GROUP_MAX];
};

/* The volumes with these names, or a sentence about the first that there is not. */
int group_find(struct store *store, const char *const *names, size_t count, struct group **group,
               struct error *error);
void group_free(struct group *group);
DEFINE_CLEANUP(group, struct group *, group_free)

/* The snapshot `name` of every member; -ENOENT names the first that has none. */
int group_find_snapshots(struct group *group, const char *name, struct error *error);
/* Images cannot be rolled back or be given snapshots. */
int group_refuse_images(const struct group *group, struct error *error);

/* Every member's old top is known, and the new one, on `below`, has files. */
int group_make_tops(struct group *group);
/* In one transaction: old tops are frozen and named by the snapshots, new ones are their volumes'. Without success
 * the files of the new ones are removed, unless nobody knows whether they are named. */
int group_record_tops(struct group *group);
/* Takes back group_make_tops. */
void group_forget_tops(struct group *group);
/* Calls `change` for each member in one transaction, with what it gives. */
int group_change(struct group *group, int (*change)(struct tree *tree, const struct member *member, const void *arg),
                 const void *arg);
