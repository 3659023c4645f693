/*
 * Text requests: SendTargets, in as many parts as it takes (RFC 7143 11.10, 11.11, appendix C).
 */
#include "iscsi/session_parts.h"

#include "base/bytes.h"

#include <strings.h>

/* "All" is for discovery sessions, an empty value for the others; a name always (RFC 7143 appendix C). */
static bool asks_for_targets(const struct session *session, const char *value)
{
    if (string_equal(value, "All"))
        return session->parameters.discovery;
    if (!*value)
        return !session->parameters.discovery;
    return strcasecmp(value, session->visible_target) == 0;
}

static void put_answer_for(struct session *session, const char *key, const char *value)
{
    if (!string_equal(key, "SendTargets"))
        iscsi_text_put(&session->text_answer, key, "NotUnderstood");
    else if (asks_for_targets(session, value))
        text_append_bytes(&session->text_answer, text_string(&session->targets),
                          session->targets.length_bytes);
}

static bool put_answers(struct session *session)
{
    struct reader r = reader_over(session->text_request.data, session->text_request.length_bytes);
    const char *key, *value;
    enum text_next next;
    unsigned count = 0;

    while ((next = iscsi_text_next(&r, &key, &value)) != TEXT_END) {
        if (next == TEXT_MALFORMED || ++count > ISCSI_PAIRS_MAX)
            return false;
        put_answer_for(session, key, value);
    }
    return !session->text_answer.failed;
}

static void restart_text(struct text *text)
{
    text_free(text);
    *text = text_with_max(ISCSI_TEXT_MAX_BYTES);
}

/* The next part of the answer, no longer than the initiator takes in one PDU. */
static void send_answer(struct session *session, const struct pdu *pdu)
{
    struct reply *reply = reply_new(PDU_TEXT_RESPONSE, pdu);
    size_t left = session->text_answer.length_bytes - session->text_sent_bytes;
    size_t part = MIN(left, (size_t)session->parameters.peer_max_recv_bytes);
    bool last = part == left;

    reply_set_data(reply, text_string(&session->text_answer) + session->text_sent_bytes, part);
    session->text_sent_bytes += part;
    reply->pdu.flags = last ? PDU_FINAL : PDU_CONTINUE;
    memcpy(reply->pdu.lun, pdu->lun, sizeof(reply->pdu.lun));
    if (!last)
        session->text_tag = session->text_tag + 1 == PDU_NO_TAG ? 1 : session->text_tag + 1;
    reply->pdu.words[WORD_TRANSFER_TAG] = last ? PDU_NO_TAG : session->text_tag;
    reply_queue_add(&session->replies, reply);
}

/* Asks for the rest of a request that came with the C bit. */
static void ask_for_more_text(struct session *session, const struct pdu *pdu)
{
    struct reply *reply = reply_new(PDU_TEXT_RESPONSE, pdu);

    reply->pdu.flags = 0;
    session->text_tag = session->text_tag + 1 == PDU_NO_TAG ? 1 : session->text_tag + 1;
    reply->pdu.words[WORD_TRANSFER_TAG] = session->text_tag;
    reply_queue_add(&session->replies, reply);
}

static void answer_text(struct session *session, const struct pdu *pdu)
{
    restart_text(&session->text_answer);
    session->text_sent_bytes = 0;
    if (session->text_request.failed || !put_answers(session)) {
        restart_text(&session->text_answer);
        session_reject(session, pdu, REJECT_PROTOCOL_ERROR);
    } else {
        send_answer(session, pdu);
    }
    restart_text(&session->text_request);
}

static void take_request_part(struct session *session, const struct pdu *pdu, const uint8_t *data)
{
    text_append_bytes(&session->text_request, data, pdu->data_bytes);
    if (pdu->flags & PDU_CONTINUE && !session->text_request.failed)
        ask_for_more_text(session, pdu);
    else
        answer_text(session, pdu);
}

enum session_verdict session_take_text(struct session *session, const struct pdu *pdu, const uint8_t *data)
{
    bool continues = pdu->words[WORD_TRANSFER_TAG] != PDU_NO_TAG;
    bool answer_left = session->text_sent_bytes < session->text_answer.length_bytes;

    if (continues && pdu->words[WORD_TRANSFER_TAG] != session->text_tag) {
        session_reject(session, pdu, REJECT_INVALID_FIELD);
    } else if (continues && answer_left) {
        send_answer(session, pdu);
    } else {
        if (!continues)
            restart_text(&session->text_request);
        take_request_part(session, pdu, data);
    }
    return SESSION_GOES_ON;
}
