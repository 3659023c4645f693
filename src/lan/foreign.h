/*
 * Other DHCP servers on the wire: who they are, where they were heard, when last.
 *
 * Tells of each one once, for `status` and for whoever wonders why machines get strange addresses. It listens to
 * nothing itself: the DHCP service says what it hears. Lives on one loop.
 */
#pragma once

#include "fleet/event.h"

enum { FOREIGN_SERVERS_MAX = 32, FOREIGN_INTERFACE_SIZE = 16 };

struct foreign_server {
    uint32_t address;
    char interface[FOREIGN_INTERFACE_SIZE];
    uint64_t first_seen_seconds; /* wall clock */
    uint64_t last_seen_seconds;
};

struct foreign_servers;

/* `sink` must outlive it. `we_give_addresses`: whether a second server is a mistake or the normal case. */
struct foreign_servers *foreign_servers_new(const struct event_sink *sink, bool we_give_addresses);
void foreign_servers_free(struct foreign_servers *servers);

/* A server other than ours was heard. Posts an event the first time. When the list is full, the one silent for longest
 * goes. `servers` is a struct foreign_servers, so that this can be handed out as a callback. */
void foreign_servers_heard(void *servers, uint32_t address, const char *interface, uint64_t now_seconds);

/* Fills at most `max`, gives their number. */
size_t foreign_servers_list(const struct foreign_servers *servers, struct foreign_server *to, size_t max);
