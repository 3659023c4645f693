/* Images: a root layer, written front to back, named in one commit (FORMAT.md, 6). */
#include "store/state.h"

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/text.h"
#include "store/sum.h"

#include <fcntl.h>
#include <sys/random.h>

enum {
    BUFFER_BYTES = 1 << 20,
    HINT_BYTES = 8 << 20, /* so much is written before write-back is begun */
};

/* One at a time calls append, commit, abort; several imports may run at once. */
struct store_import {
    struct store *store;
    struct store_import *next; /* guarded by tree_lock */
    char name[STORE_NAME_SIZE];
    struct tree_layer layer;
    uint64_t limit_bytes;
    int data_fd;
    uint64_t written_bytes; /* handed to the file, holes included */
    uint64_t unhinted_bytes;
    size_t buffered_bytes;
    struct sum sum;
    uint32_t zero_chunk_crc; /* of a whole chunk of zeros: what most of an image is */
    uint8_t *buffer;
};

bool store_import_is_running(struct store *store, const char *name)
{
    for (struct store_import *import = store->imports; import; import = import->next)
        if (strcmp(import->name, name) == 0)
            return true;
    return false;
}

/* ---- begin ---- */

static int begin_layer(struct store_import *import)
{
    struct store *store = import->store;
    char path[LAYER_PATH_SIZE];
    int rc = store_new_layer(store, 0, 0, true, &import->layer);

    if (rc)
        return rc;
    import->layer.state = TREE_LAYER_CREATING;
    rc = tree_begin(store->tree);
    if (!rc)
        rc = tree_end(store->tree, tree_layer_insert(store->tree, &import->layer));
    if (rc)
        return rc;
    layer_path(path, store->folder, import->layer.id, "data");
    import->data_fd = store->io->open(store->io->context, path, O_RDWR);
    return MIN(import->data_fd, 0);
}

static int begin_locked(struct store_import *import, struct error *error)
{
    struct store *store = import->store;
    int rc = store_check_new_name(store, import->name, error);

    rc = rc ?: store_refuse_when_low(store, error);
    if (rc)
        return rc;
    import->next = store->imports;
    store->imports = import;
    rc = begin_layer(import);
    return rc ? error_set_errno(error, rc, "%s: cannot begin the image", import->name) : 0;
}

int store_import_begin(struct store *store, const char *name, uint64_t limit_bytes,
                       struct store_import **begun, struct error *error)
{
    struct store_import *import = xcalloc(1, sizeof(*import));

    import->store = store;
    import->limit_bytes = limit_bytes;
    import->data_fd = -1;
    import->buffer = xcalloc(1, BUFFER_BYTES);
    import->zero_chunk_crc = crc32c(0, import->buffer, SUM_CHUNK_BYTES);
    pthread_mutex_lock(&store->tree_lock);
    int rc = COPY_STRING(import->name, name) ? begin_locked(import, error)
                                             : error_set(error, -EINVAL, "the name is too long");
    pthread_mutex_unlock(&store->tree_lock);
    if (rc) {
        store_import_abort(import);
        return rc;
    }
    *begun = import;
    return 0;
}

/* ---- append ---- */

/* Writes the next run of blocks that are not zero, from `at` on; moves `*at` past it and past zeros before
 * it. */
static int write_next_run(struct store_import *import, size_t *at)
{
    const struct store_io *io = import->store->io;
    size_t length = import->buffered_bytes;

    while (*at < length && bytes_are_zero(import->buffer + *at, VOLUME_BLOCK_BYTES))
        *at += VOLUME_BLOCK_BYTES;
    size_t first = *at;
    while (*at < length && !bytes_are_zero(import->buffer + *at, VOLUME_BLOCK_BYTES))
        *at += VOLUME_BLOCK_BYTES;
    import->unhinted_bytes += *at - first;
    return io_write_bytes(io, import->data_fd, import->buffer + first, *at - first,
                          import->written_bytes + first);
}

static void sum_buffer(struct store_import *import)
{
    for (size_t at = 0; at < import->buffered_bytes; at += SUM_CHUNK_BYTES) {
        size_t length = MIN(import->buffered_bytes - at, (size_t)SUM_CHUNK_BYTES);
        bool zero = length == SUM_CHUNK_BYTES && bytes_are_zero(import->buffer + at, length);
        sum_append(&import->sum, zero ? import->zero_chunk_crc : crc32c(0, import->buffer + at, length));
    }
}

