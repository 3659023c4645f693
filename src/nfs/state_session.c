/*
 * Sessions and their slots: each request is run once, however often it is sent (RFC
 * 8881 2.10.6, 18.36, 18.46).
 */
#include "base/bytes.h"
#include "nfs/state_parts.h"

#include <sys/random.h>

enum {
    REQUEST_MIN_BYTES = 256, /* of what a channel must carry to be of use */
    RESPONSE_MIN_BYTES = 256,
    BACK_MIN_BYTES = 128,
    BACK_MIN_OPERATIONS = 2,
};

/* ---- identity: the number, and what nobody can guess ---- */

static void make_session_id(struct nfs4_session *session)
{
    struct writer w = writer_over(session->id, sizeof(session->id));

    CHECK(getrandom(session->id, sizeof(session->id), 0) == (ssize_t)sizeof(session->id));
    writer_be64(&w, session->numbered.number);
}

static struct nfs4_session *find_session(struct nfs4_state *state, const struct nfs4_principal *who,
                                         const uint8_t id[NFS4_SESSIONID_SIZE])
{
    struct reader r = reader_over(id, NFS4_SESSIONID_SIZE);
    struct numbered *entry = numbered_find(&state->session_ids, reader_be64(&r));
    struct nfs4_session *session = entry ? CONTAINER_OF(entry, struct nfs4_session, numbered) : NULL;

    if (!session || memcmp(session->id, id, sizeof(session->id)) != 0 ||
        session->client->principal.address != who->address)
        return NULL;
    return session;
}

/* ---- life ---- */

static void release_session(struct nfs4_session *session)
{
    struct nfs4_client *client = session->client;

    if (session->users)
        return;
    for (uint32_t i = 0; i < session->fore.max_requests; i++)
        free(session->slots[i].reply);
    free(session->slots);
    free(session);
    client_release(client);
}

void session_destroy(struct nfs4_state *state, struct nfs4_session *session)
{
    struct nfs4_session **at = &session->client->sessions;

    while (*at != session)
        at = &(*at)->next;
    *at = session->next;
    session->client->session_count--;
    numbered_remove(&state->session_ids, &session->numbered);
    session->destroyed = true;
    release_session(session);
}

static struct nfs4_session *session_new(struct nfs4_state *state, struct nfs4_client *client,
                                        const struct nfs4_channel *fore)
{
    struct nfs4_session *session = xcalloc(1, sizeof(*session));

    client_hold(client);
    session->client = client;
    session->fore = *fore;
    session->slots = xcalloc(fore->max_requests, sizeof(*session->slots));
    session->next = client->sessions;
    client->sessions = session;
    client->session_count++;
    numbered_add(&state->session_ids, &session->numbered, ++state->last_number);
    make_session_id(session);
    return session;
}

/* ---- CREATE_SESSION ---- */

static bool is_too_small(const struct nfs4_channel *fore, const struct nfs4_channel *back)
{
    return fore->max_request_bytes < REQUEST_MIN_BYTES || fore->max_response_bytes < RESPONSE_MIN_BYTES ||
           back->max_request_bytes < BACK_MIN_BYTES || back->max_response_bytes < BACK_MIN_BYTES ||
           back->max_operations < BACK_MIN_OPERATIONS;
}

static struct nfs4_channel bounded(const struct nfs4_channel *asked)
{
    return (struct nfs4_channel){
        .max_request_bytes = MIN(asked->max_request_bytes, (uint32_t)NFS4_REQUEST_MAX_BYTES),
        .max_response_bytes = MIN(asked->max_response_bytes, (uint32_t)NFS4_RESPONSE_MAX_BYTES),
        .max_cached_bytes = MIN(asked->max_cached_bytes, (uint32_t)NFS4_CACHED_MAX_BYTES),
        .max_operations = MIN(asked->max_operations, (uint32_t)NFS4_OPERATIONS_MAX),
        .max_requests = MIN(asked->max_requests, (uint32_t)NFS4_SLOTS_MAX),
    };
}

