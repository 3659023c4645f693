#include "iscsi/session.h"

#include "base/bytes.h"

#include <strings.h>

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

/* ---- queues ---- */

static void queue_task(struct task_queue *queue, struct task *task)
{
    CHECK(!task->queued);
    task->queued = true;
    task->next_queued = NULL;
    *queue->last = task;
    queue->last = &task->next_queued;
}

static struct task *unqueue_first(struct task_queue *queue)
{
    struct task *task = queue->first;

    queue->first = task->next_queued;
    if (!queue->first)
        queue->last = &queue->first;
    task->queued = false;
    return task;
}

static void unqueue(struct task_queue *queue, struct task *task)
{
    for (struct task **at = &queue->first; *at; at = &(*at)->next_queued) {
        if (*at != task)
            continue;
        *at = task->next_queued;
        if (!*at)
            queue->last = at;
        task->queued = false;
        return;
    }
}

static void queue_reply(struct reply_queue *queue, struct reply *reply)
{
    reply->next = NULL;
    *queue->last = reply;
    queue->last = &reply->next;
    queue->count++;
}

static struct reply *unqueue_reply(struct reply_queue *queue)
{
    struct reply *reply = queue->first;

    queue->first = reply->next;
    if (!queue->first)
        queue->last = &queue->first;
    queue->count--;
    return reply;
}

static void reply_free(struct reply *reply)
{
    free(reply->data);
    free(reply);
}

static void free_replies(struct reply_queue *queue)
{
    while (queue->first)
        reply_free(unqueue_reply(queue));
}

static struct reply *new_reply(uint8_t opcode, const struct pdu *asked)
{
    struct reply *reply = xcalloc(1, sizeof(*reply));

    reply->pdu = (struct pdu){.opcode = opcode, .flags = PDU_FINAL, .task_tag = asked->task_tag};
    reply->counts = true;
    return reply;
}

static void set_reply_data(struct reply *reply, const void *data, size_t length_bytes)
{
    reply->data = xcalloc(1, length_bytes);
    if (length_bytes)
        memcpy(reply->data, data, length_bytes);
    reply->pdu.data_bytes = (uint32_t)length_bytes;
}

/* ---- beginning and end ---- */

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
    session->replies.last = &session->replies.first;
    session->held.last = &session->held.first;
}

static void link_task(struct session *session, struct task *task)
{
    task->next = session->tasks;
    if (task->next)
        task->next->previous = task;
    session->tasks = task;
    if (task->immediate)
        session->immediate_tasks++;
    else
        session->windowed_tasks++;
}

/* The window opens by what has ended; it never goes back (RFC 7143 4.2.2.1). */
static void open_window(struct session *session)
{
    uint32_t most = session->exp_cmd_sn + (SESSION_TASKS_MAX - session->windowed_tasks) - 1;

    if ((int32_t)(most - session->max_cmd_sn) > 0)
        session->max_cmd_sn = most;
}

static void end_task(struct session *session, struct task *task)
{
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
    if (task->scsi.out) {
        session->buffered_bytes -= task->out_room_bytes;
        buffers_give(session->buffers, TAKE_PTR(task->scsi.out), task->out_room_bytes);
    }
    if (session->data_task == task)
        session->data_task = NULL;
    task_free(task);
    open_window(session);
}

static void release_held(struct session *session)
{
    while (!session->aborted_running && session->held.first)
        queue_reply(&session->replies, unqueue_reply(&session->held));
}

static void abort_task(struct session *session, struct task *task)
{
    if (task->state == TASK_RUNNING) {
        session->aborted_running += !task->aborted;
        task->aborted = true;
        return;
    }
    if (task->queued)
        unqueue(task->state == TASK_READY ? &session->ready : &session->sending, task);
    end_task(session, task);
}

/* Those of one LUN; of all with -1. */
static void abort_tasks(struct session *session, int lun)
{
    struct task *next;

    for (struct task *task = session->tasks; task; task = next) {
        next = task->next;
        if (lun < 0 || scsi_lun_number(task->scsi.lun) == lun)
            abort_task(session, task);
    }
}

void session_abort_all(struct session *session)
{
    abort_tasks(session, -1);
}

void session_end(struct session *session)
{
    session_abort_all(session);
    CHECK(!session->tasks && !session->running_tasks);
    free_replies(&session->held);
    free_replies(&session->replies);
    text_free(&session->targets);
    text_free(&session->text_request);
    text_free(&session->text_answer);
    scsi_nexus_end(&session->nexus);
}

