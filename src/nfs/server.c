#include "nfs/mount3.h"
#include "nfs/nfs3.h"
#include "nfs/nfs4_compound.h"
#include "nfs/replies.h"

#include <sys/random.h>

struct nfs_server *nfs_server_new(const struct nfs_server_options *options)
{
    static const char self[] = "server";
    struct nfs_server *server = xcalloc(1, sizeof(*server));
    uint64_t verifier;

    CHECK(getrandom(&verifier, sizeof(verifier), 0) == (ssize_t)sizeof(verifier));
    server->options = *options;
    server->state = nfs4_state_new();
    server->replies = replies_new();
    server->write_verifier = verifier;
    server->identity = siphash(options->key, self, sizeof(self));
    return server;
}

void nfs_server_free(struct nfs_server *server)
{
    if (!server)
        return;
    nfs4_state_free(server->state);
    replies_free(server->replies);
    free(server);
}

void nfs_server_sweep(struct nfs_server *server, uint64_t now_ms)
{
    nfs4_state_sweep(server->state, now_ms);
}

void server_refuse(const struct nfs_request *request, const char *path)
{
    const struct nfs_export_source *source = &request->server->options.source;

    source->refused(source->arg, request->caller->address, path);
}

int server_sync(struct nfs_server *server, struct folder_file *file)
{
    int r = folder_file_sync(file);

    if (r < 0)
        atomic_fetch_add(&server->write_verifier, 1);
    return r;
}

/* ---- programs ---- */

static enum rpc_accept answer_nfs4(const struct nfs_request *request, struct reader *in, struct writer *out)
{
    enum { PROCEDURE_NULL = 0, PROCEDURE_COMPOUND = 1 };

    if (request->call->procedure == PROCEDURE_NULL)
        return RPC_SUCCESS;
    if (request->call->procedure != PROCEDURE_COMPOUND)
        return RPC_PROCEDURE_UNAVAILABLE;
    return nfs4_compound(request, in, out) ? RPC_SUCCESS : RPC_GARBAGE_ARGUMENTS;
}

/* Whatever changes something is run once, however often it is sent. False if there shall be no answer. */
static bool repeat_or_run_nfs3(const struct nfs_request *request, const struct reply_key *key,
                               struct reader *in, struct writer *out, enum rpc_accept *accept)
{
    struct replies *replies = request->server->replies;
    uint8_t kept[REPLY_KEPT_MAX_BYTES];
    size_t length_bytes, begin = out->offset;

    switch (replies_begin(replies, key, request->caller->now_ms, kept, &length_bytes)) {
    case REPLY_BUSY:
        return false;
    case REPLY_KEPT:
        writer_bytes(out, kept, length_bytes);
        *accept = RPC_SUCCESS;
        return true;
    case REPLY_NEW:
        break;
    }
    *accept = nfs3_answer(request, in, out);
    replies_put(replies, key, out->data + begin, *accept == RPC_SUCCESS ? out->offset - begin : SIZE_MAX);
    return true;
}

static enum rpc_accept answer_nfs3(const struct nfs_request *request, struct reader *in, struct writer *out)
{
    const struct reply_key key = {
        .address = request->caller->address,
        .port = request->caller->port,
        .xid = request->call->xid,
        .fingerprint = siphash(request->view.key, in->data, in->length_bytes),
    };
    enum rpc_accept accept;

    if (nfs3_is_idempotent(request->call->procedure))
        return nfs3_answer(request, in, out);
    return repeat_or_run_nfs3(request, &key, in, out, &accept) ? accept : RPC_NO_ANSWER;
}

static enum rpc_accept answer_portmap(const struct nfs_request *request, struct reader *in,
                                      struct writer *out)
{
    uint16_t port = request->server->options.port;
    const struct portmap_entry entries[] = {
        {PORTMAP_PROGRAM, PORTMAP_VERSION, PORTMAP_TCP, PORTMAP_PORT},
        {PORTMAP_PROGRAM, PORTMAP_VERSION, PORTMAP_UDP, PORTMAP_PORT},
        {NFS_PROGRAM, NFS3_VERSION, PORTMAP_TCP, port},
        {NFS_PROGRAM, NFS4_VERSION, PORTMAP_TCP, port},
        {NFS_PROGRAM, NFS3_VERSION, PORTMAP_UDP, port},
        {MOUNT_PROGRAM, MOUNT3_VERSION, PORTMAP_TCP, port},
        {MOUNT_PROGRAM, MOUNT3_VERSION, PORTMAP_UDP, port},
    };

