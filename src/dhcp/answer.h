/*
 * What both engines are given and what they decide: the words between server.c, proxy.c and the service.
 */
#pragma once

#include "dhcp/config.h"
#include "dhcp/message.h"
#include "fleet/address.h"
#include "fleet/machine.h"
#include "fleet/recognise.h"

/* Everything an engine may know besides the message. */
struct dhcp_context {
    const struct dhcp_config *config;
    uint32_t server_address;       /* ours, on the interface by which the message came */
    bool sent_to_us;               /* by unicast */
    const struct machine *machine; /* whose hardware address it is; NULL: no machine of ours */
    struct recognition client;
    uint64_t now_seconds;
    const char *iqn_prefix;
    uint16_t iscsi_port;
    uint16_t http_port; /* of our boot files; 0: none are served by HTTP */

    /* server.c only */
    struct address_table *addresses;
    /* Whether `address` is reserved for a machine other than `machine`. NULL: none is. */
    bool (*is_reserved)(const void *arg, uint32_t address, const struct machine *machine);
    const void *is_reserved_arg;
};

enum dhcp_outcome {
    DHCP_OUTCOME_IGNORE,          /* `why` says the reason */
    DHCP_OUTCOME_OFFER,           /* send `reply` */
    DHCP_OUTCOME_DURABLE_OFFER,   /* store `binding`, then send: this client will not ask again before it uses it */
    DHCP_OUTCOME_ACK,             /* store `binding`, then send */
    DHCP_OUTCOME_NAK,             /* send */
    DHCP_OUTCOME_INFORM,          /* send; nothing to store */
    DHCP_OUTCOME_PROXY_OFFER,     /* send */
    DHCP_OUTCOME_PROXY_ACK,       /* send to whom asked */
    DHCP_OUTCOME_OTHER_SERVER,    /* it took another server's offer: `other_server`, and `binding` if it told */
    DHCP_OUTCOME_RELEASED,        /* store `binding` */
    DHCP_OUTCOME_DECLINED,        /* store `binding`: somebody else uses that address */
};

enum dhcp_why {
    DHCP_WHY_NONE,
    DHCP_WHY_NOT_FOR_US,    /* a reply, BOOTP without type, no Ethernet, or a type that only servers send */
    DHCP_WHY_NO_SUBNET,     /* where it is, we serve nothing */
    DHCP_WHY_UNKNOWN,       /* no machine of ours, and only those are served */
    DHCP_WHY_NO_ADDRESS,    /* none left */
    DHCP_WHY_NOT_OURS,      /* about an address that we know nothing of, and another server may */
    DHCP_WHY_WANTS_ADDRESS, /* proxy: it wants an address and nothing to boot */
    DHCP_WHY_NO_LOADER,     /* proxy: no boot program for this kind of firmware */
    DHCP_WHY_KEPT_BY_OTHER, /* a declined address that was not its own */
};

struct dhcp_answer {
    enum dhcp_outcome outcome;
    enum dhcp_why why;
    struct dhcp_message reply;
    struct address_binding binding; /* to be stored, or learned */
    uint32_t other_server;
    uint32_t delay_ms;         /* before the reply is sent */
    bool must_broadcast;       /* whatever the client's flags say */
    bool announce_self;        /* a gratuitous ARP after the reply */
    bool may_overload;
    const char *no_boot_reason; /* set when the firmware wants to boot and nothing was given: a static clause */
    bool reservation_is_taken; /* the machine's own address is in somebody else's hands */
};

/* What the message tells about its sender (fleet/recognise.h). */
struct recognition dhcp_recognise(const struct dhcp_message *message);

/* Asked by an Ethernet client: not a reply, not BOOTP without a type, no group address. */
bool dhcp_is_from_client(const struct dhcp_message *message);

/* Starts a reply to `request`: everything RFC 2131 table 3 copies, options 53 and 54, and what is always echoed. */
void dhcp_begin_reply(struct dhcp_message *reply, const struct dhcp_message *request, enum dhcp_message_type type,
                      uint32_t server_address);

/* Where a reply goes (RFC 2131 section 4.1). */
enum dhcp_route {
    DHCP_ROUTE_RELAY,     /* giaddr, port 67 */
    DHCP_ROUTE_ADDRESS,   /* ciaddr, port 68 */
    DHCP_ROUTE_BROADCAST, /* everyone on the wire, port 68 */
    DHCP_ROUTE_HARDWARE,  /* yiaddr at chaddr, port 68: it cannot answer ARP yet */
};

enum dhcp_route dhcp_route(const struct dhcp_message *request, const struct dhcp_answer *answer);
