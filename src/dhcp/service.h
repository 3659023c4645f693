/*
 * DHCP on the wire: sockets, frames, timers and commits around the two engines.
 *
 * Decides nothing about the protocol: server.c and proxy.c do. Lives on one loop, without locks. An ACK leaves only
 * after its lease is durable. Everything that happens is told as an event.
 */
#pragma once

#include "catalog/catalog.h"
#include "catalog/presence.h"
#include "dhcp/config.h"
#include "fleet/event.h"
#include "fleet/recognise.h"

enum {
    DHCP_INTERFACES_MAX = 16,
    DHCP_PENDING_MAX = 4096, /* replies that wait for their lease to be durable */
    DHCP_DELAYED_MAX = 256,  /* replies that wait because their client is not ready for them */
};

struct dhcp_service;

/* Everything named here must outlive the service; `config` is copied. */
struct dhcp_service_options {
    const struct dhcp_config *config; /* checked; mode is not OFF */
    struct loop *loop;
    struct catalog *catalog;
    struct presence *presence;
    const struct event_sink *sink;
    const char *iqn_prefix;
    uint16_t iscsi_port;
    uint16_t http_port; /* 0: no boot files by HTTP */
    /* Another DHCP server was heard on an interface; may be NULL. */
    void (*other_server)(void *arg, uint32_t address, const char *interface, uint64_t now_seconds);
    void *other_server_arg;
    /* A client that is no machine of ours asked to boot; may be NULL. */
    void (*newcomer)(void *arg, const struct mac *mac, const struct recognition *seen, const char *interface,
                     uint64_t now_ms);
    void *newcomer_arg;
};

/* Binds ports 67 and 4011 on each interface and opens its raw frames. Needs privilege; before it is dropped. */
int dhcp_service_open(const char *const *interfaces, size_t count, struct dhcp_service **service, struct error *error);
/* Reads the leases (may block) and answers from now on. Before the loop runs, or on it. */
int dhcp_service_start(struct dhcp_service *service, const struct dhcp_service_options *options, struct error *error);
/* Answers no more and closes its sockets; leases on their way to the disk are finished without a reply, the last one
 * frees what remains. On the loop, or when it does not run. NULL is fine, and a service that was never started. */
void dhcp_service_stop(struct dhcp_service *service);
