/*
 * Byte-range locks (RFC 8881 9.1 to 9.6, 18.10 to 18.12): POSIX semantics, never waiting.
 */
#include "nfs/state_parts.h"

/* ---- ranges of one owner: in order, apart ---- */

struct span {
    uint64_t first, last;
};

static enum nfs4_status span_of(const struct nfs4_lock *lock, struct span *span)
{
    if (lock->length == 0)
        return NFS4ERR_INVAL;
    *span = (struct span){lock->offset, UINT64_MAX};
    if (lock->length == UINT64_MAX)
        return NFS4_OK;
    if (lock->length - 1 > UINT64_MAX - lock->offset)
        return NFS4ERR_INVAL;
    span->last = lock->offset + lock->length - 1;
    return NFS4_OK;
}

static bool overlaps(const struct range *range, const struct span *span)
{
    return range->first <= span->last && span->first <= range->last;
}

static struct range *insert_range(struct nfs4_client *client, struct range **at, struct span span, bool write)
{
    struct range *range = xcalloc(1, sizeof(*range));

    *range = (struct range){*at, span.first, span.last, write};
    *at = range;
    client->range_count++;
    return range;
}

static void remove_range(struct nfs4_client *client, struct range **at)
{
    struct range *gone = *at;

    *at = gone->next;
    free(gone);
    client->range_count--;
}

/* Takes a span out of what is locked: ranges go, shrink, or fall in two. */
static void clear_span(struct nfs4_client *client, struct range **at, const struct span *span)
{
    while (*at) {
        struct range *range = *at;
        if (!overlaps(range, span)) {
            at = &range->next;
        } else if (range->first < span->first && range->last > span->last) {
            insert_range(client, &range->next, (struct span){span->last + 1, range->last}, range->write);
            range->last = span->first - 1;
            return;
        } else if (range->first < span->first) {
            range->last = span->first - 1;
            at = &range->next;
        } else if (range->last > span->last) {
            range->first = span->last + 1;
            return;
        } else {
            remove_range(client, at);
        }
    }
}

static bool adjoin(const struct range *a, const struct range *b)
{
    return a->write == b->write && a->last != UINT64_MAX && a->last + 1 == b->first;
}

static void set_span(struct nfs4_client *client, struct range **first, const struct span *span, bool write)
{
    struct range **at = first;

    clear_span(client, first, span);
    while (*at && (*at)->first < span->first)
        at = &(*at)->next;
    insert_range(client, at, *span, write);
    for (struct range *r = *first; r && r->next;) {
        if (adjoin(r, r->next)) {
            r->last = r->next->last;
            remove_range(client, &r->next);
        } else {
            r = r->next;
        }
    }
}

/* ---- life ---- */

void lock_destroy(struct nfs4_state *state, struct lock_state *lock)
{
    struct lock_state **at = &lock->open->locks;

    while (lock->ranges)
        remove_range(lock->open->client, &lock->ranges);
    while (*at != lock)
        at = &(*at)->next;
    *at = lock->next;
    numbered_remove(&state->lock_ids, &lock->numbered);
    free(lock->owner);
    free(lock);
}

static bool owner_equal(const struct lock_state *lock, const struct nfs4_owner *owner)
{
    return lock->owner_bytes == owner->length_bytes &&
           memcmp(lock->owner, owner->bytes, owner->length_bytes) == 0;
}

static struct lock_state *lock_get(struct nfs4_state *state, struct open *open,
                                   const struct nfs4_owner *owner)
{
    struct lock_state *lock = open->locks;

    while (lock && !owner_equal(lock, owner))
        lock = lock->next;
    if (lock)
        return lock;
    lock = xcalloc(1, sizeof(*lock));
    lock->open = open;
    lock->owner = xcalloc(1, owner->length_bytes + 1);
    memcpy(lock->owner, owner->bytes, owner->length_bytes);
    lock->owner_bytes = owner->length_bytes;
    lock->next = open->locks;
    open->locks = lock;
    numbered_add(&state->lock_ids, &lock->numbered, ++state->last_number);
    return lock;
}

enum nfs4_status lock_find(struct nfs4_state *state, const struct nfs4_client *client,
                           const struct nfs4_stateid *stateid, struct lock_state **lock)
{
    uint64_t number;
    struct numbered *entry =
        stateid_number(state, stateid, &number) ? numbered_find(&state->lock_ids, number) : NULL;

    *lock = entry ? CONTAINER_OF(entry, struct lock_state, numbered) : NULL;
    if (*lock && (*lock)->open->client != client)
        *lock = NULL;
    return *lock ? stateid_check_sequence(stateid, (*lock)->sequence) : NFS4ERR_BAD_STATEID;
}

/* ---- conflicts ---- */

struct wish {
    const struct nfs4_client *client;
    struct nfs4_owner owner;
    struct span span;
    bool write;
};

static const struct range *conflict_in(const struct lock_state *lock, const struct wish *wish)
{
    if (lock->open->client == wish->client && owner_equal(lock, &wish->owner))
        return NULL;
    for (const struct range *r = lock->ranges; r; r = r->next) {
        if (overlaps(r, &wish->span) && (r->write || wish->write))
            return r;
    }
    return NULL;
}

