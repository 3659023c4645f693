/*
 * One request between its arrival and its answer, and what its handlers need of the server.
 *
 * A call belongs to one thread at a time: the control loop, or the worker that runs its second step. Handlers read
 * `name`, `query` and `body` and leave a `reply` or an error.
 */
#pragma once

#include "api/api.h"

#include <jansson.h>
#include <pthread.h>

struct checks;
struct connections;
struct evhttp;
struct evhttp_request;
struct evkeyvalq;
struct imports;
struct jobs;
struct reclaim;
struct rewind;
struct keeper;
struct route;
struct upkeep;

enum {
    API_BODY_MAX_BYTES = 64 * 1024,
    API_HEADERS_MAX_BYTES = 16 * 1024,
    API_CALLS_MAX = 128, /* under way at once, waiting ones included */
    API_WAITING_MAX = 64,
    API_WAIT_MAX_SECONDS = 60,
    API_WAIT_TICK_MS = 1000, /* how late a wait may end */
    API_IDLE_SECONDS = 75, /* a silent connection is closed; longer than any wait */
    API_SESSIONS_MAX = 4096,
};

#define API_DISK_MAX_BYTES (64ull << 40)

struct api {
    struct api_options options;
    struct api_sockets *sockets;
    struct evhttp *http;
    struct connections *connections;
    struct imports *imports;
    struct jobs *jobs;
    struct reclaim *reclaim;
    struct rewind *rewind;
    struct keeper *keeper;
    struct upkeep *upkeep;
    struct checks *checks;
    struct api_call *calls; /* all under way */
    unsigned call_count;
    unsigned waiting_count;
    struct loop_timer *wait_timer;
    uint64_t started_seconds;
    bool stopped;
    unsigned references; /* one for the owner, one for each call on a worker; control loop */
    /* One change at a time: what a change read of the catalog is still so when it writes. Held by workers. */
    pthread_mutex_t change_lock;
};

struct api_call {
    struct api *api;
    const struct route *route;
    char name[NAME_SIZE]; /* what stands for NAME in the route's path */
    char item[NAME_SIZE]; /* the same for ITEM */
    struct evkeyvalq *query;
    json_t *body; /* an object, or NULL */

    json_t *reply;
    struct error error; /* code 0: none */

    struct evhttp_request *request; /* NULL once answered */
    struct work work;
    bool waiting; /* for an event: `events_get` set it, with the two below */
    uint64_t wait_since;
    uint64_t wait_until_ms; /* monotonic */
    char wait_machine[NAME_SIZE];
    bool wait_for_machine;
    struct api_call *next;
    struct api_call **link;
};

/* The value of a query parameter, or NULL. */
const char *call_query(const struct api_call *call, const char *key);
/* A query parameter as a number; `absent` when it is not given. -EINVAL with the sentence. */
int call_query_u64(struct api_call *call, const char *key, uint64_t max, uint64_t absent, uint64_t *value);

/* -EINVAL with the sentence unless `body` is an object with only the known `keys`. */
int call_check_keys(struct api_call *call, const char *const *keys, size_t count);

/* Whoever uses this machine's disk now: their number, the first one's address in `address`. */
unsigned api_disk_users(struct api *api, uint64_t machine_id, uint32_t *address);

/* What an administrator did to a machine: told without its MAC address, since it says nothing of its boot. */
PRINTF_LIKE(4, 5)
void api_tell(struct api *api, const struct machine *machine, const char *kind, const char *format, ...);

/* Who keeps the api alive beside its owner: work that comes home to the control loop. On the control loop. */
void api_ref(struct api *api);
void api_unref(struct api *api);

/* The machine that the path names, or NULL with the sentence. */
const struct machine *call_find_machine(struct api_call *call, const struct catalog_snapshot *snapshot);

/* -ENOENT with the sentence. */
int call_no_group(struct api_call *call, const char *name);

/* A list of a machine's snapshots, by age; empty if they cannot be read. Blocks. */
json_t *snapshots_json(struct store *store, const struct machine *machine);

/* Runs on the loop: answers and frees the call. */
void call_finish(struct api_call *call);

/* ---- handlers, one file per noun ---- */

void status_get(struct api_call *call);
void status_get_store(struct api_call *call);
void sessions_get(struct api_call *call);
void discovered_get(struct api_call *call);
void machines_get(struct api_call *call);
void machine_add(struct api_call *call);
void machine_get(struct api_call *call);
void machine_get_store(struct api_call *call);
void machine_set(struct api_call *call);
void machine_get_cloud_init(struct api_call *call);
void machine_remove_check(struct api_call *call);
void machine_remove(struct api_call *call);
void chap_get(struct api_call *call);
void chap_set_check(struct api_call *call);
void chap_set(struct api_call *call);
void chap_secret_get(struct api_call *call);
void disks_get(struct api_call *call);
void machine_disks_get(struct api_call *call);
void disk_add(struct api_call *call);
void disk_set_check(struct api_call *call);
void disk_set(struct api_call *call);
void disk_remove_check(struct api_call *call);
void disk_remove(struct api_call *call);
void snapshots_get(struct api_call *call);
void snapshot_create(struct api_call *call);
void snapshot_rename(struct api_call *call);
void snapshot_remove(struct api_call *call);
void machine_rollback_check(struct api_call *call);
void machine_rollback(struct api_call *call);
void machine_reset_check(struct api_call *call);
void machine_reset(struct api_call *call);
void groups_get(struct api_call *call);
void group_add(struct api_call *call);
void group_get(struct api_call *call);
void group_set(struct api_call *call);
void group_remove(struct api_call *call);
void defaults_get(struct api_call *call);
void defaults_set(struct api_call *call);
void store_get(struct api_call *call);
void store_check_begin(struct api_call *call);
void eeprom_get(struct api_call *call);
void eeprom_withdraw(struct api_call *call);
void images_get(struct api_call *call);
void image_capture_check(struct api_call *call);
void image_capture(struct api_call *call);
void image_get(struct api_call *call);
void image_get_store(struct api_call *call);
void image_remove(struct api_call *call);
void jobs_get(struct api_call *call);
void job_get(struct api_call *call);
void job_cancel(struct api_call *call);
void events_get(struct api_call *call);
/* Answers the waiting calls that an event or the time has an answer for. */
void events_wake(struct api *api);
