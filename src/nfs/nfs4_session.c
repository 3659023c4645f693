/*
 * The operations on clients, sessions and stateids.
 */
#include "nfs/nfs4_parts.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SP4_NONE = 0,
    SP4_MACH_CRED = 1,
    IMPLEMENTATION_MAX = 1,
    SECURITY_PARAMETERS_MAX = 16,
    RDMA_IRD_MAX = 1,
    STATEIDS_MAX = 512,
    RPCSEC_GSS = 6,
    NFS4ERR_ENCR_ALG_UNSUPP = 10079,
};

/* ---- EXCHANGE_ID ---- */

static void skip_opaque(struct reader *r)
{
    size_t length;

    xdr_opaque(r, NFS4_OPAQUE_LIMIT, &length);
}

static void skip_implementation(struct reader *r)
{
    if (!xdr_count(r, IMPLEMENTATION_MAX))
        return;
    skip_opaque(r);
    skip_opaque(r);
    reader_skip(r, 12); /* its date */
}

static enum nfs4_status check_exchange_flags(uint32_t flags)
{
    const uint32_t known = EXCHGID4_FLAG_SUPP_MOVED_REFER | EXCHGID4_FLAG_SUPP_MOVED_MIGR |
                           EXCHGID4_FLAG_BIND_PRINC_STATEID | EXCHGID4_FLAG_USE_NON_PNFS |
                           EXCHGID4_FLAG_USE_PNFS_MDS | EXCHGID4_FLAG_USE_PNFS_DS |
                           EXCHGID4_FLAG_UPD_CONFIRMED_REC_A;

    return flags & ~known ? NFS4ERR_INVAL : NFS4_OK;
}

/* Both fields of the owner, and the scope, are one name: that of this server and no other. */
static void put_server_owner(struct nfs4_compound *c)
{
    char name[32];

    snprintf(name, sizeof(name), "farboot-%016" PRIx64, c->server->identity);
    writer_be64(c->out, 0);
    xdr_put_string(c->out, name);
    xdr_put_string(c->out, name);
}

enum nfs4_status nfs4_op_exchange_id(struct nfs4_compound *c)
{
    struct nfs4_exchange exchange;
    struct nfs4_exchanged exchanged;

    reader_copy(c->in, exchange.verifier, sizeof(exchange.verifier));
    exchange.owner = xdr_opaque(c->in, NFS4_OPAQUE_LIMIT, &exchange.owner_bytes);
    uint32_t flags = reader_be32(c->in);
    uint32_t protection = reader_be32(c->in);
    if (reader_ok(c->in) && protection != SP4_NONE)
        return protection == SP4_MACH_CRED ? NFS4ERR_INVAL : (enum nfs4_status)NFS4ERR_ENCR_ALG_UNSUPP;
    skip_implementation(c->in);
    enum nfs4_status status = nfs4_decoded(c);
    if (status == NFS4_OK)
        status = check_exchange_flags(flags);
    exchange.update = flags & EXCHGID4_FLAG_UPD_CONFIRMED_REC_A;
    if (status == NFS4_OK)
        status = nfs4_exchange_id(c->state, &c->who, &exchange, c->now_ms, &exchanged);
    if (status != NFS4_OK)
        return status;
    writer_be64(c->out, exchanged.client_id);
    writer_be32(c->out, exchanged.sequence);
    writer_be32(c->out, EXCHGID4_FLAG_USE_NON_PNFS | (exchanged.confirmed ? EXCHGID4_FLAG_CONFIRMED_R : 0));
    writer_be32(c->out, SP4_NONE);
    put_server_owner(c);
    writer_be32(c->out, 0); /* who wrote us is nobody's concern */
    return NFS4_OK;
}

enum nfs4_status nfs4_op_destroy_clientid(struct nfs4_compound *c)
{
    uint64_t client_id = reader_be64(c->in);
    enum nfs4_status status = nfs4_decoded(c);

    return status == NFS4_OK ? nfs4_destroy_client(c->state, &c->who, client_id) : status;
}

/* ---- CREATE_SESSION ---- */

