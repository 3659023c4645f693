/*
 * Task management (RFC 7143 11.5, 11.6).
 */
#include "iscsi/session_parts.h"

enum task_function {
    FUNCTION_ABORT_TASK = 1,
    FUNCTION_ABORT_TASK_SET = 2,
    FUNCTION_CLEAR_ACA = 3,
    FUNCTION_CLEAR_TASK_SET = 4,
    FUNCTION_LU_RESET = 5,
    FUNCTION_WARM_RESET = 6,
    FUNCTION_COLD_RESET = 7,
    FUNCTION_REASSIGN = 8,
};

enum task_response {
    RESPONSE_COMPLETE = 0,
    RESPONSE_NO_TASK = 1,
    RESPONSE_NO_LUN = 2,
    RESPONSE_NO_REASSIGN = 4,
    RESPONSE_NOT_SUPPORTED = 5,
};

static enum task_response abort_one(struct session *session, const struct pdu *pdu)
{
    struct task *task = session_find_task(session, pdu->words[WORD_REFERENCED_TAG]);

    if (!task)
        return RESPONSE_NO_TASK;
    session_abort_task(session, task);
    return RESPONSE_COMPLETE;
}

static enum task_response abort_set(struct session *session, int lun)
{
    if (!scsi_nexus_path(&session->nexus, lun))
        return RESPONSE_NO_LUN;
    session_abort_tasks(session, lun);
    return RESPONSE_COMPLETE;
}

static enum task_response reset_unit(struct session *session, int lun)
{
    enum task_response response = abort_set(session, lun);

    if (response == RESPONSE_COMPLETE)
        scsi_nexus_reset(&session->nexus, lun);
    return response;
}

static enum task_response reset_target(struct session *session, bool cold)
{
    session_abort_tasks(session, -1);
    scsi_nexus_reset(&session->nexus, -1);
    session->reset_target |= cold;
    return RESPONSE_COMPLETE;
}

static enum task_response manage(struct session *session, const struct pdu *pdu)
{
    int lun = scsi_lun_number(pdu->lun);

    switch (pdu->flags & PDU_FUNCTION) {
    case FUNCTION_ABORT_TASK:
        return abort_one(session, pdu);
    case FUNCTION_ABORT_TASK_SET:
    case FUNCTION_CLEAR_TASK_SET:
        return abort_set(session, lun);
    case FUNCTION_LU_RESET:
        return reset_unit(session, lun);
    case FUNCTION_WARM_RESET:
        return reset_target(session, false);
    case FUNCTION_COLD_RESET:
        return reset_target(session, true);
    case FUNCTION_REASSIGN:
        return RESPONSE_NO_REASSIGN;
    default:
        return RESPONSE_NOT_SUPPORTED;
    }
}

enum session_verdict session_take_management(struct session *session, const struct pdu *pdu,
                                             const uint8_t *data)
{
    struct reply *reply = reply_new(PDU_TASK_RESPONSE, pdu);

    reply->pdu.detail[0] = (uint8_t)manage(session, pdu);
    reply_queue_add(&session->held, reply);
    session_release_held(session);
    return SESSION_GOES_ON;
}
