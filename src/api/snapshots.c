/*
 * Snapshots of machines, and going back to one.
 *
 * The catalog knows nothing of them: all is in the store, which calls the volume by a name that nobody else knows. So
 * the sentences are made here.
 */
#include "api/answer.h"
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
    return json_pack("{s:s, s:I, s:o, s:I}", "name", info->name, "created", (json_int_t)info->created_seconds, "comment",
                     json_text(info->comment), "own_bytes", (json_int_t)info->own_bytes);
}

json_t *snapshots_json(struct store *store, const char *volume)
{
    CLEANUP_FREE struct store_snapshot_info *infos = NULL;
    json_t *list = json_array();
    size_t count = 0;

    if (store_snapshot_list(store, volume, &infos, &count) < 0)
        return list;
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, info_json(&infos[i]));
    return list;
}

void snapshots_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, catalog);

    if (machine)
        call->reply = json_pack("{s:s, s:o}", "machine", machine->name, "snapshots",
                                snapshots_json(call->api->options.store, machine->volume));
}

/* ---- changing ---- */

void snapshot_create(struct api_call *call)
{
    static const char *const keys[] = {"name", "comment"};
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, catalog);

    if (!machine || call_check_keys(call, keys, ARRAY_SIZE(keys)) < 0)
        return;
    const char *name = text_member(call, "name");
    if (!name)
        return;
    int rc = store_snapshot_create_group(call->api->options.store, &(const char *){machine->volume}, 1, name,
                                         json_string_value(json_object_get(call->body, "comment")), &call->error);
    if (rc) {
        explain(call, machine, name, rc);
        return;
    }
    api_tell(call->api, machine, "snapshot.created", "snapshot %s was made", name);
    call->reply = json_pack("{s:s, s:s}", "machine", machine->name, "name", name);
}

void snapshot_rename(struct api_call *call)
{
    static const char *const keys[] = {"name"};
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, catalog);

    if (!machine || call_check_keys(call, keys, ARRAY_SIZE(keys)) < 0)
        return;
    const char *name = text_member(call, "name");
    if (!name)
        return;
    int rc = store_snapshot_rename_group(call->api->options.store, &(const char *){machine->volume}, 1, call->item,
                                         name, &call->error);
    if (rc) {
        explain(call, machine, rc == -EEXIST ? name : call->item, rc);
        return;
    }
    api_tell(call->api, machine, "snapshot.renamed", "snapshot %s is called %s now", call->item, name);
    call->reply = json_pack("{s:s, s:s}", "machine", machine->name, "name", name);
}

static void begin_reclaim(void *arg)
{
    reclaim_begin(arg);
}

void snapshot_remove(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, catalog);

    if (!machine)
        return;
    int rc = store_snapshot_remove_group(call->api->options.store, &(const char *){machine->volume}, 1, call->item,
                                         &call->error);
    if (rc) {
        explain(call, machine, call->item, rc);
        return;
    }
    loop_call(call->api->options.loop, begin_reclaim, call->api->reclaim); /* comes home before the call does */
    api_tell(call->api, machine, "snapshot.removed", "snapshot %s was removed", call->item);
    call->reply = json_pack("{s:s, s:s}", "machine", machine->name, "removed", call->item);
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

/* A session that ended is still being flushed for a moment, and a machine that was cut off comes back at once. */
static int roll_back(struct api_call *call, const struct machine *machine, const char *snapshot,
                     char kept[STORE_NAME_SIZE])
{
    const struct api_options *options = &call->api->options;
    bool force = is_forced(call) && options->sources.disconnect;
    uint64_t until_ms = clock_monotonic_ms() + (force ? FORCING_MS : CLOSING_MS);

    for (;;) {
        int rc = store_volume_rollback_group(options->store, &(const char *){machine->volume}, 1, snapshot, kept,
                                             &call->error);
        if (rc != -EBUSY || clock_monotonic_ms() >= until_ms)
            return rc;
        if (force)
            options->sources.disconnect(options->sources.arg, machine->id);
        usleep(TRY_AGAIN_MS * 1000);
    }
}

void machine_rollback(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, catalog);
    char kept[STORE_NAME_SIZE];

    if (!machine)
        return;
    const char *snapshot = text_member(call, "snapshot");
    int rc = roll_back(call, machine, snapshot, kept);
    if (rc) {
        explain(call, machine, snapshot, rc);
        return;
    }
    call->error = (struct error){0}; /* of a try that came too early */
    api_tell(call->api, machine, "machine.rolled-back", "was rolled back to %s; what was before is %s", snapshot, kept);
    call->reply = json_pack("{s:s, s:s, s:s}", "machine", machine->name, "snapshot", snapshot, "kept", kept);
}
