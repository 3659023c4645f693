/*
 * What a session sends next: replies first, then R2T, Data-In and status of one task after the other
 * (RFC 7143 11.4, 11.7, 11.8).
 */
#include "iscsi/session_parts.h"
#include "scsi/table.h"

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

/* Where the data lies, or that it is still to be read. */
static void find_data(const struct task *task, uint32_t length, struct session_output *output)
{
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
    find_data(task, length, output);
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

static void next_of_task(struct session *session, struct task *task, struct session_output *output)
{
    uint32_t length;

    output->task = task;
    if (task->state == TASK_TAKING)
        next_r2t(session, task, output);
    else if ((length = task_next_data_bytes(task, &session->parameters)))
        next_data_in(session, task, length, output);
    else
        next_status(session, task, output);
}

void session_queue_to_send(struct session *session, struct task *task)
{
    bool is_long = task->state == TASK_SENDING && task->in_wanted_bytes - task->in_sent_bytes > SESSION_SHORT_BYTES;

    task_queue_add(is_long ? &session->streaming : &session->sending, task);
}

static struct task *task_whose_turn_it_is(const struct session *session)
{
    bool long_ones_turn = !session->sending.first || session->short_turns >= SESSION_SHORT_TURNS;

    return session->streaming.first && long_ones_turn ? session->streaming.first : session->sending.first;
}

bool session_next(struct session *session, struct session_output *output)
{
    struct task *task = task_whose_turn_it_is(session);

    memset(output, 0, offsetof(struct session_output, sense));
    if (session->replies.first)
        next_reply(session, output);
    else if (task)
        next_of_task(session, task, output);
    else
        return false;
    return true;
}

static bool reply_sent(struct session *session)
{
    struct reply *reply = reply_queue_take(&session->replies);
    bool closes = reply->closes;

    session->stat_sn += reply->counts;
    reply_free(reply);
    return closes;
}

static void r2t_sent(struct session *session, struct task *task)
{
    uint32_t tag = session->next_transfer_tag;

    task_ask(task, tag, &session->parameters);
    session->next_transfer_tag = tag + 1 == PDU_NO_TAG ? 0 : tag + 1;
    task->data_sn++;
    if (task_may_ask(task, &session->parameters))
        session_queue_to_send(session, task);
}

static struct task *take_turn(struct session *session, struct task_queue *queue)
{
    session->short_turns = queue == &session->streaming || !session->streaming.first ? 0 : session->short_turns + 1;
    return task_queue_take(queue);
}

static enum statistics_kind kind_of(const struct scsi_entry *entry)
{
    if (!entry)
        return STATISTICS_OTHER;
    if (entry->run == scsi_run_flush)
        return STATISTICS_FLUSH;
    return entry->flags & ENTRY_READS    ? STATISTICS_READ
           : entry->flags & ENTRY_WRITES ? STATISTICS_WRITE
                                         : STATISTICS_OTHER;
}

/* The task goes to the end of the queue if it has more: a short read does not wait for a long one. */
static void task_sent(struct session *session, const struct session_output *output)
{
    struct task *task = take_turn(session, output->task->queue);

    if (output->is_r2t) {
        r2t_sent(session, task);
        return;
    }
    if (output->pdu.opcode == PDU_DATA_IN) {
        session->counters.read_bytes += output->pdu.data_bytes;
        task_data_sent(task, output->pdu.data_bytes, output->ends_burst);
        if (task_piece_is_sent(task))
            session_drop_piece(session, task);
    }
    if (!output->has_status) {
        session_queue_to_send(session, task);
        return;
    }
    session->stat_sn++;
    if (session->statistics)
        statistics_count(session->statistics, kind_of(task->scsi.entry), task->begun_ns, session->now_ns);
    session_end_task(session, task);
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
    return session->replies.count + session->held.count >= SESSION_REPLIES_MAX ||
           session->replies.bytes >= SESSION_REPLIES_MAX_BYTES;
}
