#include "nfs/nfs4_parts.h"

enum {
    TAG_MAX_BYTES = 1024,
    FINGERPRINT_BYTES = 1024,
    SEQUENCE_RESULT_BYTES = 44,
    MINOR_RESULT_BYTES = 160, /* no operation that changes anything answers more */
};

enum {
    NEEDS_HANDLE = 1, /* a current file handle */
    NEEDS_SAVED = 2,  /* and a saved one */
    STANDS_ALONE = 4, /* may come outside a session, then alone */
    KEEPS_RESULT = 8, /* has a result even when it fails */
    CHANGES = 16,     /* something; so its answer must be known to fit before it runs */
};

/* An operation without a function is one that we know and do not offer. */
static const struct {
    nfs4_operation_fn *run;
    unsigned flags;
} operations[] = {
    [OP_ACCESS] = {nfs4_op_access, NEEDS_HANDLE},
    [OP_CLOSE] = {nfs4_op_close, NEEDS_HANDLE | CHANGES},
    [OP_COMMIT] = {nfs4_op_commit, NEEDS_HANDLE | CHANGES},
    [OP_CREATE] = {nfs4_op_create, NEEDS_HANDLE | CHANGES},
    [OP_GETATTR] = {nfs4_op_getattr, NEEDS_HANDLE},
    [OP_GETFH] = {nfs4_op_getfh, NEEDS_HANDLE},
    [OP_LINK] = {nfs4_op_link, NEEDS_HANDLE | NEEDS_SAVED | CHANGES},
    [OP_LOCK] = {nfs4_op_lock, NEEDS_HANDLE | KEEPS_RESULT | CHANGES},
    [OP_LOCKT] = {nfs4_op_lockt, NEEDS_HANDLE | KEEPS_RESULT},
    [OP_LOCKU] = {nfs4_op_locku, NEEDS_HANDLE | CHANGES},
    [OP_LOOKUP] = {nfs4_op_lookup, NEEDS_HANDLE},
    [OP_LOOKUPP] = {nfs4_op_lookupp, NEEDS_HANDLE},
    [OP_NVERIFY] = {nfs4_op_nverify, NEEDS_HANDLE},
    [OP_OPEN] = {nfs4_op_open, NEEDS_HANDLE | CHANGES},
    [OP_OPEN_DOWNGRADE] = {nfs4_op_open_downgrade, NEEDS_HANDLE | CHANGES},
    [OP_PUTFH] = {nfs4_op_putfh, 0},
    [OP_PUTPUBFH] = {nfs4_op_putrootfh, 0},
    [OP_PUTROOTFH] = {nfs4_op_putrootfh, 0},
    [OP_READ] = {nfs4_op_read, NEEDS_HANDLE},
    [OP_READDIR] = {nfs4_op_readdir, NEEDS_HANDLE},
    [OP_READLINK] = {nfs4_op_readlink, NEEDS_HANDLE},
    [OP_REMOVE] = {nfs4_op_remove, NEEDS_HANDLE | CHANGES},
    [OP_RENAME] = {nfs4_op_rename, NEEDS_HANDLE | NEEDS_SAVED | CHANGES},
    [OP_RESTOREFH] = {nfs4_op_restorefh, 0},
    [OP_SAVEFH] = {nfs4_op_savefh, NEEDS_HANDLE},
    [OP_SECINFO] = {nfs4_op_secinfo, NEEDS_HANDLE},
    [OP_SETATTR] = {nfs4_op_setattr, NEEDS_HANDLE | KEEPS_RESULT | CHANGES},
    [OP_VERIFY] = {nfs4_op_verify, NEEDS_HANDLE},
    [OP_WRITE] = {nfs4_op_write, NEEDS_HANDLE | CHANGES},
    [OP_BACKCHANNEL_CTL] = {nfs4_op_backchannel_ctl, 0},
    [OP_BIND_CONN_TO_SESSION] = {nfs4_op_bind_conn_to_session, STANDS_ALONE},
    [OP_EXCHANGE_ID] = {nfs4_op_exchange_id, STANDS_ALONE},
    [OP_CREATE_SESSION] = {nfs4_op_create_session, STANDS_ALONE},
    [OP_DESTROY_SESSION] = {nfs4_op_destroy_session, STANDS_ALONE},
    [OP_FREE_STATEID] = {nfs4_op_free_stateid, CHANGES},
    [OP_SECINFO_NO_NAME] = {nfs4_op_secinfo_no_name, NEEDS_HANDLE},
    [OP_SEQUENCE] = {nfs4_op_sequence, STANDS_ALONE},
    [OP_TEST_STATEID] = {nfs4_op_test_stateid, 0},
    [OP_DESTROY_CLIENTID] = {nfs4_op_destroy_clientid, STANDS_ALONE},
    [OP_RECLAIM_COMPLETE] = {nfs4_op_reclaim_complete, CHANGES},
};

static bool is_known(uint32_t operation)
{
    return operation >= OP_ACCESS && operation < ARRAY_SIZE(operations);
}

/* Whether the operation may come at this place (RFC 8881 2.10.2, 18.46.3). */
static enum nfs4_status check_place(const struct nfs4_compound *c, uint32_t operation)
{
    bool first = c->operation_index == 0;
    bool stands_alone = operations[operation].flags & STANDS_ALONE;

