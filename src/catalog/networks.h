/*
 * Which addresses may ask at an interface: those of the networks that the interface itself is in.
 *
 * A server that answers anybody is a weapon against third parties, so that whoever is outside hears
 * nothing.
 */
#pragma once

#include "base/inet.h"

#include <net/if.h>

enum {
    NETWORKS_MAX = 32, /* addresses of one interface that are looked at */
    NETWORKS_AGE_MAX_MS = 60 * 1000,
    /* An unknown address may mean that ours has changed; it is no reason to ask the kernel for every packet.
     */
    NETWORKS_AGE_MIN_MS = 1000,
};

struct networks {
    char interface[IF_NAMESIZE];
    struct inet_network list[NETWORKS_MAX];
    size_t count;
    uint32_t mtu_bytes;
    bool known;
    uint64_t refreshed_ms;
};

/* Neither blocks. */
bool networks_contain(struct networks *networks, uint32_t address, uint64_t now_ms);
/* Whether `address` reaches every host of one of the networks, or a group. */
bool networks_is_broadcast(const struct networks *networks, uint32_t address);
