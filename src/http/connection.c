#include "http/connection.h"

#include "base/clock.h"
#include "base/text.h"
#include "bootfiles/asked.h"
#include "http/answer.h"
#include "http/request.h"

#include <stdio.h>

enum {
    CHUNK_BYTES = 256 * 1024,
    TICK_MS = 5000,
    IDLE_MAX_MS = 30 * 1000, /* without a whole request */
    STALL_MAX_MS = 60 * 1000, /* without taking anything of an answer */
};

enum phase {
    PHASE_ASKING,
    PHASE_OPENING,
    PHASE_SENDING,
    PHASE_LEAVING, /* the answer is whole and on its way */
};

struct http_connection {
    struct http_loop *loop;
    struct http_connection *next;
    struct http_connection **link;
    struct stream *stream; /* NULL once it is over */
    struct loop_timer *timer;
    struct sockaddr_in peer;
    uint32_t local; /* the address that it connected to */
    enum phase phase;
    uint64_t moved_ms; /* when something came or left */

    struct http_request request;
    struct boot_plan plan;
    struct machine machine; /* the plan's */
    struct bootfile *file;
    bool sending; /* of the file, not only of its head */
    bool is_part;
    uint64_t first;
    uint64_t next_offset;
    uint64_t end_offset;
    uint64_t begun_ms;

    struct work work; /* opening, then reading; one at a time */
    bool working;
    int result;
    struct error error;
    uint8_t *buffer; /* what a worker read */
    size_t buffer_bytes;
};

static void pump(struct http_connection *c);

/* ---- what is told about it ---- */

static enum stage stage_of(const struct http_connection *c)
{
    return bootfile_stage(c->file, c->plan.kind);
}

static const char *quoted_path(const struct http_connection *c, char to[160])
{
    return quote_into(to, 160, c->plan.path, strlen(c->plan.path));
}

#define SAY(c, level, kind, ...)                                                                             \
    event_post((c)->loop->events, &(c)->machine, NULL, stage_of(c), (level), (kind), __VA_ARGS__)

static void say_missing(const struct http_connection *c)
{
    char path[160];

    if (c->error.text[0])
        SAY(c, EVENT_WARNING, "http.failed", "%s", c->error.text);
    else if (c->result == -ENOENT)
        SAY(c, EVENT_DEBUG, "http.missing", "has no %s", quoted_path(c, path));
    else
        SAY(c, EVENT_WARNING, "http.failed", "cannot read %s: %s", quoted_path(c, path), strerror(-c->result));
}

/* Pieces are what somebody asks for who reads a disk image block by block. */
static void say_sent(const struct http_connection *c)
{
    double seconds = (double)(clock_monotonic_ms() - c->begun_ms) / 1000;
    char path[160], size[32];

    SAY(c, c->is_part ? EVENT_DEBUG : EVENT_INFO, "http.sent", "sent %s %s in %.1f s%s", quoted_path(c, path),
        format_size(size, sizeof(size), c->end_offset - c->first), seconds, c->is_part ? " (a part)" : "");
}

static void say_cut_off(const struct http_connection *c, const char *how)
{
    char path[160], size[32];

    SAY(c, EVENT_WARNING, "http.cut", "%s: %s before all of its %s had left", quoted_path(c, path), how,
        format_size(size, sizeof(size), c->end_offset - c->first));
}

static void say_refused(const struct http_connection *c, const struct boot_plan *plan)
{
    bool refused = plan->kind == BOOT_PLAN_REFUSED;
    char address[INET_TEXT_SIZE], path[96];

    event_post(c->loop->events, plan->machine, NULL, STAGE_NONE, refused ? EVENT_INFO : EVENT_DEBUG,
               refused ? "http.refused" : "http.missing", "%s asks for %s: %s",
               inet_format(address, inet_of_sockaddr(&c->peer)),
               quote_into(path, sizeof(path), c->request.path, strlen(c->request.path)), plan->reason);
}

/* ---- the end ---- */

static void release(struct http_connection *c)
{
    struct http_loop *loop = c->loop;

    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    loop->connection_count--;
    loop_timer_free(c->timer);
    bootfile_close(c->file);
    free(c->buffer);
    free(c);
    if (loop->stopping && loop->connection_count == 0)
        loop->emptied(loop);
}

