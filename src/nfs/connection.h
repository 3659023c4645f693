/*
 * One TCP connection: messages in, calls to the workers, answers out.
 */
#pragma once

#include "loop/stream.h"
#include "loop/workers.h"
#include "nfs/server.h"

enum {
    NFS_CONNECTIONS_MAX = 1024,    /* on one loop */
    NFS_CONNECTION_CALLS_MAX = 64, /* that run or wait for one connection; beyond it, nothing is read */
    NFS_LOOP_CALLS_MAX = 128,      /* for all connections of a loop */
};

/* What the connections of one loop share. */
struct nfs_loop {
    struct nfs_service *service;
    struct nfs_server *server;
    struct workers *workers;
    struct loop *loop;
    struct stream_pool *pool;
    struct nfs_connection *connections;
    unsigned connection_count;
    unsigned calls;
    bool stopping;
    void (*emptied)(struct nfs_loop *loop); /* the last connection ended while stopping */
};

/* Takes the descriptor. All on the loop's thread. */
void nfs_connection_open(struct nfs_loop *loop, int fd, const struct sockaddr_in *peer, bool port_mapper);
void nfs_connection_close_all(struct nfs_loop *loop);