static struct nfs4_channel decode_channel(struct reader *r)
{
    struct nfs4_channel channel = {.header_pad_bytes = reader_be32(r)};

    channel.max_request_bytes = reader_be32(r);
    channel.max_response_bytes = reader_be32(r);
    channel.max_cached_bytes = reader_be32(r);
    channel.max_operations = reader_be32(r);
    channel.max_requests = reader_be32(r);
    if (xdr_count(r, RDMA_IRD_MAX))
        reader_be32(r);
    return channel;
}

static void put_channel(struct writer *w, const struct nfs4_channel *channel)
{
    writer_be32(w, channel->header_pad_bytes);
    writer_be32(w, channel->max_request_bytes);
    writer_be32(w, channel->max_response_bytes);
    writer_be32(w, channel->max_cached_bytes);
    writer_be32(w, channel->max_operations);
    writer_be32(w, channel->max_requests);
    writer_be32(w, 0);
}

/* How we would prove ourselves when calling back, which we never do. */
static void skip_callback_security(struct reader *r)
{
    uint32_t count = xdr_count(r, SECURITY_PARAMETERS_MAX);

    for (uint32_t i = 0; i < count && reader_ok(r); i++) {
        uint32_t flavor = reader_be32(r);
        if (flavor == RPC_AUTH_SYS) {
            reader_be32(r);
            skip_opaque(r);
            reader_skip(r, 8);
            reader_skip(r, xdr_count(r, RPC_GROUPS_MAX) * (size_t)4);
        } else if (flavor == RPCSEC_GSS) {
            reader_be32(r);
            skip_opaque(r);
            skip_opaque(r);
        } else if (flavor != RPC_AUTH_NONE) {
            r->failed = true;
        }
    }
}

static void put_created_session(struct writer *w, const struct nfs4_created_session *created)
{
    writer_bytes(w, created->session_id, sizeof(created->session_id));
    writer_be32(w, created->sequence);
    writer_be32(w, 0); /* no replies on disk, no calls back */
    put_channel(w, &created->fore);
    put_channel(w, &created->back);
}

enum nfs4_status nfs4_op_create_session(struct nfs4_compound *c)
{
    struct nfs4_create_session create = {.client_id = reader_be64(c->in)};
    struct nfs4_created_session created;

    create.sequence = reader_be32(c->in);
    uint32_t flags = reader_be32(c->in);
    create.fore = decode_channel(c->in);
    create.back = decode_channel(c->in);
    reader_be32(c->in); /* the program to call back */
    skip_callback_security(c->in);
    enum nfs4_status status = nfs4_decoded(c);
    if (status == NFS4_OK && flags & ~(uint32_t)CREATE_SESSION4_FLAG_ALL)
        status = NFS4ERR_INVAL;
    if (status == NFS4_OK)
        status = nfs4_create_session(c->state, &c->who, &create, c->now_ms, &created);
    if (status == NFS4_OK)
        put_created_session(c->out, &created);
    return status;
}

enum nfs4_status nfs4_op_destroy_session(struct nfs4_compound *c)
{
    uint8_t id[NFS4_SESSIONID_SIZE];

    reader_copy(c->in, id, sizeof(id));
    enum nfs4_status status = nfs4_decoded(c);
    if (status != NFS4_OK)
        return status;
    /* RFC 8881 18.37.3: a session may end itself only with its last words. */
    bool itself = c->in_session && memcmp(c->use.session_id, id, sizeof(id)) == 0;
    if (itself && c->operation_index + 1 != c->operation_count)
        return NFS4ERR_NOT_ONLY_OP;
    return nfs4_destroy_session(c->state, &c->who, id);
}

enum nfs4_status nfs4_op_bind_conn_to_session(struct nfs4_compound *c)
{
    enum { FORE = 1, BACK = 2, FORE_OR_BOTH = 3, BACK_OR_BOTH = 7, BOTH = 3 };
    uint8_t id[NFS4_SESSIONID_SIZE];

