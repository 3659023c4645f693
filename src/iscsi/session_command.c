/*
 * SCSI commands of a session: their arrival, their data-out, and the ways into somebody's hands and back
 * (RFC 7143 11.3, 11.7, 11.8).
 */
#include "iscsi/session_parts.h"

bool session_uses_lun(const struct session *session, unsigned lun)
{
    const struct task *task = session->tasks;

    while (task && task->scsi.path != &session->nexus.paths[lun] && !task->scsi.copy)
        task = task->next;
    return task != NULL;
}

static void begin_sending(struct session *session, struct task *task)
{
    task_begin_sending(task);
    session_queue_to_send(session, task);
}

static void fail_task(struct session *session, struct task *task, enum sense_key key, enum sense_code code)
{
    if (task->queue)
        task_queue_remove(task);
    scsi_fail(&task->scsi, key, code);
    begin_sending(session, task);
}

static void answer_status(struct session *session, struct task *task, enum scsi_status status)
{
    task->scsi.status = status;
    task->scsi.in_bytes = 0;
    begin_sending(session, task);
}

void session_start(struct session *session, struct task *task)
{
    if (task->dormant) {
        task->state = TASK_HELD;
    } else if (task->reads) {
        begin_sending(session, task);
    } else {
        task->state = TASK_READY;
        task_queue_add(&session->ready, task);
    }
}

static void become_ready(struct session *session, struct task *task)
{
    task->scsi.out_received = MIN(task->out_taken_bytes, task->out_wanted_bytes);
    session_start(session, task);
}

/* What happens to a task when more of its data has come. */
static void go_on_taking(struct session *session, struct task *task)
{
    if (task_has_all(task))
        become_ready(session, task);
    else if (!task->queue && task_may_ask(task, &session->parameters))
        session_queue_to_send(session, task);
}

static enum session_verdict begin_taking(struct session *session, struct task *task, const struct pdu *pdu,
                                         uint8_t **place)
{
    task->state = TASK_TAKING;
    if (!task_begin_taking(task, pdu, &session->parameters)) {
        fail_task(session, task, SENSE_ABORTED_COMMAND, SENSE_CODE_UNEXPECTED_DATA);
        return SESSION_GOES_ON;
    }
    if (!session_take_room(session, task->out_room_bytes)) {
        answer_status(session, task, SCSI_TASK_SET_FULL);
        return SESSION_GOES_ON;
    }
    task->scsi.out = buffers_take(session->buffers, task->out_room_bytes);
    session->data_task = task;
    session->data_burst = task->burst_count ? &task->bursts[0] : NULL;
    *place = task->scsi.out;
    return SESSION_GOES_ON;
}

static enum session_verdict begin_command(struct session *session, const struct pdu *pdu, uint8_t **place)
{
    if (session->logging_out)
        return SESSION_GOES_ON;
    if (session_find_task(session, pdu->task_tag)) {
        session_reject(session, pdu, REJECT_TASK_IN_PROGRESS);
        return SESSION_GOES_ON;
    }
    if (pdu->immediate && session->immediate_tasks >= SESSION_IMMEDIATE_MAX) {
        session_reject(session, pdu, REJECT_TOO_MANY_IMMEDIATE);
        return SESSION_GOES_ON;
    }
    struct task *task = session_new_task(session, pdu);
    session->counters.commands++;
    switch (scsi_begin(&task->scsi)) {
    case SCSI_TAKE:
        return begin_taking(session, task, pdu, place);
    case SCSI_EXECUTE:
        become_ready(session, task);
        break;
    case SCSI_READ:
        task->reads = true;
        session_start(session, task);
        break;
    case SCSI_ANSWERED:
        begin_sending(session, task);
        break;
    }
    return SESSION_GOES_ON;
}

static void begin_data_out(struct session *session, const struct pdu *pdu, uint8_t **place)
{
    struct task *task = session_find_task(session, pdu->task_tag);

    /* Data for a command that has ended already is on its way for a while. */
    if (!task || task->state != TASK_TAKING)
        return;
    session->data_burst = task_find_burst(task, pdu);
    if (!session->data_burst) {
        fail_task(session, task, SENSE_ABORTED_COMMAND, SENSE_CODE_WRONG_DATA_LENGTH);
        return;
    }
    session->data_task = task;
    *place = task->scsi.out + pdu->words[WORD_BUFFER_OFFSET];
}

enum session_verdict session_begin_data(struct session *session, const struct pdu *pdu, uint8_t **place)
{
    enum session_verdict verdict = SESSION_GOES_ON;

    *place = NULL;
    session->data_task = NULL;
    session->data_burst = NULL;
    if (pdu->opcode == PDU_DATA_OUT) {
        begin_data_out(session, pdu, place);
    } else {
        enum arrival arrival = session_arrive(session, pdu);
        if (arrival == ARRIVED_EARLY)
            return SESSION_BROKEN;
        if (arrival == ARRIVED)
            verdict = begin_command(session, pdu, place);
    }
    if (*place)
        CHECK((size_t)(*place - session->data_task->scsi.out) + pdu->data_bytes <=
              session->data_task->out_room_bytes);
    return verdict;
}

enum session_verdict session_end_data(struct session *session, const struct pdu *pdu)
{
    struct task *task = session->data_task;
    struct burst *burst = session->data_burst;

    session->data_task = NULL;
    if (!task)
        return SESSION_GOES_ON;
    session->counters.written_bytes += pdu->data_bytes;
    if (burst && pdu->opcode == PDU_DATA_OUT)
        burst->data_sn++;
    if (burst && !task_taken(task, burst, pdu->data_bytes, pdu->flags & PDU_FINAL))
        fail_task(session, task, SENSE_ABORTED_COMMAND, SENSE_CODE_WRONG_DATA_LENGTH);
    else
        go_on_taking(session, task);
    return SESSION_GOES_ON;
}

/* ---- executing ---- */

struct task *session_next_ready(struct session *session)
{
    if (!session->ready.first)
        return NULL;
    struct task *task = task_queue_take(&session->ready);
    task->state = TASK_RUNNING;
    session->running_tasks++;
    return task;
}

/* False if nobody wants it any more; it is gone then. */
static bool come_home(struct session *session, struct task *task)
{
    CHECK(task->state == TASK_RUNNING);
    session->running_tasks--;
    if (!task->aborted)
        return true;
    session->aborted_running--;
    session_end_task(session, task);
    session_release_held(session);
    return false;
}

void session_executed(struct session *session, struct task *task)
{
    if (!come_home(session, task))
        return;
    if (task->scsi.unfinished) {
        task->state = TASK_READY;
        task_queue_add(&session->ready, task);
        return;
    }
    begin_sending(session, task);
}

void session_read_done(struct session *session, struct task *task)
{
    if (!come_home(session, task))
        return;
    if (task->read_result < 0) {
        session_drop_piece(session, task);
        begin_sending(session, task);
        return;
    }
    task->state = TASK_SENDING;
    session_queue_to_send(session, task);
}

void session_read_failed(struct session *session, struct task *task)
{
    task_queue_remove(task);
    begin_sending(session, task);
}