/* ---- command numbers ---- */

enum arrival { ARRIVED, ARRIVED_OUTSIDE, ARRIVED_EARLY };

/* On one connection commands come in order, so one that skips a number will never be completed by the missing
 * one. */
static enum arrival arrive(struct session *session, const struct pdu *pdu)
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
    struct reply *reply = new_reply(PDU_REJECT, pdu);
    uint8_t header[PDU_HEADER_BYTES];

    pdu_encode(pdu, header);
    reply->pdu.task_tag = PDU_NO_TAG;
    reply->pdu.detail[0] = reason;
    set_reply_data(reply, header, sizeof(header));
    queue_reply(&session->replies, reply);
}

/* ---- SCSI commands and their data ---- */

static struct task *find_task(struct session *session, uint32_t tag)
{
    struct task *task = session->tasks;

    while (task && (task->tag != tag || task->aborted))
        task = task->next;
    return task;
}

static void queue_to_send(struct session *session, struct task *task)
{
    task_begin_sending(task);
    queue_task(&session->sending, task);
}

static void fail_task(struct session *session, struct task *task, enum sense_key key, enum sense_code code)
{
    if (task->queued)
        unqueue(task->state == TASK_READY ? &session->ready : &session->sending, task);
    scsi_fail(&task->scsi, key, code);
    queue_to_send(session, task);
}

static void answer_status(struct session *session, struct task *task, enum scsi_status status)
{
    task->scsi.status = status;
    task->scsi.in_bytes = 0;
    queue_to_send(session, task);
}

static void become_ready(struct session *session, struct task *task)
{
    task->scsi.out_received = MIN(task->out_taken_bytes, task->out_wanted_bytes);
    task->state = TASK_READY;
    queue_task(&session->ready, task);
}

/* What happens to a task when more of its data has come. */
static void go_on_taking(struct session *session, struct task *task)
{
    if (task_has_all(task))
        become_ready(session, task);
    else if (!task->queued && task_may_ask(task, &session->parameters))
        queue_task(&session->sending, task);
}

static enum session_verdict begin_taking(struct session *session, struct task *task, const struct pdu *pdu,
                                         uint8_t **place)
{
    task->state = TASK_TAKING;
    if (!task_begin_taking(task, pdu, &session->parameters)) {
        fail_task(session, task, SENSE_ABORTED_COMMAND, SENSE_CODE_UNEXPECTED_DATA);
        return SESSION_GOES_ON;
    }
    if (session->buffered_bytes + task->out_room_bytes > SESSION_BUFFERED_MAX_BYTES) {
        answer_status(session, task, SCSI_TASK_SET_FULL);
        return SESSION_GOES_ON;
    }
    task->scsi.out = buffers_take(session->buffers, task->out_room_bytes);
    session->buffered_bytes += task->out_room_bytes;
    session->data_task = task;
    session->data_burst = task->burst_count ? &task->bursts[0] : NULL;
    *place = task->scsi.out;
    return SESSION_GOES_ON;
}

static enum session_verdict begin_command(struct session *session, const struct pdu *pdu, uint8_t **place)
{
    if (session->logging_out)
        return SESSION_GOES_ON;
    if (find_task(session, pdu->task_tag)) {
        session_reject(session, pdu, REJECT_TASK_IN_PROGRESS);
        return SESSION_GOES_ON;
    }
    if (pdu->immediate && session->immediate_tasks >= SESSION_IMMEDIATE_MAX) {
        session_reject(session, pdu, REJECT_TOO_MANY_IMMEDIATE);
        return SESSION_GOES_ON;
    }
    struct task *task = task_new(pdu, &session->nexus);
    link_task(session, task);
    session->counters.commands++;
    switch (scsi_begin(&task->scsi)) {
    case SCSI_TAKE:
        return begin_taking(session, task, pdu, place);
    case SCSI_EXECUTE:
        become_ready(session, task);
        break;
    case SCSI_READ:
    case SCSI_ANSWERED:
        queue_to_send(session, task);
        break;
    }
    return SESSION_GOES_ON;
}

static void begin_data_out(struct session *session, const struct pdu *pdu, uint8_t **place)
{
    struct task *task = find_task(session, pdu->task_tag);

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
        enum arrival arrival = arrive(session, pdu);
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
    struct task *task = unqueue_first(&session->ready);
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
    end_task(session, task);
    release_held(session);
    return false;
}

