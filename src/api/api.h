/*
 * The administrator's door: JSON over HTTP on a unix socket, and a second socket that takes images.
 *
 * It turns requests into changes of catalog and store, and tells what the control plane knows. It runs on the control
 * loop; what may block runs on workers. It speaks to no machine and listens on no network.
 *
 * One request's way: http.c takes it and finds its route (routes.c); the route's first step runs on the loop, its
 * second, if it has one, on a worker; http.c sends what they left in `struct api_call` (call.h).
 */
#pragma once

#include "api/journal.h"
#include "base/error.h"
#include "bootfiles/bootfiles.h"
#include "catalog/catalog.h"
#include "catalog/disk_gate.h"
#include "catalog/presence.h"
#include "loop/workers.h"
#include "store/store.h"

#include <sys/types.h>

struct api;
struct api_sockets;
struct rollout;

/* Commands are counted apart: reads, writes, flushes, others. */
enum { API_COMMAND_KINDS = 4, API_LATENCY_BUCKETS = 25 };

/* A machine that is logged in to its disk. */
struct api_session {
    uint64_t machine_id;
    char machine[NAME_SIZE];
    uint32_t address;
    char initiator[IQN_SIZE];
    uint64_t since_seconds; /* wall clock */
    uint64_t read_bytes;
    uint64_t written_bytes;
    unsigned operations_per_second; /* of the last seconds */
    unsigned queue_depth;
    unsigned queue_depth_max;
    uint64_t latency[API_COMMAND_KINDS][API_LATENCY_BUCKETS]; /* bucket n: below 2^n microseconds, and not below 2^(n-1) */
};

/* A DHCP server on the wire that is not ours. */
struct api_dhcp_server {
    uint32_t address;
    char interface[16];
    uint64_t last_seen_seconds; /* wall clock */
};

/* A machine that asked to boot and is none of ours. */
struct api_discovered {
    struct mac mac;
    const char *model; /* what it seems to be; static */
    uint32_t serial;   /* a Pi's; 0: it did not tell */
    char interface[16];
    uint64_t first_seen_ms; /* wall clock */
    uint64_t last_seen_ms;
};

/* An interface that we serve on. */
struct api_interface {
    char name[16];
    uint32_t address;
    uint8_t prefix_length;
};

/*
 * What the rest of the daemon answers and does. Each fills at most `max` entries and gives their number; called on the control
 * loop only, never blocking. `disconnect` closes all sessions of a machine, in a moment, and `renew_disks` lets them see what
 * disks it has now; both from any thread. NULL: there are none.
 */
struct api_sources {
    size_t (*sessions)(void *arg, struct api_session *to, size_t max);
    size_t (*dhcp_servers)(void *arg, struct api_dhcp_server *to, size_t max);
    size_t (*discovered)(void *arg, struct api_discovered *to, size_t max); /* those seen last in front */
    size_t (*interfaces)(void *arg, struct api_interface *to, size_t max);
    void (*disconnect)(void *arg, uint64_t machine_id);
    /* How soon the sessions of a machine that was switched off end: closely, within seconds. */
    void (*watch)(void *arg, uint64_t machine_id, bool closely);
    void (*renew_disks)(void *arg, uint64_t machine_id);
    /* Its boot folder is gone, or another one; from any thread. */
    void (*folder_changed)(void *arg, uint64_t machine_id);
    void *arg;
};

/* All of it must outlive the api. */
struct api_options {
    struct loop *loop;
    struct workers *workers;
    struct catalog *catalog;
    struct presence *presence;
    struct store *store;
    struct disk_gate *gate; /* NULL: no machine begins anew at its boots */
    struct journal *journal;
    struct boot_folders *folders; /* NULL: none can be made */
    const struct bootfiles *bootfiles;
    struct rollout *rollout;
    struct api_sources sources;
    const char *iqn_prefix;
    const char *dhcp_mode;  /* "proxy", "server" or "off", for `status` */
    const char *store_path; /* where imports may unpack, and for `status` */
};

/*
 * Listens at `path` (mode 0660) and at `import.sock` in the same folder, which is created when absent. A socket that a
 * dead daemon left is replaced; one that answers is -EADDRINUSE. The sockets are given to `uid` and `gid`, each
 * ignored when it is -1. Before privileges are dropped.
 */
int api_open(const char *path, uid_t uid, gid_t gid, struct api_sockets **sockets, struct error *error);
/* Closes them and removes their files, for when no api was started. NULL is fine. */
void api_sockets_free(struct api_sockets *sockets);

/* Deletes the volumes that the catalog noted as being made or deleted when a crash came between a change of the store
 * and the change of the catalog. Blocks; before `api_start`. */
void api_sweep(struct catalog *catalog, struct store *store);

/* Serves from now on. Takes the sockets. On the control loop, or before it runs. The program ignores SIGPIPE: clients go
 * away while they are answered. */
struct api *api_start(const struct api_options *options, struct api_sockets *sockets);
/* Takes no more requests, answers those that wait, cancels imports. On the control loop. */
void api_stop(struct api *api);
/* After `api_stop`, when the control loop ended: waits for imports to end. Requests that workers still hold end
 * with their work. NULL is fine. */
void api_free(struct api *api);
