/*
 * Taking away a layer that nobody names: what it decides goes into the only layer that stands on it (FORMAT.md, 6).
 *
 * Into a top it is written as its volume writes, through claims. A frozen child may be read by many: it is opened a
 * second time for the merge alone, and who reads through the first one finds the hidden layer as before.
 */
#include "store/walk.h"

#include <fcntl.h>
#include <time.h>

enum {
    COPY_BLOCKS = 64,   /* copied at once, held from those who write */
    READERS_NS = 50000, /* how often it is looked whether those who read are done */
};

struct merge {
    struct store *store;
    struct tree_layer hidden_row;
    struct tree_layer child_row;
    struct layer *hidden;
    struct layer *child;
    struct volume *volume; /* whose top the child is; NULL: it is frozen, and opened for us alone */
    uint8_t *bytes;        /* COPY_BLOCKS */
};

/* ---- begin, end ---- */

/* Sums would not fit any more: they go before the first block comes (FORMAT.md, 3). */
static int remove_sums(struct merge *m)
{
    const struct store_io *io = m->store->io;
    char path[LAYER_PATH_SIZE];
    int rc = io->unlink(io->context, layer_path(path, m->store->folder, m->child_row.id, "sum"));

    if (rc)
        return rc == -ENOENT ? 0 : rc;
    return io->sync_directory(io->context, layer_path(path, m->store->folder, m->child_row.id, NULL));
}

static int open_child(struct merge *m, const char *volume_name)
{
    struct store *store = m->store;
    int rc;

    if (!*volume_name) {
        rc = remove_sums(m);
        return rc ?: layer_open(store->io, store->folder, m->child_row.id, m->child_row.blocks, false, true, &m->child);
    }
    rc = store_open_volume_locked(store, volume_name, &m->volume);
    if (!rc)
        m->child = m->volume->chain->layers[0];
    return rc;
}

static int begin(struct merge *m, struct store *store, const struct tree_hidden *found)
{
    walks_make_stale(store, found->layer, found->child);
    m->store = store;
    m->bytes = xcalloc(COPY_BLOCKS, VOLUME_BLOCK_BYTES);
    int rc = tree_layer_get(store->tree, found->layer, &m->hidden_row);
    rc = rc ?: tree_layer_get(store->tree, found->child, &m->child_row);
    rc = rc ?: store_layer_get(store, &m->hidden_row, false, &m->hidden);
    rc = rc ?: open_child(m, found->volume);
    if (rc)
        return rc;
    CHECK(m->child->blocks >= m->hidden->blocks);
    return map_has_damage(m->hidden->map) || map_has_damage(m->child->map) ? -EUCLEAN : 0;
}

static void end(struct merge *m)
{
    if (m->volume)
        store_unref_volume_locked(m->volume);
    else
        layer_close(m->child);
    if (m->hidden)
        store_layer_put(m->store, m->hidden);
    free(m->bytes);
}

/* ---- how far it is ---- */

static void begin_progress(struct store *store, uint64_t blocks)
{
    pthread_mutex_lock(&store->lock);
    store->reclaim.total_bytes = store->reclaim.left_bytes = blocks * VOLUME_BLOCK_BYTES;
    pthread_mutex_unlock(&store->lock);
}

static void note_progress(struct store *store, uint64_t blocks)
{
    pthread_mutex_lock(&store->lock);
    store->reclaim.left_bytes -= MIN(store->reclaim.left_bytes, blocks * VOLUME_BLOCK_BYTES);
    pthread_mutex_unlock(&store->lock);
}

static void note_waiting(struct store *store, uint64_t layers)
{
    pthread_mutex_lock(&store->lock);
    store->reclaim.layers = layers;
    if (layers == 0)
        store->reclaim = (struct store_reclaim){0};
    pthread_mutex_unlock(&store->lock);
}

void store_reclaim_progress(struct store *store, struct store_reclaim *progress)
{
    pthread_mutex_lock(&store->lock);
    *progress = store->reclaim;
    pthread_mutex_unlock(&store->lock);
}

/* ---- copying ---- */

static int punch(const struct store_io *io, int fd, uint64_t block, uint64_t count)
{
    int rc;

    do
        rc = io->punch(io->context, fd, block * VOLUME_BLOCK_BYTES, count * VOLUME_BLOCK_BYTES);
    while (rc == -EINTR);
    return rc;
}

/* Zeros become holes again (W2). */
static int put_blocks(struct merge *m, uint64_t block, uint64_t count)
{
    uint64_t at = 0;
    int rc = 0;

    while (!rc && at < count) {
        const uint8_t *bytes = m->bytes + at * VOLUME_BLOCK_BYTES;
        bool zero = bytes_are_zero(bytes, VOLUME_BLOCK_BYTES);
        uint64_t run = 1;
        while (at + run < count && bytes_are_zero(bytes + run * VOLUME_BLOCK_BYTES, VOLUME_BLOCK_BYTES) == zero)
            run++;
        rc = zero ? punch(m->child->io, m->child->data_fd, block + at, run)
                  : io_write_bytes(m->child->io, m->child->data_fd, bytes, run * VOLUME_BLOCK_BYTES,
                                   (block + at) * VOLUME_BLOCK_BYTES);
        at += run;
    }
    return rc;
}

