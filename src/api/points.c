#include "api/points.h"

#include "api/reclaim.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <stdio.h>

enum { NAME_ATTEMPTS_MAX = 100 };

/* What the functions below work on, under the lock. */
struct point {
    struct api *api;
    const struct catalog_snapshot *catalog;
    const struct machine *machine; /* NULL: it was removed */
};

static struct point point_begin(struct api *api, uint64_t machine_id)
{
    pthread_mutex_lock(&api->change_lock);
    const struct catalog_snapshot *catalog = catalog_read(api->options.catalog);
    return (struct point){.api = api, .catalog = catalog, .machine = catalog_machine_by_id(catalog, machine_id)};
}

static void point_end(struct point *point)
{
    catalog_snapshot_unref(point->catalog);
    pthread_mutex_unlock(&point->api->change_lock);
}

/* ---- what is there ---- */

struct history {
    struct store_snapshot_info *infos;
    struct keep_snapshot *snapshots; /* as the rules see them */
    size_t count;
};

static void cleanup_history(struct history *history)
{
    free(history->infos);
    free(history->snapshots);
}
#define CLEANUP_HISTORY CLEANUP(cleanup_history)

static int read_history(const struct point *point, struct history *history)
{
    int rc = store_snapshot_list(point->api->options.store, point->machine->volume, &history->infos, &history->count);

    if (rc < 0)
        return rc;
    history->snapshots = xcalloc(history->count, sizeof(*history->snapshots));
    for (size_t i = 0; i < history->count; i++)
        history->snapshots[i] =
            (struct keep_snapshot){history->infos[i].name, history->infos[i].created_seconds};
    return 0;
}

static bool is_changed(const struct point *point)
{
    const char *volumes[MACHINE_LUNS];
    size_t count = machine_own_volumes(point->machine, volumes);
    bool changed = false;

    for (size_t i = 0; i < count && !changed; i++) {
        if (store_volume_changed(point->api->options.store, volumes[i], &changed) < 0)
            return true; /* whoever takes the snapshot hears why */
    }
    return changed;
}

/* ---- taking ---- */

static const char *const comments[KEEP_KINDS] = {
    [KEEP_BOOT] = "before a boot",
    [KEEP_HOURLY] = "hourly",
    [KEEP_DAILY] = "daily",
    [KEEP_LAST_BOOT] = "what the last boot wrote",
    [KEEP_ROLLBACK] = "before a rollback",
    [KEEP_RESET] = "before a reset",
};

static int create(const struct point *point, enum keep_kind kind, char name[KEEP_NAME_SIZE])
{
    const char *volumes[MACHINE_LUNS];
    size_t count = machine_own_volumes(point->machine, volumes);
    uint64_t now_seconds = clock_wall_seconds();
    int rc = -EEXIST;

    for (unsigned attempt = 1; rc == -EEXIST && attempt <= NAME_ATTEMPTS_MAX; attempt++)
        rc = store_snapshot_create_group(point->api->options.store, volumes, count,
                                         keep_name(name, kind, now_seconds, attempt), comments[kind], NULL);
    if (rc == 0)
        api_tell(point->api, point->machine, "snapshot.created", "snapshot %s was made", name);
    else
        log_warning("%s: no snapshot could be made (%s): %s", point->machine->name, comments[kind], strerror(-rc));
    return rc;
}

static int take(const struct point *point, enum keep_kind kind, char name[KEEP_NAME_SIZE])
{
    if (!point->machine)
        return -ENOENT;
    if (!is_changed(point))
        return 0;
    int rc = create(point, kind, name);
    return rc < 0 ? rc : 1;
}

int points_take(struct api *api, uint64_t machine_id, enum keep_kind kind, char name[KEEP_NAME_SIZE])
{
    struct point point = point_begin(api, machine_id);
    int rc = take(&point, kind, name);

    point_end(&point);
    return rc;
}

static bool take_due(const struct point *point)
{
    static const enum keep_kind kinds[] = {KEEP_DAILY, KEEP_HOURLY};
    CLEANUP_HISTORY struct history history = {0};
    const struct keep_rules rules = keep_rules_of(point->machine);
    uint64_t now_seconds = clock_wall_seconds();
    bool due[ARRAY_SIZE(kinds)];
    char name[KEEP_NAME_SIZE];

    if (read_history(point, &history) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        due[i] = keep_is_due(&rules, kinds[i], history.snapshots, history.count, now_seconds);
    if (!due[0] && !due[1])
        return false;
    if (!is_changed(point))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (due[i])
            create(point, kinds[i], name);
    }
    return false;
}

bool points_take_due(struct api *api, uint64_t machine_id)
{
    struct point point = point_begin(api, machine_id);
    bool waits = point.machine && take_due(&point);

    point_end(&point);
    return waits;
}

/* ---- pruning ---- */

