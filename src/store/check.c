/* Going through a whole store at once, and repairing what can be without guessing. */
#include "store/walk.h"

#include <stdarg.h>
#include <stdio.h>

struct checker {
    struct store *store;
    const struct store_check *how;
    uint64_t done_bytes;
    uint64_t total_bytes;
    int rc; /* of a repair */
};

static const uint64_t unit_span_bytes = (uint64_t)SUM_UNIT_VALUES * SUM_CHUNK_BYTES;

PRINTF_LIKE(3, 4)
static void tell(const struct checker *c, struct store_finding *finding, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(finding->sentence, sizeof(finding->sentence), format, values);
    va_end(values);
    store_tell(c->store, &c->how->listener, finding);
}

/* ---- the tree ---- */

static void tell_of_tree(void *arg, const char *sentence)
{
    struct store_finding finding = {.problem = STORE_PROBLEM_TREE};

    tell(arg, &finding, "%s", sentence);
}

static void tell_of_orphan(void *arg, uint64_t layer)
{
    struct checker *c = arg;
    struct store_finding finding = {.problem = STORE_PROBLEM_ORPHAN};

    if (c->how->repair) {
        c->rc = c->rc ?: layer_remove_files(c->store->io, c->store->folder, layer);
        finding.repaired = c->rc == 0;
    }
    tell(c, &finding, "layers/%llu belongs to nothing%s", (unsigned long long)layer,
         finding.repaired ? ": removed" : "; it takes up space and harms nothing");
}

/* What a crash left. In a store that is in use it may be an import that runs. */
static void tell_of_remains(struct checker *c, const struct tree_layer *layer)
{
    struct store_finding finding = {.problem = STORE_PROBLEM_ORPHAN, .layer = layer->id, .repaired = c->how->repair};

    if (c->store->as_found)
        tell(c, &finding, "layer %llu was left behind by a crash%s", (unsigned long long)layer->id,
             c->how->repair ? ": removed" : "; the next start removes it");
}

/* ---- files and maps ---- */

static bool file_is_whole(const struct checker *c, const struct tree_layer *layer, const char *file, uint64_t size_bytes)
{
    struct store_finding finding = {.problem = STORE_PROBLEM_FILES, .layer = layer->id};
    struct store_file_stat stat;
    char path[LAYER_PATH_SIZE];
    int rc = c->store->io->stat(c->store->io->context, layer_path(path, c->store->folder, layer->id, file), &stat);

    if (rc)
        tell(c, &finding, "layers/%llu/%s: %s", (unsigned long long)layer->id, file, strerror(-rc));
    else if (stat.size_bytes < size_bytes)
        tell(c, &finding, "layers/%llu/%s has %llu bytes, not %llu", (unsigned long long)layer->id, file,
             (unsigned long long)stat.size_bytes, (unsigned long long)size_bytes);
    return !rc && stat.size_bytes >= size_bytes;
}

static void tell_of_map(const struct checker *c, const struct layer *layer)
{
    struct store_finding finding = {.problem = STORE_PROBLEM_MAP, .layer = layer->id};
    uint64_t block, count;

    if (!layer->map || !map_has_damage(layer->map))
        return;
    map_damage(layer->map, &block, &count);
    finding.offset = block * VOLUME_BLOCK_BYTES;
    finding.length_bytes = count * VOLUME_BLOCK_BYTES;
    tell(c, &finding, "the map of layer %llu is damaged: who decides bytes %llu to %llu is not known, they cannot be read",
         (unsigned long long)layer->id, (unsigned long long)finding.offset,
         (unsigned long long)(finding.offset + finding.length_bytes - 1));
}

static void tell_of_failure(const struct checker *c, uint64_t layer, int rc)
{
    struct store_finding finding = {.problem = rc == -EUCLEAN ? STORE_PROBLEM_MAP : STORE_PROBLEM_FILES, .layer = layer};

    if (rc == -EUCLEAN)
        tell(c, &finding, "layers/%llu/map is not that layer's map", (unsigned long long)layer);
    else
        tell(c, &finding, "layer %llu cannot be read: %s", (unsigned long long)layer, strerror(-rc));
}

