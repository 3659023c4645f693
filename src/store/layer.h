/*
 * One layer: its files, opened, and what of the volume it decides.
 *
 * An open layer is shared by all chains that contain it, so its data has one descriptor and its pages are
 * cached once. Knows nothing of volumes and of meta.db; the store hands out layers and counts them
 * (store/state.h).
 */
#pragma once

#include "store/io.h"
#include "store/map.h"

struct layer {
    const struct store_io *io;
    uint64_t id;
    uint64_t blocks; /* beyond, it owns nothing (S3) */
    struct map *map; /* NULL: a root, which owns every block */
    int data_fd;
    int map_fd;    /* -1 unless writable */
    bool writable; /* a top; never again once false (S1) */

    unsigned refs; /* guarded by the store's lock, as is `next` */
    struct layer *next;
};

enum { LAYER_PATH_SIZE = 4096 };

/* `folder`/layers/`id`, with "/`file`" when that is not NULL. Gives `to`. */
const char *layer_path(char to[LAYER_PATH_SIZE], const char *folder, uint64_t id, const char *file);

/* What a new layer needs on disk, made and durable with its directories (S2). A root has no map. On failure
 * it leaves nothing behind, as far as the disk lets it. */
int layer_create_files(const struct store_io *io, const char *folder, uint64_t id, uint64_t blocks,
                       bool root);
/* Removes what is there of it; durable when it gives 0. */
int layer_remove_files(const struct store_io *io, const char *folder, uint64_t id);
/* What its files occupy; 0 for what is not there. */
uint64_t layer_allocated_bytes(const struct store_io *io, const char *folder, uint64_t id);

/* Opens; -EUCLEAN when the map is not that layer's map. Units that are damaged open, and are known to the
 * map. */
int layer_open(const struct store_io *io, const char *folder, uint64_t id, uint64_t blocks, bool root,
               bool writable, struct layer **layer);
void layer_close(struct layer *layer);
DEFINE_CLEANUP(layer, struct layer *, layer_close)

/* Makes room in the map's file, durably, before meta.db says that the layer is longer. */
int layer_prepare_growth(struct layer *layer, uint64_t blocks);
/* Under the volume's lock: it is longer from now on. */
void layer_grow(struct layer *layer, uint64_t blocks);
/* After its last flush: nothing writes to it any more. */
void layer_freeze(struct layer *layer);

/* After a failed sync: reads go to the disk again. */
void layer_drop_cache(struct layer *layer);

/* Whether it decides about `block`, and for how many blocks from there, at most `limit`, that stays so. */
bool layer_run(const struct layer *layer, uint64_t block, uint64_t limit, uint64_t *length);
/* Writes units that were taken from its map; not yet durable. */
int layer_write_units(struct layer *layer, const struct map_units *units);
