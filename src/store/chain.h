/*
 * What a volume is read through: its layers, the uppermost first.
 *
 * A chain never changes; a snapshot gives the volume another one, and who still reads through the old one
 * keeps it alive. The map of a writable top is guarded by its volume's lock, which is why reading takes that
 * lock for each lookup and holds it for no I/O.
 */
#pragma once

#include "store/layer.h"
#include "store/volume.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    CHAIN_LAYERS_MAX = 128,
    CHAIN_NOBODY = -1, /* no layer owns it: zeros */
};

struct chain {
    atomic_uint refs;
    void (*release)(void *context, struct layer *layer); /* gives a layer back to whoever lent it */
    void *context;
    int count;
    struct layer *layers[];
};

/* Takes over the references to the layers. */
struct chain *chain_new(struct layer *const *layers, int count, void (*release)(void *, struct layer *),
                        void *context);
struct chain *chain_ref(struct chain *chain);
void chain_unref(struct chain *chain);
/* Whether others than the caller have a reference. */
bool chain_is_shared(const struct chain *chain);
DEFINE_CLEANUP(chain, struct chain *, chain_unref)

/*
 * Which layer, from number `first` on, decides about `block`, and for how many blocks from there, at most
 * `limit`, the answer is the same: CHAIN_NOBODY, or the layer's number. -EIO: a map that has to be asked is
 * damaged there.
 */
int chain_find(const struct chain *chain, int first, uint64_t block, uint64_t limit, int *layer,
               uint64_t *length);

/* What lies at one place: a run of bytes that one layer decides, or nobody. */
struct chain_run {
    int layer;
    uint64_t length_bytes;
};

/* chain_find in bytes: `offset` and `length_bytes` need not be whole blocks. */
int chain_find_bytes(const struct chain *chain, int first, uint64_t offset, uint64_t length_bytes,
                     struct chain_run *run);
/* Reads one run that was found. */
int chain_read_run(const struct chain *chain, const struct chain_run *run, struct iov_cursor *to,
                   uint64_t offset, bool no_wait);
/* Reads what is seen through the layers from number `first` on. `lock` guards the top's map; NULL when
 * `first` is above 0, since maps below the top do not change. -EAGAIN only with `no_wait`. */
int chain_read(const struct chain *chain, int first, pthread_mutex_t *lock, struct iov_cursor *to,
               uint64_t offset, uint64_t length_bytes, bool no_wait);
