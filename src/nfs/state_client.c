/*
 * Client records: EXCHANGE_ID and what ends a client (RFC 8881 18.35, 18.50, 18.51).
 */
#include "nfs/state_parts.h"

/* A client whose lease ran out keeps what it has for so long, unless another wants it: a machine whose cable
 * was out finds its locks again. */
static const uint64_t courtesy_ms = UINT64_C(24) * 3600 * 1000;

bool principal_equal(const struct nfs4_principal *a, const struct nfs4_principal *b)
{
    return a->flavor == b->flavor && a->uid == b->uid;
}

bool client_is_expired(const struct nfs4_client *client, uint64_t now_ms)
{
    return now_ms > client->renewed_ms + NFS4_LEASE_SECONDS * 1000;
}

void client_hold(struct nfs4_client *client)
{
    client->users++;
}

void client_release(struct nfs4_client *client)
{
    if (--client->users)
        return;
    CHECK(client->destroyed);
    free(client->owner);
    free(client);
}

void client_destroy(struct nfs4_state *state, struct nfs4_client *client)
{
    while (client->opens)
        open_destroy(state, client->opens);
    while (client->sessions)
        session_destroy(state, client->sessions);
    numbered_remove(&state->client_ids, &client->numbered);
    *client->previous = client->next;
    if (client->next)
        client->next->previous = client->previous;
    state->client_count--;
    client->destroyed = true;
    client_release(client);
}

/* An unconfirmed record lives as long as a lease. */
struct nfs4_client *client_find(struct nfs4_state *state, const struct nfs4_principal *who,
                                uint64_t client_id)
{
    struct numbered *entry = numbered_find(&state->client_ids, client_id);
    struct nfs4_client *client = entry ? CONTAINER_OF(entry, struct nfs4_client, numbered) : NULL;

    return client && client->principal.address == who->address ? client : NULL;
}

static struct nfs4_client *find_owner(struct nfs4_state *state, const struct nfs4_principal *who,
                                      const uint8_t *owner, size_t owner_bytes, bool confirmed)
{
    for (struct nfs4_client *c = state->clients; c; c = c->next) {
        if (c->confirmed == confirmed && c->principal.address == who->address &&
            c->owner_bytes == owner_bytes && memcmp(c->owner, owner, owner_bytes) == 0)
            return c;
    }
    return NULL;
}

static struct nfs4_client *find_longest_gone(struct nfs4_state *state, uint32_t address, uint64_t now_ms)
{
    struct nfs4_client *oldest = NULL;

    for (struct nfs4_client *c = state->clients; c; c = c->next) {
        if ((!address || c->principal.address == address) && client_is_expired(c, now_ms) &&
            (!oldest || c->renewed_ms < oldest->renewed_ms))
            oldest = c;
    }
    return oldest;
}

static unsigned count_of_address(const struct nfs4_state *state, uint32_t address)
{
    unsigned count = 0;

    for (const struct nfs4_client *c = state->clients; c; c = c->next)
        count += c->principal.address == address;
    return count;
}

/* Room for one more; those who are gone make way. */
static bool make_room(struct nfs4_state *state, uint32_t address, uint64_t now_ms)
{
    bool full = state->client_count >= NFS4_CLIENTS_MAX;
    bool address_full = count_of_address(state, address) >= NFS4_ADDRESS_CLIENTS_MAX;
    struct nfs4_client *gone = NULL;

    if (full || address_full)
        gone = find_longest_gone(state, address_full ? address : 0, now_ms);
    if (gone)
        client_destroy(state, gone);
    return gone || (!full && !address_full);
}

static struct nfs4_client *client_new(struct nfs4_state *state, const struct nfs4_principal *who,
                                      const struct nfs4_exchange *exchange, uint64_t now_ms)
{
    struct nfs4_client *client = xcalloc(1, sizeof(*client));

    client->principal = *who;
    client->owner = xcalloc(1, exchange->owner_bytes + 1);
    memcpy(client->owner, exchange->owner, exchange->owner_bytes);
    client->owner_bytes = exchange->owner_bytes;
    memcpy(client->verifier, exchange->verifier, sizeof(client->verifier));
    client->renewed_ms = now_ms;
    client->users = 1;
    numbered_add(&state->client_ids, &client->numbered,
                 (uint64_t)state->epoch << 32 | (uint32_t)++state->last_number);
    client->next = state->clients;
    client->previous = &state->clients;
    if (client->next)
        client->next->previous = &client->next;
    state->clients = client;
    state->client_count++;
    return client;
}

