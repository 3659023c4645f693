/*
 * What the administrator decided about DHCP, as the engines read it.
 */
#pragma once

#include "base/error.h"
#include "base/inet.h"

enum {
    DHCP_SUBNETS_MAX = 64,
    DHCP_ADDRESSES_MAX = 8, /* of one kind in one subnet */
    DHCP_DOMAIN_SIZE = 256,
    DHCP_LEASE_SECONDS_MIN = 60,
};

enum dhcp_mode {
    DHCP_MODE_PROXY,  /* boot information beside another DHCP server, never an address */
    DHCP_MODE_SERVER, /* the DHCP server of its subnets */
    DHCP_MODE_OFF,
};

struct dhcp_subnet {
    struct inet_network network;
    uint32_t range_first; /* both 0: reservations only */
    uint32_t range_last;
    uint32_t router; /* 0: none */
    uint32_t dns[DHCP_ADDRESSES_MAX];
    size_t dns_count;
    uint32_t ntp[DHCP_ADDRESSES_MAX];
    size_t ntp_count;
    char domain[DHCP_DOMAIN_SIZE]; /* "": none */
    uint32_t lease_seconds;
};

struct dhcp_config {
    enum dhcp_mode mode;
    bool authoritative;
    bool known_only; /* mode server: nothing for a hardware address that is no machine's */
    struct dhcp_subnet subnets[DHCP_SUBNETS_MAX];
    size_t subnet_count;
};

/* Whether ranges and routers lie in their subnets, ranges are not larger than ADDRESS_RANGE_MAX and subnets do not
 * overlap. -EINVAL and the sentence. */
int dhcp_config_check(const struct dhcp_config *config, struct error *error);

/* NULL if `address` is in none. */
const struct dhcp_subnet *dhcp_config_subnet(const struct dhcp_config *config, uint32_t address);