/* The steps of RFC 8881 18.36.4. */
static enum nfs4_status may_create(const struct nfs4_client *client, const struct nfs4_principal *who,
                                   const struct nfs4_create_session *create)
{
    if (!client->confirmed && !principal_equal(&client->principal, who))
        return NFS4ERR_CLID_INUSE;
    if (create->sequence != client->sequence + 1)
        return NFS4ERR_SEQ_MISORDERED;
    if (create->fore.max_requests == 0 || create->fore.max_operations == 0)
        return NFS4ERR_INVAL;
    if (is_too_small(&create->fore, &create->back))
        return NFS4ERR_TOOSMALL;
    return client->session_count < NFS4_CLIENT_SESSIONS_MAX ? NFS4_OK : NFS4ERR_DELAY;
}

static void create(struct nfs4_state *state, struct nfs4_client *client,
                   const struct nfs4_create_session *wish)
{
    struct nfs4_created_session *created = &client->created;

    client_confirm(state, client);
    client->sequence = wish->sequence;
    *created = (struct nfs4_created_session){
        .sequence = wish->sequence, .fore = bounded(&wish->fore), .back = bounded(&wish->back)};
    const struct nfs4_session *session = session_new(state, client, &created->fore);
    memcpy(created->session_id, session->id, sizeof(created->session_id));
}

static bool is_repeated(const struct nfs4_client *client, const struct nfs4_principal *who, uint32_t sequence)
{
    return client->sequence && sequence == client->sequence && principal_equal(&client->principal, who);
}

enum nfs4_status nfs4_create_session(struct nfs4_state *state, const struct nfs4_principal *who,
                                     const struct nfs4_create_session *wish, uint64_t now_ms,
                                     struct nfs4_created_session *created)
{
    enum nfs4_status status = NFS4_OK;

