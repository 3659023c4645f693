/*
 * A TCP connection that carries framed messages, many of them at a time.
 *
 * What one system call costs is shared by all messages it moves: everything that one receive brought is shown
 * at once, and all answers leave with one send. Memory for receiving and sending belongs to the loop and is
 * lent, so that an idle connection holds next to none, and peers that do not read hold a bounded amount, however many
 * they are. Bulk data goes straight to where its receiver wants it. It knows no protocol.
 */
#pragma once

#include "base/inet.h"
#include "loop/loop.h"

#include <sys/uio.h>

struct stream;
struct stream_pool;

enum {
    STREAM_INPUT_BYTES = 1 << 19,  /* what one receive may bring, with what was left over */
    STREAM_OUTPUT_BYTES = 3 << 18, /* what may wait to be sent; also the longest message */
    STREAM_TURN_BYTES = 1 << 20,   /* what may be sent before others on the loop have their turn */
    STREAM_OUTPUTS_MAX = 256,      /* connections of a loop whose output waits; more wait for memory */
    STREAM_STALLED_MS = 10000,     /* who took nothing for so long is cut off when others wait for its memory */
    STREAM_KEPT_SMALL_BYTES = 16384, /* input left over that every connection may have */
    STREAM_KEPT_MAX_BYTES = 64 << 20, /* what those of a loop that keep more may keep together */
};

struct stream_handler {
    /* Input; gives how many bytes were used. The others are shown again, with more behind them. */
    size_t (*input)(void *arg, const uint8_t *bytes, size_t length_bytes);
    /* Where the next bytes should go instead of to `input`; length 0: nowhere special. */
    struct iovec (*place)(void *arg);
    /* `length_bytes` went there. */
    void (*placed)(void *arg, size_t length_bytes);
    /* All that came was shown, or there is room for output again: the moment to work and to answer. */
    void (*ready)(void *arg);
    /* The connection is over: 0 when the peer closed it, else negative errno (-ENOBUFS: it did not read and its memory
     * was needed). Called once. */
    void (*ended)(void *arg, int error);
};

/* What the streams of one loop share. Freed after all of them. */
struct stream_pool *stream_pool_new(struct loop *loop);
void stream_pool_free(struct stream_pool *pool);

/* Takes the (connected, non-blocking) descriptor. All calls on the loop's thread. */
struct stream *stream_new(struct stream_pool *pool, int fd, const struct stream_handler *handler, void *arg);
/* Closes; what was not sent is lost. May be called inside a handler's call; none follows. */
void stream_free(struct stream *stream);

/* Room for one message at the end of the output; NULL if there is none until something was sent, or until others have
 * had their turn (`ready` is called then). At most STREAM_OUTPUT_BYTES. */
uint8_t *stream_reserve(struct stream *stream, size_t length_bytes);
/* The first `length_bytes` of what was reserved are to be sent. */
void stream_commit(struct stream *stream, size_t length_bytes);
/* Sends what waits, as far as the peer takes it. */
void stream_send(struct stream *stream);
bool stream_has_output(const struct stream *stream);
/* Whether the peer takes nothing any more; `ended` is about to tell. */
bool stream_is_broken(const struct stream *stream);
/* Stops (or goes on) receiving; what was received and not used is kept. */
void stream_set_reading(struct stream *stream, bool reading);
/* How soon a peer that is gone without a word is noticed: as listener_watch_peer. */
void stream_watch_peer(struct stream *stream, bool urgently);
/* Our end of it: what the peer connected to. 0 or negative errno. */
int stream_local_address(const struct stream *stream, struct sockaddr_in *local);
