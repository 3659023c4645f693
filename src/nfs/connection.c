#include "nfs/connection.h"

#include "base/clock.h"
#include "rpc/record.h"

struct nfs_connection {
    struct nfs_connection *next, **previous;
    struct nfs_loop *loop;
    struct stream *stream; /* NULL once it has ended; the calls that run still hold the rest */
    struct nfs_caller caller;
    struct record record;
    struct nfs_call *answered; /* answers for which there was no room yet */
    struct nfs_call **answered_last;
    unsigned calls;
    bool paused;
};

struct nfs_call {
    struct work work;
    struct nfs_connection *connection;
    struct nfs_call *next;
    struct nfs_caller caller;
    uint8_t *bytes;
    size_t length_bytes;
    uint8_t *reply;
    size_t reply_bytes;
};

/* ---- end ---- */

static void free_call(struct nfs_call *call)
{
    free(call->bytes);
    free(call->reply);
    free(call);
}

static void release(struct nfs_connection *c)
{
    struct nfs_loop *loop = c->loop;

    if (c->stream || c->calls)
        return;
    *c->previous = c->next;
    if (c->next)
        c->next->previous = c->previous;
    record_end(&c->record);
    free(c);
    loop->connection_count--;
    if (loop->stopping && !loop->connection_count)
        loop->emptied(loop);
}

static void forget_call(struct nfs_call *call)
{
    call->connection->calls--;
    call->connection->loop->calls--;
    free_call(call);
}

static void end(struct nfs_connection *c)
{
    struct nfs_call *call;

    if (!c->stream)
        return;
    stream_free(TAKE_PTR(c->stream));
    while ((call = c->answered)) {
        c->answered = call->next;
        forget_call(call);
    }
    release(c);
}

void nfs_connection_close_all(struct nfs_loop *loop)
{
    struct nfs_connection *next;

    for (struct nfs_connection *c = loop->connections; c; c = next) {
        next = c->next;
        end(c);
    }
}

/* ---- answers ---- */

/* Mark and message in one piece, since some clients read no further (klibc's nfsmount). */
static bool send_answer(struct nfs_connection *c, const struct nfs_call *call)
{
    uint8_t *to = stream_reserve(c->stream, RECORD_MARK_BYTES + call->reply_bytes);

    if (!to)
        return false;
    record_put_mark(to, call->reply_bytes);
    memcpy(to + RECORD_MARK_BYTES, call->reply, call->reply_bytes);
    stream_commit(c->stream, RECORD_MARK_BYTES + call->reply_bytes);
    return true;
}

static void go_on_reading(struct nfs_connection *c)
{
    bool full = c->calls >= NFS_CONNECTION_CALLS_MAX || c->loop->calls >= NFS_LOOP_CALLS_MAX;

    if (c->paused && !full) {
        c->paused = false;
        stream_set_reading(c->stream, true);
    }
}

/* Others wait, too, when a loop is full. */
static void wake_paused(struct nfs_loop *loop)
{
    for (struct nfs_connection *c = loop->connections; c && loop->calls < NFS_LOOP_CALLS_MAX; c = c->next) {
        if (c->stream)
            go_on_reading(c);
    }
}

static void send_answers(struct nfs_connection *c)
{
    bool sent = false;

    while (c->answered && send_answer(c, c->answered)) {
        struct nfs_call *call = c->answered;
        c->answered = call->next;
        if (!c->answered)
            c->answered_last = &c->answered;
        forget_call(call);
        sent = true;
    }
    if (sent)
        wake_paused(c->loop);
    stream_send(c->stream);
}

static void call_done(struct work *work)
{
    struct nfs_call *call = CONTAINER_OF(work, struct nfs_call, work);
    struct nfs_connection *c = call->connection;

    if (!c->stream || !call->reply_bytes) {
        forget_call(call);
        if (c->stream)
            go_on_reading(c);
        else
            release(c);
        return;
    }
    call->next = NULL;
    *c->answered_last = call;
    c->answered_last = &call->next;
    send_answers(c);
}

static void run_call(struct work *work)
{
    struct nfs_call *call = CONTAINER_OF(work, struct nfs_call, work);

    call->reply = malloc(NFS_REPLY_MAX_BYTES);
    CHECK(call->reply != NULL);
    call->reply_bytes = nfs_server_answer(call->connection->loop->server, &call->caller, call->bytes,
                                          call->length_bytes, call->reply);
    call->reply = xrealloc(call->reply, MAX(call->reply_bytes, (size_t)1), 1);
    free(TAKE_PTR(call->bytes));
}

/* ---- input ---- */

static bool start_call(struct nfs_connection *c)
{
    struct nfs_call *call = xcalloc(1, sizeof(*call));

    call->work = (struct work){.run = run_call, .done = call_done, .home = c->loop->loop};
    call->connection = c;
    call->caller = c->caller;
    call->caller.now_ms = clock_monotonic_ms();
    call->bytes = record_take(&c->record, &call->length_bytes);
    if (!workers_submit(c->loop->workers, &call->work)) {
        free_call(call);
        return false;
    }
    c->calls++;
    c->loop->calls++;
    if (c->calls >= NFS_CONNECTION_CALLS_MAX || c->loop->calls >= NFS_LOOP_CALLS_MAX) {
        c->paused = true;
        stream_set_reading(c->stream, false);
    }
    return true;
}

static size_t on_input(void *arg, const uint8_t *bytes, size_t length_bytes)
{
    struct nfs_connection *c = arg;
    size_t used;

    if (c->paused)
        return 0;
    switch (record_input(&c->record, bytes, length_bytes, &used)) {
    case RECORD_MORE:
        return used;
    case RECORD_COMPLETE:
        if (start_call(c))
            return used;
        break;
    case RECORD_REFUSED:
        break;
    }
    end(c);
    return length_bytes;
}

static struct iovec on_place(void *arg)
{
    return (struct iovec){0};
}

static void on_placed(void *arg, size_t length_bytes)
{
}

static void on_ready(void *arg)
{
    send_answers(arg);
}

static void on_ended(void *arg, int error)
{
    end(arg);
}

static const struct stream_handler handler = {
    .input = on_input, .place = on_place, .placed = on_placed, .ready = on_ready, .ended = on_ended};

void nfs_connection_open(struct nfs_loop *loop, int fd, const struct sockaddr_in *peer, bool port_mapper)
{
    if (loop->stopping || loop->connection_count >= NFS_CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    struct nfs_connection *c = xcalloc(1, sizeof(*c));
    c->loop = loop;
    c->caller = (struct nfs_caller){
        .address = inet_of_sockaddr(peer), .port = inet_port_of_sockaddr(peer), .port_mapper = port_mapper};
    c->answered_last = &c->answered;
    record_init(&c->record, NFS_CALL_MAX_BYTES);
    c->next = loop->connections;
    c->previous = &loop->connections;
    if (c->next)
        c->next->previous = &c->next;
    loop->connections = c;
    loop->connection_count++;
    c->stream = stream_new(loop->pool, fd, &handler, c);
}
