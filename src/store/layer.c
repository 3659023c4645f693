#include "store/layer.h"

#include "store/volume.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

enum { LOAD_UNITS = 2048 }; /* units read from a map at once: 1 MiB */

const char *layer_path(char to[LAYER_PATH_SIZE], const char *folder, uint64_t id, const char *file)
{
    int length = snprintf(to, LAYER_PATH_SIZE, "%s/layers/%" PRIu64 "%s%s", folder, id, file ? "/" : "",
                          file ? file : "");

    CHECK(length > 0 && length < LAYER_PATH_SIZE);
    return to;
}

static uint64_t map_file_bytes(uint64_t blocks)
{
    return unit_offset(map_unit_count(blocks));
}

/* ---- on disk ---- */

static int create_data(const struct store_io *io, const char *folder, uint64_t id, uint64_t blocks)
{
    char path[LAYER_PATH_SIZE];
    int fd = io->open(io->context, layer_path(path, folder, id, "data"), O_RDWR | O_CREAT | O_EXCL);

    if (fd < 0)
        return fd;
    /* Fails now, and not at some write, when the file system cannot hold files of this length. */
    int rc = io->truncate(io->context, fd, blocks * VOLUME_BLOCK_BYTES);
    io->close(io->context, fd);
    return rc;
}

static int fill_map(const struct store_io *io, int fd, uint64_t id, uint64_t blocks)
{
    uint8_t header[UNIT_HEADER_BYTES];

    unit_header_encode(header, UNIT_MAGIC_MAP, id);
    int rc = io->allocate(io->context, fd, 0, map_file_bytes(blocks));
    rc = rc ?: io_write_bytes(io, fd, header, sizeof(header), 0);
    return rc ?: io->fsync(io->context, fd);
}

static int create_map(const struct store_io *io, const char *folder, uint64_t id, uint64_t blocks)
{
    char path[LAYER_PATH_SIZE];
    int fd = io->open(io->context, layer_path(path, folder, id, "map"), O_RDWR | O_CREAT | O_EXCL);

    if (fd < 0)
        return fd;
    int rc = fill_map(io, fd, id, blocks);
    io->close(io->context, fd);
    return rc;
}

static int sync_layers_directory(const struct store_io *io, const char *folder)
{
    char path[LAYER_PATH_SIZE];

    snprintf(path, sizeof(path), "%s/layers", folder);
    return io->sync_directory(io->context, path);
}

int layer_create_files(const struct store_io *io, const char *folder, uint64_t id, uint64_t blocks, bool root)
{
    char path[LAYER_PATH_SIZE];

    layer_path(path, folder, id, NULL);
    int rc = io->mkdir(io->context, path);
    rc = rc ?: create_data(io, folder, id, blocks);
    if (!root)
        rc = rc ?: create_map(io, folder, id, blocks);
    rc = rc ?: io->sync_directory(io->context, path);
    rc = rc ?: sync_layers_directory(io, folder);
    if (rc)
        layer_remove_files(io, folder, id);
    return rc;
}

static int absent_is_fine(int rc)
{
    return rc == -ENOENT ? 0 : rc;
}

int layer_remove_files(const struct store_io *io, const char *folder, uint64_t id)
{
    static const char *const files[] = {"data", "map", "sum", "sum.new"};
    char path[LAYER_PATH_SIZE];
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        rc = rc ?: absent_is_fine(io->unlink(io->context, layer_path(path, folder, id, files[i])));
    rc = rc ?: absent_is_fine(io->rmdir(io->context, layer_path(path, folder, id, NULL)));
    return rc ?: sync_layers_directory(io, folder);
}

uint64_t layer_allocated_bytes(const struct store_io *io, const char *folder, uint64_t id)
{
    static const char *const files[] = {"data", "map", "sum"};
    char path[LAYER_PATH_SIZE];
    uint64_t allocated_bytes = 0;

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct store_file_stat stat;
        if (io->stat(io->context, layer_path(path, folder, id, files[i]), &stat) == 0)
            allocated_bytes += stat.allocated_bytes;
    }
    return allocated_bytes;
}

/* ---- open ---- */

static int load_header(const struct layer *layer, int fd)
{
    uint8_t header[UNIT_HEADER_BYTES];
    int rc = io_read_bytes(layer->io, fd, header, sizeof(header), 0);

    return rc ?: unit_header_decode(header, UNIT_MAGIC_MAP, layer->id);
}

static int load_piece(struct layer *layer, int fd, uint64_t first, uint64_t count, uint8_t *units)
{
    int rc = io_read_bytes(layer->io, fd, units, count * UNIT_BYTES, unit_offset(first));

    for (uint64_t i = 0; !rc && i < count; i++)
        map_load_unit(layer->map, layer->id, first + i, units + i * UNIT_BYTES);
    return rc;
}

/* The next units, from `first` on, that lie where something was written; none: `first` becomes `count`. What was only
 * preallocated reads as zeros, which are empty units: a large map in which little was written is opened at once. */
