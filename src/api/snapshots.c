/*
 * Snapshots of machines, and going back to one.
 *
 * The catalog knows nothing of them: all is in the store, which calls volumes by names that nobody else knows. So the
 * sentences are made here.
 *
 * A snapshot of a machine is one of the same name of each volume that it had then. What volumes those are is asked of the
 * store: disks that came later have none of that name.
 */
#include "api/answer.h"
#include "api/points.h"
#include "api/reclaim.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>
#include <unistd.h>

enum {
    CLOSING_MS = 3000,  /* how long a disk that nobody is logged in to may still be read or flushed */
    FORCING_MS = 15000, /* and one whose sessions are cut off */
    TRY_AGAIN_MS = 50,
};

/* ---- sentences ---- */

static const struct {
    int code;
    const char *format; /* machine, snapshot, machine */
} reasons[] = {
    {-ENOENT, "%s: no such snapshot: %s (see farboot snapshot list %s)"},
    {-EEXIST, "%s: has a snapshot %s already"},
    {-ENOSPC, "%s: there is not enough free space for the snapshot %s (see farboot store status)"},
    {-EBUSY, "%s: cannot roll back to %s while its disk is in use: try again when it is off"},
};

/* These are the store's own words, and name no volume. */
static bool is_said_already(int code)
{
    return code == -EINVAL || code == -EMLINK;
}

static void explain(struct api_call *call, const struct machine *machine, const char *snapshot, int code)
{
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (reasons[i].code != code)
            continue;
        char sentence[sizeof(call->error.text)];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(sentence, sizeof(sentence), reasons[i].format, machine->name, snapshot, machine->name);
#pragma GCC diagnostic pop
        error_set(&call->error, code, "%s", sentence);
        return;
    }
    if (!is_said_already(code))
        error_set_errno(&call->error, code, "%s: snapshot %s", machine->name, snapshot);
}

/* The text of a member that must be there and short enough; NULL with the sentence. */
static const char *text_member(struct api_call *call, const char *key)
{
    const char *text = json_string_value(json_object_get(call->body, key));

    if (!text || strlen(text) >= STORE_NAME_SIZE)
        error_set(&call->error, -EINVAL, "%s: must be the name of a snapshot, at most %d characters", key,
                  STORE_NAME_SIZE - 1);
    return call->error.code ? NULL : text;
}

/* ---- asking ---- */

static json_t *info_json(const struct store_snapshot_info *info)
{
    return json_pack("{s:s, s:I, s:o, s:I, s:[]}", "name", info->name, "created", (json_int_t)info->created_seconds,
                     "comment", json_text(info->comment), "own_bytes", (json_int_t)info->own_bytes, "disks");
}

static json_t *find_by_name(const json_t *list, const char *name)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item) {
        if (string_equal(json_string_value(json_object_get(item, "name")), name))
            return item;
    }
    return NULL;
}

/* What a further disk adds to the machine's snapshots. */
static void add_disk(struct store *store, const struct machine_disk *disk, const json_t *list)
{
    CLEANUP_FREE struct store_snapshot_info *infos = NULL;
    size_t count = 0;

    if (disk->shared || store_snapshot_list(store, disk->volume, &infos, &count) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        json_t *snapshot = find_by_name(list, infos[i].name);
        if (!snapshot)
            continue;
        json_int_t own = json_integer_value(json_object_get(snapshot, "own_bytes"));
        json_object_set_new(snapshot, "own_bytes", json_integer(own + (json_int_t)infos[i].own_bytes));
        json_array_append_new(json_object_get(snapshot, "disks"), json_string(disk->name));
    }
}

json_t *snapshots_json(struct store *store, const struct machine *machine)
{
    CLEANUP_FREE struct store_snapshot_info *infos = NULL;
    json_t *list = json_array();
    size_t count = 0;

    if (store_snapshot_list(store, machine->volume, &infos, &count) < 0)
        return list;
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, info_json(&infos[i]));
    for (unsigned i = 0; i < machine->disk_count; i++)
        add_disk(store, &machine->disks[i], list);
    return list;
}

/* What a person calls the machine or image that a volume is; empty for what passes. */
static json_t *owner_of(const struct catalog_snapshot *catalog, const char *volume)
{
    size_t machine_count, image_count;
    const struct machine *machines = catalog_machines(catalog, &machine_count);
    const struct image *images = catalog_images(catalog, &image_count);

    for (size_t i = 0; i < machine_count; i++) {
        const char *volumes[MACHINE_LUNS];
        size_t count = machine_own_volumes(&machines[i], volumes);
        for (size_t n = 0; n < count; n++) {
            if (string_equal(volumes[n], volume))
                return json_string(machines[i].name);
        }
    }
    for (size_t i = 0; i < image_count; i++) {
        if (string_equal(images[i].volume, volume))
            return json_sprintf("%s:%u", images[i].name, images[i].version);
    }
    return NULL;
}

