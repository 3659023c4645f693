/* One object for each open volume, and one for each open layer, however many use it. */
#include "store/state.h"

#include "base/log.h"

/* ---- layers ---- */

static struct layer *find_layer(struct store *store, uint64_t id)
{
    for (struct layer *layer = store->layers; layer; layer = layer->next)
        if (layer->id == id)
            return layer;
    return NULL;
}

int store_layer_get(struct store *store, const struct tree_layer *row, bool writable, struct layer **got)
{
    pthread_mutex_lock(&store->lock);
    struct layer *layer = find_layer(store, row->id);
    if (layer)
        layer->refs++;
    pthread_mutex_unlock(&store->lock);
    if (!layer) {
        /* Nobody else can open it meanwhile: that takes the tree_lock. */
        int rc = layer_open(store->io, store->folder, row->id, row->blocks, row->root, writable, &layer);
        if (rc)
            return rc;
        layer->refs = 1;
        pthread_mutex_lock(&store->lock);
        layer->next = store->layers;
        store->layers = layer;
        pthread_mutex_unlock(&store->lock);
    }
    *got = layer;
    return 0;
}

/* One that was replaced is not there any more. */
static void unlist_layer(struct store *store, struct layer *layer)
{
    struct layer **at = &store->layers;

    while (*at && *at != layer)
        at = &(*at)->next;
    if (*at)
        *at = layer->next;
}

void store_layer_put(void *context, struct layer *layer)
{
    struct store *store = context;

    pthread_mutex_lock(&store->lock);
    bool last = --layer->refs == 0;
    if (last)
        unlist_layer(store, layer);
    pthread_mutex_unlock(&store->lock);
    if (last)
        layer_close(layer);
}

void store_layer_replace(struct store *store, struct layer *layer)
{
    pthread_mutex_lock(&store->lock);
    struct layer *old = find_layer(store, layer->id);
    if (old)
        unlist_layer(store, old); /* whoever reads through it keeps it */
    layer->refs = 1;
    layer->next = store->layers;
    store->layers = layer;
    pthread_mutex_unlock(&store->lock);
}

/* ---- chains ---- */

static int open_chain(struct store *store, const struct tree_volume *row, struct chain **chain)
{
    struct layer *layers[CHAIN_LAYERS_MAX];
    struct tree_layer layer_row;
    int count = 0;
    int rc = 0;

    for (uint64_t id = row->layer; !rc && id != 0; id = layer_row.parent) {
        rc = count == CHAIN_LAYERS_MAX ? -EUCLEAN : tree_layer_get(store->tree, id, &layer_row);
        rc = rc ?: store_layer_get(store, &layer_row, count == 0 && !row->read_only, &layers[count]);
        count += !rc;
    }
    if (!rc)
        *chain = chain_new(layers, count, store_layer_put, store);
    else
        while (count > 0)
            store_layer_put(store, layers[--count]);
    return rc;
}

/* ---- volumes ---- */

static struct volume *find_volume(struct store *store, const char *name)
{
    for (struct volume *volume = store->volumes; volume; volume = volume->next)
        if (strcmp(volume->name, name) == 0)
            return volume;
    return NULL;
}

static struct volume *find_and_ref(struct store *store, const char *name)
{
    pthread_mutex_lock(&store->lock);
    struct volume *volume = find_volume(store, name);
    if (volume)
        volume->refs++;
    pthread_mutex_unlock(&store->lock);
    return volume;
}

bool store_volume_is_open(struct store *store, const char *name)
{
    pthread_mutex_lock(&store->lock);
    bool open = find_volume(store, name) != NULL;
    pthread_mutex_unlock(&store->lock);
    return open;
}

static bool has_damage(const struct chain *chain)
{
    for (int i = 0; i < chain->count; i++)
        if (chain->layers[i]->map && map_has_damage(chain->layers[i]->map))
            return true;
    return false;
}

static struct volume *volume_new(struct store *store, const struct tree_volume *row, struct chain *chain)
{
    struct volume *volume = xcalloc(1, sizeof(*volume));

    volume->store = store;
    COPY_STRING(volume->name, row->name);
    memcpy(volume->uuid, row->uuid, sizeof(volume->uuid));
    volume->id = row->id;
    volume->read_only = row->read_only;
    volume->refs = 1;
    pthread_mutex_init(&volume->lock, NULL);
    pthread_cond_init(&volume->changed, NULL);
    volume->chain = chain;
    volume->changes = row->read_only ? 0 : 1; /* F5 */
    volume->size_bytes = chain->layers[0]->blocks * VOLUME_BLOCK_BYTES;
    if (has_damage(chain)) {
        log_error("%s: its map is damaged on disk: opened read-only, parts cannot be read", volume->name);
        volume->read_only = true;
        volume->changes = 0;
    }
    return volume;
}