void session_executed(struct session *session, struct task *task)
{
    if (come_home(session, task))
        queue_to_send(session, task);
}

void session_read_elsewhere(struct session *session, struct task *task)
{
    unqueue(&session->sending, task);
    task->state = TASK_RUNNING;
    session->running_tasks++;
}

void session_read_done(struct session *session, struct task *task)
{
    if (!come_home(session, task))
        return;
    if (task->read_result < 0) {
        queue_to_send(session, task);
        return;
    }
    task->state = TASK_SENDING;
    queue_task(&session->sending, task);
}

void session_read_failed(struct session *session, struct task *task)
{
    unqueue(&session->sending, task);
    queue_to_send(session, task);
}

/* ---- sending ---- */

static void number(struct session *session, struct pdu *pdu, bool with_status)
{
    pdu->words[WORD_STAT_SN] = with_status || pdu->opcode == PDU_R2T ? session->stat_sn : 0;
    pdu->words[WORD_EXP_CMD_SN] = session->exp_cmd_sn;
    pdu->words[WORD_MAX_CMD_SN] = session->max_cmd_sn;
}

static void next_reply(struct session *session, struct session_output *output)
{
    output->reply = session->replies.first;
    output->pdu = output->reply->pdu;
    output->data = output->reply->data;
    number(session, &output->pdu, true);
}

static void next_r2t(struct session *session, struct task *task, struct session_output *output)
{
    uint32_t left = task->out_wanted_bytes - task->out_asked_bytes;

    output->is_r2t = true;
    output->pdu = (struct pdu){.opcode = PDU_R2T, .flags = PDU_FINAL, .task_tag = task->tag};
    memcpy(output->pdu.lun, task->scsi.lun, sizeof(output->pdu.lun));
    output->pdu.words[WORD_TRANSFER_TAG] = session->next_transfer_tag;
    output->pdu.words[WORD_DATA_SN] = task->data_sn;
    output->pdu.words[WORD_BUFFER_OFFSET] = task->out_asked_bytes;
    output->pdu.words[WORD_DESIRED_LENGTH] = MIN(left, session->parameters.max_burst_bytes);
    number(session, &output->pdu, false);
}

static void next_data_in(struct session *session, struct task *task, uint32_t length,
                         struct session_output *output)
{
    bool last = task->in_sent_bytes + length == task->in_wanted_bytes;
    struct pdu *pdu = &output->pdu;

    output->ends_burst = task_data_ends_burst(task, length, &session->parameters);
    /* Only GOOD may come with data: iPXE does not look at the status there. */
    output->has_status = last && task->scsi.status == SCSI_GOOD;
    *pdu = (struct pdu){.opcode = PDU_DATA_IN, .task_tag = task->tag, .data_bytes = length};
    pdu->flags = output->ends_burst ? PDU_FINAL : 0;
    pdu->words[WORD_TRANSFER_TAG] = PDU_NO_TAG;
    pdu->words[WORD_DATA_SN] = task->data_sn;
    pdu->words[WORD_BUFFER_OFFSET] = (uint32_t)task->in_sent_bytes;
    if (output->has_status)
        pdu->flags |= PDU_STATUS | task_residual(task, &pdu->words[WORD_RESIDUAL]);
    number(session, pdu, output->has_status);
    if (task->scsi.in) {
        output->data = task->scsi.in + task->in_sent_bytes;
    } else if (task->piece) {
        output->data = task->piece + (task->in_sent_bytes - task->piece_offset);
    } else {
        output->read = true;
        output->read_offset = task->in_sent_bytes;
        output->read_bytes = (length + VOLUME_SECTOR_BYTES - 1) / VOLUME_SECTOR_BYTES * VOLUME_SECTOR_BYTES;
    }
}

static void put_sense(const struct task *task, struct session_output *output)
{
    size_t length = sense_encode(&task->scsi.sense, task->scsi.descriptor_sense, output->sense + 2);

    output->sense[0] = 0;
    output->sense[1] = (uint8_t)length;
    output->data = output->sense;
    output->pdu.data_bytes = (uint32_t)(2 + length);
}

