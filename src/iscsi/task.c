#include "iscsi/task.h"

static uint32_t expected_out(const struct task *task)
{
    return task->flags & PDU_WRITE ? task->expected_bytes : 0;
}

static uint32_t expected_in(const struct task *task)
{
    return task->flags & PDU_READ ? task->expected_bytes : 0;
}

void task_init(struct task *task, const struct pdu *pdu, struct scsi_nexus *nexus)
{
    memset(task, 0, sizeof(*task));
    task->tag = pdu->task_tag;
    task->flags = pdu->flags;
    task->immediate = pdu->immediate;
    task->expected_bytes = pdu->words[WORD_EXPECTED_LENGTH];
    task->scsi.nexus = nexus;
    task->scsi.out_offered = expected_out(task);
    memcpy(task->scsi.lun, pdu->lun, sizeof(task->scsi.lun));
    memcpy(task->scsi.cdb, pdu->cdb, sizeof(task->scsi.cdb));
}

void task_end(struct task *task)
{
    CHECK(!task->piece && !task->queue);
    scsi_command_end(&task->scsi);
}

/* ---- data-out ---- */

bool task_begin_taking(struct task *task, const struct pdu *pdu, const struct session_parameters *parameters)
{
    bool more_unsolicited = !(pdu->flags & PDU_FINAL);
    uint32_t first_burst = MIN(parameters->first_burst_bytes, expected_out(task));

    if (pdu->data_bytes > first_burst || (pdu->data_bytes && !parameters->immediate_data) ||
        (more_unsolicited && parameters->initial_r2t))
        return false;
    task->out_wanted_bytes = (uint32_t)MIN((size_t)expected_out(task), task->scsi.out_bytes);
    task->bursts[0] = (struct burst){
        .transfer_tag = PDU_NO_TAG,
        .length_bytes = more_unsolicited ? first_burst : pdu->data_bytes,
    };
    task->burst_count = pdu->data_bytes || more_unsolicited ? 1 : 0;
    uint32_t unsolicited = task->burst_count ? task->bursts[0].length_bytes : 0;
    task->out_asked_bytes = MIN(unsolicited, task->out_wanted_bytes);
    task->out_room_bytes = MAX(unsolicited, task->out_wanted_bytes);
    return true;
}

struct burst *task_find_burst(struct task *task, const struct pdu *pdu)
{
    for (unsigned i = 0; i < task->burst_count; i++) {
        struct burst *burst = &task->bursts[i];
        if (burst->transfer_tag != pdu->words[WORD_TRANSFER_TAG])
            continue;
        bool in_order = pdu->words[WORD_DATA_SN] == burst->data_sn &&
                        pdu->words[WORD_BUFFER_OFFSET] == burst->offset + burst->received_bytes &&
                        pdu->data_bytes <= burst->length_bytes - burst->received_bytes;
        return in_order ? burst : NULL;
    }
    return NULL;
}

bool task_taken(struct task *task, struct burst *burst, uint32_t length_bytes, bool final)
{
    bool solicited = burst->transfer_tag != PDU_NO_TAG;

    burst->received_bytes += length_bytes;
    task->out_taken_bytes += length_bytes;
    if (!final)
        return true;
    if (solicited && burst->received_bytes < burst->length_bytes)
        return false;
    /* An unsolicited burst may end early; what it did not bring is asked for. */
    if (!solicited)
        task->out_asked_bytes = MIN(burst->received_bytes, task->out_wanted_bytes);
    task->burst_count--;
    memmove(burst, burst + 1, (size_t)(task->bursts + task->burst_count - burst) * sizeof(*burst));
    return true;
}

bool task_has_all(const struct task *task)
{
    return task->burst_count == 0 && task->out_asked_bytes >= task->out_wanted_bytes;
}

