#include "iscsi/connection_parts.h"

#include "base/clock.h"

#include <unistd.h>

enum {
    LOGIN_TIMEOUT_MS = 15000,
    LEAVING_TIMEOUT_MS = 5000, /* after a logout or a refusal, for the initiator to close first */
};

/* ---- the end ---- */

static void free_connection(void *arg)
{
    struct connection *c = arg;
    struct iscsi_loop *loop = c->loop;

    registry_remove(&loop->service->registry, &c->entry);
    *c->previous = c->next;
    if (c->next)
        c->next->previous = c->previous;
    loop->connection_count--;
    loop_timer_free(c->timer);
    free(c);
    if (loop->stopping && !loop->connection_count)
        service_loop_is_empty(loop);
}

static void close_disks(struct work *work)
{
    connection_close_disks(CONTAINER_OF(work, struct connection, work));
}

static void disks_closed(struct work *work)
{
    free_connection(CONTAINER_OF(work, struct connection, work));
}

/* When nothing of it runs any more. Never from inside a handler's call. */
static void finish_end(void *arg)
{
    struct connection *c = arg;

    c->ending = false;
    if (c->batches || c->working)
        return;
    if (c->session)
        session_end(c->session);
    free(c->session);
    c->session = NULL;
    if (!c->disks[0]) {
        free_connection(c);
        return;
    }
    c->work = (struct work){.run = close_disks, .done = disks_closed, .home = c->loop->loop};
    c->working = true;
    if (!workers_submit(c->loop->service->options.workers, &c->work)) {
        close_disks(&c->work);
        free_connection(c);
    }
}

void connection_end(struct connection *c, const char *how)
{
    if (c->phase == PHASE_GONE)
        return;
    connection_tell_end(c, how);
    c->phase = PHASE_GONE;
    stream_free(c->stream);
    c->stream = NULL;
    loop_timer_cancel(c->timer);
    if (c->login) {
        login_free(c->login);
        free(c->login);
        c->login = NULL;
    }
    if (c->session)
        session_abort_all(c->session);
    c->ending = true;
    loop_call(c->loop->loop, finish_end, c);
}

/* Something of it came home from a worker. */
void connection_go_on_ending(struct connection *c)
{
    if (!c->ending)
        finish_end(c);
}

void connection_leave(struct connection *c)
{
    c->phase = PHASE_LEAVING;
    stream_set_reading(c->stream, true);
    loop_timer_set(c->timer, LEAVING_TIMEOUT_MS);
}

/* ---- life ---- */

static void on_timeout(void *arg)
{
    struct connection *c = arg;

    if (c->phase == PHASE_WAITING && c->entry.contested_id && !c->entry.waiting) {
        connection_try_to_enter(c);
        return;
    }
    connection_end(c, c->phase == PHASE_LEAVING ? "logged out" : "no login in time");
}

static struct connection *find(struct iscsi_loop *loop, uint64_t id)
{
    struct connection *c = loop->connections;

    while (c && c->entry.id != id)
        c = c->next;
    return c;
}

/* From any thread, by the registry. */
static void ask_to_close(struct registry_entry *entry)
{
    struct connection *c = CONTAINER_OF(entry, struct connection, entry);

    service_call(c->loop->service, entry->loop_index, entry->id, connection_close_by_id);
}

static void ask_to_disconnect(struct registry_entry *entry)
{
    struct connection *c = CONTAINER_OF(entry, struct connection, entry);

    service_call(c->loop->service, entry->loop_index, entry->id, connection_disconnect_by_id);
}

static void ask_to_retry(struct registry_entry *entry)
{
    struct connection *c = CONTAINER_OF(entry, struct connection, entry);

    service_call(c->loop->service, entry->loop_index, entry->id, connection_retry_by_id);
}

static void watch_closely(struct iscsi_loop *loop, uint64_t id)
{
    struct connection *c = find(loop, id);

    if (c && c->phase == PHASE_FULL)
        stream_watch_peer(c->stream, true);
}

static void watch_calmly(struct iscsi_loop *loop, uint64_t id)
{
    struct connection *c = find(loop, id);

    if (c && c->phase == PHASE_FULL)
        stream_watch_peer(c->stream, false);
}

static void ask_to_watch(struct registry_entry *entry, bool closely)
{
    struct connection *c = CONTAINER_OF(entry, struct connection, entry);

    service_call(c->loop->service, entry->loop_index, entry->id, closely ? watch_closely : watch_calmly);
}

static void ask_to_ping(struct registry_entry *entry)
{
    struct connection *c = CONTAINER_OF(entry, struct connection, entry);

    service_call(c->loop->service, entry->loop_index, entry->id, connection_ping_by_id);
}

static void link_connection(struct iscsi_loop *loop, struct connection *c)
{
    c->next = loop->connections;
    c->previous = &loop->connections;
    if (c->next)
        c->next->previous = &c->next;
    loop->connections = c;
    loop->connection_count++;
}

void connection_open(struct iscsi_loop *loop, int fd, const struct sockaddr_in *peer)
{
    struct connection *c = xcalloc(1, sizeof(*c));

    c->loop = loop;
    c->peer = *peer;
    c->entry.loop_index = loop->index;
    c->entry.close = ask_to_close;
    c->entry.disconnect = ask_to_disconnect;
    c->entry.retry = ask_to_retry;
    c->entry.watch = ask_to_watch;
    c->entry.ping = ask_to_ping;
    c->entry.address = inet_of_sockaddr(peer);
    c->entry.port = inet_port_of_sockaddr(peer);
    c->entry.since_seconds = clock_wall_seconds();
    if (loop->stopping || !registry_add(&loop->service->registry, &c->entry)) {
        close(fd);
        free(c);
        return;
    }
    link_connection(loop, c);
    c->login = xcalloc(1, sizeof(*c->login));
    login_init(c->login, ISCSI_PORTAL_GROUP, &loop->service->chap_policy);
    c->timer = loop_timer_new(loop->loop, on_timeout, c);
    loop_timer_set(c->timer, LOGIN_TIMEOUT_MS);
    c->stream = stream_new(loop->pool, fd, &connection_handler, c);
}

void connection_close_by_id(struct iscsi_loop *loop, uint64_t id)
{
    struct connection *c = find(loop, id);

    if (c)
        connection_end(c, "another session took its place");
}

void connection_disconnect_by_id(struct iscsi_loop *loop, uint64_t id)
{
    struct connection *c = find(loop, id);

    if (!c)
        return;
    connection_announce_end(c);
    connection_end(c, "it was told to end");
}

/* What firmware cannot answer it would take for an error. */
void connection_ping_by_id(struct iscsi_loop *loop, uint64_t id)
{
    struct connection *c = find(loop, id);

    if (!c || c->phase != PHASE_FULL || c->is_firmware)
        return;
    session_ping(c->session);
    connection_put_output(c);
}

void connection_retry_by_id(struct iscsi_loop *loop, uint64_t id)
{
    struct connection *c = find(loop, id);

    if (c && c->phase == PHASE_WAITING)
        connection_try_to_enter(c);
}

void connection_renew_by_id(struct iscsi_loop *loop, uint64_t id)
{
    struct connection *c = find(loop, id);

    if (c)
        connection_renew_disks(c);
}

void connection_close_all(struct iscsi_loop *loop)
{
    struct connection *next;

    for (struct connection *c = loop->connections; c; c = next) {
        next = c->next;
        connection_announce_end(c);
        connection_end(c, "farboot is stopping");
    }
}