/* RFC 8881 18.35.4, cases 6 to 9. */
static enum nfs4_status update(const struct nfs4_client *confirmed, const struct nfs4_principal *who,
                               const struct nfs4_exchange *exchange)
{
    if (!confirmed)
        return NFS4ERR_NOENT;
    if (memcmp(confirmed->verifier, exchange->verifier, sizeof(exchange->verifier)) != 0)
        return NFS4ERR_NOT_SAME;
    return principal_equal(&confirmed->principal, who) ? NFS4_OK : NFS4ERR_PERM;
}

/* Cases 1 to 5. Fills `client` with the record that the answer names. */
static enum nfs4_status establish(struct nfs4_state *state, struct nfs4_client *confirmed,
                                  const struct nfs4_principal *who, const struct nfs4_exchange *exchange,
                                  uint64_t now_ms, struct nfs4_client **client)
{
    bool same_principal = confirmed && principal_equal(&confirmed->principal, who);

    if (same_principal && memcmp(confirmed->verifier, exchange->verifier, sizeof(exchange->verifier)) == 0) {
        *client = confirmed;
        return NFS4_OK;
    }
    if (confirmed && !same_principal) {
        if (confirmed->opens && !client_is_expired(confirmed, now_ms))
            return NFS4ERR_CLID_INUSE;
        client_destroy(state, confirmed);
    }
    struct nfs4_client *older = find_owner(state, who, exchange->owner, exchange->owner_bytes, false);
    if (older)
        client_destroy(state, older);
    if (!make_room(state, who->address, now_ms))
        return NFS4ERR_DELAY;
    *client = client_new(state, who, exchange, now_ms);
    return NFS4_OK;
}

enum nfs4_status nfs4_exchange_id(struct nfs4_state *state, const struct nfs4_principal *who,
                                  const struct nfs4_exchange *exchange, uint64_t now_ms,
                                  struct nfs4_exchanged *exchanged)
{
    enum nfs4_status status;

    pthread_mutex_lock(&state->lock);
    struct nfs4_client *client = find_owner(state, who, exchange->owner, exchange->owner_bytes, true);
    if (exchange->update)
        status = update(client, who, exchange);
    else
        status = establish(state, client, who, exchange, now_ms, &client);
    if (status == NFS4_OK) {
        client->renewed_ms = now_ms;
        *exchanged =
            (struct nfs4_exchanged){client->numbered.number, client->sequence + 1, client->confirmed};
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}

void client_confirm(struct nfs4_state *state, struct nfs4_client *client)
{
    struct nfs4_client *older =
        find_owner(state, &client->principal, client->owner, client->owner_bytes, true);

    if (client->confirmed)
        return;
    if (older)
        client_destroy(state, older);
    client->confirmed = true;
}

enum nfs4_status nfs4_destroy_client(struct nfs4_state *state, const struct nfs4_principal *who,
                                     uint64_t client_id)
{
    enum nfs4_status status = NFS4_OK;

    pthread_mutex_lock(&state->lock);
    struct nfs4_client *client = client_find(state, who, client_id);
    if (!client)
        status = NFS4ERR_STALE_CLIENTID;
    else if (client->sessions || client->opens)
        status = NFS4ERR_CLIENTID_BUSY;
    else
        client_destroy(state, client);
    pthread_mutex_unlock(&state->lock);
    return status;
}

/* For one file system it says nothing: none of ours ever moves. */
enum nfs4_status nfs4_reclaim_complete(struct nfs4_state *state, struct nfs4_client *client, bool one_fs)
{
    enum nfs4_status status = NFS4_OK;

    pthread_mutex_lock(&state->lock);
    if (!one_fs && client->reclaim_completed)
        status = NFS4ERR_COMPLETE_ALREADY;
    else if (!one_fs)
        client->reclaim_completed = true;
    pthread_mutex_unlock(&state->lock);
    return status;
}

static bool is_to_be_forgotten(const struct nfs4_client *client, uint64_t now_ms)
{
    if (!client_is_expired(client, now_ms))
        return false;
    return !client->confirmed || !client->opens || now_ms > client->renewed_ms + courtesy_ms;
}

void nfs4_state_sweep(struct nfs4_state *state, uint64_t now_ms)
{
    struct nfs4_client *next;

    pthread_mutex_lock(&state->lock);
    for (struct nfs4_client *c = state->clients; c; c = next) {
        next = c->next;
        if (is_to_be_forgotten(c, now_ms))
            client_destroy(state, c);
    }
    pthread_mutex_unlock(&state->lock);
}
