#include "store/state.h"

#include "base/log.h"

struct chain *volume_chain(struct volume *volume)
{
    pthread_mutex_lock(&volume->lock);
    struct chain *chain = volume->stopped ? NULL : chain_ref(volume->chain);
    pthread_mutex_unlock(&volume->lock);
    return chain;
}

uint64_t volume_size_bytes(const struct volume *volume)
{
    return atomic_load(&volume->size_bytes);
}

bool volume_is_read_only(const struct volume *volume)
{
    return volume->read_only;
}

const uint8_t *volume_uuid(const struct volume *volume)
{
    return volume->uuid;
}

static int check_range(const struct volume *volume, uint64_t offset, uint64_t length_bytes)
{
    uint64_t size_bytes = volume_size_bytes(volume);

    if (offset % VOLUME_SECTOR_BYTES || length_bytes % VOLUME_SECTOR_BYTES)
        return -EINVAL;
    return offset > size_bytes || length_bytes > size_bytes - offset ? -EINVAL : 0;
}

int volume_check_change(struct volume *volume, uint64_t offset, uint64_t length_bytes)
{
    return volume->read_only ? -EROFS : check_range(volume, offset, length_bytes);
}

void volume_stop(struct volume *volume, int rc, const char *what)
{
    pthread_mutex_lock(&volume->lock);
    bool first = !volume->stopped;
    struct layer *top = volume->chain->layers[0]; /* stays while the chain below it may change */
    volume->stopped = true;
    pthread_cond_broadcast(&volume->changed);
    pthread_mutex_unlock(&volume->lock);
    if (!first)
        return;
    log_error("%s: stopped: %s failed (%s); what the disk really holds is read when it is opened again",
              volume->name, what, strerror(-rc));
    layer_drop_cache(top);
}

/* volume_chain, and what lies at `offset`, for one taking of the lock: most reads need no more. */
static int begin_read(struct volume *volume, uint64_t offset, uint64_t length_bytes, struct chain **chain,
                      struct chain_run *run)
{
    pthread_mutex_lock(&volume->lock);
    int rc = volume->stopped ? -EIO : chain_find_bytes(volume->chain, 0, offset, length_bytes, run);
    *chain = rc ? NULL : chain_ref(volume->chain);
    pthread_mutex_unlock(&volume->lock);
    return rc;
}

int volume_read(struct volume *volume, const struct iovec *vec, int count, uint64_t offset,
                enum volume_wait wait)
{
    uint64_t length_bytes = iov_length(vec, count);
    struct iov_cursor to = iov_cursor_over(vec, count);
    CLEANUP(cleanup_chain) struct chain *chain = NULL;
    bool no_wait = wait == VOLUME_NO_WAIT;
    struct chain_run run;
    int rc = check_range(volume, offset, length_bytes);

    if (rc || length_bytes == 0)
        return rc;
    rc = begin_read(volume, offset, length_bytes, &chain, &run);
    rc = rc ?: chain_read_run(chain, &run, &to, offset, no_wait);
    if (rc || run.length_bytes == length_bytes)
        return rc;
    return chain_read(chain, 0, &volume->lock, &to, offset + run.length_bytes,
                      length_bytes - run.length_bytes, no_wait);
}

/* Where the layer that decides has a hole, zeros are read (W2). What was written and is not on disk yet is no hole:
 * SEEK_DATA looks into the page cache, too. */
static int narrow_to_hole(const struct layer *layer, uint64_t offset, uint64_t *length_bytes, bool *mapped)
{
    const struct store_io *io = layer->io;
    uint64_t at;
    int rc = io->next_data(io->context, layer->data_fd, offset, &at);

    if (rc && rc != -ENXIO)
        return rc;
    *mapped = rc == 0 && at < offset + VOLUME_BLOCK_BYTES;
    if (rc == -ENXIO)
        return 0;
    if (*mapped)
        rc = io->next_hole(io->context, layer->data_fd, offset, &at);
    /* Whole blocks; a block that is partly data is data. */
    uint64_t run = *mapped ? at - offset + VOLUME_BLOCK_BYTES - 1 : at - offset;
    *length_bytes = MIN(*length_bytes, MAX(run - run % VOLUME_BLOCK_BYTES, (uint64_t)VOLUME_BLOCK_BYTES));
    return rc;
}

int volume_extent(struct volume *volume, uint64_t offset, uint64_t limit_bytes, uint64_t *length_bytes,
                  bool *mapped)
{
    uint64_t size_bytes = volume_size_bytes(volume);
    uint64_t block = offset / VOLUME_BLOCK_BYTES;
    uint64_t within = offset % VOLUME_BLOCK_BYTES;
    uint64_t blocks;
    int layer;

    if (offset % VOLUME_SECTOR_BYTES || offset >= size_bytes || limit_bytes == 0)
        return -EINVAL;
    limit_bytes = MIN(limit_bytes, size_bytes - offset);
    CLEANUP(cleanup_chain) struct chain *chain = volume_chain(volume);
    if (!chain)
        return -EIO;
    pthread_mutex_lock(&volume->lock);
    int rc = chain_find(chain, 0, block, (within + limit_bytes + VOLUME_BLOCK_BYTES - 1) / VOLUME_BLOCK_BYTES,
                        &layer, &blocks);
    pthread_mutex_unlock(&volume->lock);
    if (rc)
        return rc;
    uint64_t run_bytes = blocks * VOLUME_BLOCK_BYTES;
    *mapped = layer != CHAIN_NOBODY;
    if (*mapped)
        rc = narrow_to_hole(chain->layers[layer], block * VOLUME_BLOCK_BYTES, &run_bytes, mapped);
    *length_bytes = MIN(run_bytes - within, limit_bytes);
    return rc;
}