/* The map of a top as its volume knows it, or as it would when it was opened. */
static void check_top(const struct checker *c, const struct tree_layer *row)
{
    struct layer *layer;
    int rc = store_layer_get(c->store, row, true, &layer);

    if (rc) {
        tell_of_failure(c, row->id, rc);
        return;
    }
    tell_of_map(c, layer);
    store_layer_put(c->store, layer);
}

static void check_layer(struct checker *c, const struct tree_layer *layer)
{
    /* A crash may leave a shorter one, in which nothing that is decided is missing. */
    uint64_t data_bytes = layer->root ? layer->blocks * VOLUME_BLOCK_BYTES : 0;
    bool whole;

    if (layer->state == TREE_LAYER_CREATING || layer->state == TREE_LAYER_DYING) {
        tell_of_remains(c, layer);
        return;
    }
    whole = file_is_whole(c, layer, "data", data_bytes);
    if (!layer->root)
        whole &= file_is_whole(c, layer, "map", unit_offset(map_unit_count(layer->blocks)));
    if (whole && layer->state == TREE_LAYER_TOP)
        check_top(c, layer);
}

static bool go_on(struct checker *c)
{
    return !c->how->progress || c->how->progress(c->how->listener.arg, c->done_bytes, c->total_bytes);
}

/* One at a time: who changes the tree meanwhile waits for one layer only. */
static int check_layers(struct checker *c, const struct tree_layer *layers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct tree_layer row;
        pthread_mutex_lock(&c->store->tree_lock);
        if (tree_layer_get(c->store->tree, layers[i].id, &row) == 0)
            check_layer(c, &row);
        pthread_mutex_unlock(&c->store->tree_lock);
        if (!go_on(c))
            return -ECANCELED;
    }
    return 0;
}

/* ---- what frozen layers hold ---- */

static void tell_of_data(const struct checker *c, uint64_t layer, const struct walk_result *result)
{
    struct store_finding finding = {.problem = STORE_PROBLEM_DATA,
                                    .layer = layer,
                                    .offset = result->offset,
                                    .length_bytes = result->length_bytes};

    if (result->length_bytes)
        tell(c, &finding,
             "layer %llu does not hold any more what it held when it was frozen, in %llu KiB from byte %llu on",
             (unsigned long long)layer, (unsigned long long)result->length_bytes >> 10,
             (unsigned long long)result->offset);
}

/* With repair they are removed, and made again by the walk that begins then. */
static bool repair_sums(struct checker *c, uint64_t layer)
{
    struct store_finding finding = {.problem = STORE_PROBLEM_SUMS, .layer = layer};
    const struct store_io *io = c->store->io;
    char path[LAYER_PATH_SIZE];

    finding.repaired = c->how->repair &&
                       io->unlink(io->context, layer_path(path, c->store->folder, layer, "sum")) == 0;
    tell(c, &finding, "the sums of layer %llu are damaged%s", (unsigned long long)layer,
         finding.repaired ? ": made again from what it holds now"
                          : ": nothing tells whether it holds what it held when it was frozen");
    return finding.repaired;
}

/* 1: its sums are to be made again. */
static int end_unit(struct checker *c, struct walk *walk, const struct walk_result *result)
{
    pthread_mutex_lock(&c->store->tree_lock);
    int rc = walk_is_stale(walk) ? -ESTALE : 0;
    if (!rc && result->sums_damaged)
        rc = repair_sums(c, walk->layer_id) ? 1 : -ESTALE;
    else if (!rc)
        tell_of_data(c, walk->layer_id, result);
    if (!rc && walk->unit == walk->unit_count)
        rc = walk_finish(walk);
    pthread_mutex_unlock(&c->store->tree_lock);
    return rc;
}

