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
    };
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
        t->sent_since_deadline = true;
        return TFTP_STEP_OACK;
    }
    if (t->oack_unanswered || t->sent >= MIN(t->acked + t->windowsize, t->last_block))
        return wait_for_client(t, now_ms);
    t->sent++;
    t->sent_since_deadline = true;
    block->number = t->sent;
    block->offset = (t->sent - 1) * t->blksize;
    block->length_bytes = (uint32_t)MIN((uint64_t)t->blksize, t->size_bytes - block->offset);
    return TFTP_STEP_DATA;
}

static void note_progress(struct tftp_transfer *t, uint64_t now_ms)
{
    t->heard = true;
    t->resends = 0;
    t->timeout_ms = t->first_timeout_ms;
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
    if (t->sent != t->acked)
        t->resends_total++;
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

static uint32_t resends_allowed(const struct tftp_transfer *t)
{
    if (!t->heard)
        return TFTP_RESENDS_UNHEARD_MAX;
    return only_last_is_missing(t) ? TFTP_RESENDS_LAST_MAX : TFTP_RESENDS_MAX;
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
    t->resends_total++;
    t->timeout_ms = MIN(t->timeout_ms * 2, MAX(t->first_timeout_ms, (uint32_t)TFTP_TIMEOUT_MAX_MS));
    t->deadline_ms = now_ms + t->timeout_ms;
    t->sent = t->acked;
    t->oack_due = t->oack_unanswered;
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
