/*
 * What waits in a session: tasks and replies, in the order in which they came.
 */
#include "iscsi/session_parts.h"

void task_queue_add(struct task_queue *queue, struct task *task)
{
    CHECK(!task->queue);
    task->queue = queue;
    task->next_queued = NULL;
    *queue->last = task;
    queue->last = &task->next_queued;
}

struct task *task_queue_take(struct task_queue *queue)
{
    struct task *task = queue->first;

    queue->first = task->next_queued;
    if (!queue->first)
        queue->last = &queue->first;
    task->queue = NULL;
    return task;
}

void task_queue_remove(struct task *task)
{
    struct task_queue *queue = task->queue;

    for (struct task **at = &queue->first; *at; at = &(*at)->next_queued) {
        if (*at != task)
            continue;
        *at = task->next_queued;
        if (!*at)
            queue->last = at;
        task->queue = NULL;
        return;
    }
}

void reply_queue_add(struct reply_queue *queue, struct reply *reply)
{
    reply->next = NULL;
    *queue->last = reply;
    queue->last = &reply->next;
    queue->count++;
    queue->bytes += reply->pdu.data_bytes;
}

struct reply *reply_queue_take(struct reply_queue *queue)
{
    struct reply *reply = queue->first;

    queue->first = reply->next;
    if (!queue->first)
        queue->last = &queue->first;
    queue->count--;
    queue->bytes -= reply->pdu.data_bytes;
    return reply;
}

void reply_free(struct reply *reply)
{
    free(reply->data);
    free(reply);
}

void reply_queue_clear(struct reply_queue *queue)
{
    while (queue->first)
        reply_free(reply_queue_take(queue));
}

struct reply *reply_new(uint8_t opcode, const struct pdu *asked)
{
    struct reply *reply = xcalloc(1, sizeof(*reply));

    reply->pdu = (struct pdu){.opcode = opcode, .flags = PDU_FINAL, .task_tag = asked->task_tag};
    reply->counts = true;
    return reply;
}

void reply_set_data(struct reply *reply, const void *data, size_t length_bytes)
{
    reply->data = xcalloc(1, length_bytes);
    if (length_bytes)
        memcpy(reply->data, data, length_bytes);
    reply->pdu.data_bytes = (uint32_t)length_bytes;
}
