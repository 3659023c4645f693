#include "iscsi/session_parts.h"

void session_init(struct session *session, const struct session_parameters *parameters, uint16_t tsih,
                  uint32_t cmd_sn, uint32_t stat_sn)
{
    memset(session, 0, sizeof(*session));
    session->parameters = *parameters;
    session->digests.header = parameters->header_digest == DIGEST_CRC32C;
    session->digests.data = parameters->data_digest == DIGEST_CRC32C;
    session->targets = text_with_max(ISCSI_TEXT_MAX_BYTES);
    session->text_request = text_with_max(ISCSI_TEXT_MAX_BYTES);
    session->text_answer = text_with_max(ISCSI_TEXT_MAX_BYTES);
    session->tsih = tsih;
    session->stat_sn = stat_sn;
    session->exp_cmd_sn = cmd_sn;
    session->max_cmd_sn = cmd_sn + SESSION_TASKS_MAX - 1;
    session->ready.last = &session->ready.first;
    session->sending.last = &session->sending.first;
    session->streaming.last = &session->streaming.first;
    session->parked.last = &session->parked.first;
    session->replies.last = &session->replies.first;
    session->held.last = &session->held.first;
}

static void note_depth(struct session *session)
{
    if (session->statistics)
        statistics_set_depth(session->statistics, session->windowed_tasks + session->immediate_tasks);
}

static struct task **slot_of(struct session *session, const struct task *task)
{
    return &session->by_tag[task->tag % SESSION_TAG_SLOTS];
}

struct task *session_find_task(struct session *session, uint32_t tag)
{
    struct task *task = session->by_tag[tag % SESSION_TAG_SLOTS];

    while (task && (task->tag != tag || task->aborted))
        task = task->next_by_tag;
    return task;
}

struct task *session_new_task(struct session *session, const struct pdu *pdu)
{
    struct task *task = buffers_take(session->buffers, sizeof(*task));

    task_init(task, pdu, &session->nexus);
    task->next_by_tag = *slot_of(session, task);
    *slot_of(session, task) = task;
    task->begun_ns = session->now_ns;
    task->next = session->tasks;
    if (task->next)
        task->next->previous = task;
    session->tasks = task;
    session_admit(session, task);
    if (task->immediate)
        session->immediate_tasks++;
    else
        session->windowed_tasks++;
    note_depth(session);
    return task;
}

static void unlink_task(struct session *session, struct task *task)
{
    struct task **at = slot_of(session, task);

    while (*at != task)
        at = &(*at)->next_by_tag;
    *at = task->next_by_tag;
    if (task->previous)
        task->previous->next = task->next;
    else
        session->tasks = task->next;
    if (task->next)
        task->next->previous = task->previous;
    if (task->immediate)
        session->immediate_tasks--;
    else
        session->windowed_tasks--;
    note_depth(session);
}

/* The window opens by what has ended; it never goes back (RFC 7143 4.2.2.1). */
static void open_window(struct session *session)
{
    uint32_t most = session->exp_cmd_sn + (SESSION_TASKS_MAX - session->windowed_tasks) - 1;

    if ((int32_t)(most - session->max_cmd_sn) > 0)
        session->max_cmd_sn = most;
}

/* `own` is one of the session's counts. */
static bool take_room(struct session *session, size_t *own, size_t own_max_bytes, size_t length_bytes)
{
    atomic_size_t *all = session->buffered_in_all;

    if (*own + length_bytes > own_max_bytes)
        return false;
    if (all && atomic_fetch_add(all, length_bytes) + length_bytes > SESSIONS_BUFFERED_MAX_BYTES) {
        atomic_fetch_sub(all, length_bytes);
        return false;
    }
    *own += length_bytes;
    return true;
}

static void give_room(struct session *session, size_t *own, size_t length_bytes)
{
    *own -= length_bytes;
    if (session->buffered_in_all)
        atomic_fetch_sub(session->buffered_in_all, length_bytes);
}

bool session_take_room(struct session *session, size_t length_bytes)
{
    return take_room(session, &session->buffered_bytes, SESSION_BUFFERED_MAX_BYTES, length_bytes);
}

/* ---- data-in that workers bring ---- */

void session_drop_piece(struct session *session, struct task *task)
{
    give_room(session, &session->pieces_bytes, task->piece_bytes);
    buffers_give(session->buffers, TAKE_PTR(task->piece), task->piece_bytes);
    /* One goes on for one that is done; all of them when nothing is left that would wake the next. */
    do {
        if (session->parked.first)
            session_queue_to_send(session, task_queue_take(&session->parked));
    } while (session->parked.first && !session->pieces_bytes);
}

static bool take_piece(struct session *session, struct task *task)
{
    uint64_t left = task->scsi.in_bytes - task->in_sent_bytes;
    size_t length_bytes = MIN(left, (uint64_t)TASK_PIECE_BYTES);

    if (!take_room(session, &session->pieces_bytes, SESSION_PIECES_MAX_BYTES, length_bytes))
        return false;
    task->piece_offset = task->in_sent_bytes;
    task->piece_bytes = length_bytes;
    task->piece = buffers_take(session->buffers, length_bytes);
    return true;
}

