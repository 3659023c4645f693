#include "store/chain.h"

struct chain *chain_new(struct layer *const *layers, int count, void (*release)(void *, struct layer *),
                        void *context)
{
    CHECK(count >= 1 && count <= CHAIN_LAYERS_MAX);
    struct chain *chain = xcalloc(1, sizeof(*chain) + (size_t)count * sizeof(struct layer *));

    chain->refs = 1;
    chain->release = release;
    chain->context = context;
    chain->count = count;
    memcpy(chain->layers, layers, (size_t)count * sizeof(struct layer *));
    return chain;
}

struct chain *chain_ref(struct chain *chain)
{
    atomic_fetch_add(&chain->refs, 1);
    return chain;
}

void chain_unref(struct chain *chain)
{
    if (!chain || atomic_fetch_sub(&chain->refs, 1) > 1)
        return;
    for (int i = 0; i < chain->count; i++)
        chain->release(chain->context, chain->layers[i]);
    free(chain);
}

bool chain_is_shared(const struct chain *chain)
{
    return atomic_load(&chain->refs) > 1;
}

int chain_find(const struct chain *chain, int first, uint64_t block, uint64_t limit, int *layer,
               uint64_t *length)
{
    for (int i = first; i < chain->count; i++) {
        const struct layer *at = chain->layers[i];
        bool owned = layer_run(at, block, limit, &limit);
        if (at->map && map_has_damage(at->map) && block < at->blocks && map_is_damaged(at->map, block, limit))
            return -EIO;
        if (owned) {
            *layer = i;
            *length = limit;
            return 0;
        }
    }
    *layer = CHAIN_NOBODY;
    *length = limit;
    return 0;
}

int chain_find_bytes(const struct chain *chain, int first, uint64_t offset, uint64_t length_bytes,
                     struct chain_run *run)
{
    uint64_t block = offset / VOLUME_BLOCK_BYTES;
    uint64_t end = (offset + length_bytes + VOLUME_BLOCK_BYTES - 1) / VOLUME_BLOCK_BYTES;
    uint64_t blocks;
    int rc = chain_find(chain, first, block, end - block, &run->layer, &blocks);

    if (rc)
        return rc;
    run->length_bytes = MIN((block + blocks) * VOLUME_BLOCK_BYTES - offset, length_bytes);
    return 0;
}

int chain_read_run(const struct chain *chain, const struct chain_run *run, struct iov_cursor *to,
                   uint64_t offset, bool no_wait)
{
    if (run->layer == CHAIN_NOBODY) {
        iov_cursor_zero(to, run->length_bytes);
        return 0;
    }
    const struct layer *from = chain->layers[run->layer];
    return io_read(from->io, from->data_fd, to, run->length_bytes, offset, no_wait);
}

static int find_locked(const struct chain *chain, int first, pthread_mutex_t *lock, uint64_t offset,
                       uint64_t length_bytes, struct chain_run *run)
{
    if (lock)
        pthread_mutex_lock(lock);
    int rc = chain_find_bytes(chain, first, offset, length_bytes, run);
    if (lock)
        pthread_mutex_unlock(lock);
    return rc;
}

int chain_read(const struct chain *chain, int first, pthread_mutex_t *lock, struct iov_cursor *to,
               uint64_t offset, uint64_t length_bytes, bool no_wait)
{
    while (length_bytes > 0) {
        struct chain_run run;
        int rc = find_locked(chain, first, lock, offset, length_bytes, &run);
        rc = rc ?: chain_read_run(chain, &run, to, offset, no_wait);
        if (rc)
            return rc;
        offset += run.length_bytes;
        length_bytes -= run.length_bytes;
    }
    return 0;
}