    pthread_mutex_lock(&state->lock);
    struct nfs4_client *client = client_find(state, who, wish->client_id);
    if (!client || (!client->confirmed && client_is_expired(client, now_ms)))
        status = NFS4ERR_STALE_CLIENTID;
    else if (!is_repeated(client, who, wish->sequence))
        status = may_create(client, who, wish);
    if (status == NFS4_OK) {
        if (!is_repeated(client, who, wish->sequence))
            create(state, client, wish);
        client->renewed_ms = now_ms;
        *created = client->created;
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}

enum nfs4_status nfs4_destroy_session(struct nfs4_state *state, const struct nfs4_principal *who,
                                      const uint8_t session_id[NFS4_SESSIONID_SIZE])
{
    pthread_mutex_lock(&state->lock);
    struct nfs4_session *session = find_session(state, who, session_id);
    if (session)
        session_destroy(state, session);
    pthread_mutex_unlock(&state->lock);
    return session ? NFS4_OK : NFS4ERR_BADSESSION;
}

enum nfs4_status nfs4_find_session(struct nfs4_state *state, const struct nfs4_principal *who,
                                   const uint8_t session_id[NFS4_SESSIONID_SIZE])
{
    pthread_mutex_lock(&state->lock);
    bool found = find_session(state, who, session_id);
    pthread_mutex_unlock(&state->lock);
    return found ? NFS4_OK : NFS4ERR_BADSESSION;
}

/* ---- SEQUENCE ---- */

static enum nfs4_status check_limits(const struct nfs4_session *session, const struct nfs4_sequence *sequence)
{
    if (sequence->slot >= session->fore.max_requests)
        return NFS4ERR_BADSLOT;
    if (sequence->highest_slot >= session->fore.max_requests)
        return NFS4ERR_BAD_HIGH_SLOT;
    if (sequence->request_bytes > session->fore.max_request_bytes)
        return NFS4ERR_REQ_TOO_BIG;
    if (sequence->operations > session->fore.max_operations)
        return NFS4ERR_TOO_MANY_OPS;
    if (sequence->cache && sequence->least_reply_bytes > session->fore.max_cached_bytes)
        return NFS4ERR_REP_TOO_BIG_TO_CACHE;
    return NFS4_OK;
}

static void repeat(const struct slot *slot, struct nfs4_slot_use *use)
{
    use->repeated = xcalloc(1, slot->reply_bytes + 1);
    use->repeated_bytes = slot->reply_bytes;
    memcpy(use->repeated, slot->reply, slot->reply_bytes);
}

/* RFC 8881 2.10.6.1: the next number is a new request, the same one a repetition, all others are wrong. */
static enum nfs4_slot_outcome try_slot(const struct slot *slot, const struct nfs4_sequence *sequence,
                                       struct nfs4_slot_use *use)
{
    use->status = NFS4ERR_SEQ_MISORDERED;
    if (sequence->sequence == slot->sequence + 1) {
        use->status = slot->busy ? NFS4ERR_DELAY : NFS4_OK;
        return slot->busy ? NFS4_SLOT_REFUSED : NFS4_SLOT_NEW;
    }
    if (sequence->sequence != slot->sequence || slot->sequence == 0)
        return NFS4_SLOT_REFUSED;
    use->status = NFS4ERR_DELAY;
    if (slot->busy)
        return NFS4_SLOT_REFUSED;
    use->status = NFS4ERR_SEQ_FALSE_RETRY;
    if (sequence->fingerprint != slot->fingerprint)
        return NFS4_SLOT_REFUSED;
    use->status = slot->status;
    if (!slot->cached)
        return NFS4_SLOT_UNCACHED;
    repeat(slot, use);
    return NFS4_SLOT_REPEAT;
}

static void enter_slot(struct nfs4_session *session, struct slot *slot, const struct nfs4_sequence *sequence,
                       struct nfs4_slot_use *use)
{
    session->users++;
    slot->sequence = sequence->sequence;
    slot->fingerprint = sequence->fingerprint;
    slot->busy = true;
    slot->cached = false;
    free(TAKE_PTR(slot->reply));
    use->session = session;
    use->client = session->client;
    memcpy(use->session_id, session->id, sizeof(use->session_id));
    use->cache = sequence->cache;
    use->cache_is_narrower =
        sequence->cache && session->fore.max_cached_bytes < session->fore.max_response_bytes;
    use->max_response_bytes = sequence->cache
                                  ? MIN(session->fore.max_response_bytes, session->fore.max_cached_bytes)
                                  : session->fore.max_response_bytes;
}

enum nfs4_slot_outcome nfs4_sequence_begin(struct nfs4_state *state, const struct nfs4_principal *who,
                                           const struct nfs4_sequence *sequence, uint64_t now_ms,
                                           struct nfs4_slot_use *use)
{
    enum nfs4_slot_outcome outcome = NFS4_SLOT_REFUSED;

    *use = (struct nfs4_slot_use){.slot = sequence->slot, .status = NFS4ERR_BADSESSION};
    pthread_mutex_lock(&state->lock);
    struct nfs4_session *session = find_session(state, who, sequence->session_id);
    if (session) {
        session->client->renewed_ms = now_ms;
        use->highest_slot = session->fore.max_requests - 1;
        use->status = check_limits(session, sequence);
    }
    if (use->status == NFS4_OK)
        outcome = try_slot(&session->slots[sequence->slot], sequence, use);
    if (outcome == NFS4_SLOT_NEW)
        enter_slot(session, &session->slots[sequence->slot], sequence, use);
    pthread_mutex_unlock(&state->lock);
    return outcome;
}

void nfs4_sequence_end(struct nfs4_state *state, struct nfs4_slot_use *use, enum nfs4_status status,
                       const uint8_t *reply, size_t reply_bytes)
{
    struct nfs4_session *session = use->session;

    pthread_mutex_lock(&state->lock);
    struct slot *slot = &session->slots[use->slot];
    slot->busy = false;
    slot->status = status;
    if (use->cache) {
        slot->reply = xcalloc(1, reply_bytes + 1);
        memcpy(slot->reply, reply, reply_bytes);
        slot->reply_bytes = reply_bytes;
        slot->cached = true;
    }
    session->users--;
    if (session->destroyed)
        release_session(session);
    pthread_mutex_unlock(&state->lock);
}