static void next_status(struct session *session, struct task *task, struct session_output *output)
{
    struct pdu *pdu = &output->pdu;

    output->has_status = true;
    *pdu = (struct pdu){.opcode = PDU_SCSI_RESPONSE, .flags = PDU_FINAL, .task_tag = task->tag};
    pdu->detail[1] = (uint8_t)task->scsi.status;
    pdu->words[WORD_DATA_SN] = task->data_sn;
    pdu->flags |= task_residual(task, &pdu->words[WORD_RESIDUAL]);
    if (task->scsi.status == SCSI_CHECK_CONDITION)
        put_sense(task, output);
    number(session, pdu, true);
}

bool session_next(struct session *session, struct session_output *output)
{
    memset(output, 0, offsetof(struct session_output, sense));
    if (session->replies.first) {
        next_reply(session, output);
        return true;
    }
    struct task *task = session->sending.first;
    if (!task)
        return false;
    output->task = task;
    if (task->state == TASK_TAKING) {
        next_r2t(session, task, output);
        return true;
    }
    uint32_t length = task_next_data_bytes(task, &session->parameters);
    if (length)
        next_data_in(session, task, length, output);
    else
        next_status(session, task, output);
    return true;
}

static bool reply_sent(struct session *session)
{
    struct reply *reply = unqueue_reply(&session->replies);
    bool closes = reply->closes;

    session->stat_sn += reply->counts;
    reply_free(reply);
    return closes;
}

/* The task goes to the end of the queue if it has more: a short read does not wait for a long one. */
static void task_sent(struct session *session, const struct session_output *output)
{
    struct task *task = unqueue_first(&session->sending);

    if (output->is_r2t) {
        task_ask(task, session->next_transfer_tag, &session->parameters);
        session->next_transfer_tag =
            session->next_transfer_tag + 1 == PDU_NO_TAG ? 0 : session->next_transfer_tag + 1;
        task->data_sn++;
        if (task_may_ask(task, &session->parameters))
            queue_task(&session->sending, task);
        return;
    }
    if (output->pdu.opcode == PDU_DATA_IN) {
        session->counters.read_bytes += output->pdu.data_bytes;
        task_data_sent(task, output->pdu.data_bytes, output->ends_burst);
    }
    if (!output->has_status) {
        queue_task(&session->sending, task);
        return;
    }
    session->stat_sn++;
    end_task(session, task);
}

bool session_sent(struct session *session, const struct session_output *output)
{
    if (output->reply)
        return reply_sent(session);
    task_sent(session, output);
    return false;
}

bool session_is_full(const struct session *session)
{
    return session->replies.count + session->held.count >= SESSION_REPLIES_MAX;
}

/* ---- NOP ---- */

static enum session_verdict take_nop(struct session *session, const struct pdu *pdu, const uint8_t *data)
{
    if (pdu->task_tag == PDU_NO_TAG)
        return SESSION_GOES_ON;
    struct reply *reply = new_reply(PDU_NOP_IN, pdu);
    session->counters.pings++;
    memcpy(reply->pdu.lun, pdu->lun, sizeof(reply->pdu.lun));
    reply->pdu.words[WORD_TRANSFER_TAG] = PDU_NO_TAG;
    set_reply_data(reply, data, MIN(pdu->data_bytes, session->parameters.peer_max_recv_bytes));
    queue_reply(&session->replies, reply);
    return SESSION_GOES_ON;
}

/* ---- task management ---- */

static enum task_response abort_one(struct session *session, const struct pdu *pdu)
{
    struct task *task = find_task(session, pdu->words[WORD_REFERENCED_TAG]);

    if (!task)
        return RESPONSE_NO_TASK;
    abort_task(session, task);
    return RESPONSE_COMPLETE;
}

static enum task_response abort_set(struct session *session, int lun)
{
    if (lun < 0 || !session->nexus.paths[lun].disk)
        return RESPONSE_NO_LUN;
    abort_tasks(session, lun);
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
    abort_tasks(session, -1);
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

static enum session_verdict take_management(struct session *session, const struct pdu *pdu,
                                            const uint8_t *data)
{
    struct reply *reply = new_reply(PDU_TASK_RESPONSE, pdu);

    reply->pdu.detail[0] = (uint8_t)manage(session, pdu);
    queue_reply(&session->held, reply);
    release_held(session);
    return SESSION_GOES_ON;
}

/* ---- text ---- */

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
    struct reply *reply = new_reply(PDU_TEXT_RESPONSE, pdu);
    size_t left = session->text_answer.length_bytes - session->text_sent_bytes;
    size_t part = MIN(left, (size_t)session->parameters.peer_max_recv_bytes);
    bool last = part == left;