/* Who stands on a snapshot of the machine's: what it keeps stays on disk after it is removed. On "pristine" stand all
 * who began at the same image, and they need the image. */
static json_t *dependents_of(struct store *store, const struct catalog_snapshot *catalog, const struct machine *machine,
                             const char *name)
{
    CLEANUP_FREE char(*volumes)[STORE_NAME_SIZE] = NULL;
    json_t *list = json_array();
    size_t count = 0;

    if (string_equal(name, "pristine") || store_snapshot_dependents(store, machine->volume, name, &volumes, &count) < 0)
        return list;
    for (size_t i = 0; i < count; i++) {
        json_t *owner = owner_of(catalog, volumes[i]);
        if (owner)
            json_array_append_new(list, owner);
    }
    return list;
}

void snapshots_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    struct store *store = call->api->options.store;
    const struct machine *machine = call_find_machine(call, catalog);
    json_t *snapshot;
    size_t i;

    if (!machine)
        return;
    json_t *list = snapshots_json(store, machine);
    json_array_foreach(list, i, snapshot) {
        const char *name = json_string_value(json_object_get(snapshot, "name"));
        json_object_set_new(snapshot, "dependents", dependents_of(store, catalog, machine, name));
    }
    call->reply = json_pack("{s:s, s:o}", "machine", machine->name, "snapshots", list);
}

/* ---- of which volumes ---- */

static bool find_snapshot(struct store *store, const char *volume, const char *name, struct store_snapshot_info *found)
{
    CLEANUP_FREE struct store_snapshot_info *infos = NULL;
    size_t count = 0;

    if (store_snapshot_list(store, volume, &infos, &count) < 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!string_equal(infos[i].name, name))
            continue;
        *found = infos[i];
        return true;
    }
    return false;
}

/* The boot disk's volume, whether it has the snapshot or not, and those of the disks that have it. */
static size_t volumes_with(struct store *store, const struct machine *machine, const char *name,
                           const char *volumes[MACHINE_LUNS])
{
    struct store_snapshot_info info;
    const char *all[MACHINE_LUNS];
    size_t count = machine_own_volumes(machine, all);
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (i == 0 || find_snapshot(store, all[i], name, &info))
            volumes[kept++] = all[i];
    }
    return kept;
}

/* ---- changing ---- */

static void create_under_lock(struct api_call *call, const char *name)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, catalog);
    const char *volumes[MACHINE_LUNS];

    if (!machine)
        return;
    size_t count = machine_own_volumes(machine, volumes);
    int rc = store_snapshot_create_group(call->api->options.store, volumes, count, name,
                                         json_string_value(json_object_get(call->body, "comment")), &call->error);
    if (rc) {
        explain(call, machine, name, rc);
        return;
    }
    api_tell(call->api, machine, "snapshot.created", "snapshot %s was made", name);
    call->reply = json_pack("{s:s, s:s}", "machine", machine->name, "name", name);
}

void snapshot_create(struct api_call *call)
{
    static const char *const keys[] = {"name", "comment"};
    const char *name = call_check_keys(call, keys, ARRAY_SIZE(keys)) == 0 ? text_member(call, "name") : NULL;

    if (!name)
        return;
    pthread_mutex_lock(&call->api->change_lock);
    create_under_lock(call, name);
    pthread_mutex_unlock(&call->api->change_lock);
}

static void rename_under_lock(struct api_call *call, const char *name)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, catalog);
    struct store *store = call->api->options.store;
    const char *volumes[MACHINE_LUNS];

    if (!machine)
        return;
    size_t count = volumes_with(store, machine, call->item, volumes);
    int rc = store_snapshot_rename_group(store, volumes, count, call->item, name, &call->error);
    if (rc) {
        explain(call, machine, rc == -EEXIST ? name : call->item, rc);
        return;
    }
    api_tell(call->api, machine, "snapshot.renamed", "snapshot %s is called %s now", call->item, name);
    call->reply = json_pack("{s:s, s:s}", "machine", machine->name, "name", name);
}

void snapshot_rename(struct api_call *call)
{
    static const char *const keys[] = {"name"};
    const char *name = call_check_keys(call, keys, ARRAY_SIZE(keys)) == 0 ? text_member(call, "name") : NULL;

    if (!name)
        return;
    pthread_mutex_lock(&call->api->change_lock);
    rename_under_lock(call, name);
    pthread_mutex_unlock(&call->api->change_lock);
}

static void remove_under_lock(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, catalog);
    struct store *store = call->api->options.store;
    const char *volumes[MACHINE_LUNS];

    if (!machine)
        return;
    size_t count = volumes_with(store, machine, call->item, volumes);
    int rc = store_snapshot_remove_group(store, volumes, count, call->item, &call->error);
    if (rc) {
        explain(call, machine, call->item, rc);
        return;
    }
    reclaim_begin_soon(call->api);
    api_tell(call->api, machine, "snapshot.removed", "snapshot %s was removed", call->item);
    call->reply = json_pack("{s:s, s:s}", "machine", machine->name, "removed", call->item);
}

