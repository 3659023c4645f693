/*
 * A machine begins anew because somebody says so.
 */
#include "api/points.h"
#include "api/reclaim.h"
#include "base/clock.h"

#include <unistd.h>

enum {
    CLOSING_MS = 3000,  /* how long a disk that nobody is logged in to may still be read or flushed */
    FORCING_MS = 15000, /* and one whose sessions are cut off */
    TRY_AGAIN_MS = 50,
};

static bool is_said(const struct api_call *call, const char *key)
{
    return json_is_true(json_object_get(call->body, key));
}

void machine_reset_check(struct api_call *call)
{
    static const char *const keys[] = {"to", "drop", "force"};
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, catalog);
    const json_t *to = json_object_get(call->body, "to");
    char text[INET_TEXT_SIZE];
    uint32_t address;

    if (!machine || call_check_keys(call, keys, ARRAY_SIZE(keys)) < 0)
        return;
    if (to && (!json_is_string(to) || strlen(json_string_value(to)) >= STORE_NAME_SIZE))
        error_set(&call->error, -EINVAL, "to: must be image, or the name of a snapshot");
    else if (!is_said(call, "force") && api_disk_users(call->api, machine->id, &address) > 0)
        error_set(&call->error, -EBUSY,
                  "%s: cannot begin anew while its disk is in use by %s (use --force to cut it off)", machine->name,
                  inet_format(text, address));
}

static uint64_t machine_id_of(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, catalog);

    return machine ? machine->id : 0;
}

static void tell(struct api_call *call, const struct points_reset *reset)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = catalog_machine_by_name(catalog, call->name);

    if (machine && *reset->kept)
        api_tell(call->api, machine, "machine.reset", "begins at %s; what was before is %s", reset->began, reset->kept);
    else if (machine)
        api_tell(call->api, machine, "machine.reset", "begins at %s", reset->began);
    call->reply = json_pack("{s:s, s:s, s:s*}", "machine", call->name, "began", reset->began, "kept",
                            *reset->kept ? reset->kept : NULL);
}

void machine_reset(struct api_call *call)
{
    const struct api_sources *sources = &call->api->options.sources;
    struct points_reset reset = {.to = json_string_value(json_object_get(call->body, "to")), .kind = KEEP_RESET,
                                 .keeps = !is_said(call, "drop")};
    uint64_t id = machine_id_of(call);
    bool force = is_said(call, "force") && sources->disconnect;
    uint64_t until_ms = clock_monotonic_ms() + (force ? FORCING_MS : CLOSING_MS);

    if (!id)
        return;
    while (points_reset(call->api, id, &reset, &call->error) == -EBUSY && clock_monotonic_ms() < until_ms) {
        call->error = (struct error){0};
        if (force)
            sources->disconnect(sources->arg, id);
        usleep(TRY_AGAIN_MS * 1000);
    }
    if (call->error.code)
        return;
    points_prune(call->api, id);
    reclaim_begin_soon(call->api);
    tell(call, &reset);
}
