/*
 * The NFS server: every machine's folders for that machine, on TCP and UDP.
 *
 * Sockets and threads; the protocols are in server.h and below it. A connection stays on one loop; each call
 * runs on a worker, several of a connection at a time, and each answer goes out as soon as it is there.
 */
#pragma once

#include "base/error.h"
#include "loop/workers.h"
#include "nfs/export.h"

struct nfs_service;

enum { NFS_LOOPS_MAX = 64 };

struct nfs_service_ports {
    uint32_t address;     /* 0 for any */
    uint16_t port;        /* NFS and MOUNT */
    uint16_t port_mapper; /* 0: none */
};

struct nfs_service_options {
    const char *key_path; /* of the key that signs handles; made when it is missing */
    struct loop *control; /* accepts connections */
    struct loop *const *loops;
    size_t loop_count;
    struct workers *workers;
    struct nfs_export_source source;
};

/* Binds, perhaps to privileged ports. A port mapper's port that is taken (by the host's own) is done without,
 * with a line in the log. */
int nfs_service_open(const struct nfs_service_ports *ports, struct nfs_service **service,
                     struct error *error);
/* On the control loop, or before it runs. Options are copied; what they point to outlives the service. */
int nfs_service_start(struct nfs_service *service, const struct nfs_service_options *options,
                      struct error *error);
/* Accepts no more, lets running calls finish, closes every connection, then calls `done(arg)` on the control
 * loop. On the control loop, after a start. */
void nfs_service_stop(struct nfs_service *service, void (*done)(void *arg), void *arg);
/* After the stop was done and the loops have ended (or before a start). NULL is fine. */
void nfs_service_free(struct nfs_service *service);
uint16_t nfs_service_port(const struct nfs_service *service);
