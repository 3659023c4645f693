/* What exists and what it occupies. `st_blocks`, never bits: a discarded block has a bit and no space. */
#include "store/state.h"

/* All rows at once, and for each layer who reaches it. */
struct census {
    struct tree_layer *layers; /* by id */
    size_t layer_count;
    struct tree_volume *volumes;
    size_t volume_count;
    struct tree_snapshot *snapshots;
    size_t snapshot_count;
    uint32_t *reached_by;  /* per layer: by how many volumes */
    uint64_t *last_volume; /* per layer: the one that was counted last */
    uint64_t *bytes;       /* per layer; UINT64_MAX: not asked for yet */
};

static void cleanup_census(struct census *census)
{
    free(census->layers);
    free(census->volumes);
    free(census->snapshots);
    free(census->reached_by);
    free(census->last_volume);
    free(census->bytes);
}
#define CLEANUP_CENSUS CLEANUP(cleanup_census)

static int compare_layers(const void *a, const void *b)
{
    uint64_t left = ((const struct tree_layer *)a)->id;
    uint64_t right = ((const struct tree_layer *)b)->id;

    return left < right ? -1 : left > right;
}

/* Its place in the arrays, or -1. */
static long layer_index(const struct census *census, uint64_t id)
{
    const struct tree_layer key = {.id = id};
    const struct tree_layer *found =
        id ? bsearch(&key, census->layers, census->layer_count, sizeof(key), compare_layers) : NULL;

    return found ? found - census->layers : -1;
}

/* Counts `volume` at the layer and all below, up to one where it was counted already. */
static void count_chain(struct census *census, uint64_t volume, uint64_t layer)
{
    for (long i = layer_index(census, layer); i >= 0 && census->last_volume[i] != volume;
         i = layer_index(census, census->layers[i].parent)) {
        census->last_volume[i] = volume;
        census->reached_by[i]++;
    }
}

/* Snapshots come ordered by volume, so that one volume's are counted together. */
static void count_all(struct census *census)
{
    for (size_t v = 0; v < census->volume_count; v++) {
        const struct tree_volume *volume = &census->volumes[v];
        count_chain(census, volume->id, volume->layer);
        for (size_t s = 0; s < census->snapshot_count; s++)
            if (census->snapshots[s].volume == volume->id)
                count_chain(census, volume->id, census->snapshots[s].layer);
    }
}

static int take_census(struct store *store, struct census *census)
{
    pthread_mutex_lock(&store->tree_lock);
    int rc = tree_layer_list(store->tree, &census->layers, &census->layer_count);
    rc = rc ?: tree_volume_list(store->tree, &census->volumes, &census->volume_count);
    rc = rc ?: tree_snapshot_list(store->tree, 0, &census->snapshots, &census->snapshot_count);
    pthread_mutex_unlock(&store->tree_lock);
    if (rc)
        return rc;
    census->reached_by = xcalloc(census->layer_count, sizeof(*census->reached_by));
    census->last_volume = xcalloc(census->layer_count, sizeof(*census->last_volume));
    census->bytes = xcalloc(census->layer_count, sizeof(*census->bytes));
    for (size_t i = 0; i < census->layer_count; i++)
        census->bytes[i] = UINT64_MAX;
    count_all(census);
    return 0;
}

static uint64_t layer_bytes(struct store *store, struct census *census, long i)
{
    if (census->bytes[i] == UINT64_MAX)
        census->bytes[i] = layer_allocated_bytes(store->io, store->folder, census->layers[i].id);
    return census->bytes[i];
}

/* Adds what the chain occupies, each layer once: `seen` marks those already added. */
static void add_chain(struct store *store, struct census *census, uint64_t layer, bool *seen,
                      struct store_volume_info *info)
{
    for (long i = layer_index(census, layer); i >= 0 && !seen[i];
         i = layer_index(census, census->layers[i].parent)) {
        seen[i] = true;
        if (census->reached_by[i] == 1)
            info->own_bytes += layer_bytes(store, census, i);
        else
            info->shared_bytes += layer_bytes(store, census, i);
    }
}

static void describe(struct store *store, struct census *census, const struct tree_volume *volume,
                     struct store_volume_info *info)
{
    CLEANUP_FREE bool *seen = xcalloc(census->layer_count, sizeof(bool));
    long top = layer_index(census, volume->layer);

    *info = (struct store_volume_info){.read_only = volume->read_only,
                                       .created_seconds = volume->created_seconds};
    COPY_STRING(info->name, volume->name);
    memcpy(info->uuid, volume->uuid, sizeof(info->uuid));
    info->size_bytes = top >= 0 ? census->layers[top].blocks * VOLUME_BLOCK_BYTES : 0;
    for (long i = top; i >= 0; i = layer_index(census, census->layers[i].parent))
        info->depth++;
    add_chain(store, census, volume->layer, seen, info);
    for (size_t s = 0; s < census->snapshot_count; s++)
        if (census->snapshots[s].volume == volume->id)
            add_chain(store, census, census->snapshots[s].layer, seen, info);
}

