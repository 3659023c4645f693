/*
 * Who is logged in: every session of the service, on whichever loop it lives.
 *
 * The one place where sessions of different loops meet: reinstatement (RFC 7143 6.3.5), limits, and what the
 * API shows. One lock, held for moments. Entries belong to their connections.
 */
#pragma once

#include "fleet/machine.h"
#include "iscsi/login.h"
#include "iscsi/statistics.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    REGISTRY_SESSIONS_MAX = 16384,
    REGISTRY_MACHINE_SESSIONS_MAX = 8, /* a machine that reboots from iPXE leaves one behind each time */
    REGISTRY_CONTEST_MS = 3000, /* how long a session at another address may take to show that it lives */
    REGISTRY_CONTEST_STEP_MS = 200,
    REGISTRY_TELL_AGAIN_MS = 60000,
};

struct registry_entry {
    struct registry_entry *next;
    uint64_t id;
    unsigned loop_index;
    /* All of them from any thread. */
    void (*retry)(struct registry_entry *entry);               /* what it waited for is gone */
    void (*close)(struct registry_entry *entry);               /* another one takes its place */
    void (*disconnect)(struct registry_entry *entry);          /* it was told to end */
    void (*watch)(struct registry_entry *entry, bool closely); /* is anybody there? */
    void (*ping)(struct registry_entry *entry);                /* its initiator shall show that it lives, if it can */

    char initiator_name[ISCSI_NAME_SIZE];
    char target_name[ISCSI_NAME_SIZE];
    uint8_t isid[ISCSI_ISID_BYTES];
    uint16_t tsih;
    uint64_t machine_id; /* 0: a discovery session */
    char machine[NAME_SIZE];
    uint32_t address;
    uint16_t port;
    uint64_t since_seconds;
    bool entered; /* in full feature phase */
    bool waiting; /* for its predecessor to end */
    bool closing;
    uint64_t contested_id; /* the session at another address that it asked about; 0: none */
    uint64_t contested_since_ms;
    uint64_t contested_requests; /* of that one, when it asked */
    uint64_t conflict_told_ms;

    atomic_uint_fast64_t requests; /* whatever its initiator sent, pings and their answers too */
    struct statistics statistics;
    atomic_uint_fast64_t commands;
    atomic_uint_fast64_t read_bytes;
    atomic_uint_fast64_t written_bytes;
    atomic_uint_fast64_t last_active_ms; /* monotonic */
    atomic_uint stage;                   /* enum stage that it has reached */
};

struct registry {
    pthread_mutex_t lock; /* guards all below, and the plain members of the entries */
    struct registry_entry *first;
    unsigned count;
    uint64_t last_id;
    uint16_t last_tsih;
};

/* The predecessor that a login replaces, or that keeps its place, for its caller to tell of. */
struct registry_predecessor {
    bool found;
    bool tell; /* of a conflict; not at each attempt */
    uint32_t address;
    uint64_t idle_ms;
    unsigned stage;
};

void registry_init(struct registry *registry);
/* All entries must have been removed. */
void registry_end(struct registry *registry);

/* False when there are too many. Gives the entry its id. */
bool registry_add(struct registry *registry, struct registry_entry *entry);
/* Wakes those who waited for it. */
void registry_remove(struct registry *registry, struct registry_entry *entry);

enum registry_answer {
    REGISTRY_ENTERED,    /* with a TSIH */
    REGISTRY_NO_SESSION, /* the one that it wants to go on with does not exist */
    REGISTRY_WAIT, /* an older session with the same names and ISID is being closed; `retry` will be called */
    REGISTRY_ASK_AGAIN,   /* such a session, at another address, may be alive: ask again in
                             REGISTRY_CONTEST_STEP_MS */
    REGISTRY_KEEPS_OTHER, /* it is alive: two machines use one name */
};

/*
 * Asks for full feature phase. `now_ms` is monotonic.
 *
 * An older session from the same address is replaced at once: its machine started anew. One from another
 * address is asked first whether it lives. If it says anything within REGISTRY_CONTEST_MS it stays, or else
 * two machines with one name would throw each other out for ever; if not, it is dead and makes way.
 */
enum registry_answer registry_enter(struct registry *registry, struct registry_entry *entry, uint64_t now_ms,
                                    struct registry_predecessor *predecessor);
/* Asks every session of a machine (0: all sessions) to close. */
void registry_close_machine(struct registry *registry, uint64_t machine_id);
/* How closely the peers of a machine's sessions are watched. */
void registry_watch_machine(struct registry *registry, uint64_t machine_id, bool closely);
/* Calls `fn` for each session in full feature phase, with the lock held. */
void registry_for_each(struct registry *registry, void (*fn)(const struct registry_entry *entry, void *arg),
                       void *arg);
