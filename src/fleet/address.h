/*
 * Who has which address: the table behind a DHCP server, matched by hardware address first.
 *
 * One machine asks up to five times in one boot and shows a different client-id each time; so a binding belongs to
 * the hardware address and nothing else. Pure: time is an argument, nothing is stored or sent. A table holds at most
 * ADDRESS_TABLE_MAX bindings; all questions but `address_choose` in a full range cost the same however many there are.
 */
#pragma once

#include "base/inet.h"
#include "base/mac.h"

enum {
    ADDRESS_TABLE_MAX = 1 << 17,
    ADDRESS_RANGE_MAX = 1 << 16,
    ADDRESS_OFFER_SECONDS = 30,     /* how long an OFFER is kept for who may still REQUEST it */
    ADDRESS_QUARANTINE_SECONDS = 600, /* after a DECLINE */
};

enum address_state {
    ADDRESS_OFFERED,  /* held until it expires, then nothing remains of it */
    ADDRESS_BOUND,    /* a lease; after its end the address stays with its client until somebody needs it */
    ADDRESS_RELEASED, /* given back, likewise */
    ADDRESS_DECLINED, /* somebody else uses it: given to nobody */
};

struct address_binding {
    uint32_t address;
    struct mac mac;
    enum address_state state;
    uint64_t expires_seconds; /* wall clock, first second in which it no longer holds */
};

/* What may be given to one client. */
struct address_request {
    struct mac mac;
    uint32_t reserved; /* its own by configuration; 0: none */
    uint32_t wanted;   /* what it asked for; 0: nothing */
    uint32_t first;    /* the range, inclusive; both 0: no range, reservations only */
    uint32_t last;
    /* Addresses that are nobody's to give: reservations of others, routers, ourselves. NULL: none. */
    bool (*is_kept)(const void *arg, uint32_t address);
    const void *is_kept_arg;
    bool stranger; /* no machine we know: it may not hold more than a share of the range by asking alone */
};

struct address_table;

struct address_table *address_table_new(void);
void address_table_free(struct address_table *table);

/* NULL if there is none. Valid until the next change. */
const struct address_binding *address_of_mac(const struct address_table *table, const struct mac *mac);
const struct address_binding *address_at(const struct address_table *table, uint32_t address);
/* Whether a binding still keeps its address from others. */
bool address_is_held(const struct address_binding *binding, uint64_t now_seconds);

/* The address this client should get: its reservation, else what it has or had, else what it asks for, else one that
 * nobody had, else the one unused for longest. 0 when there is none. Changes nothing but forgotten offers. */
uint32_t address_choose(struct address_table *table, const struct address_request *request, uint64_t now_seconds);
/* Whether this client may have exactly this address now. */
bool address_may_have(const struct address_table *table, const struct address_request *request, uint32_t address,
                      uint64_t now_seconds);

/* Each replaces whatever the client and the address had before. `binding->state` may be any; also used to restore what
 * was stored. False when the table is full. */
bool address_put(struct address_table *table, const struct address_binding *binding, bool stranger);
/* Forgets an offer that its client did not take; leaves leases alone. */
void address_withdraw(struct address_table *table, const struct mac *mac);

size_t address_count(const struct address_table *table);
