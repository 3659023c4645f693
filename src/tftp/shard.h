/*
 * The transfers of one data loop: who gets one, how many, and what becomes of requests that get none.
 *
 * All requests of one client come to the same shard.
 */
#pragma once

#include "catalog/presence.h"
#include "tftp/session.h"

enum {
    TFTP_TRANSFERS_MAX = 1024, /* in all; more must wait, which a client does by asking again */
    /* A client may leave several half-open (probes that it forgets), but not fill the table. */
    TFTP_TRANSFERS_PER_PEER_MAX = 16,
    TFTP_REQUESTS_QUEUED_MAX = 512, /* of one shard, taken in but not looked at */
};

struct shard;

/* At most `max_transfers` at a time. `context` and `presence` outlive it. */
struct shard *shard_new(const struct tftp_session_context *context, struct presence *presence,
                        struct loop *loop, size_t max_transfers);
void shard_free(struct shard *shard);

/* From any thread; copies the request. False if too many are queued. */
bool shard_submit(struct shard *shard, const struct tftp_session_request *request);
/* From any thread, once: lets transfers end for up to `drain_ms`, then runs `stopped(arg)` on `home`. */
void shard_stop(struct shard *shard, uint64_t drain_ms, struct loop *home, void (*stopped)(void *arg),
                void *arg);
