#include "store/walk.h"

#include "base/crc32c.h"

#include <fcntl.h>

enum { CHUNK_BLOCKS = SUM_CHUNK_BYTES / VOLUME_BLOCK_BYTES };

/* ---- open, close ---- */

static uint64_t layer_bytes(const struct walk *walk)
{
    return walk->layer->blocks * VOLUME_BLOCK_BYTES;
}

static int open_data(struct walk *walk)
{
    const struct store_io *io = walk->store->io;
    char path[LAYER_PATH_SIZE];

    layer_path(path, walk->store->folder, walk->layer_id, "data");
    walk->data_fd = io->open(io->context, path, O_RDONLY | O_DIRECT);
    if (walk->data_fd == -EINVAL)
        walk->data_fd = io->open(io->context, path, O_RDONLY);
    return MIN(walk->data_fd, 0);
}

/* Who makes the same sums already is not waited for: one that is checking is in a greater hurry. */
static int begin_sums(struct walk *walk)
{
    const struct store_io *io = walk->store->io;
    char path[LAYER_PATH_SIZE];

    for (struct walk *other = walk->store->walks; other; other = other->next)
        other->stale |= other != walk && other->making && other->layer_id == walk->layer_id;
    walk->making = true;
    layer_path(path, walk->store->folder, walk->layer_id, "sum.new");
    io->unlink(io->context, path);
    walk->sum_fd = io->open(io->context, path, O_RDWR | O_CREAT | O_TRUNC);
    return walk->sum_fd < 0 ? walk->sum_fd : sum_header_write(io, walk->sum_fd, walk->layer_id);
}

static int open_sums(struct walk *walk, bool make)
{
    const struct store_io *io = walk->store->io;
    char path[LAYER_PATH_SIZE];

    walk->sum_fd = io->open(io->context, layer_path(path, walk->store->folder, walk->layer_id, "sum"), O_RDONLY);
    if (walk->sum_fd == -ENOENT && make)
        return begin_sums(walk);
    if (walk->sum_fd == -ENOENT) {
        walk->unit_count = 0;
        return 0;
    }
    if (walk->sum_fd < 0)
        return walk->sum_fd;
    int rc = sum_header_check(io, walk->sum_fd, walk->layer_id);
    walk->sums_damaged = rc == -EUCLEAN;
    return walk->sums_damaged ? 0 : rc;
}

