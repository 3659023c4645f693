/*
 * What NFS version 4.1 remembers of its clients: records, sessions with their slots, opens and byte-range
 * locks (RFC 8881 2.4, 2.10, 8 and 9).
 *
 * In memory only. An export has one permitted client, so that after a restart nobody else can have taken what
 * it claims back: reclaiming is granted at once, and there is no grace period for anybody (8.4.2 asks for one
 * to keep others out). A client is its owner string and its address together: two machines that bear the same
 * name do not disturb each other. Time is an argument. No delegations are given, so nothing is ever called
 * back.
 *
 * Every call takes the one lock of the state, for moments; nothing in here waits for a disk.
 */
#pragma once

#include "folder/folder.h"
#include "nfs/nfs4_protocol.h"
#include "rpc/call.h"

struct nfs4_state;
struct nfs4_client;
struct nfs4_session;

enum {
    NFS4_LEASE_SECONDS = 30,
    NFS4_CLIENTS_MAX = 4096,
    NFS4_ADDRESS_CLIENTS_MAX = 1024,
    NFS4_CLIENT_SESSIONS_MAX = 16,
    NFS4_SLOTS_MAX = 32,
    NFS4_CLIENT_OPENS_MAX = 4096,
    NFS4_CLIENT_RANGES_MAX = 4096,
    NFS4_OPERATIONS_MAX = 64, /* in one COMPOUND */
    NFS4_CACHED_MAX_BYTES = 8192,
    NFS4_IO_MAX_BYTES = 256 * 1024,
    NFS4_REQUEST_MAX_BYTES = NFS4_IO_MAX_BYTES + 4096,
    NFS4_RESPONSE_MAX_BYTES = NFS4_IO_MAX_BYTES + 4096,
};

struct nfs4_state *nfs4_state_new(void);
/* No call may be running. NULL is fine. */
void nfs4_state_free(struct nfs4_state *state);

/* Whoever sends a COMPOUND. */
struct nfs4_principal {
    uint32_t address;
    enum rpc_flavor flavor;
    uint32_t uid;
};

/* ---- clients ---- */

struct nfs4_exchange {
    const uint8_t *owner; /* at most NFS4_OPAQUE_LIMIT */
    size_t owner_bytes;
    uint8_t verifier[NFS4_VERIFIER_SIZE];
    bool update;
};

struct nfs4_exchanged {
    uint64_t client_id;
    uint32_t sequence; /* of the CREATE_SESSION that may follow */
    bool confirmed;
};

enum nfs4_status nfs4_exchange_id(struct nfs4_state *state, const struct nfs4_principal *who,
                                  const struct nfs4_exchange *exchange, uint64_t now_ms,
                                  struct nfs4_exchanged *exchanged);
enum nfs4_status nfs4_destroy_client(struct nfs4_state *state, const struct nfs4_principal *who,
                                     uint64_t client_id);
enum nfs4_status nfs4_reclaim_complete(struct nfs4_state *state, struct nfs4_client *client, bool one_fs);
/* Forgets clients that did not come back. Now and then. */
void nfs4_state_sweep(struct nfs4_state *state, uint64_t now_ms);

/* ---- sessions ---- */

struct nfs4_channel {
    uint32_t header_pad_bytes;
    uint32_t max_request_bytes;
    uint32_t max_response_bytes;
    uint32_t max_cached_bytes;
    uint32_t max_operations;
    uint32_t max_requests;
};

struct nfs4_create_session {
    uint64_t client_id;
    uint32_t sequence;
    struct nfs4_channel fore, back;
};

struct nfs4_created_session {
    uint8_t session_id[NFS4_SESSIONID_SIZE];
    uint32_t sequence;
    struct nfs4_channel fore, back;
};

enum nfs4_status nfs4_create_session(struct nfs4_state *state, const struct nfs4_principal *who,
                                     const struct nfs4_create_session *create, uint64_t now_ms,
                                     struct nfs4_created_session *created);
enum nfs4_status nfs4_destroy_session(struct nfs4_state *state, const struct nfs4_principal *who,
                                      const uint8_t session_id[NFS4_SESSIONID_SIZE]);
/* Whether there is such a session, for BIND_CONN_TO_SESSION. */
enum nfs4_status nfs4_find_session(struct nfs4_state *state, const struct nfs4_principal *who,
                                   const uint8_t session_id[NFS4_SESSIONID_SIZE]);

struct nfs4_sequence {
    uint8_t session_id[NFS4_SESSIONID_SIZE];
    uint32_t sequence;
    uint32_t slot;
    uint32_t highest_slot;
    bool cache;
    size_t request_bytes;     /* of the whole call */
    uint32_t operations;      /* in the COMPOUND */
    size_t least_reply_bytes; /* of any answer */
    uint64_t fingerprint;     /* of the request, to tell a repetition from another request */
};

