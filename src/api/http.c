/*
 * HTTP in, calls out: takes requests from evhttp, finds their route, runs its steps where they belong, and sends what
 * they left.
 */
#include "api/answer.h"
#include "api/checks.h"
#include "api/connections.h"
#include "api/imports.h"
#include "api/jobs.h"
#include "api/keeper.h"
#include "api/reclaim.h"
#include "api/rewind.h"
#include "api/routes.h"
#include "api/sockets.h"
#include "api/upkeep.h"

#include "base/clock.h"
#include "base/text.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <sys/queue.h>
#include <sys/socket.h>

enum { ALLOWED_METHODS = EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE };

/* ---- calls ---- */

static void send_json(struct evhttp_request *request, int status, const json_t *value)
{
    struct evbuffer *out = evhttp_request_get_output_buffer(request);
    CLEANUP_FREE char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    CHECK(text != NULL);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "application/json");
    evbuffer_add(out, text, strlen(text));
    evbuffer_add(out, "\n", 1);
    evhttp_send_reply(request, status, NULL, NULL);
}

static void send_error(struct evhttp_request *request, const struct error *error)
{
    json_t *value = answer_error(error);

    send_json(request, answer_status(error->code), value);
    json_decref(value);
}

static struct api_call *call_new(struct api *api, struct evhttp_request *request)
{
    struct api_call *call = xcalloc(1, sizeof(*call));

    call->api = api;
    call->request = request;
    call->query = xcalloc(1, sizeof(*call->query));
    TAILQ_INIT(call->query);
    call->next = api->calls;
    call->link = &api->calls;
    if (call->next)
        call->next->link = &call->next;
    api->calls = call;
    api->call_count++;
    return call;
}

static void call_free(struct api_call *call)
{
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    call->api->call_count--;
    if (call->waiting)
        call->api->waiting_count--;
    evhttp_clear_headers(call->query);
    free(call->query);
    json_decref(call->body);
    json_decref(call->reply);
    free(call);
}

static void call_answer(struct api_call *call)
{
    struct evhttp_request *request = TAKE_PTR(call->request);

    if (!request)
        return;
    if (call->error.code)
        send_error(request, &call->error);
    else
        send_json(request, 200, call->reply ? call->reply : json_null());
}

void call_finish(struct api_call *call)
{
    call_answer(call);
    call_free(call);
}

const char *call_query(const struct api_call *call, const char *key)
{
    return evhttp_find_header(call->query, key);
}

int call_query_u64(struct api_call *call, const char *key, uint64_t max, uint64_t absent, uint64_t *value)
{
    const char *text = call_query(call, key);

    *value = absent;
    if (!text || parse_u64(text, max, value))
        return 0;
    return error_set(&call->error, -EINVAL, "%s: not a number from 0 to %llu", key, (unsigned long long)max);
}

int call_check_keys(struct api_call *call, const char *const *keys, size_t count)
{
    const char *key;
    json_t *value;

    if (!call->body)
        return error_set(&call->error, -EINVAL, "the request needs a JSON object");
    json_object_foreach(call->body, key, value) {
        size_t i = 0;
        while (i < count && !string_equal(keys[i], key))
            i++;
        if (i == count) {
            char quoted[NAME_SIZE];
            return error_set(&call->error, -EINVAL, "unknown key \"%s\"",
                             quote_into(quoted, sizeof(quoted), key, strlen(key)));
        }
    }
    return 0;
}

/* ---- steps ---- */

void api_ref(struct api *api)
{
    api->references++;
}

void api_unref(struct api *api)
{
    if (--api->references > 0)
        return;
    reclaim_free(api->reclaim);
    rewind_free(api->rewind);
    keeper_free(api->keeper);
    upkeep_free(api->upkeep);
    pthread_mutex_destroy(&api->change_lock);
    free(api);
}

static void run_worker_step(struct work *work)
{
    struct api_call *call = CONTAINER_OF(work, struct api_call, work);

    call->route->worker_step(call);
}

static void worker_step_done(struct work *work)
{
    struct api_call *call = CONTAINER_OF(work, struct api_call, work);
    struct api *api = call->api;

    call_finish(call);
    api_unref(api);
}

static void submit_worker_step(struct api_call *call)
{
    struct api *api = call->api;

    call->work = (struct work){.run = run_worker_step, .done = worker_step_done, .home = api->options.loop};
    api_ref(api);
    if (workers_submit(api->options.workers, &call->work))
        return;
    api->references--;
    error_set(&call->error, -EAGAIN, "the server is busy: try again in a moment");
    call_finish(call);
}

static void run_route(struct api_call *call)
{
    if (call->route->loop_step)
        call->route->loop_step(call);
    if (call->error.code)
        call_finish(call);
    else if (call->route->worker_step)
        submit_worker_step(call);
    else if (!call->waiting)
        call_finish(call);
}

/* ---- requests ---- */

static int find_route(struct api_call *call, const char *path)
{
    switch (route_find(evhttp_request_get_command(call->request), path, &call->route, call->name, call->item)) {
    case ROUTE_FOUND:
        return 0;
    case ROUTE_NO_PATH:
        return error_set(&call->error, -ENOENT, "there is nothing at this address; this server speaks version 1 (/v1)");
    case ROUTE_NO_METHOD:
        return error_set(&call->error, -EOPNOTSUPP, "this cannot be done with what is at this address");
    }
    CHECK(false);
    return -EINVAL;
}