/* With a piece of its own on the way the session will be told when there is memory again; without, it is all in
 * others' hands, and the initiator is asked to try later. */
bool session_read_elsewhere(struct session *session, struct task *task)
{
    task_queue_remove(task);
    if (take_piece(session, task)) {
        task->state = TASK_RUNNING;
        session->running_tasks++;
        return true;
    }
    if (session->pieces_bytes) {
        task_queue_add(&session->parked, task);
        return false;
    }
    task->scsi.status = SCSI_BUSY;
    task->scsi.in_bytes = task->in_sent_bytes;
    task_begin_sending(task);
    session_queue_to_send(session, task);
    return false;
}

void session_end_task(struct session *session, struct task *task)
{
    unlink_task(session, task);
    if (task->scsi.out) {
        give_room(session, &session->buffered_bytes, task->out_room_bytes);
        buffers_give(session->buffers, TAKE_PTR(task->scsi.out), task->out_room_bytes);
    }
    if (task->piece)
        session_drop_piece(session, task);
    if (session->data_task == task)
        session->data_task = NULL;
    session_dismiss(session, task);
    task_end(task);
    buffers_give(session->buffers, task, sizeof(*task));
    open_window(session);
}

void session_release_held(struct session *session)
{
    while (!session->aborted_running && session->held.first)
        reply_queue_add(&session->replies, reply_queue_take(&session->held));
}

void session_abort_task(struct session *session, struct task *task)
{
    if (task->state == TASK_RUNNING) {
        session->aborted_running += !task->aborted;
        task->aborted = true;
        return;
    }
    if (task->queue)
        task_queue_remove(task);
    session_end_task(session, task);
}

/* Those of one LUN; of all with -1. */
void session_abort_tasks(struct session *session, int lun)
{
    struct task *next;

    for (struct task *task = session->tasks; task; task = next) {
        next = task->next;
        if (lun < 0 || scsi_lun_number(task->scsi.lun) == lun)
            session_abort_task(session, task);
    }
}

void session_abort_all(struct session *session)
{
    session_abort_tasks(session, -1);
}

void session_end(struct session *session)
{
    session_abort_all(session);
    CHECK(!session->tasks && !session->running_tasks);
    reply_queue_clear(&session->held);
    reply_queue_clear(&session->replies);
    text_free(&session->targets);
    text_free(&session->text_request);
    text_free(&session->text_answer);
    scsi_nexus_end(&session->nexus);
}

/* ---- requests: everything but SCSI commands and their data ---- */

/* On one connection commands come in order, so one that skips a number will never be completed by the missing
 * one. */
enum arrival session_arrive(struct session *session, const struct pdu *pdu)
{
    uint32_t cmd_sn = pdu->words[WORD_CMD_SN];

    if (pdu->immediate)
        return ARRIVED;
    if ((int32_t)(cmd_sn - session->exp_cmd_sn) < 0 || (int32_t)(cmd_sn - session->max_cmd_sn) > 0)
        return ARRIVED_OUTSIDE;
    if (cmd_sn != session->exp_cmd_sn)
        return ARRIVED_EARLY;
    session->exp_cmd_sn++;
    return ARRIVED;
}

void session_reject(struct session *session, const struct pdu *pdu, uint8_t reason)
{
    struct reply *reply = reply_new(PDU_REJECT, pdu);
    uint8_t header[PDU_HEADER_BYTES];

    pdu_encode(pdu, header);
    reply->pdu.task_tag = PDU_NO_TAG;
    reply->pdu.detail[0] = reason;
    reply_set_data(reply, header, sizeof(header));
    reply_queue_add(&session->replies, reply);
}

static enum session_verdict take_unsupported(struct session *session, const struct pdu *pdu,
                                             const uint8_t *data)
{
    session_reject(session, pdu, REJECT_NOT_SUPPORTED);
    return SESSION_GOES_ON;
}

static const struct {
    bool numbered; /* carries a CmdSN */
    enum session_verdict (*take)(struct session *session, const struct pdu *pdu, const uint8_t *data);
} requests[] = {
    [PDU_NOP_OUT] = {true, session_take_nop},
    [PDU_TASK_REQUEST] = {true, session_take_management},
    [PDU_TEXT_REQUEST] = {true, session_take_text},
    [PDU_LOGOUT_REQUEST] = {true, session_take_logout},
};

enum session_verdict session_request(struct session *session, const struct pdu *pdu, const uint8_t *data)
{
    if (pdu->opcode == PDU_LOGIN_REQUEST)
        return SESSION_BROKEN;
    if (pdu->opcode >= ARRAY_SIZE(requests) || !requests[pdu->opcode].take)
        return take_unsupported(session, pdu, data);
    switch (session_arrive(session, pdu)) {
    case ARRIVED:
        open_window(session);
        return session->logging_out ? SESSION_GOES_ON : requests[pdu->opcode].take(session, pdu, data);
    case ARRIVED_OUTSIDE:
        return SESSION_GOES_ON;
    case ARRIVED_EARLY:
        return SESSION_BROKEN;
    }
    return SESSION_BROKEN;
}
