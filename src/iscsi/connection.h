/*
 * One TCP connection of the iSCSI service, from accept to close, on its loop. Private to service and
 * connection.
 */
#pragma once

#include "iscsi/registry.h"
#include "iscsi/service.h"
#include "iscsi/session.h"
#include "loop/stream.h"
#include "loop/workers.h"

/* One loop's share of the service. */
struct iscsi_loop {
    struct iscsi_service *service;
    struct loop *loop;
    unsigned index;
    struct stream_pool *pool;
    struct buffers *buffers;
    struct connection *connections;
    unsigned connection_count;
    bool stopping;
};

/* A volume that is open, shared by all sessions of its machine. Of an image that is a disk of several machines each has
 * its own: what one of them reserves or sets is nothing to the others. */
struct open_disk {
    struct open_disk *next;
    uint64_t machine_id;
    char volume[STORE_NAME_SIZE];
    struct iscsi_service *service;
    struct scsi_disk *disk; /* NULL: only its registrations are kept, until somebody opens it again */
    struct reservations kept;
    bool reservations_kept;        /* not only until farboot ends */
    uint8_t uuid[KEPT_UUID_BYTES]; /* of the volume that they belong to */
    unsigned users;
    struct work work;    /* what the disk does when no command asks for it */
    atomic_bool working; /* keeps it open like a user */
};

struct iscsi_service {
    struct iscsi_options options;
    char *iqn_prefix;
    struct listener *listener;
    struct iscsi_loop loops[ISCSI_LOOPS_MAX];
    unsigned next_loop;
    struct registry registry;
    struct chap_policy chap_policy;
    atomic_size_t buffered_bytes; /* data-out of all sessions */
    atomic_bool stopping;

    pthread_mutex_t disks_lock; /* guards `disks`; held while a volume is opened, so only taken on workers */
    struct open_disk *disks;

    void (*stopped)(void *arg); /* control loop only */
    void *stopped_arg;
    unsigned loops_left;
};

/* Takes the descriptor. On the loop's thread. */
void connection_open(struct iscsi_loop *loop, int fd, const struct sockaddr_in *peer);
/* Closes the connection with this id, if it is still there: another one takes its place. */
void connection_close_by_id(struct iscsi_loop *loop, uint64_t id);
/* The same because somebody said so; its initiator is told, if it understands. */
void connection_disconnect_by_id(struct iscsi_loop *loop, uint64_t id);
/* Its login goes on: what it waited for is gone. */
void connection_retry_by_id(struct iscsi_loop *loop, uint64_t id);
/* Makes its initiator show that it lives, if it is one that can. */
void connection_ping_by_id(struct iscsi_loop *loop, uint64_t id);
/* Its machine may have got or lost disks. */
void connection_renew_by_id(struct iscsi_loop *loop, uint64_t id);
/* Lets commands that run finish, then closes. */
void connection_close_all(struct iscsi_loop *loop);

/* service.c */

/* May block. 0 or negative errno; `service_close_disk` gives it back. */
int service_open_disk(struct iscsi_service *service, uint64_t machine_id, const char *volume, bool read_only,
                      struct open_disk **disk);
void service_close_disk(struct iscsi_service *service, struct open_disk *disk);
/* The last connection of a stopping loop has gone. */
void service_loop_is_empty(struct iscsi_loop *loop);
/* Calls `fn(loop, id)` on that loop's thread. */
void service_call(struct iscsi_service *service, unsigned loop_index, uint64_t id,
                  void (*fn)(struct iscsi_loop *loop, uint64_t id));
