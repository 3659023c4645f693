/*
 * The embedded store: all volumes of one server, their history, and what they share.
 *
 * Layered over plain files of any Linux file system (format and rules: FORMAT.md in this folder). It never
 * looks inside a volume and knows no machines: it keeps names that its users choose. All calls may block. One
 * process at a time opens a store.
 */
#pragma once

#include "base/error.h"
#include "store/volume.h"

struct store;
struct store_import;
struct store_io; /* the table of file functions; store/io.h */

enum {
    STORE_NAME_SIZE = 64,
    STORE_GROUP_MAX = 32, /* volumes that change together */
};

/* Opens (creating it when absent) the store in the folder `path`, takes its lock and sweeps what a crash left
 * behind. `io` NULL: the real file system. Refuses, with a sentence, file systems on which the promises
 * cannot hold. */
int store_open(const char *path, const struct store_io *io, struct store **store, struct error *error);
/* Flushes every open volume. All volumes must have been let go. */
void store_close(struct store *store);

/* ---- images: a new root layer, written front to back, invisible until committed ---- */

/* -EEXIST if `name` is taken. `limit_bytes` bounds the size: beyond it writes give -EFBIG. */
int store_import_begin(struct store *store, const char *name, uint64_t limit_bytes,
                       struct store_import **import, struct error *error);
/* Appends; whole zero blocks stay holes. CRC32C per 64 KiB is kept on the way. */
int store_import_append(struct store_import *import, const void *bytes, size_t length_bytes);
/* Pads to a whole block, makes it durable, and makes it visible as a read-only volume, in one commit. Frees
 * `import` when it gives 0; on failure the caller still aborts. */
int store_import_commit(struct store_import *import, struct error *error);
/* Leaves nothing behind. NULL is fine. */
void store_import_abort(struct store_import *import);

/* ---- volumes ---- */

struct store_volume_info {
    char name[STORE_NAME_SIZE];
    uint8_t uuid[16];
    uint64_t size_bytes;
    bool read_only;
    uint64_t own_bytes;    /* what only this volume (its layers and snapshots) occupies on disk */
    uint64_t shared_bytes; /* what its chain shares with others, images included */
    uint32_t depth;        /* layers a read may have to look through */
    uint64_t created_seconds;
};

/* A new volume `name` that reads as zeros. Milliseconds, whatever the size; -EINVAL for 0. */
int store_volume_create(struct store *store, const char *name, uint64_t size_bytes, struct error *error);
/* A new volume `name`, a thin clone of volume `from`'s present frozen state (an image, or a snapshot when
 * `snapshot` is not NULL). `size_bytes` 0: as large as its source; never smaller. The pristine state is kept
 * as the snapshot "pristine". Milliseconds, whatever the size. */
int store_volume_clone(struct store *store, const char *from, const char *snapshot, const char *name,
                       uint64_t size_bytes, struct error *error);
/* -EBUSY while it is open. What other volumes stand on stays, and is theirs; the rest is given back in the
 * background: what is hidden now by store_reclaim_step. */
int store_volume_delete(struct store *store, const char *name, struct error *error);
/* Grows (never shrinks) a volume; an open volume shows its new size at once. */
int store_volume_resize(struct store *store, const char *name, uint64_t size_bytes, struct error *error);
/* The same object for everyone who opens it. -ENOENT. The caller unrefs. */
int store_volume_open(struct store *store, const char *name, struct volume **volume);
int store_volume_info(struct store *store, const char *name, struct store_volume_info *info);
/* What the layers of `name` occupy that `other` (NULL: no other) does not read through. */
int store_volume_difference(struct store *store, const char *name, const char *other, uint64_t *bytes);
/* All of them, by name; the caller frees the array. */
int store_volume_list(struct store *store, struct store_volume_info **infos, size_t *count);

/* ---- snapshots (the named points of a volume) ---- */

struct store_snapshot_info {
    char name[STORE_NAME_SIZE];
    char comment[128];
    uint64_t created_seconds;
    uint64_t own_bytes; /* written since the snapshot before it */
};

/*
 * These change several volumes in one commit: all of them or none, whatever happens meanwhile. A volume that is named
 * twice is refused, and so is one that does not have the snapshot (-ENOENT), by a sentence that names it.
 */

/* All volumes are held and flushed before any is frozen, so that the snapshots show one moment. */
int store_snapshot_create_group(struct store *store, const char *const *volumes, size_t count, const char *name,
                                const char *comment, struct error *error);
int store_snapshot_rename_group(struct store *store, const char *const *volumes, size_t count, const char *name,
                                const char *new_name, struct error *error);
/* What only these snapshots kept becomes free: at once where nothing stands on it, else by store_reclaim_step. */
int store_snapshot_remove_group(struct store *store, const char *const *volumes, size_t count, const char *name,
                                struct error *error);
/* By age. */
int store_snapshot_list(struct store *store, const char *volume, struct store_snapshot_info **infos,
                        size_t *count);

/* By name, the other volumes and images that stand on what this snapshot keeps: it stays on disk while they are there.
 * The caller frees the array. */
int store_snapshot_dependents(struct store *store, const char *volume, const char *name,
                              char (**names)[STORE_NAME_SIZE], size_t *count);

/*
 * The volumes show what their snapshots of that name show, from one commit on; their sizes stay. Newer snapshots stay,
 * too, and what was shown before is kept as the snapshot `kept` of each, "before-rollback-20261124-093000" by local
 * time, to which one can go back in the same way. -EBUSY while one of them is open.
 */
