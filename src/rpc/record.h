/*
 * Record marking (RFC 5531 11): RPC messages on a byte stream, put together from fragments.
 *
 * Takes bytes as they come and gives whole messages. A message longer than the maximum is refused before it
 * is collected; memory grows with what arrived, not with what was announced.
 */
#pragma once

#include "base/bytes.h"

enum { RECORD_MARK_BYTES = 4 };

enum record_outcome {
    RECORD_MORE,     /* all was taken, the message is not whole */
    RECORD_COMPLETE, /* `record_take` gives it */
    RECORD_REFUSED,  /* too long: the connection cannot go on */
};

struct record {
    size_t max_bytes;
    uint8_t *data;
    size_t length_bytes;
    size_t capacity_bytes;
    uint8_t mark[RECORD_MARK_BYTES];
    unsigned mark_bytes;  /* of the present mark */
    size_t fragment_left; /* of the present fragment */
    bool last;            /* fragment of this message */
};

void record_init(struct record *record, size_t max_bytes);
void record_end(struct record *record);
/* Takes at most to the end of one message; `used` says how many of the bytes. */
enum record_outcome record_input(struct record *record, const uint8_t *bytes, size_t length_bytes,
                                 size_t *used);
/* The whole message, the caller's to free; the record begins anew. */
uint8_t *record_take(struct record *record, size_t *length_bytes);

/* The mark in front of a message that goes out in one fragment. */
void record_put_mark(uint8_t to[RECORD_MARK_BYTES], size_t length_bytes);
