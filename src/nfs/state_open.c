/*
 * Opens and share reservations (RFC 8881 9.7 to 9.10, 18.16 to 18.18), and stateids (8.2).
 */
#include "base/bytes.h"
#include "nfs/state_parts.h"

bool key_equal(const struct nfs4_file_key *a, const struct nfs4_file_key *b)
{
    return a->folder == b->folder && a->object.inode == b->object.inode &&
           a->object.generation == b->object.generation;
}

/* ---- stateids: this run's epoch, and a number ---- */

struct nfs4_stateid stateid_make(const struct nfs4_state *state, uint64_t number, uint32_t sequence)
{
    struct nfs4_stateid stateid = {.sequence = sequence};
    struct writer w = writer_over(stateid.other, sizeof(stateid.other));

    writer_be32(&w, state->epoch);
    writer_be64(&w, number);
    return stateid;
}

bool stateid_number(const struct nfs4_state *state, const struct nfs4_stateid *stateid, uint64_t *number)
{
    struct reader r = reader_over(stateid->other, sizeof(stateid->other));
    bool of_this_run = reader_be32(&r) == state->epoch;

    *number = reader_be64(&r);
    return of_this_run;
}

enum nfs4_status stateid_check_sequence(const struct nfs4_stateid *stateid, uint32_t sequence)
{
    if (stateid->sequence == 0 || stateid->sequence == sequence)
        return NFS4_OK;
    return stateid->sequence < sequence ? NFS4ERR_OLD_STATEID : NFS4ERR_BAD_STATEID;
}

static bool other_is(const struct nfs4_stateid *stateid, uint8_t byte)
{
    for (size_t i = 0; i < sizeof(stateid->other); i++) {
        if (stateid->other[i] != byte)
            return false;
    }
    return true;
}

bool nfs4_stateid_is_current(const struct nfs4_stateid *stateid)
{
    return stateid->sequence == 1 && other_is(stateid, 0);
}

static bool is_anonymous(const struct nfs4_stateid *stateid)
{
    return stateid->sequence == 0 && other_is(stateid, 0);
}

static bool is_read_bypass(const struct nfs4_stateid *stateid)
{
    return stateid->sequence == UINT32_MAX && other_is(stateid, 0xff);
}

bool nfs4_stateid_is_special(const struct nfs4_stateid *stateid)
{
    return other_is(stateid, 0) || other_is(stateid, 0xff);
}

/* ---- files that are open ---- */

static struct shared_file **file_bucket(struct nfs4_state *state, const struct nfs4_file_key *key)
{
    return &state->files[(key->object.inode ^ key->folder) % FILE_BUCKETS];
}

struct shared_file *shared_file_find(struct nfs4_state *state, const struct nfs4_file_key *key)
{
    struct shared_file *file = *file_bucket(state, key);

    while (file && !key_equal(&file->key, key))
        file = file->next;
    return file;
}

static struct shared_file *shared_file_get(struct nfs4_state *state, const struct nfs4_file_key *key)
{
    struct shared_file **bucket = file_bucket(state, key);
    struct shared_file *file = shared_file_find(state, key);

    if (file)
        return file;
    file = xcalloc(1, sizeof(*file));
    file->key = *key;
    file->next = *bucket;
    *bucket = file;
    return file;
}

static void shared_file_drop_if_unused(struct nfs4_state *state, struct shared_file *file)
{
    struct shared_file **at = file_bucket(state, &file->key);

    if (file->opens)
        return;
    while (*at != file)
        at = &(*at)->next;
    *at = file->next;
    free(file);
}

/* ---- life ---- */

void open_destroy(struct nfs4_state *state, struct open *open)
{
    struct open **at = &open->client->opens;

    while (open->locks)
        lock_destroy(state, open->locks);
    while (*at != open)
        at = &(*at)->next;
    *at = open->next;
    open->client->open_count--;
    for (at = &open->shared->opens; *at != open;)
        at = &(*at)->next_of_file;
    *at = open->next_of_file;
    shared_file_drop_if_unused(state, open->shared);
    numbered_remove(&state->open_ids, &open->numbered);
    folder_file_put(open->file);
    free(open->owner);
    free(open);
}

static struct open *open_new(struct nfs4_state *state, struct nfs4_client *client,
                             const struct nfs4_open *wish)
{
    struct open *open = xcalloc(1, sizeof(*open));

    open->client = client;
    open->owner = xcalloc(1, wish->owner.length_bytes + 1);
    memcpy(open->owner, wish->owner.bytes, wish->owner.length_bytes);
    open->owner_bytes = wish->owner.length_bytes;
    open->file = folder_file_ref(wish->file);
    open->shared = shared_file_get(state, &wish->key);
    open->next_of_file = open->shared->opens;
    open->shared->opens = open;
    open->next = client->opens;
    client->opens = open;
    client->open_count++;
    numbered_add(&state->open_ids, &open->numbered, ++state->last_number);
    return open;
}

