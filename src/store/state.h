/*
 * What an open store and an open volume remember. For the files of this folder only.
 *
 * Locks, in the order in which they may be taken:
 *   store->tree_lock   one change of the tree at a time, and every use of meta.db; held across disk I/O
 *   store->lock        the lists of open volumes and layers and their counts; never held across I/O
 *   volume->lock       one volume; never held across I/O
 */
#pragma once

#include "store/chain.h"
#include "store/store.h"
#include "store/tree.h"

struct store {
    const struct store_io *io;
    char *folder;
    int lock_fd;

    struct store_mark marks[STORE_SPACES];
    _Atomic enum store_space space; /* at the last look */

    pthread_mutex_t tree_lock;
    struct tree *tree;
    uint64_t next_layer_id;
    struct store_import *imports; /* running ones, whose names are taken */
    /* Volumes of which nobody knows which layer is the top on disk: not opened any more. */
    uint64_t in_doubt[STORE_GROUP_MAX];
    bool as_found;                /* to be checked: nothing was cleared away */
    struct walk *walks;           /* through frozen layers */
    struct {
        struct walk *walk; /* NULL: the next layer is not chosen yet */
        uint64_t unsaved;  /* units since the position was recorded */
        bool look_for_new; /* layers may be there that have no sums yet */
    } verify;
    struct {
        uint64_t layer;
        uint64_t child;
        uint64_t block;       /* the first one not looked at */
        uint64_t step_blocks; /* copied with the tree locked; the extra space that a merge needs */
        bool failed;
    } merge;

    pthread_mutex_t lock;
    struct volume *volumes;
    struct layer *layers;
    struct store_reclaim reclaim; /* how far the merge is */

    atomic_uint_fast64_t slow_until_ns; /* the disk does not keep up: nobody writes without waiting */
};

/* Blocks that somebody changes; others who want them wait (W3). Lives on its owner's stack. */
struct claim {
    uint64_t block;
    uint64_t end;
    struct claim *next;
};

struct volume {
    struct store *store;
    char name[STORE_NAME_SIZE];
    uint8_t uuid[16];
    uint64_t id;
    bool read_only;

    /* guarded by store->lock */
    unsigned refs;
    bool closing; /* somebody who let go of the last reference is flushing it */
    struct volume *next;

    pthread_mutex_t lock;            /* guards all below, and the map of the top */
    pthread_cond_t changed;          /* a claim went, a round ended, a hold ended */
    struct chain *chain;             /* layers[0] is the top, or the only layer of an image */
    atomic_uint_fast64_t size_bytes; /* changed under the lock, read without */
    struct claim *claims;
    bool held;               /* a snapshot waits for claims to go: no new ones */
    bool flushing;           /* a round runs (F2) */
    bool stopped;            /* F4 */
    bool map_synced;         /* a round has synced the map since it was opened (F5) */
    uint64_t changes;        /* counts changing operations that returned */
    uint64_t durable;        /* the value of `changes` up to which all is on disk */
    uint64_t unhinted_bytes; /* written since write-back was last begun */
};

/* ---- store.c: under tree_lock ---- */

void store_path(const struct store *store, char to[LAYER_PATH_SIZE], const char *file);
/* Gives the reserve up if space is nearly gone: before what must not fail for lack of it. */
void store_make_room(struct store *store);
/* Takes the reserve back when there is enough space again. */
void store_restore_reserve(struct store *store);
/* Deletes the files of dying layers, then their rows. */
int store_sweep_dying(struct store *store);
/* Makes the files of a new empty layer and fills `layer` with what its row needs; its state is left to the
 * caller. */
int store_new_layer(struct store *store, uint64_t parent, uint64_t blocks, bool root,
                    struct tree_layer *layer);
/* 0, or a sentence: the name is no name, or taken. */
int store_check_new_name(struct store *store, const char *name, struct error *error);
/* `volume`'s row, or a sentence. */
int store_find_volume(struct store *store, const char *name, struct tree_volume *volume, struct error *error);

