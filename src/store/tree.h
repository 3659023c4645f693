/*
 * What exists: layers, volumes and snapshots, in meta.db (FORMAT.md, 4).
 *
 * Statements only: it decides nothing and touches no files. Every change happens between tree_begin and
 * tree_end, which is one transaction (S2). Not safe from several threads: the store's tree_lock is held
 * around all of it. Errors are negative errnos: -ENOENT no such row, -EEXIST a name that is taken, -ENOSPC,
 * -EIO.
 */
#pragma once

#include "base/error.h"
#include "store/store.h"

struct tree;

enum tree_layer_state { TREE_LAYER_CREATING, TREE_LAYER_TOP, TREE_LAYER_FROZEN, TREE_LAYER_DYING };

/* Ids begin with 1; 0 stands for "none". */
struct tree_layer {
    uint64_t id;
    uint64_t parent;
    uint64_t owner; /* the volume it was made for */
    uint64_t blocks;
    bool root; /* has no map */
    enum tree_layer_state state;
};

struct tree_volume {
    uint64_t id;
    char name[STORE_NAME_SIZE];
    uint8_t uuid[16];
    uint64_t layer;
    bool read_only;
    uint64_t generation;
    uint64_t created_seconds;
};

struct tree_snapshot {
    uint64_t id;
    uint64_t volume;
    uint64_t layer;
    char name[STORE_NAME_SIZE];
    char comment[128];
    uint64_t created_seconds;
};

int tree_open(const char *path, const char *vfs, struct tree **tree, struct error *error);
void tree_close(struct tree *tree);

int tree_begin(struct tree *tree);
/* Commits if `rc` is 0, else takes everything back; gives what became of it. A commit of which nobody can say
 * whether it is on disk gives -EIO, and so does every later tree_begin. */
int tree_end(struct tree *tree, int rc);
bool tree_is_in_doubt(const struct tree *tree);

int tree_layer_get(struct tree *tree, uint64_t id, struct tree_layer *layer);
int tree_layer_insert(struct tree *tree, const struct tree_layer *layer);
int tree_layer_update(struct tree *tree, const struct tree_layer *layer);
int tree_layer_delete(struct tree *tree, uint64_t id);
/* All of them, by id; the caller frees the array. */
int tree_layer_list(struct tree *tree, struct tree_layer **layers, size_t *count);
/* Those that are frozen, and that no merge reads or writes. */
int tree_layer_list_settled(struct tree *tree, struct tree_layer **layers, size_t *count);
/* The highest id that was ever committed. */
int tree_layer_last_id(struct tree *tree, uint64_t *id);
/* What nothing reaches any more becomes dying, and so does what was being created when `creating` is set. */
int tree_layer_mark_dying(struct tree *tree, bool creating);


/* A hidden layer with one child (FORMAT.md, 4), and whose top that child is: empty for a frozen one. */
struct tree_hidden {
    uint64_t layer;
    uint64_t child;
    char volume[STORE_NAME_SIZE];
};

/* The newest of them and their number, or -ENOENT. */
int tree_hidden_get(struct tree *tree, struct tree_hidden *hidden, uint64_t *count);

int tree_volume_get(struct tree *tree, const char *name, struct tree_volume *volume);
/* Fills `volume->id`. */
int tree_volume_insert(struct tree *tree, struct tree_volume *volume);
/* The layer and what else changes; counts the generation up. */
int tree_volume_update(struct tree *tree, const struct tree_volume *volume);
/* With its snapshots. */
int tree_volume_delete(struct tree *tree, uint64_t id);
int tree_volume_list(struct tree *tree, struct tree_volume **volumes, size_t *count);
/* By name, the volumes but `but` that stand on `layer`, or have a snapshot that does; the caller frees the array. */
int tree_volume_list_above(struct tree *tree, uint64_t layer, uint64_t but, struct tree_volume **volumes,
                           size_t *count);
/* It is an image from now on. */
int tree_volume_seal(struct tree *tree, uint64_t id);

int tree_snapshot_get(struct tree *tree, uint64_t volume, const char *name, struct tree_snapshot *snapshot);
int tree_snapshot_insert(struct tree *tree, const struct tree_snapshot *snapshot);
int tree_snapshot_rename(struct tree *tree, uint64_t id, const char *name);
int tree_snapshot_delete(struct tree *tree, uint64_t id);
/* Of one volume by age, or of all when `volume` is 0. */
int tree_snapshot_list(struct tree *tree, uint64_t volume, struct tree_snapshot **snapshots, size_t *count);

/* ---- what verification remembers ---- */

struct tree_verify {
    uint64_t layer; /* those up to this id are done */
    uint64_t unit;  /* of the next one, those before it are */
    uint64_t finished_seconds;
};

struct tree_damage {
    uint64_t layer;
    uint64_t unit;
    uint64_t offset_bytes;
    uint64_t length_bytes;
    uint64_t found_seconds;
};

int tree_verify_get(struct tree *tree, struct tree_verify *verify);
int tree_verify_set(struct tree *tree, const struct tree_verify *verify);
int tree_damage_put(struct tree *tree, const struct tree_damage *damage);
/* Also when there is none. */
int tree_damage_delete(struct tree *tree, uint64_t layer, uint64_t unit);
int tree_damage_list(struct tree *tree, struct tree_damage **damages, size_t *count);

/* Calls `wrong` with a sentence about everything in meta.db that the rules do not allow. */
int tree_check(struct tree *tree, void (*wrong)(void *arg, const char *sentence), void *arg);
