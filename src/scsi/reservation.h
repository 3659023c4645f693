/*
 * Persistent reservations of one disk: who is registered, who holds the reservation, what that forbids
 * (SPC-4 5.13).
 *
 * Pure: knows initiator ports by their names and no sessions, CDBs or locks. An initiator port keeps its
 * registration while it is away.
 */
#pragma once

#include "base/base.h"
#include "scsi/attention.h"

enum {
    RESERVATION_PORT_SIZE = 248,       /* a name of 223 bytes with ",i,0x" and an ISID, NUL-terminated */
    RESERVATION_REGISTRATIONS_MAX = 64 /* of one disk */
};

enum reservation_type {
    RESERVATION_NONE = 0,
    RESERVATION_WRITE_EXCLUSIVE = 1,
    RESERVATION_EXCLUSIVE_ACCESS = 3,
    RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY = 5,
    RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY = 6,
    RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS = 7,
    RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS = 8,
};

struct registration {
    char port[RESERVATION_PORT_SIZE];
    uint64_t key;
    bool holder; /* of a reservation that has one holder */
};

/* All zeros: nobody is registered. */
struct reservations {
    uint32_t generation;
    enum reservation_type type;
    unsigned count;
    struct registration *registrations; /* in the order in which they came */
};

/* What a command does to the disk, as far as a reservation cares (SPC-4 table 50, SBC-3 table 13). */
enum reservation_access {
    ACCESS_CHANGE, /* refused to all whom the reservation keeps out */
    ACCESS_READ,   /* refused to them by the exclusive access types only */
    ACCESS_FREE,   /* never refused */
};

/* What PERSISTENT RESERVE OUT brings. */
struct reservation_request {
    const char *port;     /* who asks */
    uint64_t key;         /* RESERVATION KEY */
    uint64_t service_key; /* SERVICE ACTION RESERVATION KEY */
    unsigned type;        /* as it came: any number */
};

enum reservation_outcome {
    RESERVATION_DONE,
    RESERVATION_CONFLICTS,
    RESERVATION_FULL,          /* no room for another registration */
    RESERVATION_BAD_TYPE,      /* no such type */
    RESERVATION_BAD_KEY,       /* nothing can have this SERVICE ACTION RESERVATION KEY */
    RESERVATION_NOT_THIS_TYPE, /* the holder releases another type than it holds */
};

/* Who must be told what; `port` is valid during the call. */
struct reservation_listener {
    void (*tell)(void *arg, const char *port, enum scsi_attention attention);
    void *arg;
};

void reservations_free(struct reservations *all);
struct reservations reservations_copy(const struct reservations *all);
/* Whether they can have come about by the service actions below: what was kept elsewhere is looked at. */
bool reservations_are_sound(const struct reservations *all);
bool reservation_allows(const struct reservations *all, const char *port, enum reservation_access access);
/* Whether this registration holds the reservation, alone or with all others. */
bool reservation_is_holder(const struct reservations *all, const struct registration *registration);
/* The key that READ RESERVATION shows: the holder's, or 0 where all registrants hold it. */
uint64_t reservation_holder_key(const struct reservations *all);

/* The service actions of PERSISTENT RESERVE OUT (SPC-4 5.13.7 to 5.13.11). */
typedef enum reservation_outcome reservation_action(struct reservations *all,
                                                    const struct reservation_request *request,
                                                    const struct reservation_listener *listener);
reservation_action reservation_register;
reservation_action reservation_register_and_ignore;
reservation_action reservation_reserve;
reservation_action reservation_release;
reservation_action reservation_clear;
/* Those who lose their registration are told so; aborting their commands is the caller's part. */
reservation_action reservation_preempt;
