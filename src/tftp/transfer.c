#include "tftp/transfer.h"

static uint32_t grant_blksize(uint32_t asked, uint32_t mtu_bytes)
{
    uint32_t longest = mtu_bytes > TFTP_IP_UDP_TFTP_BYTES + TFTP_BLKSIZE_DEFAULT
                           ? mtu_bytes - TFTP_IP_UDP_TFTP_BYTES
                           : TFTP_BLKSIZE_DEFAULT;

    return MIN(asked, longest);
}

/* Nothing is granted that was not asked for. */
static struct tftp_options grant(const struct tftp_request *request, uint64_t size_bytes, uint32_t mtu_bytes)
{
    const struct tftp_options *asked = &request->options;

    return (struct tftp_options){
        .has_blksize = asked->has_blksize,
        .blksize = grant_blksize(asked->blksize, mtu_bytes),
        /* RFC 2349 speaks of octets of the file, and netascii changes their number on the way. */
        .has_tsize = asked->has_tsize && request->mode == TFTP_MODE_OCTET,
        .tsize = size_bytes,
        /* The same number or none: a client aborts on any other. */
        .has_timeout = asked->has_timeout && asked->timeout <= TFTP_TIMEOUT_OPTION_MAX,
        .timeout = asked->timeout,
        .has_windowsize = asked->has_windowsize,
        .windowsize = MIN(asked->windowsize, (uint32_t)TFTP_WINDOWSIZE_MAX),
    };
}

void tftp_transfer_begin(struct tftp_transfer *t, const struct tftp_request *request, uint64_t size_bytes,
                         uint32_t mtu_bytes, uint64_t now_ms)
{
    struct tftp_options granted = grant(request, size_bytes, mtu_bytes);
    bool any = granted.has_blksize || granted.has_tsize || granted.has_timeout || granted.has_windowsize;
    uint32_t blksize = granted.has_blksize ? granted.blksize : TFTP_BLKSIZE_DEFAULT;
    uint32_t timeout_ms = granted.has_timeout ? granted.timeout * 1000 : TFTP_TIMEOUT_FIRST_MS;

    *t = (struct tftp_transfer){
        .size_bytes = size_bytes,
        .blksize = blksize,
        .windowsize = granted.has_windowsize ? granted.windowsize : 1,
        .granted = granted,
        .last_block = size_bytes / blksize + 1,
        .deadline_ms = now_ms + timeout_ms,
        .oack_unanswered = any,
        .oack_due = any,
        .first_timeout_ms = timeout_ms,
        .timeout_ms = timeout_ms,
        .timeout_is_fixed = granted.has_timeout,
        .received_bytes = TFTP_IP_UDP_BYTES + request->length_bytes,
    };
}

static void note_sent(struct tftp_transfer *t, size_t length_bytes, bool once, uint64_t now_ms)
{
    t->sent_since_deadline = true;
    t->sent_ms = now_ms;
    t->sent_once = once;
    if (!t->heard)
        t->unheard_bytes += TFTP_IP_UDP_BYTES + length_bytes;
}

static size_t oack_bytes(const struct tftp_transfer *t)
{
    uint8_t packet[TFTP_OACK_MAX_BYTES];

    return tftp_encode_oack(packet, &t->granted);
}

static enum tftp_step wait_for_client(struct tftp_transfer *t, uint64_t now_ms)
{
    /* Counted from the end of the burst: reading a file may take longer than a timeout. */
    if (t->sent_since_deadline)
        t->deadline_ms = now_ms + t->timeout_ms;
    t->sent_since_deadline = false;
    return TFTP_STEP_WAIT;
}