/* The connection must not be used any more after this. */
static void end(struct http_connection *c)
{
    stream_free(TAKE_PTR(c->stream));
    if (!c->working)
        release(c);
}

static void cut_off(struct http_connection *c, const char *how)
{
    if (c->sending)
        say_cut_off(c, how);
    end(c);
}

/* ---- answers ---- */

/* The head, and the text that follows it if there is one. Nothing is ahead of it, since the answer before has left; yet
 * there may be no memory for it, or a client that asks for more in one breath than one turn gives: false then, and the
 * connection has ended. */
static bool put_head(struct http_connection *c, struct http_answer *answer, const char *text)
{
    uint8_t *to = stream_reserve(c->stream, HTTP_ANSWER_MAX_BYTES + strlen(text));

    if (!to) {
        cut_off(c, "asks for too much");
        return false;
    }
    answer->keep_alive = c->request.keep_alive;
    answer->date_seconds = clock_wall_seconds();
    size_t head = http_answer_encode(to, answer);
    memcpy(to + head, text, strlen(text));
    stream_commit(c->stream, head + strlen(text));
    return true;
}

/* Once an answer has left, the next request is looked at. May end the connection. */
static void settle(struct http_connection *c)
{
    if (stream_has_output(c->stream))
        return;
    if (stream_is_broken(c->stream)) {
        cut_off(c, "went away");
        return;
    }
    if (c->sending)
        say_sent(c);
    c->sending = false;
    bootfile_close(TAKE_PTR(c->file));
    if (!c->request.keep_alive || c->loop->stopping) {
        end(c);
        return;
    }
    c->phase = PHASE_ASKING;
    stream_set_reading(c->stream, true);
}

/* After an answer. May end the connection. */
static void go_on(struct http_connection *c)
{
    c->phase = PHASE_LEAVING;
    c->moved_ms = clock_monotonic_ms();
    stream_send(c->stream);
    settle(c);
}

/* A whole answer that is no file: its status in words. */
static void answer_status(struct http_connection *c, unsigned status, uint64_t size_bytes)
{
    CLEANUP_FREE char *line = xasprintf("%s\n", http_status_phrase(status));
    struct http_answer answer = {.status = status,
                                 .content_type = "text/plain",
                                 .length_bytes = strlen(line),
                                 .size_bytes = size_bytes};

    if (put_head(c, &answer, c->request.method == HTTP_HEAD ? "" : line))
        go_on(c);
}

/* What comes behind such a request cannot be told from its body. */
static void refuse(struct http_connection *c, unsigned status)
{
    c->request.keep_alive = false;
    answer_status(c, status, 0);
}

/* ---- the body ---- */

static void fail_body(struct http_connection *c, int result)
{
    cut_off(c, strerror(-result));
}

static size_t chunk_bytes(const struct http_connection *c)
{
    return (size_t)MIN((uint64_t)CHUNK_BYTES, c->end_offset - c->next_offset);
}

static void read_on_worker(struct work *work)
{
    struct http_connection *c = CONTAINER_OF(work, struct http_connection, work);
    ssize_t got = bootfile_read(c->file, c->buffer, chunk_bytes(c), c->next_offset, VOLUME_MAY_WAIT);

    c->result = got > 0 ? 0 : got < 0 ? (int)got : -EIO;
    c->buffer_bytes = got > 0 ? (size_t)got : 0;
}

static void read_done(struct work *work)
{
    struct http_connection *c = CONTAINER_OF(work, struct http_connection, work);

    c->working = false;
    if (!c->stream)
        release(c);
    else if (c->result < 0)
        fail_body(c, c->result);
    else
        pump(c);
}

static void read_elsewhere(struct http_connection *c)
{
    if (!c->buffer)
        c->buffer = xcalloc(1, CHUNK_BYTES);
    c->work = (struct work){.run = read_on_worker, .done = read_done, .home = c->loop->loop};
    c->working = workers_submit(c->loop->workers, &c->work);
    if (c->working)
        stream_send(c->stream);
    else
        fail_body(c, -EBUSY);
}

