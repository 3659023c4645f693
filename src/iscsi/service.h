/*
 * The iSCSI target: every machine's disks for that machine, on a TCP port; one target each, a LUN for each disk.
 *
 * Sockets, threads and what the rest of the program knows; the protocol is in login and session, the disk in
 * scsi/. A connection stays on one loop. Reads that the page cache answers run there; whatever may block goes
 * to the workers.
 *
 * What it tells of a boot: STAGE_DISK when a session begins; STAGE_ROOT when an operating system (not
 * firmware) first writes or has read 8 MiB; STAGE_UP when it first pings, which the initramfs's initiator
 * never does and its iscsid does. A session that replaces a living one (iscsid taking the root disk over, a
 * short loss of the network) begins no boot anew: it is told as "back", at the stage that it had reached.
 */
#pragma once

#include "catalog/catalog.h"
#include "catalog/disk_gate.h"
#include "catalog/presence.h"
#include "fleet/event.h"
#include "iscsi/chap.h"
#include "iscsi/statistics.h"
#include "loop/workers.h"
#include "store/store.h"

struct iscsi_service;

enum { ISCSI_DEFAULT_PORT = 3260, ISCSI_PORTAL_GROUP = 1, ISCSI_LOOPS_MAX = 64 };

struct iscsi_options {
    uint32_t address; /* 0 for any */
    uint16_t port;    /* 0: the system chooses */
    const char *iqn_prefix;
    unsigned chap_algorithms;  /* as CHAP_ALGORITHM_BIT; 0: all that we know */
    bool discovery_needs_chap; /* of every initiator, not only of machines that have CHAP on */
    struct loop *control;      /* accepts connections */
    struct loop *const *loops; /* serve them */
    unsigned loop_count;
    struct workers *workers;
    struct disk_gate *gate; /* through which disks are opened */
    struct catalog *catalog;
    struct presence *presence;
    struct store *store;
    struct event_sink events;
};

struct iscsi_session_info {
    char machine[NAME_SIZE]; /* empty for discovery */
    uint64_t machine_id;
    char initiator_name[IQN_SIZE];
    uint32_t address;
    uint16_t port;
    uint64_t since_seconds; /* wall clock */
    uint64_t idle_ms;
    uint64_t commands;
    uint64_t read_bytes;
    uint64_t written_bytes;
    struct statistics_view statistics;
};

/* Binds, perhaps to a privileged address. Accepts nothing yet. 0 or negative errno. Options are copied; what
 * they point to outlives the service. */
int iscsi_service_open(const struct iscsi_options *options, struct iscsi_service **service);
/* Before the control loop runs: disks that were interrupted are opened, which may block. */
void iscsi_service_start(struct iscsi_service *service);
/* Accepts no more, lets running commands finish, closes every session, then calls `done(arg)` on the control
 * loop. On the control loop. */
void iscsi_service_stop(struct iscsi_service *service, void (*done)(void *arg), void *arg);
/* After the stop was done and the loops have ended (or before a start). NULL is fine. */
void iscsi_service_free(struct iscsi_service *service);
uint16_t iscsi_service_port(const struct iscsi_service *service);

/* ---- from any thread ---- */

/* Those logged in now; the caller frees the array. */
void iscsi_service_sessions(struct iscsi_service *service, struct iscsi_session_info **infos, size_t *count);
/* Whether a machine's disk is in use, and from where. */
bool iscsi_service_in_use(struct iscsi_service *service, uint64_t machine_id, uint32_t *address);
/* Asks its sessions to close; `iscsi_service_in_use` says when they are gone. Its machine may come back at
 * once. */
void iscsi_service_disconnect(struct iscsi_service *service, uint64_t machine_id);
/* How soon sessions of a machine that was switched off are noticed: closely, within about two seconds; else within a
 * minute. Those of a machine that lives stay. */
void iscsi_service_watch(struct iscsi_service *service, uint64_t machine_id, bool closely);
/* A machine has got or lost disks, in the catalog: its sessions follow in a moment, and tell its initiator that the
 * LUNs have changed. */
void iscsi_service_renew_disks(struct iscsi_service *service, uint64_t machine_id);
