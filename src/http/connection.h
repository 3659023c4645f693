/*
 * One client's connection: requests one after the other, each answered whole before the next is looked at.
 *
 * Lives on one data loop. Files are opened on a worker, read on the loop where the page cache has them, and by a worker
 * where it has not. What a slow client does not take is not read.
 */
#pragma once

#include "bootfiles/bootfiles.h"
#include "catalog/catalog.h"
#include "catalog/disk_gate.h"
#include "catalog/presence.h"
#include "fleet/event.h"
#include "loop/stream.h"
#include "loop/workers.h"

enum {
    HTTP_PORT = 80,
    HTTP_CONNECTIONS_MAX = 512, /* in all */
    HTTP_CONNECTIONS_PER_PEER_MAX = 16,
};

struct http_connection;

/* What the connections of one loop share. */
struct http_loop {
    struct loop *loop;
    struct stream_pool *pool;
    struct workers *workers;
    struct disk_gate *gate;
    struct catalog *catalog;
    struct presence *presence;
    struct bootfiles *bootfiles;
    const struct event_sink *events;
    uint16_t port; /* for URLs */
    size_t max_connections;

    struct http_connection *connections;
    size_t connection_count;
    bool stopping;
    void (*emptied)(struct http_loop *loop); /* once, when it is stopping and the last one is gone */
    void *owner;
};

/* Takes the descriptor; closes it at once when there is no room. On the loop's thread, as all here. */
void http_connection_open(struct http_loop *loop, int fd, const struct sockaddr_in *peer);
/* Ends those that wait for a request; the others when they have answered theirs. */
void http_connections_drain(struct http_loop *loop);
/* Ends all of them. */
void http_connections_close(struct http_loop *loop);