/* The next bytes of the file to `to`: those that a worker read, else those that are in memory. */
static ssize_t fill(struct http_connection *c, uint8_t *to)
{
    size_t length = c->buffer_bytes;

    if (length == 0)
        return bootfile_read(c->file, to, chunk_bytes(c), c->next_offset, VOLUME_NO_WAIT);
    memcpy(to, c->buffer, length);
    c->buffer_bytes = 0;
    return (ssize_t)length;
}

/* One chunk into the output; false if the client, a worker or the connection's end is to be waited for. */
static bool put_chunk(struct http_connection *c)
{
    uint8_t *to = stream_reserve(c->stream, CHUNK_BYTES);

    if (stream_is_broken(c->stream)) {
        cut_off(c, "went away");
        return false;
    }
    if (!to)
        return false;
    ssize_t got = fill(c, to);
    if (got == -EAGAIN) {
        read_elsewhere(c);
        return false;
    }
    if (got <= 0) {
        fail_body(c, got < 0 ? (int)got : -EIO);
        return false;
    }
    stream_commit(c->stream, (size_t)got);
    c->next_offset += (uint64_t)got;
    c->moved_ms = clock_monotonic_ms();
    return true;
}

/* Sends what there is, until somebody is to be waited for. */
static void pump(struct http_connection *c)
{
    while (c->next_offset < c->end_offset) {
        if (!put_chunk(c))
            return;
    }
    go_on(c);
}

/* ---- files ---- */

static void begin_answer(struct http_connection *c)
{
    uint64_t size = bootfile_size_bytes(c->file), length;
    enum http_part part = http_request_part(&c->request, size, &c->first, &length);

    if (part == HTTP_NO_PART) {
        answer_status(c, 416, size);
        return;
    }
    c->is_part = part == HTTP_PART;
    c->next_offset = c->first;
    c->end_offset = c->first + length;
    struct http_answer answer = {.status = c->is_part ? 206 : 200,
                                 .content_type = http_content_type(c->plan.path),
                                 .length_bytes = length,
                                 .first = c->first,
                                 .size_bytes = size};
    if (!put_head(c, &answer, ""))
        return;
    c->phase = PHASE_SENDING;
    c->sending = c->request.method == HTTP_GET;
    if (!c->sending)
        go_on(c);
    else
        pump(c);
}

static int open_file(struct http_connection *c)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(c->loop->catalog);
    char address[INET_TEXT_SIZE], url[64];
    struct bootfile_request request = {.machine = catalog_machine_by_id(snapshot, c->machine.id),
                                       .kind = c->plan.kind,
                                       .path = c->plan.path,
                                       .server = c->local,
                                       .base_url = url};

    if (!request.machine)
        return -ENOENT; /* removed a moment ago */
    inet_format(address, c->local);
    if (c->loop->port == HTTP_PORT)
        snprintf(url, sizeof(url), "http://%s/", address);
    else
        snprintf(url, sizeof(url), "http://%s:%u/", address, c->loop->port);
    return bootfiles_open(c->loop->bootfiles, &request, &c->file, &c->error);
}

static void open_on_worker(struct work *work)
{
    struct http_connection *c = CONTAINER_OF(work, struct http_connection, work);

    c->result = open_file(c);
}

static void open_done(struct work *work)
{
    struct http_connection *c = CONTAINER_OF(work, struct http_connection, work);

    c->working = false;
    if (!c->stream) {
        release(c);
    } else if (c->result < 0) {
        say_missing(c);
        answer_status(c, c->result == -ENOENT ? 404 : 500, 0);
    } else {
        begin_answer(c);
    }
}

static void begin_opening(struct http_connection *c)
{
    c->phase = PHASE_OPENING;
    c->begun_ms = clock_monotonic_ms();
    c->error = (struct error){0};
    c->work = (struct work){.run = open_on_worker, .done = open_done, .home = c->loop->loop};
    c->working = disk_gate_submit(c->loop->gate, c->machine.id, &c->work);
    if (!c->working)
        answer_status(c, 503, 0);
}

/* ---- requests ---- */

