/* Going through all frozen layers in the background, again and again, and remembering where and what. */
#include "store/walk.h"

#include "base/clock.h"

#include <stdio.h>

enum {
    SAVE_UNITS = 32, /* steps between two records of the position: 252 MiB */
    EMPTY_UNITS = 1024,
};

/* ---- telling ---- */

void store_tell(struct store *store, const struct store_listener *listener, struct store_finding *finding)
{
    CLEANUP_FREE struct tree_volume *rows = NULL;
    CLEANUP_FREE char (*names)[STORE_NAME_SIZE] = NULL;
    size_t count = 0;

    if (!listener->found)
        return;
    if (finding->layer)
        tree_volume_list_above(store->tree, finding->layer, 0, &rows, &count);
    names = xcalloc(count, STORE_NAME_SIZE);
    for (size_t i = 0; i < count; i++)
        COPY_STRING(names[i], rows[i].name);
    finding->volumes = names;
    finding->volume_count = count;
    listener->found(listener->arg, finding);
}

static void tell_damage(struct store *store, const struct store_listener *listener, const struct tree_damage *damage)
{
    struct store_finding finding = {.problem = STORE_PROBLEM_DATA,
                                    .layer = damage->layer,
                                    .offset = damage->offset_bytes,
                                    .length_bytes = damage->length_bytes};

    snprintf(finding.sentence, sizeof(finding.sentence),
             "layer %llu does not hold any more what it held when it was frozen, in %llu KiB from byte %llu on",
             (unsigned long long)damage->layer, (unsigned long long)damage->length_bytes >> 10,
             (unsigned long long)damage->offset_bytes);
    store_tell(store, listener, &finding);
}

