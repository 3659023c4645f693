/*
 * LOCK, LOCKT and LOCKU (RFC 8881 18.10 to 18.12).
 */
#include "nfs/nfs4_parts.h"

static enum nfs4_status decode_lock_type(struct reader *r, bool *write)
{
    uint32_t type = reader_be32(r);

    *write = type == WRITE_LT || type == WRITEW_LT;
    return type >= READ_LT && type <= WRITEW_LT ? NFS4_OK : NFS4ERR_BADXDR;
}

static void decode_owner(struct reader *r, struct nfs4_owner *owner)
{
    reader_be64(r); /* the client: the session says who */
    owner->bytes = xdr_opaque(r, NFS4_OPAQUE_LIMIT, &owner->length_bytes);
}

/* locker4: a new owner on top of an open, or one that has locks already. */
static enum nfs4_status decode_locker(struct nfs4_compound *c, struct nfs4_lock *lock,
                                      struct nfs4_stateid *stateid)
{
    enum nfs4_status status;

    lock->new_owner = xdr_bool(c->in);
    if (lock->new_owner)
        reader_be32(c->in); /* numbers of version 4.0, here and below */
    status = nfs4_take_stateid(c, stateid);
    reader_be32(c->in);
    if (lock->new_owner)
        decode_owner(c->in, &lock->owner);
    return status == NFS4_OK ? nfs4_decoded(c) : status;
}

static void put_denied(struct writer *w, const struct nfs4_denied *denied)
{
    writer_be64(w, denied->offset);
    writer_be64(w, denied->length);
    writer_be32(w, denied->write ? WRITE_LT : READ_LT);
    writer_be64(w, denied->client_id);
    xdr_put_opaque(w, denied->owner, denied->owner_bytes);
}

/* Only plain files have ranges. */
static enum nfs4_status check_lockable(struct nfs4_compound *c)
{
    struct folder_attributes a;
    enum nfs4_status status = nfs_status_of(view_attributes(c->view, &c->current, &a));

    return status == NFS4_OK ? nfs4_must_be_file(a.kind) : status;
}

enum nfs4_status nfs4_op_lock(struct nfs4_compound *c)
{
    struct nfs4_lock lock = {.key = nfs4_key_of(&c->current)};
    struct nfs4_stateid stateid;
    struct nfs4_denied denied;
    enum nfs4_status status = decode_lock_type(c->in, &lock.write);

    lock.reclaim = xdr_bool(c->in);
    lock.offset = reader_be64(c->in);
    lock.length = reader_be64(c->in);
    if (status == NFS4_OK)
        status = decode_locker(c, &lock, &stateid);
    if (status == NFS4_OK)
        status = check_lockable(c);
    if (status == NFS4_OK)
        status = nfs4_may_claim(c->state, c->use.client, lock.reclaim);
    if (status == NFS4_OK)
        status = nfs4_lock_range(c->state, c->use.client, &lock, c->now_ms, &stateid, &denied);
    if (status == NFS4ERR_DENIED)
        put_denied(c->out, &denied);
    if (status != NFS4_OK)
        return status;
    nfs4_set_stateid(c, &stateid);
    nfs4_put_stateid(c->out, &stateid);
    return NFS4_OK;
}

enum nfs4_status nfs4_op_lockt(struct nfs4_compound *c)
{
    struct nfs4_lock lock = {.key = nfs4_key_of(&c->current)};
    struct nfs4_denied denied;
    enum nfs4_status status = decode_lock_type(c->in, &lock.write);

    lock.offset = reader_be64(c->in);
    lock.length = reader_be64(c->in);
    decode_owner(c->in, &lock.owner);
    if (status == NFS4_OK)
        status = nfs4_decoded(c);
    if (status == NFS4_OK)
        status = check_lockable(c);
    if (status == NFS4_OK)
        status = nfs4_test_lock(c->state, c->use.client, &lock, c->now_ms, &denied);
    if (status == NFS4ERR_DENIED)
        put_denied(c->out, &denied);
    return status;
}

enum nfs4_status nfs4_op_locku(struct nfs4_compound *c)
{
    struct nfs4_lock lock = {.key = nfs4_key_of(&c->current)};
    struct nfs4_stateid stateid;
    enum nfs4_status status = decode_lock_type(c->in, &lock.write);

    reader_be32(c->in); /* a number of version 4.0 */
    enum nfs4_status stateid_status = nfs4_take_stateid(c, &stateid);
    lock.offset = reader_be64(c->in);
    lock.length = reader_be64(c->in);
    if (status == NFS4_OK)
        status = stateid_status;
    if (status == NFS4_OK)
        status = nfs4_decoded(c);
    if (status == NFS4_OK)
        status = nfs4_unlock_range(c->state, c->use.client, &lock, &stateid);
    if (status != NFS4_OK)
        return status;
    nfs4_set_stateid(c, &stateid);
    nfs4_put_stateid(c->out, &stateid);
    return NFS4_OK;
}
