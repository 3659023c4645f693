/*
 * UDP sockets that know by which interface and to which address a datagram came, and can say the same when sending.
 *
 * A boot server has several interfaces and clients without an address; neither works with plain sendto().
 */
#pragma once

#include "base/inet.h"

enum { DATAGRAM_MAX_BYTES = 65536 };

struct datagram_options {
    const char *interface; /* bind to this device (SO_BINDTODEVICE); NULL for all */
    uint32_t address;      /* local address, 0 for any */
    uint16_t port;         /* 0: the system chooses */
    bool broadcast;        /* may send to broadcast addresses */
    bool reuse;            /* SO_REUSEADDR: several sockets, one per interface, share the port */
};

struct datagram_origin {
    struct sockaddr_in source;
    uint32_t destination; /* the address that the sender wrote to */
    int interface_index;
};

/* A bound, non-blocking, close-on-exec socket in `fd`. 0 or negative errno. */
int datagram_open(const struct datagram_options *options, int *fd);

/* One datagram, its length, or negative errno (-EAGAIN: none waits; -EMSGSIZE: longer than `capacity_bytes`). */
ssize_t datagram_receive(int fd, void *buffer, size_t capacity_bytes, struct datagram_origin *origin);

/* Sends from `source` by `interface_index` (each 0: the system chooses). 0 or negative errno. */
int datagram_send(int fd, const void *bytes, size_t length_bytes, const struct sockaddr_in *to, uint32_t source,
                  int interface_index);

/* The local port that a socket got. */
uint16_t datagram_port(int fd);
