/*
 * A server over two folders that are made anew for each run of a fuzzer, and refilled when it has emptied
 * them.
 */
#pragma once

#include "nfs/server.h"

struct nfs_stage {
    struct nfs_server *server;
    struct folder *boot;
    struct folder *root;
    uint8_t reply[NFS_REPLY_MAX_BYTES];
};

/* One for the life of the process. */
struct nfs_stage *nfs_stage(void);