int walk_open(struct store *store, const struct tree_layer *row, bool make, struct walk **opened)
{
    struct walk *walk = xcalloc(1, sizeof(*walk));
    uint64_t chunks = (row->blocks + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS;

    *walk = (struct walk){.store = store, .layer_id = row->id, .data_fd = -1, .sum_fd = -1};
    walk->unit_count = (chunks + SUM_UNIT_VALUES - 1) / SUM_UNIT_VALUES;
    walk->bytes = aligned_alloc(VOLUME_BLOCK_BYTES, SUM_CHUNK_BYTES);
    CHECK(walk->bytes);
    memset(walk->bytes, 0, SUM_CHUNK_BYTES);
    walk->zeros_sum = crc32c(0, walk->bytes, SUM_CHUNK_BYTES);
    walk->next = store->walks;
    store->walks = walk;
    int rc = layer_open(store->io, store->folder, row->id, row->blocks, row->root, false, &walk->layer);
    rc = rc ?: open_data(walk);
    rc = rc ?: open_sums(walk, make);
    if (rc) {
        walk_close(walk);
        return rc;
    }
    *opened = walk;
    return 0;
}

static void close_fd(const struct store_io *io, int fd)
{
    if (fd >= 0)
        io->close(io->context, fd);
}

void walk_close(struct walk *walk)
{
    struct walk **at;

    if (!walk)
        return;
    for (at = &walk->store->walks; *at != walk; at = &(*at)->next)
        ;
    *at = walk->next;
    close_fd(walk->store->io, walk->data_fd);
    close_fd(walk->store->io, walk->sum_fd);
    layer_close(walk->layer);
    free(walk->bytes);
    free(walk);
}

/* ---- reading ---- */

static bool owns_none(const struct walk *walk, uint64_t first, uint64_t end)
{
    uint64_t run;

    return !layer_run(walk->layer, first, end - first, &run) && run == end - first;
}

/* Blocks that the layer does not decide count as zeros. */
static int read_chunk(struct walk *walk, uint64_t first, uint64_t end)
{
    uint64_t length_bytes = (end - first) * VOLUME_BLOCK_BYTES;
    uint64_t run;
    int rc = io_read_bytes(walk->store->io, walk->data_fd, walk->bytes, length_bytes, first * VOLUME_BLOCK_BYTES);

    walk->read_bytes += length_bytes;
    for (uint64_t block = first; !rc && block < end; block += run)
        if (!layer_run(walk->layer, block, end - block, &run))
            memset(walk->bytes + (block - first) * VOLUME_BLOCK_BYTES, 0, run * VOLUME_BLOCK_BYTES);
    return rc;
}

static int sum_of_chunk(struct walk *walk, uint64_t chunk, uint32_t *value)
{
    uint64_t first = chunk * CHUNK_BLOCKS;
    uint64_t end = MIN(first + CHUNK_BLOCKS, walk->layer->blocks);

    if (end - first == CHUNK_BLOCKS && owns_none(walk, first, end)) {
        *value = walk->zeros_sum;
        return 0;
    }
    int rc = read_chunk(walk, first, end);
    if (!rc)
        *value = crc32c(0, walk->bytes, (end - first) * VOLUME_BLOCK_BYTES);
    return rc;
}

static void note_bad(const struct walk *walk, struct walk_result *result, uint64_t chunk)
{
    uint64_t offset = chunk * SUM_CHUNK_BYTES;
    uint64_t end = MIN(offset + SUM_CHUNK_BYTES, layer_bytes(walk));

    if (result->length_bytes == 0)
        result->offset = offset;
    result->length_bytes = end - result->offset;
}

/* Sums of the unit's chunks. What cannot be read is bad, and its sum 0. */
static int sum_unit(struct walk *walk, struct walk_result *result, uint32_t values[SUM_UNIT_VALUES])
{
    uint64_t first = walk->unit * SUM_UNIT_VALUES;
    int rc = 0;

    memset(values, 0, SUM_UNIT_VALUES * sizeof(values[0]));
    for (uint64_t i = 0; i < SUM_UNIT_VALUES && (first + i) * SUM_CHUNK_BYTES < layer_bytes(walk); i++) {
        rc = sum_of_chunk(walk, first + i, &values[i]);
        if (rc == -EIO)
            note_bad(walk, result, first + i);
        else if (rc)
            return rc;
    }
    return result->length_bytes && walk->making ? -EIO : 0; /* no sums of what is not there */
}

static int compare_unit(struct walk *walk, struct walk_result *result, const uint32_t values[SUM_UNIT_VALUES])
{
    uint32_t kept[SUM_UNIT_VALUES];
    int rc = walk->sums_damaged
                 ? -EUCLEAN
                 : sum_unit_read(walk->store->io, walk->sum_fd, walk->layer_id, walk->unit, kept);

    result->sums_damaged = rc == -EUCLEAN;
    for (uint64_t i = 0; !rc && i < SUM_UNIT_VALUES; i++)
        if (kept[i] != values[i])
            note_bad(walk, result, walk->unit * SUM_UNIT_VALUES + i);
    return result->sums_damaged ? 0 : rc;
}

int walk_step(struct walk *walk, struct walk_result *result)
{
    uint32_t values[SUM_UNIT_VALUES];

    if (walk->unit == walk->unit_count)
        return -ENODATA;
    *result = (struct walk_result){.unit = walk->unit, .made = walk->making};
    int rc = sum_unit(walk, result, values);
    if (!rc)
        rc = walk->making ? sum_unit_write(walk->store->io, walk->sum_fd, walk->layer_id, walk->unit, values)
                          : compare_unit(walk, result, values);
    walk->unit += !rc;
    return rc;
}

/* ---- what may come between ---- */

bool walk_is_stale(const struct walk *walk)
{
    struct tree_layer row;

    if (walk->stale)
        return true;
    return tree_layer_get(walk->store->tree, walk->layer_id, &row) || row.state != TREE_LAYER_FROZEN;
}

void walks_make_stale(struct store *store, uint64_t hidden, uint64_t child)
{
    for (struct walk *walk = store->walks; walk; walk = walk->next)
        walk->stale |= walk->layer_id == hidden || walk->layer_id == child;
}

int walk_finish(struct walk *walk)
{
    const struct store_io *io = walk->store->io;
    char from[LAYER_PATH_SIZE], to[LAYER_PATH_SIZE];

    if (!walk->making)
        return 0;
    layer_path(from, walk->store->folder, walk->layer_id, "sum.new");
    layer_path(to, walk->store->folder, walk->layer_id, "sum");
    int rc = io->fsync(io->context, walk->sum_fd);
    rc = rc ?: io->rename(io->context, from, to);
    return rc ?: io->sync_directory(io->context, layer_path(to, walk->store->folder, walk->layer_id, NULL));
}