enum nfs4_slot_outcome {
    NFS4_SLOT_NEW,      /* run it, then `nfs4_sequence_end` */
    NFS4_SLOT_REPEAT,   /* the answer of before is given; free it */
    NFS4_SLOT_UNCACHED, /* it was answered before, the answer was not kept */
    NFS4_SLOT_REFUSED,  /* `status` says why */
};

/* A COMPOUND's place in its session while it runs. */
struct nfs4_slot_use {
    struct nfs4_session *session; /* held until the end */
    uint8_t session_id[NFS4_SESSIONID_SIZE];
    struct nfs4_client *client;
    uint32_t slot;
    uint32_t highest_slot;
    size_t max_response_bytes;
    bool cache;
    bool cache_is_narrower;  /* than what the client takes */
    enum nfs4_status status; /* why it was refused; or of the whole answer of before */
    uint8_t *repeated;
    size_t repeated_bytes;
};

enum nfs4_slot_outcome nfs4_sequence_begin(struct nfs4_state *state, const struct nfs4_principal *who,
                                           const struct nfs4_sequence *sequence, uint64_t now_ms,
                                           struct nfs4_slot_use *use);
/* The answer is kept if it was asked for. */
void nfs4_sequence_end(struct nfs4_state *state, struct nfs4_slot_use *use, enum nfs4_status status,
                       const uint8_t *reply, size_t reply_bytes);

/* ---- opens ---- */

struct nfs4_stateid {
    uint32_t sequence;
    uint8_t other[12];
};

/* Which file; the same for everybody who opens it. */
struct nfs4_file_key {
    uint64_t folder;
    struct folder_object object;
};

struct nfs4_owner {
    const uint8_t *bytes;
    size_t length_bytes;
};

struct nfs4_open {
    struct nfs4_owner owner;
    struct nfs4_file_key key;
    struct folder_file *file; /* a reference is taken */
    uint32_t access;
    uint32_t deny;
    bool reclaim;
};

/* Whether an open would be allowed at this time of the client's life: NFS4ERR_GRACE before RECLAIM_COMPLETE,
 * NFS4ERR_NO_GRACE for a reclaim after it. */
enum nfs4_status nfs4_may_claim(struct nfs4_state *state, const struct nfs4_client *client, bool reclaim);
enum nfs4_status nfs4_open_file(struct nfs4_state *state, struct nfs4_client *client,
                                const struct nfs4_open *open, uint64_t now_ms, struct nfs4_stateid *stateid);
enum nfs4_status nfs4_open_downgrade(struct nfs4_state *state, struct nfs4_client *client,
                                     const struct nfs4_file_key *key, uint32_t access, uint32_t deny,
                                     struct nfs4_stateid *stateid);
enum nfs4_status nfs4_close_file(struct nfs4_state *state, struct nfs4_client *client,
                                 const struct nfs4_file_key *key, struct nfs4_stateid *stateid);

/* Whether I/O may go on under a stateid. `file` is a reference to what was opened, or NULL for the special
 * stateids: then the caller asks the file's mode. */
enum nfs4_status nfs4_check_io(struct nfs4_state *state, struct nfs4_client *client,
                               const struct nfs4_file_key *key, const struct nfs4_stateid *stateid,
                               uint32_t access, struct folder_file **file);
enum nfs4_status nfs4_test_stateid(struct nfs4_state *state, struct nfs4_client *client,
                                   const struct nfs4_stateid *stateid);
enum nfs4_status nfs4_free_stateid(struct nfs4_state *state, struct nfs4_client *client,
                                   const struct nfs4_stateid *stateid);

/* ---- locks ---- */

struct nfs4_lock {
    struct nfs4_file_key key;
    bool write;
    uint64_t offset;
    uint64_t length; /* UINT64_MAX: to the end */
    bool reclaim;
    bool new_owner; /* `stateid` is an open's and `owner` counts; else `stateid` is a lock's */
    struct nfs4_owner owner;
};

struct nfs4_denied {
    uint64_t offset;
    uint64_t length;
    bool write;
    uint64_t client_id;
    uint8_t owner[NFS4_OPAQUE_LIMIT];
    size_t owner_bytes;
};

/* NFS4ERR_DENIED fills `denied`. `stateid` goes in and, if granted, comes out. */
enum nfs4_status nfs4_lock_range(struct nfs4_state *state, struct nfs4_client *client,
                                 const struct nfs4_lock *lock, uint64_t now_ms, struct nfs4_stateid *stateid,
                                 struct nfs4_denied *denied);
enum nfs4_status nfs4_test_lock(struct nfs4_state *state, struct nfs4_client *client,
                                const struct nfs4_lock *lock, uint64_t now_ms, struct nfs4_denied *denied);
enum nfs4_status nfs4_unlock_range(struct nfs4_state *state, struct nfs4_client *client,
                                   const struct nfs4_lock *lock, struct nfs4_stateid *stateid);

/* The special stateids (RFC 8881 8.2.3). */
bool nfs4_stateid_is_current(const struct nfs4_stateid *stateid);
bool nfs4_stateid_is_special(const struct nfs4_stateid *stateid);
