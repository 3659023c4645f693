/*
 * Pings and farewells: NOP-Out and NOP-In, Logout, Async Message (RFC 7143 11.9, 11.14, 11.18, 11.19).
 */
#include "iscsi/session_parts.h"

enum session_verdict session_take_nop(struct session *session, const struct pdu *pdu, const uint8_t *data)
{
    if (pdu->task_tag == PDU_NO_TAG) {
        session->counters.pongs++;
        return SESSION_GOES_ON;
    }
    struct reply *reply = reply_new(PDU_NOP_IN, pdu);
    session->counters.pings++;
    memcpy(reply->pdu.lun, pdu->lun, sizeof(reply->pdu.lun));
    reply->pdu.words[WORD_TRANSFER_TAG] = PDU_NO_TAG;
    reply_set_data(reply, data, MIN(pdu->data_bytes, session->parameters.peer_max_recv_bytes));
    reply_queue_add(&session->replies, reply);
    return SESSION_GOES_ON;
}

enum session_verdict session_take_logout(struct session *session, const struct pdu *pdu, const uint8_t *data)
{
    enum { CLOSE_SESSION = 0, CLOSE_CONNECTION = 1, SUCCESS = 0, NO_SUCH_CID = 1, NO_RECOVERY = 2 };
    unsigned reason = pdu->flags & PDU_FUNCTION;
    uint16_t cid = (uint16_t)(pdu->words[WORD_CID] >> 16);
    struct reply *reply = reply_new(PDU_LOGOUT_RESPONSE, pdu);

    reply->pdu.words[WORD_TIMES] = session->parameters.time2wait_seconds << 16;
    if (reason > CLOSE_CONNECTION)
        reply->pdu.detail[0] = NO_RECOVERY;
    else if (reason == CLOSE_CONNECTION && cid != session->parameters.cid)
        reply->pdu.detail[0] = NO_SUCH_CID;
    else
        reply->closes = session->logging_out = true;
    if (session->logging_out)
        session_abort_all(session);
    reply_queue_add(&session->held, reply);
    session_release_held(session);
    return SESSION_GOES_ON;
}

/* What nobody asked for. */
static const struct pdu unasked = {.task_tag = PDU_NO_TAG};

void session_ping(struct session *session)
{
    struct reply *reply = reply_new(PDU_NOP_IN, &unasked);

    reply->pdu.words[WORD_TRANSFER_TAG] = session->next_transfer_tag;
    session->next_transfer_tag =
        session->next_transfer_tag + 1 == PDU_NO_TAG ? 0 : session->next_transfer_tag + 1;
    reply->counts = false; /* it shows the next StatSN and leaves it */
    reply_queue_add(&session->replies, reply);
}

void session_announce_end(struct session *session)
{
    enum { DROPS_CONNECTION = 2 };
    struct reply *reply = reply_new(PDU_ASYNC_MESSAGE, &unasked);

    /* Time2Wait and Time2Retain stay 0: whoever was cut off may come back at once, to a session of its own.
     */
    reply->pdu.words[WORD_DATA_SN] = DROPS_CONNECTION << 24 | session->parameters.cid;
    reply_queue_add(&session->replies, reply);
}