int store_tell_damage(struct store *store, const struct store_listener *listener)
{
    CLEANUP_FREE struct tree_damage *damages = NULL;
    size_t count = 0;

    pthread_mutex_lock(&store->tree_lock);
    int rc = tree_damage_list(store->tree, &damages, &count);
    for (size_t i = 0; !rc && i < count; i++)
        tell_damage(store, listener, &damages[i]);
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

int store_verify_status(struct store *store, struct store_verify *status)
{
    CLEANUP_FREE struct tree_damage *damages = NULL;
    struct tree_verify position;

    *status = (struct store_verify){0};
    pthread_mutex_lock(&store->tree_lock);
    int rc = tree_verify_get(store->tree, &position);
    rc = rc ?: tree_damage_list(store->tree, &damages, &status->damaged);
    pthread_mutex_unlock(&store->tree_lock);
    if (!rc)
        status->finished_seconds = position.finished_seconds;
    return rc;
}

/* ---- which layer ---- */

static bool has_sums(struct store *store, uint64_t layer)
{
    struct store_file_stat stat;
    char path[LAYER_PATH_SIZE];

    return store->io->stat(store->io->context, layer_path(path, store->folder, layer, "sum"), &stat) == 0;
}

/* One that has no sums comes first: until it has, what happens to it is not noticed. */
static const struct tree_layer *choose(struct store *store, const struct tree_layer *layers, size_t count,
                                       uint64_t after)
{
    for (size_t i = 0; store->verify.look_for_new && i < count; i++)
        if (!has_sums(store, layers[i].id))
            return &layers[i];
    store->verify.look_for_new = false;
    for (size_t i = 0; i < count; i++)
        if (layers[i].id > after)
            return &layers[i];
    return NULL;
}

static int save(struct store *store, const struct tree_verify *position)
{
    int rc = tree_begin(store->tree);

    store->verify.unsaved = 0;
    return rc ?: tree_end(store->tree, tree_verify_set(store->tree, position));
}

/* A layer that cannot be opened is told about, and passed over until the next round. */
static int pass_over(struct store *store, uint64_t layer, const struct store_listener *listener, int why)
{
    struct store_finding finding = {.problem = STORE_PROBLEM_FILES, .layer = layer};
    struct tree_verify position;
    int rc = tree_verify_get(store->tree, &position);

    snprintf(finding.sentence, sizeof(finding.sentence), "layer %llu cannot be gone through: %s",
             (unsigned long long)layer, strerror(-why));
    store_tell(store, listener, &finding);
    if (store->verify.look_for_new) {
        store->verify.look_for_new = false; /* its turn comes, and then it is passed over */
        return rc;
    }
    position.layer = layer;
    position.unit = 0;
    return rc ?: save(store, &position);
}

static int begin_walk(struct store *store, const struct tree_layer *row, const struct tree_verify *position,
                      const struct store_listener *listener)
{
    int rc = walk_open(store, row, true, &store->verify.walk);

    if (rc)
        return pass_over(store, row->id, listener, rc);
    if (!store->verify.walk->making && row->id == position->layer + 1)
        store->verify.walk->unit = MIN(position->unit, store->verify.walk->unit_count);
    return 0;
}

/* Everything was gone through: the next round begins with the first layer, when it is time to. */
static int end_round(struct store *store)
{
    const struct tree_verify again = {.finished_seconds = clock_wall_seconds()};

    return save(store, &again);
}

/* The walk that goes on, or the next. `more` is not set when there is nothing to do. */
static int next_walk(struct store *store, uint64_t interval_seconds, const struct store_listener *listener, bool *more)
{
    CLEANUP_FREE struct tree_layer *layers = NULL;
    struct tree_verify position;
    size_t count = 0;

    *more = true;
    if (store->verify.walk)
        return 0;
    int rc = tree_verify_get(store->tree, &position);
    rc = rc ?: tree_layer_list_settled(store->tree, &layers, &count);
    if (rc)
        return rc;
    bool due = position.layer || position.unit ||
               clock_wall_seconds() >= position.finished_seconds + interval_seconds;
    const struct tree_layer *row = choose(store, layers, count, due ? position.layer : UINT64_MAX);
    if (row)
        return begin_walk(store, row, &position, listener);
    *more = false;
    return due ? end_round(store) : 0;
}

/* ---- what was found ---- */

static bool is_known(const struct tree_damage *damages, size_t count, uint64_t layer, uint64_t unit)
{
    for (size_t i = 0; i < count; i++)
        if (damages[i].layer == layer && damages[i].unit == unit)
            return true;
    return false;
}

static int record(struct store *store, const struct tree_damage *damage)
{
    int rc = tree_begin(store->tree);

    if (rc)
        return rc;
    rc = damage->length_bytes ? tree_damage_put(store->tree, damage)
                              : tree_damage_delete(store->tree, damage->layer, damage->unit);
    return tree_end(store->tree, rc);
}

/* What was found before is not told again; what is well again is forgotten. */
static int note_result(struct store *store, uint64_t layer, const struct walk_result *result,
                       const struct store_listener *listener)
{
    CLEANUP_FREE struct tree_damage *damages = NULL;
    const struct tree_damage damage = {.layer = layer,
                                       .unit = result->unit,
                                       .offset_bytes = result->offset,
                                       .length_bytes = result->length_bytes,
                                       .found_seconds = clock_wall_seconds()};
    size_t count = 0;

    if (result->made || result->sums_damaged)
        return 0;
    int rc = tree_damage_list(store->tree, &damages, &count);
    if (rc)
        return rc;
    bool known = is_known(damages, count, layer, result->unit);
    if (known != (damage.length_bytes > 0))
        rc = record(store, &damage);
    if (!rc && !known && damage.length_bytes)
        tell_damage(store, listener, &damage);
    return rc;
}

/* ---- a step ---- */

static int end_walk(struct store *store, struct tree_verify *position)
{
    struct walk *walk = TAKE_PTR(store->verify.walk);
    bool made = walk->making;
    int rc = walk_finish(walk);

    position->layer = walk->layer_id;
    position->unit = 0;
    walk_close(walk);
    return rc || made ? rc : save(store, position);
}

static int go_on(struct store *store, const struct walk_result *result, const struct store_listener *listener)
{
    struct walk *walk = store->verify.walk;
    struct tree_verify position;
    int rc = tree_verify_get(store->tree, &position);

    rc = rc ?: note_result(store, walk->layer_id, result, listener);
    if (rc)
        return rc;
    if (walk->unit == walk->unit_count)
        return end_walk(store, &position);
    position.layer = walk->layer_id - 1;
    position.unit = walk->unit;
    return walk->making || ++store->verify.unsaved < SAVE_UNITS ? 0 : save(store, &position);
}

/* What cannot be read is as bad as what is wrong. */
static int give_up(struct store *store, struct walk_result *result, const struct store_listener *listener, int why)
{
    struct walk *walk = TAKE_PTR(store->verify.walk);
    uint64_t layer = walk->layer_id;

    result->made = false;
    walk_close(walk);
    int rc = result->length_bytes ? note_result(store, layer, result, listener) : 0;
    return rc ?: pass_over(store, layer, listener, why);
}

/* Units of which nothing had to be read are gone through without stopping: a layer may be large and empty. */
static int walk_units(struct walk *walk, struct walk_result *result)
{
    uint64_t before = walk->read_bytes;
    int rc = 0;

    for (int i = 0; !rc && i < EMPTY_UNITS && walk->unit < walk->unit_count && walk->read_bytes == before; i++) {
        rc = walk_step(walk, result);
        if (result->length_bytes || result->sums_damaged)
            break;
    }
    return rc;
}

static int step(struct store *store, const struct store_listener *listener, uint64_t *read_bytes)
{
    struct walk *walk = store->verify.walk;
    struct walk_result result = {0};
    uint64_t before = walk->read_bytes;
    int rc = walk_units(walk, &result);

    *read_bytes += walk->read_bytes - before;
    pthread_mutex_lock(&store->tree_lock);
    if (walk_is_stale(walk)) {
        walk_close(TAKE_PTR(store->verify.walk));
        rc = 0;
    } else {
        rc = rc ? give_up(store, &result, listener, rc) : go_on(store, &result, listener);
    }
    pthread_mutex_unlock(&store->tree_lock);
    return rc;
}

int store_verify_step(struct store *store, uint64_t interval_seconds, const struct store_listener *listener,
                      uint64_t *read_bytes, bool *more)
{
    pthread_mutex_lock(&store->tree_lock);
    int rc = next_walk(store, interval_seconds, listener, more);
    bool walking = store->verify.walk;
    pthread_mutex_unlock(&store->tree_lock);
    if (rc || !walking)
        return rc;
    return step(store, listener, read_bytes);
}

void store_verify_stop(struct store *store)
{
    walk_close(TAKE_PTR(store->verify.walk));
}
