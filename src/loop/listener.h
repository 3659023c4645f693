/*
 * A listening TCP socket: opened while privileged, started later, handing over each connection it accepts.
 *
 * It sets on a connection what every protocol here wants (non-blocking, no delay, dead peers noticed) and
 * knows no protocol.
 */
#pragma once

#include "base/inet.h"
#include "loop/loop.h"

struct listener;

struct listener_options {
    uint32_t address; /* 0 for any */
    uint16_t port;    /* 0: the system chooses */
};

/* Binds and listens; accepts nothing yet. 0 or negative errno. */
int listener_open(const struct listener_options *options, struct listener **listener);
/* From now on `accepted` gets each connection, on the loop's thread; the descriptor is its receiver's. */
void listener_start(struct listener *listener, struct loop *loop,
                    void (*accepted)(void *arg, int fd, const struct sockaddr_in *peer), void *arg);
/* Accepts no more; connections that wait are refused. On the loop's thread, or before the start. NULL is
 * fine. */
void listener_free(struct listener *listener);
uint16_t listener_port(const struct listener *listener);

/* How soon the end of a peer that says nothing more is noticed on a connection that was accepted: within a minute, or
 * urgently, within about two seconds. */
void listener_watch_peer(int fd, bool urgently);