static void look_up(struct http_connection *c)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(c->loop->catalog);

    c->plan = bootfiles_asked(snapshot, c->loop->presence, inet_of_sockaddr(&c->peer), c->request.path);
    if (c->plan.kind == BOOT_PLAN_REFUSED || c->plan.kind == BOOT_PLAN_NOT_FOUND) {
        say_refused(c, &c->plan);
        answer_status(c, 404, 0);
        return;
    }
    c->machine = machine_copy(c->plan.machine);
    c->plan.machine = &c->machine;
    begin_opening(c);
}

static void take_request(struct http_connection *c)
{
    if (c->request.has_body)
        refuse(c, 413);
    else if (c->request.method == HTTP_OTHER_METHOD)
        answer_status(c, 405, 0);
    else
        look_up(c);
}

static const unsigned statuses[] = {
    [HTTP_MALFORMED] = 400,
    [HTTP_TOO_LARGE] = 431,
    [HTTP_OTHER_VERSION] = 505,
};

/* ---- the stream's calls ---- */

static size_t on_input(void *arg, const uint8_t *bytes, size_t length_bytes)
{
    struct http_connection *c = arg;
    size_t used = 0;

    if (c->phase != PHASE_ASKING)
        return 0;
    enum http_decoded decoded = http_request_decode(bytes, length_bytes, &c->request, &used);
    if (decoded == HTTP_INCOMPLETE)
        return 0;
    /* The next one waits in the kernel until this one is answered. */
    stream_set_reading(c->stream, false);
    if (decoded == HTTP_REQUEST) {
        take_request(c);
        return used;
    }
    refuse(c, statuses[decoded]);
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
    struct http_connection *c = arg;

    c->moved_ms = c->phase == PHASE_ASKING ? c->moved_ms : clock_monotonic_ms();
    if (c->phase == PHASE_SENDING && !c->working)
        pump(c);
    else if (c->phase == PHASE_LEAVING)
        settle(c);
}

static void on_ended(void *arg, int error)
{
    cut_off(arg, error ? strerror(-error) : "went away");
}

static const struct stream_handler handler = {
    .input = on_input, .place = on_place, .placed = on_placed, .ready = on_ready, .ended = on_ended};

/* ---- life ---- */

static void on_tick(void *arg)
{
    struct http_connection *c = arg;
    uint64_t still_ms = clock_monotonic_ms() - c->moved_ms;

    if (!c->stream)
        return;
    if (c->phase != PHASE_OPENING && still_ms > (c->phase == PHASE_ASKING ? IDLE_MAX_MS : STALL_MAX_MS))
        cut_off(c, "fell silent");
    else
        loop_timer_set(c->timer, TICK_MS);
}

static bool has_room(const struct http_loop *loop, const struct sockaddr_in *peer)
{
    size_t of_peer = 0;

    for (const struct http_connection *c = loop->connections; c; c = c->next)
        of_peer += c->peer.sin_addr.s_addr == peer->sin_addr.s_addr;
    return !loop->stopping && loop->connection_count < loop->max_connections &&
           of_peer < HTTP_CONNECTIONS_PER_PEER_MAX;
}

void http_connection_open(struct http_loop *loop, int fd, const struct sockaddr_in *peer)
{
    struct sockaddr_in local;

    if (!has_room(loop, peer)) {
        close(fd);
        return;
    }
    struct http_connection *c = xcalloc(1, sizeof(*c));
    c->loop = loop;
    c->peer = *peer;
    c->next = loop->connections;
    c->link = &loop->connections;
    if (c->next)
        c->next->link = &c->next;
    loop->connections = c;
    loop->connection_count++;
    c->moved_ms = clock_monotonic_ms();
    c->timer = loop_timer_new(loop->loop, on_tick, c);
    loop_timer_set(c->timer, TICK_MS);
    c->stream = stream_new(loop->pool, fd, &handler, c);
    if (stream_local_address(c->stream, &local) == 0)
        c->local = inet_of_sockaddr(&local);
}

static void end_each(struct http_loop *loop, bool all)
{
    for (struct http_connection *c = loop->connections, *next; c; c = next) {
        next = c->next;
        if (c->stream && (all || c->phase == PHASE_ASKING))
            cut_off(c, "farboot stopped");
    }
}

void http_connections_drain(struct http_loop *loop)
{
    end_each(loop, false);
}

void http_connections_close(struct http_loop *loop)
{
    end_each(loop, true);
}
