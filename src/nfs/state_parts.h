/*
 * What the files of the state share. Nothing else includes it. The lock is held wherever these are touched.
 */
#pragma once

#include "nfs/state.h"

#include <pthread.h>

/* ---- found by number ---- */

struct numbered {
    struct numbered *next;
    uint64_t number;
};

enum { NUMBERED_BUCKETS = 1024 };

struct numbered_table {
    struct numbered *buckets[NUMBERED_BUCKETS];
};

void numbered_add(struct numbered_table *table, struct numbered *entry, uint64_t number);
void numbered_remove(struct numbered_table *table, struct numbered *entry);
struct numbered *numbered_find(const struct numbered_table *table, uint64_t number);

/* ---- clients and sessions ---- */

struct slot {
    uint32_t sequence; /* of the last request */
    bool busy;
    bool cached;
    uint64_t fingerprint;
    enum nfs4_status status;
    uint8_t *reply;
    size_t reply_bytes;
};

struct nfs4_session {
    struct numbered numbered;
    struct nfs4_session *next; /* of the client */
    struct nfs4_client *client;
    uint8_t id[NFS4_SESSIONID_SIZE];
    struct nfs4_channel fore;
    struct slot *slots;
    unsigned users; /* COMPOUNDs that run */
    bool destroyed; /* freed by its last user */
};

struct nfs4_client {
    struct numbered numbered;
    struct nfs4_client *next, **previous; /* of all */
    struct nfs4_principal principal;
    uint8_t *owner;
    size_t owner_bytes;
    uint8_t verifier[NFS4_VERIFIER_SIZE];
    bool confirmed;
    bool reclaim_completed;
    uint64_t renewed_ms;
    uint32_t sequence;                   /* of the last CREATE_SESSION */
    struct nfs4_created_session created; /* its answer */
    struct nfs4_session *sessions;
    unsigned session_count;
    struct open *opens;
    unsigned open_count;
    unsigned range_count;
    unsigned users;
    bool destroyed;
};

/* ---- opens and locks ---- */

struct range {
    struct range *next;
    uint64_t first, last; /* both belong to it */
    bool write;
};

struct lock_state {
    struct numbered numbered;
    struct lock_state *next; /* of the open */
    struct open *open;
    uint32_t sequence;
    uint8_t *owner;
    size_t owner_bytes;
    struct range *ranges; /* in order, none overlap */
};

struct open {
    struct numbered numbered;
    struct open *next; /* of the client */
    struct open *next_of_file;
    struct nfs4_client *client;
    struct shared_file *shared;
    uint32_t sequence;
    uint8_t *owner;
    size_t owner_bytes;
    struct folder_file *file;
    uint32_t access, deny;
    struct lock_state *locks;
};

/* A file that somebody has open. */
struct shared_file {
    struct shared_file *next; /* in its bucket */
    struct nfs4_file_key key;
    struct open *opens;
};

enum { FILE_BUCKETS = 1024 };

struct nfs4_state {
    pthread_mutex_t lock; /* guards all below */
    uint32_t epoch;       /* of this run of the server; random */
    uint64_t last_number;
    struct nfs4_client *clients;
    unsigned client_count;
    struct numbered_table client_ids;
    struct numbered_table session_ids;
    struct numbered_table open_ids;
    struct numbered_table lock_ids;
    struct shared_file *files[FILE_BUCKETS];
};

/* ---- state_client.c ---- */

bool client_is_expired(const struct nfs4_client *client, uint64_t now_ms);
/* With all that it had; what still runs for it keeps the bare record. */
void client_destroy(struct nfs4_state *state, struct nfs4_client *client);
void client_hold(struct nfs4_client *client);
void client_release(struct nfs4_client *client);
struct nfs4_client *client_find(struct nfs4_state *state, const struct nfs4_principal *who,
                                uint64_t client_id);
/* Its first session confirms it: an older incarnation ends. */
void client_confirm(struct nfs4_state *state, struct nfs4_client *client);
bool principal_equal(const struct nfs4_principal *a, const struct nfs4_principal *b);

/* ---- state_session.c ---- */

void session_destroy(struct nfs4_state *state, struct nfs4_session *session);

/* ---- state_open.c ---- */

void open_destroy(struct nfs4_state *state, struct open *open);
struct shared_file *shared_file_find(struct nfs4_state *state, const struct nfs4_file_key *key);
enum nfs4_status open_find(struct nfs4_state *state, const struct nfs4_client *client,
                           const struct nfs4_stateid *stateid, struct open **open);
bool key_equal(const struct nfs4_file_key *a, const struct nfs4_file_key *b);
struct nfs4_stateid stateid_make(const struct nfs4_state *state, uint64_t number, uint32_t sequence);
/* The number in it; false if it is of another run of the server. */
bool stateid_number(const struct nfs4_state *state, const struct nfs4_stateid *stateid, uint64_t *number);
enum nfs4_status stateid_check_sequence(const struct nfs4_stateid *stateid, uint32_t sequence);

/* ---- state_lock.c ---- */

void lock_destroy(struct nfs4_state *state, struct lock_state *lock);
enum nfs4_status lock_find(struct nfs4_state *state, const struct nfs4_client *client,
                           const struct nfs4_stateid *stateid, struct lock_state **lock);
