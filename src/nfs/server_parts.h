/*
 * What the engines share of the server. Nothing else includes it.
 */
#pragma once

#include "nfs/server.h"
#include "nfs/view.h"

#include <stdatomic.h>

struct nfs_server {
    struct nfs_server_options options;
    struct nfs4_state *state;
    struct replies *replies;
    atomic_uint_fast64_t write_verifier; /* another one after each start, and after contents were lost */
    uint64_t identity;
};

/* One call while it is answered. */
struct nfs_request {
    struct nfs_server *server;
    const struct nfs_caller *caller;
    const struct rpc_call *call;
    struct nfs_view view;
    size_t call_bytes;
};

/* The protocol's word for a negative errno. Versions 3 and 4 share these numbers. */
enum nfs4_status nfs_status_of(int r);
/* Tells that a path which is not the caller's was asked for. */
void server_refuse(const struct nfs_request *request, const char *path);
/* Syncs; when that fails all clients must learn that what they wrote may be lost (RFC 1813 4.8). */
int server_sync(struct nfs_server *server, struct folder_file *file);