static void volume_free(struct volume *volume)
{
    if (volume->stopped)
        layer_drop_cache(volume->chain->layers[0]); /* what was still in flight when it stopped */
    chain_unref(volume->chain);
    pthread_cond_destroy(&volume->changed);
    pthread_mutex_destroy(&volume->lock);
    free(volume);
}

int store_open_volume_locked(struct store *store, const char *name, struct volume **opened)
{
    struct volume *volume = find_and_ref(store, name);
    struct tree_volume row;
    struct chain *chain;

    if (!volume) {
        int rc = tree_volume_get(store->tree, name, &row);
        if (!rc && store_is_in_doubt(store, row.id))
            rc = -EIO;
        rc = rc ?: open_chain(store, &row, &chain);
        if (rc)
            return rc;
        volume = volume_new(store, &row, chain);
        pthread_mutex_lock(&store->lock);
        volume->next = store->volumes;
        store->volumes = volume;
        pthread_mutex_unlock(&store->lock);
    }
    *opened = volume;
    return 0;
}

int store_volume_open(struct store *store, const char *name, struct volume **volume)
{
    *volume = find_and_ref(store, name);
    if (*volume)
        return 0;
    pthread_mutex_lock(&store->tree_lock);
    int rc = store_open_volume_locked(store, name, volume);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

struct volume *volume_ref(struct volume *volume)
{
    pthread_mutex_lock(&volume->store->lock);
    volume->refs++;
    pthread_mutex_unlock(&volume->store->lock);
    return volume;
}

static bool is_dirty(struct volume *volume)
{
    pthread_mutex_lock(&volume->lock);
    bool dirty = !volume->stopped && volume->durable < volume->changes;
    pthread_mutex_unlock(&volume->lock);
    return dirty;
}

/* One try to let go of a volume that was just flushed. False: it was written again meanwhile, flush once
 * more. */
static bool try_close(struct store *store, struct volume *volume, int flush_rc)
{
    pthread_mutex_lock(&store->lock);
    bool unused = volume->refs == 0;
    bool done = !unused || flush_rc || !is_dirty(volume);
    if (done)
        volume->closing = false;
    if (done && unused) {
        struct volume **at = &store->volumes;
        while (*at != volume)
            at = &(*at)->next;
        *at = volume->next;
    }
    pthread_mutex_unlock(&store->lock);
    if (done && unused)
        volume_free(volume);
    return done;
}

static int flush_to_close(struct volume *volume)
{
    int rc = volume_flush(volume);

    if (rc && rc != -EIO) /* that one was said when it stopped */
        log_error("%s: what was written since the last flush is lost: %s", volume->name, strerror(-rc));
    return rc;
}

static void close_volume(struct store *store, struct volume *volume)
{
    bool done;

    do {
        int rc = flush_to_close(volume);
        pthread_mutex_lock(&store->tree_lock); /* nobody opens its layers until they are closed */
        done = try_close(store, volume, rc);
        pthread_mutex_unlock(&store->tree_lock);
    } while (!done);
}

/* True if it was the last reference, and the caller closes it. */
static bool drop_reference(struct volume *volume)
{
    pthread_mutex_lock(&volume->store->lock);
    bool last = --volume->refs == 0 && !volume->closing;
    if (last)
        volume->closing = true;
    pthread_mutex_unlock(&volume->store->lock);
    return last;
}

void volume_unref(struct volume *volume)
{
    if (!volume)
        return;
    struct store *store = volume->store;
    if (drop_reference(volume))
        close_volume(store, volume);
}

void store_unref_volume_locked(struct volume *volume)
{
    struct store *store = volume->store;

    if (!drop_reference(volume))
        return;
    while (!try_close(store, volume, flush_to_close(volume)))
        ;
}

int store_sync_closed_volume(struct store *store, const struct tree_volume *row)
{
    struct chain *chain;

    CHECK(!store_volume_is_open(store, row->name));
    int rc = store_is_in_doubt(store, row->id) ? -EIO : open_chain(store, row, &chain);
    if (rc)
        return rc;
    struct volume *volume = volume_new(store, row, chain);
    rc = volume_flush(volume);
    volume_free(volume);
    return rc;
}
