#include "http/service.h"

#include "base/clock.h"
#include "catalog/networks.h"
#include "http/connection.h"
#include "loop/listener.h"

enum { INTERFACES_MAX = 32, LOOPS_MAX = 64, STRANGER_INTERVAL_MS = 10 * 1000 };

struct http_service {
    struct networks networks[INTERFACES_MAX];
    size_t network_count;
    uint16_t port;
    struct listener *listener;
    struct loop *control;
    struct http_loop loops[LOOPS_MAX];
    size_t loop_count;
    uint64_t next_stranger_ms;
    unsigned strangers_unsaid;

    uint64_t drain_ms;
    struct loop_timer *drain_timer;
    size_t loops_left;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

/* ---- open ---- */

int http_service_open(const char *const *interfaces, size_t interface_count, uint16_t port,
                      struct http_service **service, struct error *error)
{
    const struct listener_options where = {.port = port};
    struct listener *listener;

    if (interface_count > INTERFACES_MAX)
        return error_set(error, -E2BIG, "HTTP can serve at most %d interfaces", INTERFACES_MAX);
    int r = listener_open(&where, &listener);
    if (r < 0)
        return error_set_errno(error, r, "HTTP port %u cannot be bound", port);
    struct http_service *opened = xcalloc(1, sizeof(*opened));
    opened->listener = listener;
    opened->port = port;
    for (size_t i = 0; i < interface_count; i++)
        COPY_STRING(opened->networks[opened->network_count++].interface, interfaces[i]);
    *service = opened;
    return 0;
}

/* ---- newcomers ---- */

struct newcomer {
    struct http_loop *loop;
    int fd;
    struct sockaddr_in peer;
};

static void take_newcomer(void *arg)
{
    CLEANUP_FREE struct newcomer *newcomer = arg;

    http_connection_open(newcomer->loop, newcomer->fd, &newcomer->peer);
}

static void note_stranger(struct http_service *service, uint32_t address, uint64_t now_ms)
{
    char text[INET_TEXT_SIZE];

    if (now_ms < service->next_stranger_ms) {
        service->strangers_unsaid++;
        return;
    }
    event_post(service->loops[0].events, NULL, NULL, STAGE_NONE, EVENT_INFO, "http.stranger",
               "%s is outside the networks served and gets no answer (%u more unmentioned)",
               inet_format(text, address), service->strangers_unsaid);
    service->strangers_unsaid = 0;
    service->next_stranger_ms = now_ms + STRANGER_INTERVAL_MS;
}

/* Behind a relay a machine is in another network, but it got its address through us. */
static bool is_welcome(struct http_service *service, uint32_t address)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct mac mac;

    for (size_t i = 0; i < service->network_count; i++) {
        if (networks_contain(&service->networks[i], address, now_ms))
            return true;
    }
    if (presence_mac(service->loops[0].presence, address, &mac))
        return true;
    note_stranger(service, address, now_ms);
    return false;
}

static void accepted(void *arg, int fd, const struct sockaddr_in *peer)
{
    struct http_service *service = arg;
    uint32_t address = inet_of_sockaddr(peer);

    if (!is_welcome(service, address)) {
        close(fd);
        return;
    }
    struct newcomer *newcomer = xcalloc(1, sizeof(*newcomer));
    *newcomer = (struct newcomer){&service->loops[address % service->loop_count], fd, *peer};
    loop_call(newcomer->loop->loop, take_newcomer, newcomer);
}

/* ---- life ---- */

static void loop_has_emptied(void *arg)
{
    struct http_service *service = arg;

    if (--service->loops_left > 0)
        return;
    loop_timer_free(TAKE_PTR(service->drain_timer));
    service->stopped(service->stopped_arg);
}

static void tell_emptied(struct http_loop *loop)
{
    struct http_service *service = loop->owner;

    loop_call(service->control, loop_has_emptied, service);
}

void http_service_start(struct http_service *service, const struct http_service_options *options)
{
    CHECK(options->loop_count >= 1 && options->loop_count <= LOOPS_MAX);
    service->control = options->control;
    service->loop_count = options->loop_count;
    for (size_t i = 0; i < service->loop_count; i++)
        service->loops[i] = (struct http_loop){.loop = options->loops[i],
                                               .pool = stream_pool_new(options->loops[i]),
                                               .workers = options->workers,
                                               .gate = options->gate,
                                               .catalog = options->catalog,
                                               .presence = options->presence,
                                               .bootfiles = options->bootfiles,
                                               .events = options->events,
                                               .port = service->port,
                                               .max_connections = HTTP_CONNECTIONS_MAX / options->loop_count,
                                               .emptied = tell_emptied,
                                               .owner = service};
    listener_start(service->listener, service->control, accepted, service);
}

static void stop_loop(void *arg)
{
    struct http_loop *loop = arg;

    loop->stopping = true;
    if (loop->connection_count == 0)
        loop->emptied(loop);
    else
        http_connections_drain(loop);
}

static void close_loop(void *arg)
{
    http_connections_close(arg);
}

static void on_drain_over(void *arg)
{
    struct http_service *service = arg;

    for (size_t i = 0; i < service->loop_count; i++)
        loop_call(service->loops[i].loop, close_loop, &service->loops[i]);
}

void http_service_stop(struct http_service *service, uint64_t drain_ms, void (*stopped)(void *arg), void *arg)
{
    listener_free(TAKE_PTR(service->listener));
    service->stopped = stopped;
    service->stopped_arg = arg;
    service->loops_left = service->loop_count;
    service->drain_timer = loop_timer_new(service->control, on_drain_over, service);
    loop_timer_set(service->drain_timer, drain_ms);
    for (size_t i = 0; i < service->loop_count; i++)
        loop_call(service->loops[i].loop, stop_loop, &service->loops[i]);
}

void http_service_free(struct http_service *service)
{
    if (!service)
        return;
    listener_free(service->listener);
    for (size_t i = 0; i < service->loop_count; i++)
        stream_pool_free(service->loops[i].pool);
    free(service);
}