/* ---- share reservations ---- */

static bool same_owner(const struct open *open, const struct nfs4_client *client,
                       const struct nfs4_owner *owner)
{
    return open->client == client && open->owner_bytes == owner->length_bytes &&
           memcmp(open->owner, owner->bytes, owner->length_bytes) == 0;
}

static struct open *find_conflict(const struct shared_file *file, const struct nfs4_client *client,
                                  const struct nfs4_open *wish)
{
    for (struct open *o = file ? file->opens : NULL; o; o = o->next_of_file) {
        if (!same_owner(o, client, &wish->owner) && (o->deny & wish->access || o->access & wish->deny))
            return o;
    }
    return NULL;
}

/* Those that are gone do not stand in anybody's way. */
static bool is_denied(struct nfs4_state *state, const struct nfs4_client *client,
                      const struct nfs4_open *wish, uint64_t now_ms)
{
    struct open *conflict;

    while ((conflict = find_conflict(shared_file_find(state, &wish->key), client, wish))) {
        if (conflict->client == client || !client_is_expired(conflict->client, now_ms))
            return true;
        client_destroy(state, conflict->client);
    }
    return false;
}

/* ---- operations ---- */

enum nfs4_status nfs4_may_claim(struct nfs4_state *state, const struct nfs4_client *client, bool reclaim)
{
    pthread_mutex_lock(&state->lock);
    bool completed = client->reclaim_completed;
    pthread_mutex_unlock(&state->lock);
    if (reclaim)
        return completed ? NFS4ERR_NO_GRACE : NFS4_OK;
    return completed ? NFS4_OK : NFS4ERR_GRACE;
}

static struct open *find_own(struct nfs4_state *state, const struct nfs4_client *client,
                             const struct nfs4_open *wish)
{
    const struct shared_file *file = shared_file_find(state, &wish->key);
    struct open *open = file ? file->opens : NULL;

    while (open && !same_owner(open, client, &wish->owner))
        open = open->next_of_file;
    return open;
}

static enum nfs4_status open_locked(struct nfs4_state *state, struct nfs4_client *client,
                                    const struct nfs4_open *wish, uint64_t now_ms,
                                    struct nfs4_stateid *stateid)
{
    if (client->destroyed)
        return NFS4ERR_BADSESSION;
    if (is_denied(state, client, wish, now_ms))
        return NFS4ERR_SHARE_DENIED;
    struct open *open = find_own(state, client, wish);
    if (!open && client->open_count >= NFS4_CLIENT_OPENS_MAX)
        return NFS4ERR_DELAY;
    if (!open)
        open = open_new(state, client, wish);
    open->access |= wish->access;
    open->deny |= wish->deny;
    *stateid = stateid_make(state, open->numbered.number, ++open->sequence);
    return NFS4_OK;
}

enum nfs4_status nfs4_open_file(struct nfs4_state *state, struct nfs4_client *client,
                                const struct nfs4_open *wish, uint64_t now_ms, struct nfs4_stateid *stateid)
{
    pthread_mutex_lock(&state->lock);
    enum nfs4_status status = open_locked(state, client, wish, now_ms, stateid);
    pthread_mutex_unlock(&state->lock);
    return status;
}

enum nfs4_status open_find(struct nfs4_state *state, const struct nfs4_client *client,
                           const struct nfs4_stateid *stateid, struct open **open)
{
    uint64_t number;
    struct numbered *entry =
        stateid_number(state, stateid, &number) ? numbered_find(&state->open_ids, number) : NULL;

    *open = entry ? CONTAINER_OF(entry, struct open, numbered) : NULL;
    if (!*open || (*open)->client != client)
        return NFS4ERR_BAD_STATEID;
    return stateid_check_sequence(stateid, (*open)->sequence);
}

static enum nfs4_status find_of_file(struct nfs4_state *state, const struct nfs4_client *client,
                                     const struct nfs4_file_key *key, const struct nfs4_stateid *stateid,
                                     struct open **open)
{
    enum nfs4_status status = open_find(state, client, stateid, open);

    return status == NFS4_OK && !key_equal(&(*open)->shared->key, key) ? NFS4ERR_BAD_STATEID : status;
}

