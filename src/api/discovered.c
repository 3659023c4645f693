/*
 * Machines that asked to boot and are not ours yet.
 */
#include "api/answer.h"

#include <stdio.h>

enum { DISCOVERED_MAX = 64 };

static json_t *discovered_json(const struct api_discovered *seen)
{
    char serial[9] = "";

    if (seen->serial)
        snprintf(serial, sizeof(serial), "%08x", seen->serial);
    return json_pack("{s:o, s:s, s:o, s:s, s:I, s:I}", "mac", json_mac(&seen->mac), "model", seen->model, "serial",
                     json_text(serial), "interface", seen->interface, "first_seen_ms",
                     (json_int_t)seen->first_seen_ms, "last_seen_ms", (json_int_t)seen->last_seen_ms);
}

/* Who has become a machine since is left out. */
void discovered_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    const struct api_sources *sources = &call->api->options.sources;
    struct api_discovered seen[DISCOVERED_MAX];
    size_t count = sources->discovered ? sources->discovered(sources->arg, seen, DISCOVERED_MAX) : 0;
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        if (!catalog_machine_by_mac(snapshot, &seen[i].mac))
            json_array_append_new(list, discovered_json(&seen[i]));
    }
    call->reply = json_pack("{s:o}", "discovered", list);
}