enum tftp_step tftp_transfer_next(struct tftp_transfer *t, uint64_t now_ms, struct tftp_block *block)
{
    if (t->outcome != TFTP_RUNNING)
        return TFTP_STEP_END;
    if (t->oack_due) {
        t->oack_due = false;
        note_sent(t, oack_bytes(t), t->resends_total == 0, now_ms);
        return TFTP_STEP_OACK;
    }
    if (t->oack_unanswered || t->sent >= MIN(t->acked + t->windowsize, t->last_block))
        return wait_for_client(t, now_ms);
    t->sent++;
    block->number = t->sent;
    block->offset = (t->sent - 1) * t->blksize;
    block->length_bytes = (uint32_t)MIN((uint64_t)t->blksize, t->size_bytes - block->offset);
    note_sent(t, TFTP_DATA_HEADER_BYTES + block->length_bytes, t->sent > t->furthest, now_ms);
    t->furthest = MAX(t->furthest, t->sent);
    return TFTP_STEP_DATA;
}

/* RFC 6298 section 2, with the longest round trip of the last few hundred beside it: firmware that stops now and then to
 * write what it got must not be hurried. */
static void measure(struct tftp_transfer *t, uint64_t now_ms)
{
    uint32_t sample_us = (uint32_t)MIN(now_ms - t->sent_ms, (uint64_t)TFTP_TIMEOUT_MAX_MS) * 1000;
    uint32_t error_us = sample_us > t->round_trip_us ? sample_us - t->round_trip_us : t->round_trip_us - sample_us;

    t->deviation_us = t->is_measured ? t->deviation_us - t->deviation_us / 4 + error_us / 4 : sample_us / 2;
    t->round_trip_us = t->is_measured ? t->round_trip_us - t->round_trip_us / 8 + sample_us / 8 : sample_us;
    t->longest_us = MAX(sample_us, t->longest_us - t->longest_us / 256);
    t->is_measured = true;
    uint32_t patience_ms = MAX(t->round_trip_us + 4 * t->deviation_us, 2 * t->longest_us) / 1000;
    t->timeout_ms = MIN(MAX(patience_ms, (uint32_t)TFTP_TIMEOUT_MIN_MS), (uint32_t)TFTP_TIMEOUT_MAX_MS);
}

/* An answer to what was sent twice may be to either, and says nothing of the round trip: then patience stays as long as
 * it had become. */
static void note_progress(struct tftp_transfer *t, uint64_t now_ms)
{
    t->heard = true;
    t->resends = 0;
    if (t->timeout_is_fixed)
        t->timeout_ms = t->first_timeout_ms;
    else if (t->sent_once)
        measure(t, now_ms);
    t->deadline_ms = now_ms + t->timeout_ms;
}

/* With windows, an ACK of what was acknowledged before says that the window's first block is missing (RFC
 * 7440 section 4). It is believed once in a timeout: a network that doubles packets would otherwise double
 * every window. */
static void resume_window(struct tftp_transfer *t, uint64_t now_ms)
{
    bool lately = t->resumed_ms && now_ms - t->resumed_ms < t->first_timeout_ms;

    if (t->windowsize == 1 || t->sent == t->acked || lately)
        return;
    t->resumed_ms = now_ms;
    t->sent = t->acked;
    t->resends_total++;
}

static void receive_ack(struct tftp_transfer *t, uint16_t wire_block, uint64_t now_ms)
{
    if (t->oack_unanswered) {
        if (wire_block != 0)
            return;
        t->oack_unanswered = false;
        t->oack_due = false;
        note_progress(t, now_ms);
        return;
    }
    /* A window is far smaller than half of the numbers, so that the distance is unambiguous. */
    uint16_t distance = (uint16_t)(wire_block - (uint16_t)t->acked);
    if (distance == 0) {
        resume_window(t, now_ms);
        return;
    }
    if (distance > t->sent - t->acked)
        return;
    t->acked += distance;
    if (t->sent != t->acked) {
        t->resends_total++;
        t->sent_once = false; /* the answer is to an earlier block */
    }
    t->sent = t->acked;
    note_progress(t, now_ms);
    if (t->acked == t->last_block)
        t->outcome = TFTP_SENT;
}

