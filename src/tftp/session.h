/*
 * One transfer as it runs: its own socket, its timer, its file and the bytes read ahead.
 *
 * Owned by the shard of its loop, which it tells when it is over. What to send and when is the engine's
 * decision (tftp/transfer.h).
 */
#pragma once

#include "bootfiles/bootfiles.h"
#include "catalog/catalog.h"
#include "catalog/disk_gate.h"
#include "fleet/event.h"
#include "loop/workers.h"
#include "tftp/transfer.h"

#include <netinet/in.h>
#include <stdatomic.h>

struct tftp_session;

/* What every session of a service uses. */
struct tftp_session_context {
    struct workers *workers;
    struct disk_gate *gate;
    struct catalog *catalog;
    struct bootfiles *bootfiles;
    const struct event_sink *events;
    uint16_t port; /* the well-known one, for URLs */
};

/* What the well-known port knows about a request. */
struct tftp_session_request {
    struct tftp_request tftp;
    struct sockaddr_in peer;
    uint32_t local; /* the address the client wrote to, from which it expects the answer */
    uint32_t mtu_bytes;
};

/* Opens the file on a worker and sends it. `over(session)` runs once on `loop`, when nothing of the session
 * is in use any more; the shard frees it then. NULL if the workers are too busy. */
struct tftp_session *tftp_session_new(const struct tftp_session_context *context, struct loop *loop,
                                      const struct tftp_session_request *request,
                                      const struct boot_plan *plan,
                                      void (*over)(struct tftp_session *session), void *owner);
/* The request came once more, in a packet of `length_bytes`. */
void tftp_session_asked_again(struct tftp_session *session, size_t length_bytes);
/* Takes what the client has sent and nobody has read yet; may end the session. */
void tftp_session_catch_up(struct tftp_session *session);
/* Ends it without another packet; `over` runs now or when a worker is done with it. */
void tftp_session_cancel(struct tftp_session *session);
void tftp_session_free(struct tftp_session *session);

const struct tftp_session_request *tftp_session_request(const struct tftp_session *session);
void *tftp_session_owner(const struct tftp_session *session);
/* Whether the client has answered to any packet. */
bool tftp_session_was_heard(const struct tftp_session *session);

/* One ERROR from a port of its own to somebody who gets no session. */
void tftp_session_refuse(const struct tftp_session_request *request, enum tftp_error_code code,
                         const char *text);