static int read_query(struct api_call *call, const char *query)
{
    if (query && evhttp_parse_query_str(query, call->query) < 0)
        return error_set(&call->error, -EINVAL, "the part of the address behind the question mark is malformed");
    return 0;
}

static int read_body(struct api_call *call)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(call->request);
    size_t length = evbuffer_get_length(in);
    json_error_t problem;

    if (length == 0)
        return 0;
    call->body = json_loadb((const char *)evbuffer_pullup(in, -1), length, JSON_REJECT_DUPLICATES, &problem);
    if (!call->body)
        return error_set(&call->error, -EINVAL, "the request is not JSON: line %d, column %d", problem.line,
                         problem.column);
    if (!json_is_object(call->body))
        return error_set(&call->error, -EINVAL, "the request needs a JSON object");
    return 0;
}

static int read_request(struct api_call *call)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(call->request);
    const char *path = evhttp_uri_get_path(uri);
    int result = find_route(call, path ? path : "/");

    if (result == 0)
        result = read_query(call, evhttp_uri_get_query(uri));
    if (result == 0)
        result = read_body(call);
    return result;
}

/* While a request is under way evhttp does not look at its connection; this does. */
static bool client_is_gone(struct evhttp_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    char byte;

    if (!connection)
        return true;
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Once a second while somebody waits: a client that gave up makes room for the next one. */
static void on_wait_timer(void *arg)
{
    struct api *api = arg;

    for (struct api_call *call = api->calls, *next; call; call = next) {
        next = call->next;
        if (call->waiting && client_is_gone(call->request))
            call_finish(call);
    }
    events_wake(api);
    if (api->waiting_count > 0)
        loop_timer_set(api->wait_timer, API_WAIT_TICK_MS);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct api *api = arg;

    if (api->call_count >= API_CALLS_MAX) {
        struct error busy = {0};
        error_set(&busy, -EAGAIN, "the server is busy: %d requests are under way, try again in a moment", API_CALLS_MAX);
        send_error(request, &busy);
        return;
    }
    struct api_call *call = call_new(api, request);
    if (read_request(call) < 0)
        call_finish(call);
    else
        run_route(call);
}

/* ---- life ---- */

static void on_event(void *arg)
{
    events_wake(arg);
}

static void on_boot(void *arg, const struct event *event)
{
    const struct api *api = arg;

    rewind_begin(api->rewind, event);
}

static struct evhttp *http_start(struct api *api)
{
    struct evhttp *http = evhttp_new(loop_event_base(api->options.loop));

    CHECK(http != NULL);
    evhttp_set_allowed_methods(http, ALLOWED_METHODS);
    evhttp_set_max_body_size(http, API_BODY_MAX_BYTES);
    evhttp_set_max_headers_size(http, API_HEADERS_MAX_BYTES);
    evhttp_set_timeout(http, API_IDLE_SECONDS);
    evhttp_set_gencb(http, on_request, api);
    api->connections = connections_new(api->options.loop, http, TAKE_FD(api->sockets->http_fd));
    return http;
}

struct api *api_start(const struct api_options *options, struct api_sockets *sockets)
{
    struct api *api = xcalloc(1, sizeof(*api));

    api->options = *options;
    api->sockets = sockets;
    api->references = 1;
    api->started_seconds = clock_wall_seconds();
    pthread_mutex_init(&api->change_lock, NULL);
    api->wait_timer = loop_timer_new(options->loop, on_wait_timer, api);
    api->jobs = jobs_new();
    api->reclaim = reclaim_new(api);
    api->rewind = rewind_new(api);
    api->keeper = keeper_new(api);
    api->upkeep = upkeep_new(api);
    api->checks = checks_new(api);
    api->imports = imports_start(api);
    api->http = http_start(api);
    journal_on_event(options->journal, on_event, api);
    journal_on_boot(options->journal, on_boot, api);
    reclaim_begin(api->reclaim); /* what was under way when the daemon stopped */
    return api;
}

void api_stop(struct api *api)
{
    struct error stopping = {0};

    if (api->stopped)
        return;
    api->stopped = true;
    journal_on_event(api->options.journal, NULL, NULL);
    journal_on_boot(api->options.journal, NULL, NULL);
    rewind_stop(api->rewind);
    keeper_stop(api->keeper);
    error_set(&stopping, -ESHUTDOWN, "farboot is stopping");
    imports_stop(api->imports);
    checks_stop(api->checks);
    upkeep_stop(api->upkeep);
    for (struct api_call *call = api->calls, *next; call; call = next) {
        next = call->next;
        /* A worker may be writing its answer into a call that it holds: only the request is ours. */
        struct evhttp_request *request = TAKE_PTR(call->request);
        if (request)
            send_error(request, &stopping);
        if (call->waiting)
            call_free(call);
    }
    evhttp_free(TAKE_PTR(api->http));
    connections_free(TAKE_PTR(api->connections));
    loop_timer_free(TAKE_PTR(api->wait_timer));
    api_sockets_free(TAKE_PTR(api->sockets));
}

void api_free(struct api *api)
{
    if (!api)
        return;
    CHECK(api->stopped);
    imports_free(api->imports);
    checks_free(api->checks);
    jobs_free(api->jobs);
    api_unref(api);
}
