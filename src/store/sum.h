/*
 * CRC32C of every 64 KiB of a layer, and the file that keeps them (FORMAT.md, 3).
 */
#pragma once

#include "store/io.h"
#include "store/unit.h"

enum {
    SUM_CHUNK_BYTES = 65536,
    SUM_UNIT_VALUES = UNIT_PAYLOAD_BYTES / 4,
};

struct sum {
    uint32_t *values;
    size_t count;
    size_t capacity;
};

void sum_append(struct sum *sum, uint32_t crc);
void sum_free(struct sum *sum);
/* Writes the sum of the layer `layer_id` to `path`, synced; the directory is the caller's to sync. */
int sum_write(const struct store_io *io, const char *path, uint64_t layer_id, const struct sum *sum);
/* Reads `count` values. -EUCLEAN: damaged, or another layer's. -ENOENT: none was written. */
int sum_read(const struct store_io *io, const char *path, uint64_t layer_id, size_t count, struct sum *sum);

/* ---- unit by unit, for what is made or compared piece by piece ---- */

/* The header of a new file, or whether that of this one is right: 0, -EUCLEAN. */
int sum_header_write(const struct store_io *io, int fd, uint64_t layer_id);
int sum_header_check(const struct store_io *io, int fd, uint64_t layer_id);
/* The values of unit `index`; those beyond the layer's end are 0. Reading gives -EUCLEAN for a damaged one. */
int sum_unit_write(const struct store_io *io, int fd, uint64_t layer_id, uint64_t index,
                   const uint32_t values[SUM_UNIT_VALUES]);
int sum_unit_read(const struct store_io *io, int fd, uint64_t layer_id, uint64_t index,
                  uint32_t values[SUM_UNIT_VALUES]);