/* A disk that was added later has no such snapshot. */
static void remove_snapshot(const struct point *point, const char *name)
{
    struct store *store = point->api->options.store;
    const char *volumes[MACHINE_LUNS];
    size_t count = machine_own_volumes(point->machine, volumes);

    for (size_t i = 0; i < count; i++) {
        int rc = store_snapshot_remove_group(store, &volumes[i], 1, name, NULL);
        if (rc < 0 && rc != -ENOENT)
            log_warning("%s: snapshot %s cannot be removed: %s", point->machine->name, name, strerror(-rc));
    }
    api_tell(point->api, point->machine, "snapshot.removed", "snapshot %s was removed, its rule keeps no more", name);
}

static size_t prune(const struct point *point)
{
    CLEANUP_HISTORY struct history history = {0};
    const struct keep_rules rules = keep_rules_of(point->machine);

    if (read_history(point, &history) < 0)
        return 0;
    CLEANUP_FREE size_t *over = xcalloc(history.count, sizeof(*over));
    size_t count = keep_over(&rules, history.snapshots, history.count, over);
    for (size_t i = 0; i < count; i++)
        remove_snapshot(point, history.snapshots[over[i]].name);
    return count;
}

void points_prune(struct api *api, uint64_t machine_id)
{
    struct point point = point_begin(api, machine_id);
    size_t removed = point.machine ? prune(&point) : 0;

    point_end(&point);
    if (removed)
        reclaim_begin_soon(api);
}

/* ---- beginning anew ---- */

/* Where it begins: a volume, and a snapshot of it or NULL. `image` is set when that is an image. */
struct origin {
    const char *volume;
    const char *snapshot;
    const struct image *image;
};

static int find_origin(const struct point *point, struct points_reset *reset, struct origin *origin, struct error *error)
{
    const struct machine *machine = point->machine;
    const char *to = reset->to ? reset->to : machine_setting(machine, SETTING_RESET_TO);
    uint32_t version = machine_follows_version(machine);

    if (!string_equal(to, "image")) {
        *origin = (struct origin){.volume = machine->volume, .snapshot = to};
        snprintf(reset->began, sizeof(reset->began), "%s@%s", machine->name, to);
        return 0;
    }
    const struct image *image = catalog_image_version(point->catalog, machine->image, version);
    if (!image)
        return error_set(error, -ENOENT, "%s: its image %s has no version %u (see farboot image show %s)", machine->name,
                         machine->image, version, machine->image);
    *origin = (struct origin){.volume = image->volume, .image = image};
    snprintf(reset->began, sizeof(reset->began), "%s:%u", image->name, image->version);
    return 0;
}

/* What a crash leaves between store and catalog is a machine that is said to have begun at another version: the next
 * reset says it right. */
static int record_origin(const struct point *point, const struct origin *origin, struct error *error)
{
    struct machine changed = *point->machine;

    if (!origin->image || (origin->image->id == changed.image_id && origin->image->size_bytes <= changed.size_bytes))
        return 0;
    changed.image_id = origin->image->id;
    changed.size_bytes = MAX(changed.size_bytes, origin->image->size_bytes);
    return catalog_machine_update(point->api->options.catalog, &changed, error);
}

static int switch_disk(const struct point *point, const struct origin *origin, struct points_reset *reset,
                       struct error *error)
{
    struct store *store = point->api->options.store;
    struct store_snapshot_info keep = {0};
    uint64_t now_seconds = clock_wall_seconds();
    bool changed = true;
    int rc = -EEXIST;

    if (store_volume_changed(store, point->machine->volume, &changed) < 0)
        changed = true;
    bool keeps = reset->keeps && changed;
    COPY_STRING(keep.comment, comments[reset->kind]);
    for (unsigned attempt = 1; rc == -EEXIST && attempt <= NAME_ATTEMPTS_MAX; attempt++) {
        keep_name(keep.name, reset->kind, now_seconds, attempt);
        rc = store_volume_reset(store, point->machine->volume, origin->volume, origin->snapshot, keeps ? &keep : NULL,
                                error);
    }
    if (rc == 0 && keeps)
        COPY_STRING(reset->kept, keep.name);
    return rc;
}

static int begin_anew(const struct point *point, struct points_reset *reset, struct error *error)
{
    const struct machine *machine = point->machine;
    struct origin origin = {0};

    reset->kept[0] = '\0';
    if (!machine)
        return error_set(error, -ENOENT, "there is no such machine any more");
    int rc = find_origin(point, reset, &origin, error);
    if (rc < 0)
        return rc;
    rc = switch_disk(point, &origin, reset, error);
    if (rc == -ENOENT)
        return error_set(error, rc, "%s: no such snapshot: %s (see farboot snapshot list %s)", machine->name,
                         origin.snapshot ? origin.snapshot : "", machine->name);
    if (rc == -EBUSY)
        return error_set(error, rc, "%s: cannot begin anew while its disk is in use: try again when it is off",
                         machine->name);
    if (rc < 0 && rc != -EMLINK)
        return error_set_errno(error, rc, "%s: its disk cannot begin anew", machine->name);
    return rc ?: record_origin(point, &origin, error);
}

int points_reset(struct api *api, uint64_t machine_id, struct points_reset *reset, struct error *error)
{
    struct point point = point_begin(api, machine_id);
    int rc = begin_anew(&point, reset, error);

    point_end(&point);
    return rc;
}