/* Whole blocks only; whole chunks unless it is the end. */
static int write_buffer(struct store_import *import)
{
    const struct store_io *io = import->store->io;
    int rc = store_is_refusing(import->store) ? -ENOSPC : 0; /* machines need what is left */

    sum_buffer(import);
    for (size_t at = 0; !rc && at < import->buffered_bytes;)
        rc = write_next_run(import, &at);
    import->written_bytes += import->buffered_bytes;
    import->buffered_bytes = 0;
    if (import->unhinted_bytes >= HINT_BYTES) {
        io->start_writeback(io->context, import->data_fd);
        import->unhinted_bytes = 0;
    }
    return rc;
}

int store_import_append(struct store_import *import, const void *bytes, size_t length_bytes)
{
    const uint8_t *from = bytes;

    if (length_bytes > import->limit_bytes - (import->written_bytes + import->buffered_bytes))
        return -EFBIG;
    while (length_bytes > 0) {
        size_t step = MIN(length_bytes, BUFFER_BYTES - import->buffered_bytes);
        memcpy(import->buffer + import->buffered_bytes, from, step);
        import->buffered_bytes += step;
        from += step;
        length_bytes -= step;
        int rc = import->buffered_bytes == BUFFER_BYTES ? write_buffer(import) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- end ---- */

static int finish_files(struct store_import *import)
{
    const struct store_io *io = import->store->io;
    const char *folder = import->store->folder;
    char sum_path[LAYER_PATH_SIZE];
    char new_path[LAYER_PATH_SIZE];
    char layer_folder[LAYER_PATH_SIZE];
    size_t padding = -import->buffered_bytes % VOLUME_BLOCK_BYTES;

    memset(import->buffer + import->buffered_bytes, 0, padding);
    import->buffered_bytes += padding;
    int rc = write_buffer(import);
    rc = rc ?: io->truncate(io->context, import->data_fd, import->written_bytes);
    rc = rc ?: io->fsync(io->context, import->data_fd);
    layer_path(new_path, folder, import->layer.id, "sum.new");
    rc = rc ?: sum_write(io, new_path, import->layer.id, &import->sum);
    rc = rc ?: io->rename(io->context, new_path, layer_path(sum_path, folder, import->layer.id, "sum"));
    return rc ?: io->sync_directory(io->context, layer_path(layer_folder, folder, import->layer.id, NULL));
}

static int name_image(struct store_import *import)
{
    struct tree *tree = import->store->tree;
    struct tree_volume volume = {
        .layer = import->layer.id, .read_only = true, .created_seconds = clock_wall_seconds()};
    int rc = tree_begin(tree);

    if (rc)
        return rc;
    COPY_STRING(volume.name, import->name);
    store_make_uuid(volume.uuid);
    import->layer.state = TREE_LAYER_FROZEN;
    import->layer.blocks = import->written_bytes / VOLUME_BLOCK_BYTES;
    rc = tree_volume_insert(tree, &volume);
    import->layer.owner = volume.id;
    rc = rc ?: tree_layer_update(tree, &import->layer);
    return tree_end(tree, rc);
}

static void import_free(struct store_import *import)
{
    struct store_import **at = &import->store->imports;

    while (*at && *at != import)
        at = &(*at)->next;
    if (*at)
        *at = import->next;
    if (import->data_fd >= 0)
        import->store->io->close(import->store->io->context, import->data_fd);
    sum_free(&import->sum);
    free(import->buffer);
    free(import);
}

int store_import_commit(struct store_import *import, struct error *error)
{
    struct store *store = import->store;

    if (import->written_bytes + import->buffered_bytes == 0)
        return error_set(error, -EINVAL, "%s: the image is empty", import->name);
    int rc = finish_files(import);
    if (rc)
        return error_set_errno(error, rc, "%s: cannot write the image", import->name);
    pthread_mutex_lock(&store->tree_lock);
    store_make_room(store);
    rc = name_image(import);
    if (rc)
        error_set_errno(error, rc, "%s: cannot record the image", import->name);
    else
        import_free(import);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

void store_import_abort(struct store_import *import)
{
    if (!import)
        return;
    struct store *store = import->store;
    pthread_mutex_lock(&store->tree_lock);
    import->layer.state = TREE_LAYER_DYING;
    int rc = import->layer.id ? tree_begin(store->tree) : -ENOENT;
    if (!rc)
        rc = tree_end(store->tree, tree_layer_update(store->tree, &import->layer));
    if (!rc)
        store_sweep_dying(store); /* or the next open does */
    import_free(import);
    pthread_mutex_unlock(&store->tree_lock);
}