int store_volume_rollback_group(struct store *store, const char *const *volumes, size_t count, const char *snapshot,
                                char kept[STORE_NAME_SIZE], struct error *error);

/* Whether anything was written, or discarded, since its newest snapshot (or since it was made). */
int store_volume_changed(struct store *store, const char *volume, bool *changed);

/*
 * Begins again: the volume shows what `from` shows (an image; NULL: itself) or its `snapshot`, from one commit on, and
 * is as large as the larger of the two. What it showed before is kept as a snapshot when `keep` gives a name and a
 * comment, else it is gone. Snapshots stay, but "pristine" is `from`'s state from now on. Nothing happens if nothing
 * was written since it began there. -EBUSY while it is open.
 */
int store_volume_reset(struct store *store, const char *volume, const char *from, const char *snapshot,
                       const struct store_snapshot_info *keep, struct error *error);
/* A volume becomes an image: read-only, without snapshots, cloned from as it is. -EBUSY while it is open. */
int store_volume_seal(struct store *store, const char *volume, struct error *error);

/*
 * One short step of giving back what removed snapshots kept: copies some MiB of a layer that nobody names into the
 * only one that stands on it. `more` is set while there is more to do. Volumes may be open and written to. It can be
 * stopped between any two steps and goes on after the next open. An error ends it: -ENOSPC until there is space
 * again, others until the store was opened again.
 */
int store_reclaim_step(struct store *store, bool *more);

struct store_reclaim {
    uint64_t layers;      /* that wait to be given back, this one included; 0: there is nothing to do */
    uint64_t total_bytes; /* of this one */
    uint64_t left_bytes;
};

/* How far it is. Blocks for nothing. */
void store_reclaim_progress(struct store *store, struct store_reclaim *progress);

/* How much is free below the store, from good to bad. */
enum store_space {
    STORE_SPACE_ENOUGH,
    STORE_SPACE_LOW,      /* somebody should know */
    STORE_SPACE_REFUSING, /* nothing new is made: no images, volumes and snapshots (-ENOSPC with a sentence) */
    STORE_SPACE_FULL,     /* only what a volume wrote since its last snapshot can be written again, and discarded */
    STORE_SPACES,
};

/* Below what it begins: a part of the file system when `percent` is not 0. */
struct store_mark {
    unsigned percent;
    uint64_t bytes;
};

/* By enum store_space; the first is not used. Without them it is always enough. Before others use the store. */
void store_set_marks(struct store *store, const struct store_mark marks[STORE_SPACES]);

struct store_space_report {
    enum store_space space;
    uint64_t free_bytes;
    uint64_t total_bytes;
    uint64_t mark_bytes[STORE_SPACES];
};

/* What it finds holds until the next look, so somebody looks every second or so. */
int store_look_at_space(struct store *store, struct store_space_report *report);

struct store_usage {
    uint64_t total_bytes; /* of the file system below */
    uint64_t free_bytes;
    uint64_t used_bytes; /* by this store */
};

int store_usage(struct store *store, struct store_usage *usage);

/* ---- whether all is well ---- */

enum store_problem {
    STORE_PROBLEM_TREE,   /* meta.db says what cannot be */
    STORE_PROBLEM_FILES,  /* a layer's file is absent, or too short */
    STORE_PROBLEM_MAP,    /* a map is damaged: who decides a block is not known */
    STORE_PROBLEM_DATA,   /* a frozen layer does not hold what it held, or cannot be read */
    STORE_PROBLEM_SUMS,   /* what a frozen layer holds cannot be compared with anything */
    STORE_PROBLEM_ORPHAN, /* files that nobody names */
    STORE_PROBLEMS,
};

struct store_finding {
    enum store_problem problem;
    bool repaired;
    char sentence[256];
    uint64_t layer;        /* 0: none in particular */
    uint64_t offset;       /* within the layer and every volume that stands on it */
    uint64_t length_bytes; /* 0: no place in particular */
    char (*volumes)[STORE_NAME_SIZE]; /* that stand on it, by name */
    size_t volume_count;
};

/* Who is told. The finding belongs to the caller, and lasts for the call. */
struct store_listener {
    void (*found)(void *arg, const struct store_finding *finding);
    void *arg;
};

struct store_check {
    bool repair; /* what can be without guessing: files that nobody names go, sums are made again */
    struct store_listener listener;
    /* Called now and then with what was gone through; false ends it with -ECANCELED. NULL: nobody asks. */
    bool (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
};

/* Opens a store that nobody uses for store_check alone, and clears nothing away. -ENOENT: there is none. */
int store_open_as_found(const char *path, const struct store_io *io, struct store **store, struct error *error);
/* Goes through the tree, all maps and all frozen layers; the store may be in use. Gives 0 whatever it found. */
int store_check(struct store *store, const struct store_check *check, struct error *error);

/*
 * One short step of going through all frozen layers again and again: some MiB are compared with their sums, or sums are
 * made where there are none. Where it stands is remembered on disk, as is what was found (store_tell_damage). Adds what
 * it read to `read_bytes`. `more` is not set when all was gone through within the last `interval_seconds`. One thread at
 * a time.
 */
int store_verify_step(struct store *store, uint64_t interval_seconds, const struct store_listener *listener,
                      uint64_t *read_bytes, bool *more);

struct store_verify {
    uint64_t finished_seconds; /* when all had been gone through the last time; 0: never */
    size_t damaged;            /* places that did not hold what they held */
};

int store_verify_status(struct store *store, struct store_verify *status);
/* Tells what verification found, now and before, and is still there. */
int store_tell_damage(struct store *store, const struct store_listener *listener);