void snapshot_remove(struct api_call *call)
{
    pthread_mutex_lock(&call->api->change_lock);
    remove_under_lock(call);
    pthread_mutex_unlock(&call->api->change_lock);
}

/* ---- rollback ---- */

static bool is_forced(const struct api_call *call)
{
    return json_is_true(json_object_get(call->body, "force"));
}

void machine_rollback_check(struct api_call *call)
{
    static const char *const keys[] = {"snapshot", "force"};
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, catalog);
    char text[INET_TEXT_SIZE];
    uint32_t address;

    if (!machine || call_check_keys(call, keys, ARRAY_SIZE(keys)) < 0 || !text_member(call, "snapshot"))
        return;
    if (!is_forced(call) && api_disk_users(call->api, machine->id, &address) > 0)
        error_set(&call->error, -EBUSY,
                  "%s: cannot roll back while its disk is in use by %s (use --force to cut it off)", machine->name,
                  inet_format(text, address));
}

/* Own disks that came after the snapshot, and so stay as they are. */
static json_t *disks_without(struct store *store, const struct machine *machine, const char *name)
{
    struct store_snapshot_info info;
    json_t *list = json_array();

    for (unsigned i = 0; i < machine->disk_count; i++) {
        const struct machine_disk *disk = &machine->disks[i];
        if (!disk->shared && !find_snapshot(store, disk->volume, name, &info))
            json_array_append_new(list, json_string(disk->name));
    }
    return list;
}

/* Disks that the machine had then and that were removed since. */
static json_t *disks_gone(const struct api_options *options, const struct machine *machine, const char *name)
{
    CLEANUP_FREE struct removed_disk *removed = NULL;
    struct store_snapshot_info info;
    json_t *list = json_array();
    size_t count = 0;

    if (!find_snapshot(options->store, machine->volume, name, &info) ||
        catalog_removed_disks(options->catalog, machine->id, &removed, &count) < 0)
        return list;
    for (size_t i = 0; i < count; i++) {
        if (removed[i].created_seconds <= info.created_seconds && info.created_seconds <= removed[i].removed_seconds)
            json_array_append_new(list, json_string(removed[i].name));
    }
    return list;
}

static int roll_back_under_lock(struct api_call *call, const char *snapshot)
{
    const struct api_options *options = &call->api->options;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog = catalog_read(options->catalog);
    const struct machine *machine = call_find_machine(call, catalog);
    const char *volumes[MACHINE_LUNS];
    char kept[STORE_NAME_SIZE];

    if (!machine)
        return call->error.code;
    size_t count = volumes_with(options->store, machine, snapshot, volumes);
    int rc = store_volume_rollback_group(options->store, volumes, count, snapshot, kept, &call->error);
    if (rc) {
        explain(call, machine, snapshot, rc);
        return rc;
    }
    call->error = (struct error){0}; /* of a try that came too early */
    api_tell(call->api, machine, "machine.rolled-back", "was rolled back to %s; what was before is %s", snapshot, kept);
    if (machine->boot == MACHINE_BOOT_FOLDER)
        api_tell(call->api, machine, "machine.folder-kept", "its boot folder stays as it was: snapshots are of disks only");
    call->reply = json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "machine", machine->name, "snapshot", snapshot, "kept", kept,
                            "folder_kept", (int)(machine->boot == MACHINE_BOOT_FOLDER), "untouched_disks", disks_without(options->store, machine, snapshot), "gone_disks",
                            disks_gone(options, machine, snapshot));
    return 0;
}

static int try_to_roll_back(struct api_call *call, const char *snapshot)
{
    pthread_mutex_lock(&call->api->change_lock);
    int rc = roll_back_under_lock(call, snapshot);
    pthread_mutex_unlock(&call->api->change_lock);
    return rc;
}

static void cut_off(struct api_call *call)
{
    const struct api_options *options = &call->api->options;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog = catalog_read(options->catalog);
    const struct machine *machine = catalog_machine_by_name(catalog, call->name);

    if (machine)
        options->sources.disconnect(options->sources.arg, machine->id);
}

/* What was before earlier rollbacks may be over now. */
static void prune(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = catalog_machine_by_name(catalog, call->name);

    if (machine)
        points_prune(call->api, machine->id);
}

/* A session that ended is still being flushed for a moment, and a machine that was cut off comes back at once. */
void machine_rollback(struct api_call *call)
{
    const char *snapshot = text_member(call, "snapshot");
    bool force = is_forced(call) && call->api->options.sources.disconnect;
    uint64_t until_ms = clock_monotonic_ms() + (force ? FORCING_MS : CLOSING_MS);

    while (try_to_roll_back(call, snapshot) == -EBUSY && clock_monotonic_ms() < until_ms) {
        if (force)
            cut_off(call);
        usleep(TRY_AGAIN_MS * 1000);
    }
    if (!call->error.code)
        prune(call);
}