static const struct range *find_conflict(const struct shared_file *file, const struct wish *wish,
                                         struct lock_state **holder)
{
    for (struct open *o = file ? file->opens : NULL; o; o = o->next_of_file) {
        for (struct lock_state *l = o->locks; l; l = l->next) {
            const struct range *range = conflict_in(l, wish);
            *holder = l;
            if (range)
                return range;
        }
    }
    return NULL;
}

static void fill_denied(const struct lock_state *holder, const struct range *range,
                        struct nfs4_denied *denied)
{
    denied->offset = range->first;
    denied->length = range->last == UINT64_MAX ? UINT64_MAX : range->last - range->first + 1;
    denied->write = range->write;
    denied->client_id = holder->open->client->numbered.number;
    denied->owner_bytes = holder->owner_bytes;
    memcpy(denied->owner, holder->owner, holder->owner_bytes);
}

static enum nfs4_status check_conflicts(struct nfs4_state *state, const struct nfs4_file_key *key,
                                        const struct wish *wish, uint64_t now_ms, struct nfs4_denied *denied)
{
    const struct range *range;
    struct lock_state *holder;

    while ((range = find_conflict(shared_file_find(state, key), wish, &holder))) {
        struct nfs4_client *client = holder->open->client;
        if (client == wish->client || !client_is_expired(client, now_ms)) {
            fill_denied(holder, range, denied);
            return NFS4ERR_DENIED;
        }
        client_destroy(state, client);
    }
    return NFS4_OK;
}

/* ---- operations ---- */

/* The open that is to be locked, and by whom. */
static enum nfs4_status find_locker(struct nfs4_state *state, const struct nfs4_client *client,
                                    const struct nfs4_lock *lock, const struct nfs4_stateid *stateid,
                                    struct open **open, struct nfs4_owner *owner)
{
    struct lock_state *held;

    *owner = lock->owner;
    if (lock->new_owner)
        return open_find(state, client, stateid, open);
    enum nfs4_status status = lock_find(state, client, stateid, &held);
    if (status == NFS4_OK) {
        *open = held->open;
        *owner = (struct nfs4_owner){held->owner, held->owner_bytes};
    }
    return status;
}

static enum nfs4_status lock_locked(struct nfs4_state *state, struct nfs4_client *client,
                                    const struct nfs4_lock *lock, uint64_t now_ms,
                                    struct nfs4_stateid *stateid, struct nfs4_denied *denied)
{
    struct wish wish = {.client = client, .write = lock->write};
    struct open *open;
    enum nfs4_status status = span_of(lock, &wish.span);

    if (status == NFS4_OK)
        status = find_locker(state, client, lock, stateid, &open, &wish.owner);
    if (status == NFS4_OK && !key_equal(&open->shared->key, &lock->key))
        status = NFS4ERR_BAD_STATEID;
    if (status == NFS4_OK &&
        !(open->access & (lock->write ? OPEN4_SHARE_ACCESS_WRITE : OPEN4_SHARE_ACCESS_READ)))
        status = NFS4ERR_OPENMODE;
    if (status == NFS4_OK)
        status = check_conflicts(state, &lock->key, &wish, now_ms, denied);
    if (status == NFS4_OK && client->range_count >= NFS4_CLIENT_RANGES_MAX)
        status = NFS4ERR_DELAY;
    if (status != NFS4_OK)
        return status;
    struct lock_state *held = lock_get(state, open, &wish.owner);
    set_span(client, &held->ranges, &wish.span, lock->write);
    *stateid = stateid_make(state, held->numbered.number, ++held->sequence);
    return NFS4_OK;
}

enum nfs4_status nfs4_lock_range(struct nfs4_state *state, struct nfs4_client *client,
                                 const struct nfs4_lock *lock, uint64_t now_ms, struct nfs4_stateid *stateid,
                                 struct nfs4_denied *denied)
{
    pthread_mutex_lock(&state->lock);
    enum nfs4_status status = lock_locked(state, client, lock, now_ms, stateid, denied);
    pthread_mutex_unlock(&state->lock);
    return status;
}

enum nfs4_status nfs4_test_lock(struct nfs4_state *state, struct nfs4_client *client,
                                const struct nfs4_lock *lock, uint64_t now_ms, struct nfs4_denied *denied)
{
    struct wish wish = {.client = client, .owner = lock->owner, .write = lock->write};
    enum nfs4_status status = span_of(lock, &wish.span);

    pthread_mutex_lock(&state->lock);
    if (status == NFS4_OK)
        status = check_conflicts(state, &lock->key, &wish, now_ms, denied);
    pthread_mutex_unlock(&state->lock);
    return status;
}

enum nfs4_status nfs4_unlock_range(struct nfs4_state *state, struct nfs4_client *client,
                                   const struct nfs4_lock *lock, struct nfs4_stateid *stateid)
{
    struct lock_state *held;
    struct span span;
    enum nfs4_status status = span_of(lock, &span);

    pthread_mutex_lock(&state->lock);
    if (status == NFS4_OK)
        status = lock_find(state, client, stateid, &held);
    if (status == NFS4_OK && !key_equal(&held->open->shared->key, &lock->key))
        status = NFS4ERR_BAD_STATEID;
    if (status == NFS4_OK) {
        clear_span(client, &held->ranges, &span);
        *stateid = stateid_make(state, held->numbered.number, ++held->sequence);
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}