/* Blocks that the child does not own. Until their bits are set nobody reads what is written here. */
static int copy_run(struct merge *m, uint64_t block, uint64_t count)
{
    int rc = io_read_bytes(m->hidden->io, m->hidden->data_fd, m->bytes, count * VOLUME_BLOCK_BYTES,
                           block * VOLUME_BLOCK_BYTES);

    if (rc)
        return rc;
    rc = put_blocks(m, block, count);
    if (rc)
        return m->volume ? volume_write_failed(m->volume, rc, "merging layers") : rc;
    if (m->volume)
        volume_note_change(m->volume, block, count, count * VOLUME_BLOCK_BYTES);
    else
        map_set(m->child->map, block, count);
    return 0;
}

static bool child_run(struct merge *m, uint64_t block, uint64_t limit, uint64_t *length)
{
    if (m->volume)
        pthread_mutex_lock(&m->volume->lock);
    bool owned = map_run(m->child->map, block, limit, length);
    if (m->volume)
        pthread_mutex_unlock(&m->volume->lock);
    return owned;
}

static int copy_claimed(struct merge *m, uint64_t block, uint64_t end_block)
{
    int rc = 0;

    while (!rc && block < end_block) {
        uint64_t length;
        if (!child_run(m, block, end_block - block, &length))
            rc = copy_run(m, block, length);
        block += length;
    }
    return rc;
}

static int copy_range(struct merge *m, uint64_t block, uint64_t count)
{
    struct claim claim;

    if (!m->volume)
        return copy_claimed(m, block, block + count);
    int rc = volume_claim(m->volume, &claim, block, block + count);
    if (rc)
        return rc;
    rc = copy_claimed(m, block, block + count);
    volume_unclaim(m->volume, &claim);
    return rc;
}

static int copy_step(struct merge *m, uint64_t *block)
{
    uint64_t end_block = m->hidden->blocks;
    uint64_t copied = 0;
    int rc = 0;

    while (!rc && *block < end_block && copied < m->store->merge.step_blocks) {
        uint64_t at_most = MIN(m->store->merge.step_blocks - copied, (uint64_t)COPY_BLOCKS);
        uint64_t length;
        if (map_run(m->hidden->map, *block, end_block - *block, &length)) {
            length = MIN(length, at_most);
            rc = copy_range(m, *block, length);
            copied += length;
        }
        if (!rc)
            *block += length;
    }
    note_progress(m->store, copied);
    return rc;
}

/* ---- making durable ---- */

/* Both files, whatever was written now: units that a process before left in the page cache are read as set. */
static int sync_frozen(struct layer *child)
{
    const struct store_io *io = child->io;
    struct map_units units = {0};
    int rc = io->fdatasync(io->context, child->data_fd);

    map_take_changed(child->map, child->id, &units);
    rc = rc ?: layer_write_units(child, &units);
    rc = rc ?: io->fdatasync(io->context, child->map_fd);
    map_units_free(&units);
    return rc;
}

/* F4 holds here, too: after a failed sync what is read of the child again must be what is on disk, and no later sync
 * that succeeds proves anything. */
static int flush_child(struct merge *m)
{
    if (m->volume)
        return volume_flush(m->volume);
    int rc = sync_frozen(m->child);
    if (rc && rc != -ENOSPC) {
        m->store->merge.failed = true;
        layer_drop_cache(m->child);
    }
    return rc;
}

/* ---- showing it to those who have volumes open ---- */

/* The chain with the child as it is now, with the hidden layer or without it. */
static struct chain *renewed_chain(struct merge *m, const struct chain *old, bool with_hidden)
{
    struct layer *layers[CHAIN_LAYERS_MAX];
    int count = 0;

    pthread_mutex_lock(&m->store->lock);
    for (int i = 0; i < old->count; i++)
        if (with_hidden || old->layers[i]->id != m->hidden->id)
            layers[count++] = old->layers[i]->id == m->child->id ? m->child : old->layers[i];
    for (int i = 0; i < count; i++)
        layers[i]->refs++;
    pthread_mutex_unlock(&m->store->lock);
    return chain_new(layers, count, store_layer_put, m->store);
}

static bool is_in(const struct chain *chain, const struct layer *layer)
{
    for (int i = 0; i < chain->count; i++)
        if (chain->layers[i]->id == layer->id)
            return true;
    return false;
}

