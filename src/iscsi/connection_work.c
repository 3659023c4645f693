/*
 * Executing the tasks of a connection: here when nothing has to be waited for, else on a worker.
 */
#include "iscsi/connection_parts.h"

enum {
    BATCH_TASKS_MAX = 16,
    BATCH_MAX_BYTES = 262144,
    BATCH_SHARED_MAX_BYTES = 65536, /* a write longer than this has a worker to itself */
};

/* Tasks that a worker does, one after the other. */
struct batch {
    struct work work;
    struct connection *connection;
    bool reads;
    unsigned count;
    size_t bytes;
    struct task *tasks[BATCH_TASKS_MAX];
};

static void read_piece(struct task *task)
{
    task->read_result =
        scsi_read(&task->scsi, task->piece_offset, task->piece, task->piece_bytes, VOLUME_MAY_WAIT);
}

static void run_batch(struct work *work)
{
    struct batch *batch = CONTAINER_OF(work, struct batch, work);

    for (unsigned i = 0; i < batch->count; i++) {
        if (batch->reads)
            read_piece(batch->tasks[i]);
        else
            scsi_execute(&batch->tasks[i]->scsi, VOLUME_MAY_WAIT);
    }
}

static void settle_batch(struct batch *batch)
{
    struct session *session = batch->connection->session;

    for (unsigned i = 0; i < batch->count; i++) {
        if (batch->reads)
            session_read_done(session, batch->tasks[i]);
        else
            session_executed(session, batch->tasks[i]);
    }
    batch->connection->batches--;
    free(batch);
}

static void batch_done(struct work *work)
{
    struct batch *batch = CONTAINER_OF(work, struct batch, work);
    struct connection *c = batch->connection;

    settle_batch(batch);
    if (c->phase == PHASE_GONE)
        connection_go_on_ending(c);
    else
        connection_go_on(c);
}

static struct batch *new_batch(struct connection *c, bool reads)
{
    struct batch *batch = xcalloc(1, sizeof(*batch));

    batch->work = (struct work){.run = run_batch, .done = batch_done, .home = c->loop->loop};
    batch->connection = c;
    batch->reads = reads;
    return batch;
}

/* The workers have more than they can take: the initiator is told to try again later. */
static void refuse_batch(struct batch *batch)
{
    for (unsigned i = 0; i < batch->count; i++) {
        struct task *task = batch->tasks[i];
        task->scsi.status = SCSI_BUSY;
        task->scsi.in_bytes = task->in_sent_bytes;
        task->read_result = -EBUSY;
    }
    settle_batch(batch);
}

static void submit(struct connection *c, struct batch *batch)
{
    c->batches++;
    if (!workers_submit(c->loop->service->options.workers, &batch->work))
        refuse_batch(batch);
}

static void submit_alone(struct connection *c, struct task *task, bool reads)
{
    struct batch *batch = new_batch(c, reads);

    batch->tasks[batch->count++] = task;
    submit(c, batch);
}

static void submit_open_batch(struct connection *c)
{
    struct batch *batch = c->open_batch;

    c->open_batch = NULL;
    if (batch)
        submit(c, batch);
}

/* Small writes of one turn go to one worker together: what a hand-over costs is shared by them. */
static void submit_shared(struct connection *c, struct task *task)
{
    if (!c->open_batch)
        c->open_batch = new_batch(c, false);
    struct batch *batch = c->open_batch;
    batch->tasks[batch->count++] = task;
    batch->bytes += task->scsi.out_received;
    if (batch->count == BATCH_TASKS_MAX || batch->bytes >= BATCH_MAX_BYTES)
        submit_open_batch(c);
}

void connection_execute(struct connection *c)
{
    struct task *task;

    while ((task = session_next_ready(c->session))) {
        if (scsi_execute(&task->scsi, VOLUME_NO_WAIT) == 0)
            session_executed(c->session, task);
        else if (task->scsi.out_received && task->scsi.out_received <= BATCH_SHARED_MAX_BYTES)
            submit_shared(c, task);
        else
            submit_alone(c, task, false);
    }
    submit_open_batch(c);
}

void connection_read_elsewhere(struct connection *c, struct task *task)
{
    if (session_read_elsewhere(c->session, task))
        submit_alone(c, task, true);
}
