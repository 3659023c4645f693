#include "store/chain.h"

struct chain *chain_new(struct layer *const *layers, int count, void (*release)(void *, struct layer *), void *context)
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

int chain_find(const struct chain *chain, int first, uint64_t block, uint64_t limit, int *layer, uint64_t *length)
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

/* The same for bytes. */
static int find_bytes(const struct chain *chain, int first, pthread_mutex_t *lock, uint64_t offset,
                      uint64_t length_bytes, int *layer, uint64_t *run_bytes)
{
    uint64_t block = offset / VOLUME_BLOCK_BYTES;
    uint64_t end = (offset + length_bytes + VOLUME_BLOCK_BYTES - 1) / VOLUME_BLOCK_BYTES;
    uint64_t blocks;

    if (lock)
        pthread_mutex_lock(lock);
    int rc = chain_find(chain, first, block, end - block, layer, &blocks);
    if (lock)
        pthread_mutex_unlock(lock);
    if (rc)
        return rc;
    *run_bytes = MIN((block + blocks) * VOLUME_BLOCK_BYTES - offset, length_bytes);
    return 0;
}

int chain_read(const struct chain *chain, int first, pthread_mutex_t *lock, struct iov_cursor *to, uint64_t offset,
               uint64_t length_bytes, bool no_wait)
{
    while (length_bytes > 0) {
        int layer;
        uint64_t run_bytes;
        int rc = find_bytes(chain, first, lock, offset, length_bytes, &layer, &run_bytes);
        if (rc)
            return rc;
        if (layer == CHAIN_NOBODY) {
            iov_cursor_zero(to, run_bytes);
        } else {
            const struct layer *from = chain->layers[layer];
            rc = io_read(from->io, from->data_fd, to, run_bytes, offset, no_wait);
            if (rc)
                return rc;
        }
        offset += run_bytes;
        length_bytes -= run_bytes;
    }
    return 0;
}