bool task_may_ask(const struct task *task, const struct session_parameters *parameters)
{
    bool unsolicited_ended = task->burst_count == 0 || task->bursts[0].transfer_tag != PDU_NO_TAG;
    unsigned most = MIN(parameters->max_outstanding_r2t, (uint32_t)TASK_BURSTS_MAX);

    return unsolicited_ended && task->burst_count < most && task->out_asked_bytes < task->out_wanted_bytes;
}

const struct burst *task_ask(struct task *task, uint32_t transfer_tag,
                             const struct session_parameters *parameters)
{
    uint32_t left = task->out_wanted_bytes - task->out_asked_bytes;
    struct burst *burst = &task->bursts[task->burst_count++];

    CHECK(task->burst_count <= TASK_BURSTS_MAX && left > 0);
    *burst = (struct burst){
        .transfer_tag = transfer_tag,
        .offset = task->out_asked_bytes,
        .length_bytes = MIN(left, parameters->max_burst_bytes),
    };
    task->out_asked_bytes += burst->length_bytes;
    return burst;
}

/* ---- data-in ---- */

void task_begin_sending(struct task *task)
{
    task->state = TASK_SENDING;
    task->in_wanted_bytes = MIN((uint64_t)expected_in(task), task->scsi.in_bytes);
    /* A read that fails on its way wants no more than it has. */
    task->in_wanted_bytes = MAX(task->in_wanted_bytes, task->in_sent_bytes);
}

static bool is_read(const struct task *task)
{
    return !task->scsi.in;
}

/* As large a multiple of a sector as `bytes` allows: a volume is read in sectors. */
static uint32_t whole_sectors(uint32_t bytes)
{
    return bytes / VOLUME_SECTOR_BYTES * VOLUME_SECTOR_BYTES;
}

uint32_t task_next_data_bytes(const struct task *task, const struct session_parameters *parameters)
{
    uint64_t left = task->in_wanted_bytes - task->in_sent_bytes;
    uint32_t most = whole_sectors(MIN(parameters->peer_max_recv_bytes, (uint32_t)TASK_PIECE_BYTES));
    uint32_t burst_left = whole_sectors(parameters->max_burst_bytes) - task->in_burst_bytes;
    uint32_t room = MIN(most, burst_left);
    uint64_t next = MIN(left, (uint64_t)room);

    if (is_read(task) && task->piece)
        next = MIN(next, task->piece_offset + task->piece_bytes - task->in_sent_bytes);
    return (uint32_t)next;
}

bool task_data_ends_burst(const struct task *task, uint32_t length_bytes,
                          const struct session_parameters *parameters)
{
    return task->in_sent_bytes + length_bytes == task->in_wanted_bytes ||
           task->in_burst_bytes + length_bytes >= whole_sectors(parameters->max_burst_bytes);
}

void task_data_sent(struct task *task, uint32_t length_bytes, bool ended_burst)
{
    task->data_sn++;
    task->in_sent_bytes += length_bytes;
    task->in_burst_bytes = ended_burst ? 0 : task->in_burst_bytes + length_bytes;
}

bool task_piece_is_sent(const struct task *task)
{
    return task->piece && task->in_sent_bytes >= task->piece_offset + task->piece_bytes;
}

uint8_t task_residual(const struct task *task, uint32_t *residual_bytes)
{
    bool failed = task->scsi.status != SCSI_GOOD;
    uint64_t wanted = MAX(task->scsi.in_bytes, (uint64_t)task->scsi.out_bytes);
    uint64_t moved = failed ? task->in_sent_bytes + task->out_taken_bytes : wanted;
    uint32_t expected = task->expected_bytes;

    /* Data in the direction that the initiator did not announce cannot be moved at all. */
    if (task->scsi.in_bytes)
        expected = expected_in(task);
    else if (task->scsi.out_bytes)
        expected = expected_out(task);
    uint64_t difference = moved > expected ? moved - expected : expected - moved;
    *residual_bytes = (uint32_t)MIN(difference, (uint64_t)UINT32_MAX);
    if (!difference)
        return 0;
    return moved > expected ? PDU_OVERFLOW : PDU_UNDERFLOW;
}