int store_volume_info(struct store *store, const char *name, struct store_volume_info *info)
{
    CLEANUP_CENSUS struct census census = {0};
    int rc = take_census(store, &census);

    for (size_t v = 0; !rc && v < census.volume_count; v++)
        if (strcmp(census.volumes[v].name, name) == 0) {
            describe(store, &census, &census.volumes[v], info);
            return 0;
        }
    return rc ?: -ENOENT;
}

/* Marks the layers of a volume's chain. */
static void mark_chain(const struct census *census, const char *name, bool *marked)
{
    for (size_t v = 0; name && v < census->volume_count; v++) {
        if (strcmp(census->volumes[v].name, name) != 0)
            continue;
        for (long i = layer_index(census, census->volumes[v].layer); i >= 0;
             i = layer_index(census, census->layers[i].parent))
            marked[i] = true;
    }
}

int store_volume_difference(struct store *store, const char *name, const char *other, uint64_t *bytes)
{
    CLEANUP_CENSUS struct census census = {0};
    int rc = take_census(store, &census);

    if (rc)
        return rc;
    CLEANUP_FREE bool *mine = xcalloc(census.layer_count, sizeof(bool));
    CLEANUP_FREE bool *others = xcalloc(census.layer_count, sizeof(bool));
    mark_chain(&census, name, mine);
    mark_chain(&census, other, others);
    *bytes = 0;
    for (size_t i = 0; i < census.layer_count; i++)
        *bytes += mine[i] && !others[i] ? layer_bytes(store, &census, (long)i) : 0;
    return 0;
}

int store_volume_list(struct store *store, struct store_volume_info **infos, size_t *count)
{
    CLEANUP_CENSUS struct census census = {0};
    int rc = take_census(store, &census);

    if (rc)
        return rc;
    *infos = xcalloc(census.volume_count, sizeof(**infos));
    *count = census.volume_count;
    for (size_t v = 0; v < census.volume_count; v++)
        describe(store, &census, &census.volumes[v], &(*infos)[v]);
    return 0;
}

/* A clone's pristine state lies in a layer of what it was cloned from, and costs the clone nothing. */
static int forget_what_others_own(struct store *store, struct tree_snapshot *snapshot)
{
    struct tree_layer layer;
    int rc = tree_layer_get(store->tree, snapshot->layer, &layer);

    if (!rc && layer.owner != snapshot->volume)
        snapshot->layer = 0;
    return rc;
}

int store_snapshot_list(struct store *store, const char *volume, struct store_snapshot_info **infos,
                        size_t *count)
{
    CLEANUP_FREE struct tree_snapshot *snapshots = NULL;
    struct tree_volume row;
    size_t found = 0;

    pthread_mutex_lock(&store->tree_lock);
    int rc = tree_volume_get(store->tree, volume, &row);
    rc = rc ?: tree_snapshot_list(store->tree, row.id, &snapshots, &found);
    for (size_t i = 0; !rc && i < found; i++)
        rc = forget_what_others_own(store, &snapshots[i]);
    pthread_mutex_unlock(&store->tree_lock);
    if (rc)
        return rc;
    *infos = xcalloc(found, sizeof(**infos));
    *count = found;
    for (size_t i = 0; i < found; i++) {
        struct store_snapshot_info *info = &(*infos)[i];
        COPY_STRING(info->name, snapshots[i].name);
        COPY_STRING(info->comment, snapshots[i].comment);
        info->created_seconds = snapshots[i].created_seconds;
        if (snapshots[i].layer)
            info->own_bytes = layer_allocated_bytes(store->io, store->folder, snapshots[i].layer);
    }
    return 0;
}

/* What stands on a layer of another owner stands on that owner, not on the snapshot that names the layer, too. */
static int find_dependents(struct store *store, const char *volume, const char *name, struct tree_volume **rows,
                           size_t *count)
{
    struct tree_volume row;
    struct tree_snapshot snapshot;
    int rc = tree_volume_get(store->tree, volume, &row);

    rc = rc ?: tree_snapshot_get(store->tree, row.id, name, &snapshot);
    rc = rc ?: forget_what_others_own(store, &snapshot);
    if (rc || snapshot.layer == 0)
        return rc;
    return tree_volume_list_above(store->tree, snapshot.layer, row.id, rows, count);
}

int store_snapshot_dependents(struct store *store, const char *volume, const char *name,
                              char (**names)[STORE_NAME_SIZE], size_t *count)
{
    CLEANUP_FREE struct tree_volume *rows = NULL;
    size_t found = 0;

    pthread_mutex_lock(&store->tree_lock);
    int rc = find_dependents(store, volume, name, &rows, &found);
    pthread_mutex_unlock(&store->tree_lock);
    if (rc)
        return rc;
    *names = xcalloc(found, STORE_NAME_SIZE);
    *count = found;
    for (size_t i = 0; i < found; i++)
        COPY_STRING((*names)[i], rows[i].name);
    return 0;
}
