#include "rpc/call.h"

enum {
    RPC_VERSION = 2,
    MESSAGE_CALL = 0,
    MESSAGE_REPLY = 1,
    REPLY_ACCEPTED = 0,
    REPLY_DENIED = 1,
    DENIED_RPC_MISMATCH = 0,
    DENIED_AUTH_ERROR = 1,
    AUTH_BAD_CREDENTIAL = 1,
    AUTH_BODY_MAX_BYTES = 400,
    MACHINE_NAME_MAX_BYTES = 255,
};

/* RFC 5531 appendix A. */
static void decode_auth_sys(struct reader *body, struct rpc_credential *credential)
{
    size_t name_bytes;

    reader_be32(body); /* an arbitrary stamp */
    xdr_opaque(body, MACHINE_NAME_MAX_BYTES, &name_bytes);
    credential->uid = reader_be32(body);
    credential->gid = reader_be32(body);
    credential->group_count = xdr_count(body, RPC_GROUPS_MAX);
    for (uint32_t i = 0; i < credential->group_count; i++)
        credential->groups[i] = reader_be32(body);
}

static bool decode_credential(struct reader *r, struct rpc_credential *credential)
{
    uint32_t flavor = reader_be32(r);
    size_t length_bytes;
    const uint8_t *bytes = xdr_opaque(r, AUTH_BODY_MAX_BYTES, &length_bytes);
    struct reader body = reader_over(bytes, length_bytes);

    *credential = (struct rpc_credential){.uid = RPC_NOBODY, .gid = RPC_NOBODY};
    if (flavor == RPC_AUTH_NONE)
        return true;
    if (flavor != RPC_AUTH_SYS)
        return false;
    credential->flavor = RPC_AUTH_SYS;
    decode_auth_sys(&body, credential);
    return reader_ok(&body);
}

static void skip_verifier(struct reader *r)
{
    size_t length_bytes;

    reader_be32(r);
    xdr_opaque(r, AUTH_BODY_MAX_BYTES, &length_bytes);
}

enum rpc_call_outcome rpc_decode_call(struct reader *r, struct rpc_call *call)
{
    *call = (struct rpc_call){.xid = reader_be32(r)};
    if (reader_be32(r) != MESSAGE_CALL || !reader_ok(r))
        return RPC_CALL_NONE;
    uint32_t rpc_version = reader_be32(r);
    if (!reader_ok(r))
        return RPC_CALL_NONE;
    if (rpc_version != RPC_VERSION)
        return RPC_CALL_OTHER_RPC;
    call->program = reader_be32(r);
    call->version = reader_be32(r);
    call->procedure = reader_be32(r);
    bool good = decode_credential(r, &call->credential);
    skip_verifier(r);
    if (!reader_ok(r))
        return RPC_CALL_NONE;
    return good ? RPC_CALL_GOOD : RPC_CALL_BAD_CREDENTIAL;
}

static void put_reply(struct writer *w, uint32_t xid, uint32_t state)
{
    writer_be32(w, xid);
    writer_be32(w, MESSAGE_REPLY);
    writer_be32(w, state);
}

void rpc_put_accepted(struct writer *w, uint32_t xid, enum rpc_accept accept)
{
    put_reply(w, xid, REPLY_ACCEPTED);
    writer_be32(w, RPC_AUTH_NONE);
    writer_be32(w, 0);
    writer_be32(w, accept);
}

void rpc_put_program_mismatch(struct writer *w, uint32_t xid, uint32_t low, uint32_t high)
{
    rpc_put_accepted(w, xid, RPC_PROGRAM_MISMATCH);
    writer_be32(w, low);
    writer_be32(w, high);
}

void rpc_put_denied(struct writer *w, uint32_t xid, enum rpc_call_outcome outcome)
{
    put_reply(w, xid, REPLY_DENIED);
    if (outcome == RPC_CALL_OTHER_RPC) {
        writer_be32(w, DENIED_RPC_MISMATCH);
        writer_be32(w, RPC_VERSION);
        writer_be32(w, RPC_VERSION);
    } else {
        writer_be32(w, DENIED_AUTH_ERROR);
        writer_be32(w, AUTH_BAD_CREDENTIAL);
    }
}
