/*
 * Going through one frozen layer, some MiB at a time: what it holds is compared with its sums (FORMAT.md, 3), or
 * its sums are made when there are none.
 *
 * Decides nothing about what is found. A walk holds no lock while it reads; a merge that begins meanwhile makes it
 * stale, and what a stale walk read means nothing. For the files of this folder only.
 */
#pragma once

#include "store/state.h"
#include "store/sum.h"

struct walk {
    struct store *store;
    uint64_t layer_id;
    struct layer *layer;
    int data_fd; /* of its own, and past the page cache where that can be: what is on disk is asked for */
    int sum_fd;
    bool making; /* sums, in a file beside */
    bool sums_damaged;
    uint64_t unit; /* the next one */
    uint64_t unit_count;
    uint64_t read_bytes; /* so far */
    uint8_t *bytes;
    uint32_t zeros_sum; /* of a whole chunk of zeros */
    bool stale;        /* guarded by the tree_lock, as is `next` */
    struct walk *next; /* of the store's */
};

/* What one unit turned out to be. */
struct walk_result {
    uint64_t unit;
    bool made;         /* nothing was compared */
    bool sums_damaged; /* nothing could be compared */
    uint64_t offset;   /* of the first chunk that differs or cannot be read */
    uint64_t length_bytes; /* up to the end of the last one; 0: all is well */
};

/* With the tree_lock. Where there are no sums they are made if `make` is set, else there is nothing to go through.
 * -EUCLEAN: its map is not its map. */
int walk_open(struct store *store, const struct tree_layer *row, bool make, struct walk **walk);
void walk_close(struct walk *walk);

/* Without the lock: the next unit. -ENODATA: there was none left. */
int walk_step(struct walk *walk, struct walk_result *result);
/* With the lock: whether what was read means anything. */
bool walk_is_stale(const struct walk *walk);
/* With the lock, after the last step: sums that were made get their name. */
int walk_finish(struct walk *walk);

/* With the lock: a merge is about to change what these layers' files hold. */
void walks_make_stale(struct store *store, uint64_t hidden, uint64_t child);