static int walk_through(struct checker *c, struct walk *walk)
{
    int rc = 0;

    while (!rc && walk->unit < walk->unit_count) {
        struct walk_result result = {0};
        rc = walk_step(walk, &result);
        if (rc == -EIO && result.length_bytes)
            tell_of_failure(c, walk->layer_id, rc);
        rc = rc ?: end_unit(c, walk, &result);
        c->done_bytes += unit_span_bytes;
        if (!go_on(c))
            return -ECANCELED;
    }
    return rc;
}

static int open_walk(struct checker *c, const struct tree_layer *layer, struct walk **walk)
{
    struct tree_layer row;

    pthread_mutex_lock(&c->store->tree_lock);
    int rc = tree_layer_get(c->store->tree, layer->id, &row);
    rc = rc ?: row.state == TREE_LAYER_FROZEN ? 0 : -ENOENT;
    bool there = rc == 0;
    rc = rc ?: walk_open(c->store, &row, c->how->repair, walk);
    if (there && rc)
        tell_of_failure(c, layer->id, rc);
    else if (!rc)
        tell_of_map(c, (*walk)->layer);
    pthread_mutex_unlock(&c->store->tree_lock);
    return rc;
}

static void close_walk(struct checker *c, struct walk *walk)
{
    pthread_mutex_lock(&c->store->tree_lock);
    walk_close(walk);
    pthread_mutex_unlock(&c->store->tree_lock);
}

static uint64_t span_of(const struct tree_layer *layers, size_t count)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += (layers[i].blocks * VOLUME_BLOCK_BYTES + unit_span_bytes - 1) / unit_span_bytes * unit_span_bytes;
    return bytes;
}

/* What was found about one layer does not end the check of the others. */
static int check_frozen(struct checker *c, const struct tree_layer *layer)
{
    uint64_t begun_bytes = c->done_bytes;
    struct walk *walk;
    int rc = 1;

    for (int tries = 0; rc == 1 && tries < 2; tries++) {
        c->done_bytes = begun_bytes;
        if (open_walk(c, layer, &walk))
            break;
        rc = walk_through(c, walk);
        close_walk(c, walk);
    }
    c->done_bytes = begun_bytes + span_of(layer, 1);
    return rc == -ECANCELED || rc == -ENOSPC ? rc : 0;
}

/* ---- all of it ---- */

static int check_tree(struct checker *c, struct tree_layer **layers, size_t *count, struct tree_layer **settled,
                      size_t *settled_count)
{
    struct store *store = c->store;

    pthread_mutex_lock(&store->tree_lock);
    int rc = tree_check(store->tree, tell_of_tree, c);
    rc = rc ?: store_find_orphans(store, tell_of_orphan, c);
    rc = rc ?: c->rc;
    rc = rc ?: tree_layer_list(store->tree, layers, count);
    rc = rc ?: tree_layer_list_settled(store->tree, settled, settled_count);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

static int recover(struct checker *c, struct error *error)
{
    struct store *store = c->store;

    if (!c->how->repair || !store->as_found)
        return 0;
    pthread_mutex_lock(&store->tree_lock);
    int rc = store_recover(store, error);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

int store_check(struct store *store, const struct store_check *how, struct error *error)
{
    CLEANUP_FREE struct tree_layer *layers = NULL;
    CLEANUP_FREE struct tree_layer *settled = NULL;
    struct checker c = {.store = store, .how = how};
    size_t count = 0, settled_count = 0;
    int rc = check_tree(&c, &layers, &count, &settled, &settled_count);

    c.total_bytes = span_of(settled, settled_count);
    rc = rc ?: check_layers(&c, layers, count);
    for (size_t i = 0; !rc && i < settled_count; i++)
        rc = check_frozen(&c, &settled[i]);
    if (rc)
        return error_set_errno(error, rc, "%s: the check did not come to its end", store->folder);
    return recover(&c, error);
}
