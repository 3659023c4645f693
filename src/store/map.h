/*
 * Which blocks a layer decides, in memory: one bit per block, in pages made on first use.
 *
 * Knows no files and no locks: the volume's lock guards the map of its top; maps of frozen layers never
 * change. Bits only go from 0 to 1 (F3). Changed units are remembered until a flush takes them.
 */
#pragma once

#include "base/base.h"
#include "store/unit.h"

enum {
    MAP_UNIT_BLOCKS = UNIT_PAYLOAD_BYTES * 8, /* 15.75 MiB of volume */
    MAP_PAGE_UNITS = 8,
    MAP_PAGE_BLOCKS = MAP_UNIT_BLOCKS * MAP_PAGE_UNITS,
    MAP_REGION_UNITS = 128, /* 64 KiB of the file, written as a whole the first time */
};

struct map;

struct map *map_new(uint64_t blocks);
void map_free(struct map *map);
DEFINE_CLEANUP(map, struct map *, map_free)

uint64_t map_blocks(const struct map *map);
/* Never smaller. */
void map_grow(struct map *map, uint64_t blocks);

/* Whether `block` is owned, and how many blocks from it on, at most `limit` (which is at least 1), are the
 * same. */
bool map_run(const struct map *map, uint64_t block, uint64_t limit, uint64_t *length);
/* True if every one of them is. */
bool map_owns_all(const struct map *map, uint64_t block, uint64_t count);
/* How many are owned. */
uint64_t map_count(const struct map *map);
/* Sets bits and remembers the units in which one changed. */
void map_set(struct map *map, uint64_t block, uint64_t count);

/* ---- to and from units ---- */

/* What one flush round writes: units encoded as of the moment they were taken, in ascending order. */
struct map_units {
    uint64_t *indexes;
    uint8_t *bytes; /* UNIT_BYTES each */
    size_t count;
    size_t capacity;
};

void map_units_free(struct map_units *units);
/* Takes all changed units, which count as unchanged from then on, and empty ones around them where nothing
 * was written before. */
void map_take_changed(struct map *map, uint64_t layer_id, struct map_units *units);
/* They were not written after all: a later round takes them again. */
void map_give_back(struct map *map, const struct map_units *units);
bool map_is_changed(const struct map *map);

/* Puts one unit as read from the file into a new map. A damaged one is remembered: see map_is_damaged. */
void map_load_unit(struct map *map, uint64_t layer_id, uint64_t index, const uint8_t unit[UNIT_BYTES]);
/* To be called when all units were loaded. */
void map_loaded(struct map *map);
bool map_has_damage(const struct map *map);
/* True if nobody can know who owns one of these blocks. */
bool map_is_damaged(const struct map *map, uint64_t block, uint64_t count);
/* From the first block of which nobody knows to the end of the last; a map that has damage. */
void map_damage(const struct map *map, uint64_t *block, uint64_t *count);
uint64_t map_unit_count(uint64_t blocks);
