/*
 * One RPC call in, one reply out: NFS versions 3 and 4.1, MOUNT 3 and the port mapper, on whichever port it
 * came.
 *
 * Knows no sockets and no clock. It works on folders, so it may block: it is called on a worker.
 */
#pragma once

#include "nfs/export.h"
#include "nfs/state.h"
#include "rpc/portmap.h"

struct nfs_server;

enum {
    NFS_CALL_MAX_BYTES = NFS4_REQUEST_MAX_BYTES + 512,
    NFS_REPLY_MAX_BYTES = NFS4_RESPONSE_MAX_BYTES + 512,
    NFS_DATAGRAM_REPLY_MAX_BYTES = 60000,
    NFS_DEFAULT_PORT = 2049,
};

struct nfs_server_options {
    uint8_t key[16]; /* signs handles; kept for ever */
    struct nfs_export_source source;
    uint16_t port;       /* what the port mapper tells */
    uint64_t started_ns; /* wall clock */
};

struct nfs_server *nfs_server_new(const struct nfs_server_options *options);
/* No call may be running. NULL is fine. */
void nfs_server_free(struct nfs_server *server);

struct nfs_caller {
    uint32_t address;
    uint16_t port;
    bool datagram;
    bool port_mapper; /* it came to the port mapper's port, where nothing else is answered */
    uint64_t now_ms;  /* monotonic */
};

/* Gives the length of the reply in `reply` (NFS_REPLY_MAX_BYTES); 0: there is none. From any thread. */
size_t nfs_server_answer(struct nfs_server *server, const struct nfs_caller *caller, const uint8_t *call,
                         size_t call_bytes, uint8_t *reply);
/* Now and then. */
void nfs_server_sweep(struct nfs_server *server, uint64_t now_ms);