/* ---- open.c: under tree_lock; volume_unref is not: let go of the lock first ---- */

/* The same object for everyone. */
int store_open_volume_locked(struct store *store, const char *name, struct volume **volume);
/* True if somebody has it open. */
bool store_volume_is_open(struct store *store, const char *name);
/* Opens a layer, or counts one more user of it. */
int store_layer_get(struct store *store, const struct tree_layer *row, bool writable, struct layer **layer);
void store_layer_put(void *store, struct layer *layer);
/* From now on `layer`, opened by the caller, is what all others get for its id; the caller holds one reference. */
void store_layer_replace(struct store *store, struct layer *layer);
/* volume_unref for those who hold the tree_lock: nobody else ever sees that the volume was open. */
void store_unref_volume_locked(struct volume *volume);
/* Makes durable what a volume that nobody has open holds, as its first flush would (F5). */
int store_sync_closed_volume(struct store *store, const struct tree_volume *row);

/* Deletes what a crash left behind (S2). With the tree_lock, or before anybody else has the store. */
int store_recover(struct store *store, struct error *error);
/* Calls `orphan` for every folder of a layer that no row names. */
int store_find_orphans(struct store *store, void (*orphan)(void *arg, uint64_t layer), void *arg);

/* ---- clone.c, snapshot.c ---- */

void store_make_uuid(uint8_t uuid[16]);
/* The frozen layer that `from`, or its snapshot, shows; or a sentence. */
int store_find_source(struct store *store, const char *from, const char *snapshot, struct tree_layer *layer,
                      struct error *error);
/* `volume`'s snapshot, or a sentence. */
int store_find_snapshot(struct store *store, const struct tree_volume *volume, const char *name,
                        struct tree_snapshot *snapshot, struct error *error);
/* 0, or a sentence: no layer may be laid on this one, so many lie there already. */
int store_check_depth(struct store *store, uint64_t layer_id, struct error *error);

/* ---- verify.c, check.c ---- */

/* What is under way in the background ends. */
void store_verify_stop(struct store *store);
/* Tells about it, after adding the volumes that stand on its layer. With the tree_lock. */
void store_tell(struct store *store, const struct store_listener *listener, struct store_finding *finding);

/* ---- space.c ---- */

/* 0, or a sentence that nothing new is made. */
int store_refuse_when_low(struct store *store, struct error *error);
bool store_is_refusing(const struct store *store);
/* Whether first writes to blocks are refused. */
bool store_is_full(const struct store *store);

/* ---- group.c ---- */

bool store_is_in_doubt(const struct store *store, uint64_t volume);

/* ---- import.c ---- */

bool store_import_is_running(struct store *store, const char *name);

/* ---- write.c ---- */

/* Waits for the blocks to be free and takes them. -EIO once the volume stopped. */
int volume_claim(struct volume *volume, struct claim *claim, uint64_t block, uint64_t end);
void volume_unclaim(struct volume *volume, struct claim *claim);
/* Waits until nobody changes anything, and keeps it so until volume_release. Reads go on. */
void volume_hold(struct volume *volume);
void volume_release(struct volume *volume);
/* Writes into claimed blocks, copying up where needed; counts as one change. */
int volume_write_claimed(struct volume *volume, struct iov_cursor *from, uint64_t offset,
                         uint64_t length_bytes);
/* Its answer to a failed write or punch: the same error, after stopping the volume if it has to (F4). */
int volume_write_failed(struct volume *volume, int rc, const char *what);
/* Blocks of the top are owned from now on; one change has returned. */
void volume_note_change(struct volume *volume, uint64_t block, uint64_t count, uint64_t written_bytes);

/* ---- volume.c ---- */

/* A reference to what it is read through; NULL once it stopped. */
struct chain *volume_chain(struct volume *volume);
/* 0, or what is wrong with the range or the volume for a change of it. */
int volume_check_change(struct volume *volume, uint64_t offset, uint64_t length_bytes);
/* Stops it, saying why in the log, once (F4). Not under the volume's lock. */
void volume_stop(struct volume *volume, int rc, const char *what);
