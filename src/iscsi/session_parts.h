/*
 * What the files of the session share among themselves. Nobody else includes it.
 */
#pragma once

#include "iscsi/session.h"

/* session_queue.c */

void task_queue_add(struct task_queue *queue, struct task *task);
/* The first one; there must be one. */
struct task *task_queue_take(struct task_queue *queue);
/* Out of the queue that it waits in. */
void task_queue_remove(struct task *task);

void reply_queue_add(struct reply_queue *queue, struct reply *reply);
struct reply *reply_queue_take(struct reply_queue *queue);
void reply_queue_clear(struct reply_queue *queue);
/* An answer to `asked`, which goes to no queue yet. */
struct reply *reply_new(uint8_t opcode, const struct pdu *asked);
void reply_set_data(struct reply *reply, const void *data, size_t length_bytes);
void reply_free(struct reply *reply);

/* session.c */

enum arrival { ARRIVED, ARRIVED_OUTSIDE, ARRIVED_EARLY };

/* Counts a request by its CmdSN (RFC 7143 4.2.2.1). */
enum arrival session_arrive(struct session *session, const struct pdu *pdu);
struct task *session_new_task(struct session *session, const struct pdu *pdu);
/* One that is not aborted, by its Initiator Task Tag; NULL if there is none. */
struct task *session_find_task(struct session *session, uint32_t tag);
/* Counts memory for data-out; false when this session, or all together, have too much of it already. */
bool session_take_room(struct session *session, size_t length_bytes);
/* It goes among those that have something to send. */
void session_queue_to_send(struct session *session, struct task *task);
/* The task's piece was sent, or nobody wants it; reads that waited for its memory go on. */
void session_drop_piece(struct session *session, struct task *task);
/* Frees it; the command window opens by one. */
void session_end_task(struct session *session, struct task *task);
/* At once, or when it comes home from whoever runs it. */
void session_abort_task(struct session *session, struct task *task);
/* Those of one LUN; of all with -1. */
void session_abort_tasks(struct session *session, int lun);
/* Answers that waited for aborted tasks go out once none of them runs any more. */
void session_release_held(struct session *session);

/* session_farewell.c, session_management.c, session_text.c */

/* A task that is complete, or that reads, starts. */
void session_start(struct session *session, struct task *task);

/* session_order.c */

/* A new task joins: dormant if others come first. */
void session_admit(struct session *session, struct task *task);
/* It leaves; those that waited for it start. */
void session_dismiss(struct session *session, struct task *task);

/* What a request that carries its whole data segment does. */
enum session_verdict session_take_nop(struct session *session, const struct pdu *pdu, const uint8_t *data);
enum session_verdict session_take_logout(struct session *session, const struct pdu *pdu, const uint8_t *data);
enum session_verdict session_take_management(struct session *session, const struct pdu *pdu,
                                             const uint8_t *data);
enum session_verdict session_take_text(struct session *session, const struct pdu *pdu, const uint8_t *data);
