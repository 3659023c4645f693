/*
 * The head of an RPC call and of its reply (ONC RPC version 2, RFC 5531).
 *
 * Says who asks for which procedure of which program; what the arguments mean is the program's business.
 */
#pragma once

#include "rpc/xdr.h"

enum { RPC_GROUPS_MAX = 16, RPC_REPLY_HEAD_BYTES = 24 };

enum rpc_flavor { RPC_AUTH_NONE = 0, RPC_AUTH_SYS = 1 };

/* RFC 5531 9: accept_stat. */
enum rpc_accept {
    RPC_SUCCESS = 0,
    RPC_PROGRAM_UNAVAILABLE = 1,
    RPC_PROGRAM_MISMATCH = 2,
    RPC_PROCEDURE_UNAVAILABLE = 3,
    RPC_GARBAGE_ARGUMENTS = 4,
    RPC_SYSTEM_ERROR = 5,
    RPC_NO_ANSWER = 256, /* never sent: silence, since another answer is on its way */
};

/* Who the caller says he is (AUTH_SYS, a claim); AUTH_NONE is nobody. */
struct rpc_credential {
    enum rpc_flavor flavor;
    uint32_t uid;
    uint32_t gid;
    uint32_t groups[RPC_GROUPS_MAX];
    uint32_t group_count;
};

enum { RPC_NOBODY = 65534 };

struct rpc_call {
    uint32_t xid;
    uint32_t program;
    uint32_t version;
    uint32_t procedure;
    struct rpc_credential credential;
};

enum rpc_call_outcome {
    RPC_CALL_GOOD,      /* the reader stands at the arguments */
    RPC_CALL_NONE,      /* no call at all: it gets no answer */
    RPC_CALL_OTHER_RPC, /* another version of RPC */
    RPC_CALL_BAD_CREDENTIAL,
};

enum rpc_call_outcome rpc_decode_call(struct reader *r, struct rpc_call *call);

/* The head of an accepted reply; results follow RPC_SUCCESS, nothing the others. */
void rpc_put_accepted(struct writer *w, uint32_t xid, enum rpc_accept accept);
void rpc_put_program_mismatch(struct writer *w, uint32_t xid, uint32_t low, uint32_t high);
/* The whole reply to a call that was not RPC_CALL_GOOD (nor RPC_CALL_NONE). */
void rpc_put_denied(struct writer *w, uint32_t xid, enum rpc_call_outcome outcome);