enum nfs4_status nfs4_open_downgrade(struct nfs4_state *state, struct nfs4_client *client,
                                     const struct nfs4_file_key *key, uint32_t access, uint32_t deny,
                                     struct nfs4_stateid *stateid)
{
    struct open *open;

    pthread_mutex_lock(&state->lock);
    enum nfs4_status status = find_of_file(state, client, key, stateid, &open);
    if (status == NFS4_OK && (access & ~open->access || deny & ~open->deny))
        status = NFS4ERR_INVAL;
    if (status == NFS4_OK) {
        open->access = access;
        open->deny = deny;
        *stateid = stateid_make(state, open->numbered.number, ++open->sequence);
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}

enum nfs4_status nfs4_close_file(struct nfs4_state *state, struct nfs4_client *client,
                                 const struct nfs4_file_key *key, struct nfs4_stateid *stateid)
{
    struct open *open;

    pthread_mutex_lock(&state->lock);
    enum nfs4_status status = find_of_file(state, client, key, stateid, &open);
    if (status == NFS4_OK) {
        open_destroy(state, open);
        /* RFC 8881 18.2.4: what is closed has no stateid; this one is never valid. */
        memset(stateid->other, 0, sizeof(stateid->other));
        stateid->sequence = UINT32_MAX;
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}

/* ---- I/O ---- */

static bool is_denied_to_strangers(const struct shared_file *file, uint32_t access)
{
    for (const struct open *o = file ? file->opens : NULL; o; o = o->next_of_file) {
        if (o->deny & access)
            return true;
    }
    return false;
}

/* The open behind an open's or a lock's stateid. */
static enum nfs4_status find_behind(struct nfs4_state *state, const struct nfs4_client *client,
                                    const struct nfs4_stateid *stateid, struct open **open)
{
    struct lock_state *lock;
    enum nfs4_status status = lock_find(state, client, stateid, &lock);

    if (!lock)
        return open_find(state, client, stateid, open);
    *open = lock->open;
    return status;
}

static enum nfs4_status check_io(struct nfs4_state *state, const struct nfs4_client *client,
                                 const struct nfs4_file_key *key, const struct nfs4_stateid *stateid,
                                 uint32_t access, struct folder_file **file)
{
    struct open *open;

    if (is_read_bypass(stateid) && access == OPEN4_SHARE_ACCESS_READ)
        return NFS4_OK;
    if (is_anonymous(stateid) || is_read_bypass(stateid))
        return is_denied_to_strangers(shared_file_find(state, key), access) ? NFS4ERR_LOCKED : NFS4_OK;
    enum nfs4_status status = find_behind(state, client, stateid, &open);
    if (status != NFS4_OK)
        return status;
    if (!key_equal(&open->shared->key, key))
        return NFS4ERR_BAD_STATEID;
    if (access & ~open->access)
        return NFS4ERR_OPENMODE;
    *file = folder_file_ref(open->file);
    return NFS4_OK;
}

enum nfs4_status nfs4_check_io(struct nfs4_state *state, struct nfs4_client *client,
                               const struct nfs4_file_key *key, const struct nfs4_stateid *stateid,
                               uint32_t access, struct folder_file **file)
{
    *file = NULL;
    pthread_mutex_lock(&state->lock);
    enum nfs4_status status = check_io(state, client, key, stateid, access, file);
    pthread_mutex_unlock(&state->lock);
    return status;
}

enum nfs4_status nfs4_test_stateid(struct nfs4_state *state, struct nfs4_client *client,
                                   const struct nfs4_stateid *stateid)
{
    struct open *open;

    if (nfs4_stateid_is_special(stateid))
        return NFS4ERR_BAD_STATEID;
    pthread_mutex_lock(&state->lock);
    enum nfs4_status status = find_behind(state, client, stateid, &open);
    pthread_mutex_unlock(&state->lock);
    return status;
}

enum nfs4_status nfs4_free_stateid(struct nfs4_state *state, struct nfs4_client *client,
                                   const struct nfs4_stateid *stateid)
{
    struct lock_state *lock;
    struct open *open;

    pthread_mutex_lock(&state->lock);
    enum nfs4_status status = lock_find(state, client, stateid, &lock);
    if (!lock) {
        status = open_find(state, client, stateid, &open);
        if (open)
            status = status == NFS4_OK ? NFS4ERR_LOCKS_HELD : status;
    } else if (status == NFS4_OK && lock->ranges) {
        status = NFS4ERR_LOCKS_HELD;
    } else if (status == NFS4_OK) {
        lock_destroy(state, lock);
    }
    pthread_mutex_unlock(&state->lock);
    return status;
}