    reader_copy(c->in, id, sizeof(id));
    uint32_t direction = reader_be32(c->in);
    bool rdma = xdr_bool(c->in);
    enum nfs4_status status = nfs4_decoded(c);
    if (status == NFS4_OK && direction != FORE && direction != BACK && direction != FORE_OR_BOTH &&
        direction != BACK_OR_BOTH)
        status = NFS4ERR_INVAL;
    if (status == NFS4_OK)
        status = nfs4_find_session(c->state, &c->who, id);
    if (status != NFS4_OK)
        return status;
    (void)rdma;
    writer_bytes(c->out, id, sizeof(id));
    writer_be32(c->out, direction == BACK_OR_BOTH ? (uint32_t)BOTH
                        : direction == BACK       ? (uint32_t)BACK
                                                  : (uint32_t)FORE);
    xdr_put_bool(c->out, false);
    return NFS4_OK;
}

enum nfs4_status nfs4_op_backchannel_ctl(struct nfs4_compound *c)
{
    reader_be32(c->in);
    skip_callback_security(c->in);
    return nfs4_decoded(c);
}

/* ---- SEQUENCE ---- */

static void put_sequence(struct nfs4_compound *c, const struct nfs4_sequence *sequence)
{
    writer_bytes(c->out, sequence->session_id, sizeof(sequence->session_id));
    writer_be32(c->out, sequence->sequence);
    writer_be32(c->out, sequence->slot);
    writer_be32(c->out, c->use.highest_slot);
    writer_be32(c->out, c->use.highest_slot);
    writer_be32(c->out, 0); /* nothing to tell of leases and delegations */
}

enum nfs4_status nfs4_op_sequence(struct nfs4_compound *c)
{
    struct nfs4_sequence sequence = {
        .request_bytes = c->request->call_bytes,
        .operations = c->operation_count,
        .least_reply_bytes = c->least_reply_bytes,
        .fingerprint = c->fingerprint,
    };

    reader_copy(c->in, sequence.session_id, sizeof(sequence.session_id));
    sequence.sequence = reader_be32(c->in);
    sequence.slot = reader_be32(c->in);
    sequence.highest_slot = reader_be32(c->in);
    sequence.cache = xdr_bool(c->in);
    enum nfs4_status status = nfs4_decoded(c);
    if (status != NFS4_OK)
        return status;
    switch (nfs4_sequence_begin(c->state, &c->who, &sequence, c->now_ms, &c->use)) {
    case NFS4_SLOT_NEW:
        c->in_session = true;
        c->max_reply_bytes = MIN(c->max_reply_bytes, c->use.max_response_bytes);
        put_sequence(c, &sequence);
        return NFS4_OK;
    case NFS4_SLOT_REPEAT:
        c->is_repeat = true;
        return c->use.status;
    case NFS4_SLOT_UNCACHED:
        c->is_uncached = true;
        put_sequence(c, &sequence);
        return NFS4_OK;
    case NFS4_SLOT_REFUSED:
        break;
    }
    return c->use.status;
}

/* ---- what is said inside a session ---- */

enum nfs4_status nfs4_op_reclaim_complete(struct nfs4_compound *c)
{
    bool one_fs = xdr_bool(c->in);
    enum nfs4_status status = nfs4_decoded(c);

    if (status == NFS4_OK && one_fs && !c->current.set)
        status = NFS4ERR_NOFILEHANDLE;
    return status == NFS4_OK ? nfs4_reclaim_complete(c->state, c->use.client, one_fs) : status;
}

enum nfs4_status nfs4_op_free_stateid(struct nfs4_compound *c)
{
    struct nfs4_stateid stateid;
    enum nfs4_status status = nfs4_take_stateid(c, &stateid);

    return status == NFS4_OK ? nfs4_free_stateid(c->state, c->use.client, &stateid) : status;
}

enum nfs4_status nfs4_op_test_stateid(struct nfs4_compound *c)
{
    uint32_t count = xdr_count(c->in, STATEIDS_MAX);

    writer_be32(c->out, count);
    for (uint32_t i = 0; i < count && reader_ok(c->in); i++) {
        struct nfs4_stateid stateid = nfs4_decode_stateid(c->in);
        writer_be32(c->out, nfs4_test_stateid(c->state, c->use.client, &stateid));
    }
    return nfs4_decoded(c);
}
