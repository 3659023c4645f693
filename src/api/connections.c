#include "api/connections.h"

#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>

enum { REST_MS = 100 };

struct connections {
    struct evconnlistener *listener;
    struct loop_timer *timer;
    unsigned count;
    struct bufferevent *open[CONNECTIONS_MAX]; /* one reference each */
};

/* evhttp says nothing when it frees a connection, but takes its callbacks off the buffer that we made for it. */
static bool is_closed(struct bufferevent *buffer)
{
    bufferevent_event_cb on_event = NULL;

    bufferevent_getcb(buffer, NULL, NULL, &on_event, NULL);
    return on_event == NULL;
}

static void forget_closed(struct connections *connections)
{
    for (unsigned i = 0; i < connections->count;) {
        if (!is_closed(connections->open[i])) {
            i++;
            continue;
        }
        bufferevent_decref(connections->open[i]);
        connections->open[i] = connections->open[--connections->count];
    }
}

static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct connections *connections = arg;
    /* The descriptor goes with our reference, not before: its number would be given to a new socket while this buffer
     * still has it registered. */
    struct bufferevent *buffer = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

    CHECK(buffer != NULL);
    forget_closed(connections);
    CHECK(connections->count < CONNECTIONS_MAX);
    bufferevent_incref(buffer);
    connections->open[connections->count++] = buffer;
    if (connections->count == CONNECTIONS_MAX) {
        evconnlistener_disable(connections->listener);
        loop_timer_set(connections->timer, REST_MS);
    }
    return buffer;
}

static void on_rested(void *arg)
{
    struct connections *connections = arg;

    forget_closed(connections);
    if (connections->count < CONNECTIONS_MAX)
        evconnlistener_enable(connections->listener);
    else
        loop_timer_set(connections->timer, REST_MS);
}

struct connections *connections_new(struct loop *loop, struct evhttp *http, int listen_fd)
{
    struct connections *connections = xcalloc(1, sizeof(*connections));

    connections->timer = loop_timer_new(loop, on_rested, connections);
    evhttp_set_bevcb(http, on_accept, connections);
    struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(http, listen_fd);
    CHECK(bound != NULL);
    connections->listener = evhttp_bound_socket_get_listener(bound);
    return connections;
}

unsigned connections_count(struct connections *connections)
{
    forget_closed(connections);
    return connections->count;
}

void connections_free(struct connections *connections)
{
    if (!connections)
        return;
    forget_closed(connections);
    CHECK(connections->count == 0);
    loop_timer_free(connections->timer);
    free(connections);
}
