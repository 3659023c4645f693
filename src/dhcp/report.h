/*
 * What happened in DHCP, told as events: one sentence per outcome.
 *
 * A client that repeats itself is told of once in a while, and invented clients cannot flood the log: what one hardware
 * address says is limited, and so is what all strangers say together.
 */
#pragma once

#include "dhcp/answer.h"
#include "fleet/event.h"

enum {
    DHCP_REPORT_SLOTS = 1024,
    DHCP_REPORT_MACHINE_MS = 500,       /* the same about the same machine not more often */
    DHCP_REPORT_STRANGER_MS = 60 * 1000, /* the same about the same stranger */
    DHCP_REPORT_STRANGERS_PER_SECOND = 20,
};

struct dhcp_report {
    const struct event_sink *sink;
    struct {
        uint64_t key;
        uint64_t said_ms;
    } slots[DHCP_REPORT_SLOTS];
    uint64_t second;
    unsigned strangers_in_second[2]; /* details, and what a person should see: the former must not drown the latter */
};

/* Whom an event is about: a copy, since a reply may wait longer than a catalog snapshot is held. */
struct dhcp_subject {
    bool is_machine;
    struct machine machine;
    struct mac mac;
    struct recognition client;
    uint64_t now_ms; /* monotonic */
};

/* The DISCOVER itself, and what was decided at once (an offer, a refusal, nothing). */
void dhcp_report_decision(struct dhcp_report *report, const struct dhcp_subject *subject,
                          const struct dhcp_message *request, const struct dhcp_answer *answer);
/* After the ACK left. `renewed`: the client had the address already. */
void dhcp_report_ack(struct dhcp_report *report, const struct dhcp_subject *subject, uint32_t address, bool renewed);
/* `code`: what the catalog said. */
void dhcp_report_not_stored(struct dhcp_report *report, const struct dhcp_subject *subject, uint32_t address, int code);
/* Options that had no room in a reply of this size. */
void dhcp_report_left_out(struct dhcp_report *report, const struct dhcp_subject *subject, unsigned count);