/* Gives the old one, which those who are reading still use. */
static struct chain *swap_chain(struct volume *volume, struct chain *chain)
{
    volume_hold(volume); /* who changes something uses the chain without a reference */
    pthread_mutex_lock(&volume->lock);
    struct chain *old = volume->chain;
    volume->chain = chain;
    pthread_mutex_unlock(&volume->lock);
    volume_release(volume);
    return old;
}

static void wait_for_readers(struct chain *chain)
{
    const struct timespec pause = {.tv_nsec = READERS_NS};

    while (chain_is_shared(chain))
        nanosleep(&pause, NULL);
}

/* Those who have the volumes open notice nothing. When it returns nobody looks through an old chain any more. */
static void show(struct merge *m, bool with_hidden)
{
    CLEANUP_FREE struct chain **old = NULL;
    size_t count = 0;

    for (struct volume *volume = m->store->volumes; volume; volume = volume->next) {
        if (!is_in(volume->chain, m->hidden))
            continue;
        old = xrealloc(old, count + 1, sizeof(struct chain *));
        old[count++] = swap_chain(volume, renewed_chain(m, volume->chain, with_hidden));
    }
    for (size_t i = 0; i < count; i++) {
        wait_for_readers(old[i]);
        chain_unref(old[i]);
    }
}

/* A frozen child that was opened a second time takes the place of the first. */
static void show_copies(struct merge *m, bool with_hidden)
{
    if (!m->volume)
        store_layer_replace(m->store, m->child);
    show(m, with_hidden);
    if (!m->volume)
        store_layer_put(m->store, TAKE_PTR(m->child));
}

/* ---- taking the hidden layer away ---- */

/* What the child decides durably is not read here any more (M2). Space that is not given back now is, at the end. */
static void punch_hidden(struct merge *m, uint64_t block, uint64_t end_block)
{
    const struct store_io *io = m->store->io;
    char path[LAYER_PATH_SIZE];
    int fd = io->open(io->context, layer_path(path, m->store->folder, m->hidden->id, "data"), O_RDWR);

    if (fd < 0)
        return;
    punch(io, fd, block, end_block - block);
    io->close(io->context, fd);
}

static int record(struct merge *m)
{
    struct tree *tree = m->store->tree;
    struct tree_layer child = m->child_row;
    struct tree_layer hidden = m->hidden_row;
    int rc = tree_begin(tree);

    if (rc)
        return rc;
    child.parent = hidden.parent;
    hidden.parent = 0;
    hidden.state = TREE_LAYER_DYING;
    rc = tree_layer_update(tree, &child);
    rc = rc ?: tree_layer_update(tree, &hidden);
    return tree_end(tree, rc);
}

static int finish(struct merge *m)
{
    int rc = record(m);

    if (rc)
        return rc;
    show_copies(m, false);
    store_layer_put(m->store, TAKE_PTR(m->hidden));
    m->store->verify.look_for_new = true;
    store_sweep_dying(m->store); /* or the next open does */
    store_restore_reserve(m->store);
    return 0;
}

/* ---- a step ---- */

/* Where the last step ended, unless it was about other layers. */
static uint64_t *resume(struct merge *m)
{
    struct store *store = m->store;

    if (store->merge.layer != m->hidden->id || store->merge.child != m->child->id) {
        store->merge.layer = m->hidden->id;
        store->merge.child = m->child->id;
        store->merge.block = 0;
    }
    if (store->merge.block == 0)
        begin_progress(store, map_count(m->hidden->map));
    return &store->merge.block;
}

/* Steps that are left copy what is left; what was copied is not needed twice. */
static int step_opened(struct merge *m)
{
    uint64_t *block = resume(m);
    uint64_t from = *block;
    int rc = copy_step(m, block);

    rc = rc ?: flush_child(m);
    if (rc) {
        m->store->merge.block = 0; /* of what was copied nobody knows how much is on disk */
        return rc;
    }
    if (!m->volume)
        layer_freeze(m->child);
    if (*block == m->hidden->blocks)
        return finish(m);
    show_copies(m, true);
    punch_hidden(m, from, *block);
    return 0;
}

static int step(struct store *store, const struct tree_hidden *found)
{
    struct merge m = {0};
    int rc = begin(&m, store, found);

    rc = rc ?: step_opened(&m);
    end(&m);
    return rc;
}

int store_reclaim_step(struct store *store, bool *more)
{
    struct tree_hidden found;

    pthread_mutex_lock(&store->tree_lock);
    uint64_t waiting = 0;
    int rc = store->merge.failed ? -EIO : tree_hidden_get(store->tree, &found, &waiting);
    bool nothing = rc == -ENOENT;
    note_waiting(store, waiting);
    if (!rc) {
        store_make_room(store);
        rc = step(store, &found);
    }
    pthread_mutex_unlock(&store->tree_lock);
    *more = rc == 0;
    return nothing ? 0 : rc;
}