static void receive_error(struct tftp_transfer *t, const struct tftp_reply *reply)
{
    bool polite = reply->code == TFTP_ERROR_UNDEFINED || reply->code == TFTP_ERROR_OPTION;

    t->error_code = reply->code;
    quote_into(t->error_text, sizeof(t->error_text), reply->text, reply->text_length_bytes);
    t->outcome = !t->heard && polite ? TFTP_PROBED : TFTP_ABORTED;
}

void tftp_transfer_receive(struct tftp_transfer *t, const void *bytes, size_t length_bytes, uint64_t now_ms)
{
    struct tftp_reply reply;

    if (t->outcome != TFTP_RUNNING)
        return;
    switch (tftp_decode_reply(bytes, length_bytes, &reply)) {
    case TFTP_REPLY_ACK:
        receive_ack(t, reply.block, now_ms);
        break;
    case TFTP_REPLY_ERROR:
        receive_error(t, &reply);
        break;
    case TFTP_REPLY_NONE:
        break;
    }
}

static bool only_last_is_missing(const struct tftp_transfer *t)
{
    return t->heard && t->sent == t->last_block && t->last_block - t->acked <= t->windowsize;
}

static bool may_repeat_unheard(const struct tftp_transfer *t)
{
    size_t first_bytes = t->oack_unanswered ? oack_bytes(t)
                                            : TFTP_DATA_HEADER_BYTES + (size_t)MIN((uint64_t)t->blksize, t->size_bytes);

    return t->unheard_bytes + TFTP_IP_UDP_BYTES + first_bytes <= TFTP_UNHEARD_FACTOR * t->received_bytes;
}

static uint32_t resends_allowed(const struct tftp_transfer *t)
{
    if (!t->heard)
        return TFTP_RESENDS_UNHEARD_MAX;
    return only_last_is_missing(t) ? TFTP_RESENDS_LAST_MAX : TFTP_RESENDS_MAX;
}

static void send_again(struct tftp_transfer *t)
{
    t->resends_total++;
    t->sent = t->acked;
    t->oack_due = t->oack_unanswered;
}

void tftp_transfer_timeout(struct tftp_transfer *t, uint64_t now_ms)
{
    if (t->outcome != TFTP_RUNNING || now_ms < t->deadline_ms)
        return;
    if (t->resends >= resends_allowed(t)) {
        t->outcome = only_last_is_missing(t) ? TFTP_SENT : TFTP_TIMED_OUT;
        return;
    }
    t->resends++;
    t->timeout_ms = MIN(t->timeout_ms * 2, MAX(t->first_timeout_ms, (uint32_t)TFTP_TIMEOUT_MAX_MS));
    t->deadline_ms = now_ms + t->timeout_ms;
    if (t->heard || may_repeat_unheard(t))
        send_again(t);
}

/* Twice within a moment it is the network that repeats, not the client. */
void tftp_transfer_asked_again(struct tftp_transfer *t, size_t length_bytes, uint64_t now_ms)
{
    if (t->outcome != TFTP_RUNNING || t->heard)
        return;
    t->received_bytes += TFTP_IP_UDP_BYTES + length_bytes;
    if (now_ms - t->sent_ms < TFTP_TIMEOUT_MIN_MS || !may_repeat_unheard(t))
        return;
    t->deadline_ms = now_ms + t->timeout_ms;
    send_again(t);
}

void tftp_transfer_gone(struct tftp_transfer *t)
{
    if (t->outcome != TFTP_RUNNING)
        return;
    COPY_STRING(t->error_text, "it closed its port");
    /* A client that has the last block may close its port before its ACK gets through. */
    if (only_last_is_missing(t))
        t->outcome = TFTP_SENT;
    else
        t->outcome = t->heard ? TFTP_ABORTED : TFTP_PROBED;
}

bool tftp_transfer_rolls_over(const struct tftp_transfer *t)
{
    return t->last_block > UINT16_MAX;
}