    if (operation == OP_SEQUENCE)
        return first ? NFS4_OK : NFS4ERR_SEQUENCE_POS;
    if (operation == OP_BIND_CONN_TO_SESSION && !first)
        return NFS4ERR_NOT_ONLY_OP;
    if (c->in_session)
        return NFS4_OK;
    if (!stands_alone)
        return NFS4ERR_OP_NOT_IN_SESSION;
    return c->operation_count == 1 ? NFS4_OK : NFS4ERR_NOT_ONLY_OP;
}

static enum nfs4_status check_handles(const struct nfs4_compound *c, unsigned flags)
{
    if ((flags & NEEDS_HANDLE && !c->current.set) || (flags & NEEDS_SAVED && !c->saved.set))
        return NFS4ERR_NOFILEHANDLE;
    return NFS4_OK;
}

static enum nfs4_status too_big(const struct nfs4_compound *c)
{
    return c->use.cache_is_narrower ? NFS4ERR_REP_TOO_BIG_TO_CACHE : NFS4ERR_REP_TOO_BIG;
}

static bool fits(const struct nfs4_compound *c, size_t more_bytes)
{
    return writer_ok(c->out) && c->out->offset + more_bytes <= c->max_reply_bytes;
}

static enum nfs4_status run(struct nfs4_compound *c, uint32_t operation)
{
    unsigned flags = operations[operation].flags;
    enum nfs4_status status = c->is_uncached ? NFS4ERR_RETRY_UNCACHED_REP : check_place(c, operation);

    if (status == NFS4_OK && !operations[operation].run)
        status = NFS4ERR_NOTSUPP;
    if (status == NFS4_OK)
        status = check_handles(c, flags);
    if (status == NFS4_OK && flags & CHANGES && !fits(c, MINOR_RESULT_BYTES))
        status = too_big(c);
    return status == NFS4_OK ? operations[operation].run(c) : status;
}

/* Appends number, status and result of one operation. */
static enum nfs4_status run_one(struct nfs4_compound *c)
{
    uint32_t operation = reader_be32(c->in);
    bool known = reader_ok(c->in) && is_known(operation);

    writer_be32(c->out, known ? operation : (uint32_t)OP_ILLEGAL);
    size_t place = xdr_put_later(c->out);
    size_t result = c->out->offset;
    enum nfs4_status status = known ? run(c, operation) : NFS4ERR_OP_ILLEGAL;
    if (c->is_repeat)
        return status;
    bool keeps = known && operations[operation].flags & KEEPS_RESULT;
    if (status == NFS4_OK && !fits(c, 0))
        status = too_big(c);
    if (status != NFS4_OK && (!keeps || !fits(c, 0)))
        xdr_rewind(c->out, result);
    if (operation == OP_SETATTR && status != NFS4_OK && c->out->offset == result)
        writer_be32(c->out, 0); /* nothing was set */
    xdr_patch(c->out, place, status);
    return status;
}

static void prepare(struct nfs4_compound *c, const struct nfs_request *request, struct reader *in,
                    struct writer *out)
{
    *c = (struct nfs4_compound){
        .request = request,
        .server = request->server,
        .state = request->server->state,
        .view = &request->view,
        .who = {request->caller->address, request->call->credential.flavor, request->call->credential.uid},
        .now_ms = request->caller->now_ms,
        .in = in,
        .out = out,
        .max_reply_bytes = out->capacity_bytes,
    };
}

/* Of the operations; the tag may differ between a request and its repetition. */
static uint64_t fingerprint_of(const struct nfs4_compound *c)
{
    size_t length = MIN(reader_left(c->in), (size_t)FINGERPRINT_BYTES);

    return siphash(c->view->key, c->in->data + c->in->offset, length) ^ c->operation_count;
}

static enum nfs4_status run_all(struct nfs4_compound *c, size_t count_place)
{
    enum nfs4_status status = NFS4_OK;

    while (status == NFS4_OK && c->operation_index < c->operation_count) {
        status = run_one(c);
        if (c->is_repeat)
            return status;
        c->operation_index++;
    }
    xdr_patch(c->out, count_place, c->operation_index);
    return status;
}

/* What was answered before is the answer again: everything behind the tag. */
static enum nfs4_status put_repeated(struct nfs4_compound *c, size_t count_place)
{
    xdr_rewind(c->out, count_place);
    writer_bytes(c->out, c->use.repeated, c->use.repeated_bytes);
    free(TAKE_PTR(c->use.repeated));
    return c->use.status;
}

bool nfs4_compound(const struct nfs_request *request, struct reader *in, struct writer *out)
{
    struct nfs4_compound c;
    size_t tag_bytes;
    const uint8_t *tag = xdr_opaque(in, TAG_MAX_BYTES, &tag_bytes);
    uint32_t minor = reader_be32(in);
    uint32_t count = reader_be32(in);

    if (!reader_ok(in))
        return false;
    prepare(&c, request, in, out);
    c.operation_count = minor == NFS4_MINOR_VERSION ? count : 0;
    c.fingerprint = fingerprint_of(&c);
    size_t status_place = xdr_put_later(out);
    xdr_put_opaque(out, tag, tag_bytes);
    size_t count_place = xdr_put_later(out);
    c.least_reply_bytes = out->offset + SEQUENCE_RESULT_BYTES;
    enum nfs4_status status =
        minor == NFS4_MINOR_VERSION ? run_all(&c, count_place) : NFS4ERR_MINOR_VERS_MISMATCH;
    if (c.is_repeat)
        status = put_repeated(&c, count_place);
    xdr_patch(out, status_place, status);
    if (c.in_session)
        nfs4_sequence_end(c.state, &c.use, status, out->data + count_place, out->offset - count_place);
    return true;
}
