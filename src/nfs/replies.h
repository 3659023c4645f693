/*
 * What was answered lately, for calls that must not be run twice: a REMOVE that is sent again over a new
 * connection would find nothing to remove (RFC 1813 4.5). Version 4 has its sessions for that.
 *
 * A bounded ring; the oldest answers are forgotten. One lock of its own.
 */
#pragma once

#include "base/base.h"

struct replies;

enum { REPLIES_MAX = 1024, REPLY_KEPT_MAX_BYTES = 1024, REPLY_AGE_MAX_MS = 120 * 1000 };

struct reply_key {
    uint32_t address;
    uint16_t port;
    uint32_t xid;
    uint64_t fingerprint; /* of the whole call */
};

enum reply_outcome {
    REPLY_NEW,  /* run it, then `replies_put` */
    REPLY_BUSY, /* it runs: no second answer */
    REPLY_KEPT, /* answered before */
};

struct replies *replies_new(void);
void replies_free(struct replies *replies);

/* The kept answer is copied to `to` (REPLY_KEPT_MAX_BYTES). */
enum reply_outcome replies_begin(struct replies *replies, const struct reply_key *key, uint64_t now_ms,
                                 uint8_t *to, size_t *length_bytes);
/* One that is too long is not kept. */
void replies_put(struct replies *replies, const struct reply_key *key, const uint8_t *reply,
                 size_t length_bytes);