    set_reply_data(reply, text_string(&session->text_answer) + session->text_sent_bytes, part);
    session->text_sent_bytes += part;
    reply->pdu.flags = last ? PDU_FINAL : PDU_CONTINUE;
    memcpy(reply->pdu.lun, pdu->lun, sizeof(reply->pdu.lun));
    if (!last)
        session->text_tag = session->text_tag + 1 == PDU_NO_TAG ? 1 : session->text_tag + 1;
    reply->pdu.words[WORD_TRANSFER_TAG] = last ? PDU_NO_TAG : session->text_tag;
    queue_reply(&session->replies, reply);
}

/* Asks for the rest of a request that came with the C bit. */
static void ask_for_more_text(struct session *session, const struct pdu *pdu)
{
    struct reply *reply = new_reply(PDU_TEXT_RESPONSE, pdu);

    reply->pdu.flags = 0;
    session->text_tag = session->text_tag + 1 == PDU_NO_TAG ? 1 : session->text_tag + 1;
    reply->pdu.words[WORD_TRANSFER_TAG] = session->text_tag;
    queue_reply(&session->replies, reply);
}

static enum session_verdict take_text(struct session *session, const struct pdu *pdu, const uint8_t *data)
{
    bool continues = pdu->words[WORD_TRANSFER_TAG] != PDU_NO_TAG;
    bool answer_left = session->text_sent_bytes < session->text_answer.length_bytes;

    if (continues && pdu->words[WORD_TRANSFER_TAG] != session->text_tag) {
        session_reject(session, pdu, REJECT_INVALID_FIELD);
        return SESSION_GOES_ON;
    }
    if (continues && answer_left) {
        send_answer(session, pdu);
        return SESSION_GOES_ON;
    }
    if (!continues)
        restart_text(&session->text_request);
    text_append_bytes(&session->text_request, data, pdu->data_bytes);
    if (pdu->flags & PDU_CONTINUE && !session->text_request.failed) {
        ask_for_more_text(session, pdu);
        return SESSION_GOES_ON;
    }
    restart_text(&session->text_answer);
    session->text_sent_bytes = 0;
    if (session->text_request.failed || !put_answers(session)) {
        restart_text(&session->text_answer);
        session_reject(session, pdu, REJECT_PROTOCOL_ERROR);
    } else {
        send_answer(session, pdu);
    }
    restart_text(&session->text_request);
    return SESSION_GOES_ON;
}

/* ---- logout ---- */

static enum session_verdict take_logout(struct session *session, const struct pdu *pdu, const uint8_t *data)
{
    enum { CLOSE_SESSION = 0, CLOSE_CONNECTION = 1, SUCCESS = 0, NO_SUCH_CID = 1, NO_RECOVERY = 2 };
    unsigned reason = pdu->flags & PDU_FUNCTION;
    uint16_t cid = (uint16_t)(pdu->words[WORD_CID] >> 16);
    struct reply *reply = new_reply(PDU_LOGOUT_RESPONSE, pdu);

    reply->pdu.words[WORD_TIMES] = session->parameters.time2wait_seconds << 16;
    if (reason > CLOSE_CONNECTION)
        reply->pdu.detail[0] = NO_RECOVERY;
    else if (reason == CLOSE_CONNECTION && cid != session->parameters.cid)
        reply->pdu.detail[0] = NO_SUCH_CID;
    else
        reply->closes = session->logging_out = true;
    if (session->logging_out)
        session_abort_all(session);
    queue_reply(&session->held, reply);
    release_held(session);
    return SESSION_GOES_ON;
}

/* ---- everything but SCSI commands and their data ---- */

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
    [PDU_NOP_OUT] = {true, take_nop},
    [PDU_TASK_REQUEST] = {true, take_management},
    [PDU_TEXT_REQUEST] = {true, take_text},
    [PDU_LOGOUT_REQUEST] = {true, take_logout},
};

enum session_verdict session_request(struct session *session, const struct pdu *pdu, const uint8_t *data)
{
    if (pdu->opcode == PDU_LOGIN_REQUEST)
        return SESSION_BROKEN;
    if (pdu->opcode >= ARRAY_SIZE(requests) || !requests[pdu->opcode].take)
        return take_unsupported(session, pdu, data);
    switch (arrive(session, pdu)) {
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