    return portmap_answer(entries, ARRAY_SIZE(entries), request->call->procedure, in, out);
}

static const struct program {
    uint32_t program, version;
    bool at_port_mapper;
    bool needs_stream; /* RFC 8881 2.9.1: version 4 is not for datagrams */
    enum rpc_accept (*answer)(const struct nfs_request *request, struct reader *in, struct writer *out);
} programs[] = {
    {PORTMAP_PROGRAM, PORTMAP_VERSION, true, false, answer_portmap},
    {NFS_PROGRAM, NFS3_VERSION, false, false, answer_nfs3},
    {NFS_PROGRAM, NFS4_VERSION, false, true, answer_nfs4},
    {MOUNT_PROGRAM, MOUNT3_VERSION, false, false, mount3_answer},
};

static bool is_offered(const struct program *program, const struct nfs_caller *caller)
{
    return program->at_port_mapper == caller->port_mapper && !(program->needs_stream && caller->datagram);
}

/* Which versions of it there are, when the one that was asked for is not among them. */
static void put_other_versions(const struct nfs_request *request, struct writer *out)
{
    uint32_t low = UINT32_MAX, high = 0;

    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        if (programs[i].program != request->call->program || !is_offered(&programs[i], request->caller))
            continue;
        low = MIN(low, programs[i].version);
        high = MAX(high, programs[i].version);
    }
    if (high)
        rpc_put_program_mismatch(out, request->call->xid, low, high);
    else
        rpc_put_accepted(out, request->call->xid, RPC_PROGRAM_UNAVAILABLE);
}

static const struct program *find_program(const struct nfs_request *request)
{
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        if (programs[i].program == request->call->program && programs[i].version == request->call->version &&
            is_offered(&programs[i], request->caller))
            return &programs[i];
    }
    return NULL;
}

static void run(const struct program *program, const struct nfs_request *request, struct reader *in,
                struct writer *out)
{
    rpc_put_accepted(out, request->call->xid, RPC_SUCCESS);
    enum rpc_accept accept = program->answer(request, in, out);
    if (accept == RPC_SUCCESS && writer_ok(out))
        return;
    xdr_rewind(out, 0);
    if (accept == RPC_NO_ANSWER)
        return;
    rpc_put_accepted(out, request->call->xid, accept == RPC_SUCCESS ? RPC_SYSTEM_ERROR : accept);
}

static void answer_call(struct nfs_server *server, const struct nfs_caller *caller,
                        const struct rpc_call *call, struct reader *in, struct writer *out)
{
    const struct nfs_export_source *source = &server->options.source;
    struct nfs_exports exports = {.count = 0};
    const struct nfs_request request = {
        .server = server,
        .caller = caller,
        .call = call,
        .view = {server->options.key, &exports, &call->credential, server->options.started_ns},
        .call_bytes = in->length_bytes,
    };
    const struct program *program = find_program(&request);

    source->find(source->arg, caller->address, &exports);
    /* The source of a datagram is easily forged: who has nothing here hears nothing, so that we are no
     * amplifier. */
    if (program && (exports.count || !caller->datagram))
        run(program, &request, in, out);
    else if (!caller->datagram)
        put_other_versions(&request, out);
    nfs_exports_release(&exports);
}

size_t nfs_server_answer(struct nfs_server *server, const struct nfs_caller *caller, const uint8_t *bytes,
                         size_t call_bytes, uint8_t *reply)
{
    struct reader in = reader_over(bytes, call_bytes);
    struct writer out =
        writer_over(reply, caller->datagram ? NFS_DATAGRAM_REPLY_MAX_BYTES : NFS_REPLY_MAX_BYTES);
    struct rpc_call call;
    enum rpc_call_outcome outcome = rpc_decode_call(&in, &call);

    if (outcome == RPC_CALL_NONE)
        return 0;
    if (outcome == RPC_CALL_GOOD)
        answer_call(server, caller, &call, &in, &out);
    else
        rpc_put_denied(&out, call.xid, outcome);
    return out.offset;
}
