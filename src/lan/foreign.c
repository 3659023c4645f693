#include "lan/foreign.h"

struct foreign_servers {
    const struct event_sink *sink;
    bool we_give_addresses;
    size_t count;
    struct foreign_server list[FOREIGN_SERVERS_MAX];
};

struct foreign_servers *foreign_servers_new(const struct event_sink *sink, bool we_give_addresses)
{
    struct foreign_servers *servers = xcalloc(1, sizeof(*servers));

    servers->sink = sink;
    servers->we_give_addresses = we_give_addresses;
    return servers;
}

void foreign_servers_free(struct foreign_servers *servers)
{
    free(servers);
}

static struct foreign_server *find(struct foreign_servers *servers, uint32_t address, const char *interface)
{
    for (size_t i = 0; i < servers->count; i++) {
        struct foreign_server *server = &servers->list[i];
        if (server->address == address && strcmp(server->interface, interface) == 0)
            return server;
    }
    return NULL;
}

static struct foreign_server *make_room(struct foreign_servers *servers)
{
    struct foreign_server *oldest = &servers->list[0];

    if (servers->count < FOREIGN_SERVERS_MAX)
        return &servers->list[servers->count++];
    for (size_t i = 1; i < servers->count; i++) {
        if (servers->list[i].last_seen_seconds < oldest->last_seen_seconds)
            oldest = &servers->list[i];
    }
    return oldest;
}

static void tell(const struct foreign_servers *servers, const struct foreign_server *server)
{
    char address[INET_TEXT_SIZE];

    inet_format(address, server->address);
    if (servers->we_give_addresses)
        event_post(servers->sink, NULL, NULL, STAGE_NONE, EVENT_WARNING, "dhcp.foreign",
                   "another DHCP server answers on %s: %s. Two servers that give addresses disturb each other: switch it "
                   "off, or set dhcp mode: proxy",
                   server->interface, address);
    else
        event_post(servers->sink, NULL, NULL, STAGE_NONE, EVENT_INFO, "dhcp.foreign",
                   "the DHCP server on %s is %s; boot information is added to its answers", server->interface, address);
}

void foreign_servers_heard(void *arg, uint32_t address, const char *interface, uint64_t now_seconds)
{
    struct foreign_servers *servers = arg;
    struct foreign_server *server = find(servers, address, interface);

    if (server) {
        server->last_seen_seconds = now_seconds;
        return;
    }
    server = make_room(servers);
    *server = (struct foreign_server){
        .address = address, .first_seen_seconds = now_seconds, .last_seen_seconds = now_seconds};
    COPY_STRING(server->interface, interface);
    tell(servers, server);
}

size_t foreign_servers_list(const struct foreign_servers *servers, struct foreign_server *to, size_t max)
{
    size_t count = MIN(servers->count, max);

    memcpy(to, servers->list, count * sizeof(*to));
    return count;
}
