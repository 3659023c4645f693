/*
 * The daemon itself: what it serves, what it sees on the wire, what troubles it.
 */
#include "api/answer.h"
#include "api/live.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>

enum { LISTED_MAX = 64, UNKNOWN_MAX = 16, UNKNOWN_SECONDS = 3600 };

static json_t *interfaces_json(const struct api_sources *sources)
{
    struct api_interface interfaces[LISTED_MAX];
    size_t count = sources->interfaces ? sources->interfaces(sources->arg, interfaces, LISTED_MAX) : 0;
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        char address[INET_TEXT_SIZE], network[INET_TEXT_SIZE + 4];
        snprintf(network, sizeof(network), "%s/%u", inet_format(address, interfaces[i].address),
                 interfaces[i].prefix_length);
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", interfaces[i].name, "address", network));
    }
    return list;
}

static json_t *dhcp_servers_json(const struct api_sources *sources)
{
    struct api_dhcp_server servers[LISTED_MAX];
    size_t count = sources->dhcp_servers ? sources->dhcp_servers(sources->arg, servers, LISTED_MAX) : 0;
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("{s:o, s:s, s:I}", "address", json_address(servers[i].address),
                                              "interface", servers[i].interface, "last_seen",
                                              (json_int_t)servers[i].last_seen_seconds));
    }
    return list;
}

/* Hardware addresses that asked for something lately and are no machine's: the next to be added. */
static json_t *unknown_json(const struct journal *journal)
{
    const struct journal_boot *boots[UNKNOWN_MAX];
    size_t count = journal_unknown(journal, boots, UNKNOWN_MAX);
    uint64_t now_ms = clock_wall_ms();
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        if (boots[i]->boot.last_ms + UNKNOWN_SECONDS * 1000ull < now_ms)
            continue;
        json_array_append_new(list, json_pack("{s:o, s:I, s:o}", "mac", json_mac(&boots[i]->mac), "last_ms",
                                              (json_int_t)boots[i]->boot.last_ms, "last",
                                              json_text(boots[i]->boot.last)));
    }
    return list;
}

static json_t *machines_json(struct api *api)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(api->options.catalog);
    CLEANUP(cleanup_live) struct live *live = live_new(api);
    json_t *list = json_array();
    size_t count;
    const struct machine *machines = catalog_machines(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        json_t *value = json_pack("{s:s, s:o}", "name", machines[i].name, "mac", json_mac(&machines[i].mac));
        live_add_machine(live, &machines[i], value);
        json_array_append_new(list, value);
    }
    return list;
}

void status_get(struct api_call *call)
{
    struct api *api = call->api;
    const struct api_options *options = &api->options;
    uint64_t uptime_seconds = clock_wall_seconds() - api->started_seconds;

    call->reply = json_pack("{s:s, s:i, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "version", FARBOOT_VERSION, "pid",
                            (int)getpid(), "started", (json_int_t)api->started_seconds, "uptime_seconds",
                            (json_int_t)uptime_seconds, "dhcp_mode", options->dhcp_mode, "interfaces",
                            interfaces_json(&options->sources), "dhcp_servers", dhcp_servers_json(&options->sources),
                            "machines", machines_json(api), "unknown", unknown_json(options->journal), "warnings",
                            json_array());
}