static int next_written(const struct layer *layer, int fd, uint64_t *first, uint64_t count, uint64_t *length)
{
    const struct store_io *io = layer->io;
    uint64_t at, end;
    int rc = io->next_data(io->context, fd, unit_offset(*first), &at);

    *length = 0;
    if (rc == -ENXIO || (!rc && at >= unit_offset(count))) {
        *first = count;
        return 0;
    }
    rc = rc ?: io->next_hole(io->context, fd, at, &end);
    if (rc)
        return rc;
    *first = (at - unit_offset(0)) / UNIT_BYTES;
    *length = MIN((end - unit_offset(*first) + UNIT_BYTES - 1) / UNIT_BYTES, count - *first);
    *length = MIN(*length, (uint64_t)LOAD_UNITS);
    return 0;
}

static int load_units(struct layer *layer, int fd)
{
    CLEANUP_FREE uint8_t *units = xcalloc(LOAD_UNITS, UNIT_BYTES);
    uint64_t count = map_unit_count(layer->blocks);
    uint64_t at = 0, length;
    int rc = 0;

    while (!rc && at < count) {
        rc = next_written(layer, fd, &at, count, &length);
        rc = rc ?: load_piece(layer, fd, at, length, units);
        at += length;
    }
    map_loaded(layer->map);
    return rc;
}

static int open_map(struct layer *layer, const char *folder, bool writable)
{
    char path[LAYER_PATH_SIZE];
    int fd = layer->io->open(layer->io->context, layer_path(path, folder, layer->id, "map"),
                             writable ? O_RDWR : O_RDONLY);

    if (fd < 0)
        return fd;
    layer->io->no_readahead(layer->io->context, fd); /* it would make data of what is none */
    layer->map = map_new(layer->blocks);
    int rc = load_header(layer, fd);
    rc = rc ?: load_units(layer, fd);
    if (writable)
        layer->map_fd = fd;
    else
        layer->io->close(layer->io->context, fd);
    return rc;
}

int layer_open(const struct store_io *io, const char *folder, uint64_t id, uint64_t blocks, bool root,
               bool writable, struct layer **opened)
{
    CLEANUP(cleanup_layer) struct layer *layer = xcalloc(1, sizeof(*layer));
    char path[LAYER_PATH_SIZE];

    CHECK(!(root && writable));
    *layer = (struct layer){.io = io, .id = id, .blocks = blocks, .map_fd = -1, .writable = writable};
    layer->data_fd =
        io->open(io->context, layer_path(path, folder, id, "data"), writable ? O_RDWR : O_RDONLY);
    if (layer->data_fd < 0)
        return layer->data_fd;
    int rc = root ? 0 : open_map(layer, folder, writable);
    if (rc)
        return rc;
    *opened = TAKE_PTR(layer);
    return 0;
}

void layer_close(struct layer *layer)
{
    if (!layer)
        return;
    if (layer->data_fd >= 0)
        layer->io->close(layer->io->context, layer->data_fd);
    if (layer->map_fd >= 0)
        layer->io->close(layer->io->context, layer->map_fd);
    map_free(layer->map);
    free(layer);
}

int layer_prepare_growth(struct layer *layer, uint64_t blocks)
{
    const struct store_io *io = layer->io;

    CHECK(layer->writable && blocks >= layer->blocks);
    int rc = io->truncate(io->context, layer->data_fd, blocks * VOLUME_BLOCK_BYTES);
    rc = rc ?: io->allocate(io->context, layer->map_fd, 0, map_file_bytes(blocks));
    return rc ?: io->fsync(io->context, layer->map_fd);
}

void layer_grow(struct layer *layer, uint64_t blocks)
{
    map_grow(layer->map, blocks);
    layer->blocks = blocks;
}

void layer_freeze(struct layer *layer)
{
    CHECK(!map_is_changed(layer->map));
    layer->writable = false;
    layer->io->close(layer->io->context, layer->map_fd);
    layer->map_fd = -1;
}

void layer_drop_cache(struct layer *layer)
{
    layer->io->drop_cache(layer->io->context, layer->data_fd);
    if (layer->map_fd >= 0)
        layer->io->drop_cache(layer->io->context, layer->map_fd);
}

bool layer_run(const struct layer *layer, uint64_t block, uint64_t limit, uint64_t *length)
{
    if (block >= layer->blocks) {
        *length = limit;
        return false;
    }
    limit = MIN(limit, layer->blocks - block);
    if (layer->map)
        return map_run(layer->map, block, limit, length);
    *length = limit;
    return true;
}

int layer_write_units(struct layer *layer, const struct map_units *units)
{
    CHECK(layer->writable);
    for (size_t first = 0; first < units->count;) {
        size_t end = first + 1;
        while (end < units->count && units->indexes[end] == units->indexes[end - 1] + 1)
            end++;
        int rc = io_write_bytes(layer->io, layer->map_fd, units->bytes + first * UNIT_BYTES,
                                (end - first) * UNIT_BYTES, unit_offset(units->indexes[first]));
        if (rc)
            return rc;
        first = end;
    }
    return 0;
}
