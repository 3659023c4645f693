#include "nfs/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/siphash.h"
#include "loop/datagram.h"
#include "loop/listener.h"
#include "nfs/connection.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { SWEEP_INTERVAL_MS = 10 * 1000, DATAGRAMS_AT_ONCE = 32, DATAGRAM_CALLS_MAX = 64 };

/* Where calls come in: a port, in both ways. */
struct door {
    struct nfs_service *service;
    struct listener *listener;
    int fd; /* for datagrams */
    struct loop_watch *watch;
    bool port_mapper;
};

enum { DOOR_NFS, DOOR_PORT_MAPPER, DOOR_COUNT };

struct nfs_service {
    struct nfs_service_ports ports;
    struct door doors[DOOR_COUNT];
    struct loop *control;
    struct workers *workers;
    struct nfs_server *server;
    struct loop_timer *sweep;
    struct nfs_loop loops[NFS_LOOPS_MAX];
    size_t loop_count;
    unsigned next_loop;
    unsigned datagram_calls;

    unsigned left; /* of what must end before the stop is done */
    void (*stopped)(void *arg);
    void *stopped_arg;
};

/* ---- open ---- */

static void close_door(struct door *door)
{
    loop_watch_free(TAKE_PTR(door->watch));
    listener_free(TAKE_PTR(door->listener));
    cleanup_fd(&door->fd);
    door->fd = -1;
}

static int open_door(struct nfs_service *service, struct door *door, uint16_t port)
{
    const struct listener_options stream = {.address = service->ports.address, .port = port};
    struct datagram_options datagram = {.address = service->ports.address, .port = port};
    int r = listener_open(&stream, &door->listener);

    if (r < 0)
        return r;
    datagram.port = listener_port(door->listener);
    r = datagram_open(&datagram, &door->fd);
    if (r < 0)
        close_door(door);
    return r;
}

int nfs_service_open(const struct nfs_service_ports *ports, struct nfs_service **service, struct error *error)
{
    struct nfs_service *s = xcalloc(1, sizeof(*s));

    s->ports = *ports;
    for (size_t i = 0; i < DOOR_COUNT; i++)
        s->doors[i] = (struct door){.service = s, .fd = -1, .port_mapper = i == DOOR_PORT_MAPPER};
    int r = open_door(s, &s->doors[DOOR_NFS], ports->port);
    if (r < 0) {
        nfs_service_free(s);
        return error_set_errno(error, r, "NFS port %u cannot be bound", ports->port);
    }
    s->ports.port = listener_port(s->doors[DOOR_NFS].listener);
    r = ports->port_mapper ? open_door(s, &s->doors[DOOR_PORT_MAPPER], ports->port_mapper) : 0;
    if (r < 0)
        log_warning("port %u of the port mapper is taken (%s): clients of NFS version 3 must be told "
                    "port=%u,mountport=%u, those of version 4 need nothing",
                    ports->port_mapper, strerror(-r), s->ports.port, s->ports.port);
    *service = s;
    return 0;
}

uint16_t nfs_service_port(const struct nfs_service *service)
{
    return service->ports.port;
}

/* ---- the key: made once, since every handle that a client holds was signed with it ---- */

static int make_key(const char *path, uint8_t key[SIPHASH_KEY_BYTES])
{
    CLEANUP_FREE char *temporary = xasprintf("%s.new", path);
    CLEANUP_FD int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return -errno;
    if (getrandom(key, SIPHASH_KEY_BYTES, 0) != SIPHASH_KEY_BYTES ||
        write(fd, key, SIPHASH_KEY_BYTES) != SIPHASH_KEY_BYTES)
        return -EIO;
    return fsync(fd) < 0 || rename(temporary, path) < 0 ? -errno : 0;
}

static int read_key(const char *path, uint8_t key[SIPHASH_KEY_BYTES])
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? make_key(path, key) : -errno;
    return read(fd, key, SIPHASH_KEY_BYTES) == SIPHASH_KEY_BYTES ? 0 : -EIO;
}

/* ---- datagrams ---- */

struct datagram_call {
    struct work work;
    struct door *door;
    struct sockaddr_in peer;
    uint32_t local;
    struct nfs_caller caller;
    uint8_t *bytes;
    size_t length_bytes;
    uint8_t *reply;
    size_t reply_bytes;
};

static void one_ended(struct nfs_service *service)
{
    if (--service->left == 0)
        service->stopped(service->stopped_arg);
}

static void datagram_done(struct work *work)
{
    struct datagram_call *call = CONTAINER_OF(work, struct datagram_call, work);
    struct nfs_service *service = call->door->service;

    if (call->reply_bytes && call->door->fd >= 0)
        datagram_send(call->door->fd, call->reply, call->reply_bytes, &call->peer, call->local, 0);
    free(call->bytes);
    free(call->reply);
    free(call);
    service->datagram_calls--;
    if (service->stopped)
        one_ended(service);
}

static void run_datagram(struct work *work)
{
    struct datagram_call *call = CONTAINER_OF(work, struct datagram_call, work);

    call->reply = malloc(NFS_REPLY_MAX_BYTES);
    CHECK(call->reply != NULL);
    call->reply_bytes = nfs_server_answer(call->door->service->server, &call->caller, call->bytes,
                                          call->length_bytes, call->reply);
}

static void take_datagram(struct door *door, const uint8_t *bytes, size_t length_bytes,
                          const struct datagram_origin *origin)
{
    struct nfs_service *service = door->service;
    struct datagram_call *call = xcalloc(1, sizeof(*call));

    *call = (struct datagram_call){
        .work = {.run = run_datagram, .done = datagram_done, .home = service->control},
        .door = door,
        .peer = origin->source,
        .local = origin->destination,
        .caller = {inet_of_sockaddr(&origin->source), inet_port_of_sockaddr(&origin->source), true,
                   door->port_mapper, clock_monotonic_ms()},
        .bytes = xcalloc(1, length_bytes + 1),
        .length_bytes = length_bytes,
    };
    memcpy(call->bytes, bytes, length_bytes);
    service->datagram_calls++;
    if (workers_submit(service->workers, &call->work))
        return;
    call->length_bytes = 0; /* silence makes the client ask again */
    datagram_done(&call->work);
}

static void on_datagram(void *arg, int events)
{
    struct door *door = arg;
    static uint8_t bytes[DATAGRAM_MAX_BYTES]; /* the control loop's alone */
    struct datagram_origin origin;

    for (int i = 0; i < DATAGRAMS_AT_ONCE; i++) {
        ssize_t length = datagram_receive(door->fd, bytes, sizeof(bytes), &origin);
        if (length == -EMSGSIZE)
            continue;
        if (length < 0)
            return;
        if (door->service->datagram_calls < DATAGRAM_CALLS_MAX && origin.source.sin_port)
            take_datagram(door, bytes, (size_t)length, &origin);
    }
}

/* ---- connections ---- */

struct newcomer {
    struct nfs_loop *loop;
    int fd;
    struct sockaddr_in peer;
    bool port_mapper;
};

static void take_newcomer(void *arg)
{
    struct newcomer *newcomer = arg;

    nfs_connection_open(newcomer->loop, newcomer->fd, &newcomer->peer, newcomer->port_mapper);
    free(newcomer);
}

static void accepted(void *arg, int fd, const struct sockaddr_in *peer)
{
    struct door *door = arg;
    struct nfs_service *service = door->service;
    struct newcomer *newcomer = xcalloc(1, sizeof(*newcomer));

    *newcomer = (struct newcomer){&service->loops[service->next_loop++ % service->loop_count], fd, *peer,
                                  door->port_mapper};
    loop_call(newcomer->loop->loop, take_newcomer, newcomer);
}

/* ---- start ---- */

static void on_sweep(void *arg)
{
    struct nfs_service *service = arg;

    nfs_server_sweep(service->server, clock_monotonic_ms());
    loop_timer_set(service->sweep, SWEEP_INTERVAL_MS);
}

static void one_loop_ended(void *arg)
{
    one_ended(arg);
}

static void loop_is_empty(struct nfs_loop *loop)
{
    loop_call(loop->service->control, one_loop_ended, loop->service);
}

static void start_loops(struct nfs_service *service, const struct nfs_service_options *options)
{
    CHECK(options->loop_count >= 1 && options->loop_count <= NFS_LOOPS_MAX);
    service->loop_count = options->loop_count;
    for (size_t i = 0; i < options->loop_count; i++)
        service->loops[i] = (struct nfs_loop){
            .service = service,
            .server = service->server,
            .workers = options->workers,
            .loop = options->loops[i],
            .pool = stream_pool_new(options->loops[i]),
            .emptied = loop_is_empty,
        };
}

static void start_door(struct door *door)
{
    if (!door->listener)
        return;
    listener_start(door->listener, door->service->control, accepted, door);
    door->watch = loop_watch_new(door->service->control, door->fd, on_datagram, door);
    loop_watch_set(door->watch, LOOP_READ);
}

int nfs_service_start(struct nfs_service *service, const struct nfs_service_options *options,
                      struct error *error)
{
    struct nfs_server_options server = {
        .source = options->source, .port = service->ports.port, .started_ns = clock_wall_ms() * 1000000};
    int r = read_key(options->key_path, server.key);

    if (r < 0)
        return error_set_errno(error, r, "%s: the key that signs NFS file handles cannot be kept",
                               options->key_path);
    service->control = options->control;
    service->workers = options->workers;
    service->server = nfs_server_new(&server);
    start_loops(service, options);
    for (size_t i = 0; i < DOOR_COUNT; i++)
        start_door(&service->doors[i]);
    service->sweep = loop_timer_new(service->control, on_sweep, service);
    loop_timer_set(service->sweep, SWEEP_INTERVAL_MS);
    return 0;
}

/* ---- end ---- */

static void stop_loop(void *arg)
{
    struct nfs_loop *loop = arg;

    loop->stopping = true;
    if (loop->connection_count)
        nfs_connection_close_all(loop);
    else
        loop_is_empty(loop);
}

void nfs_service_stop(struct nfs_service *service, void (*done)(void *arg), void *arg)
{
    service->stopped = done;
    service->stopped_arg = arg;
    service->left = (unsigned)service->loop_count + service->datagram_calls;
    loop_timer_free(TAKE_PTR(service->sweep));
    for (size_t i = 0; i < DOOR_COUNT; i++)
        close_door(&service->doors[i]);
    for (size_t i = 0; i < service->loop_count; i++)
        loop_call(service->loops[i].loop, stop_loop, &service->loops[i]);
}

void nfs_service_free(struct nfs_service *service)
{
    if (!service)
        return;
    for (size_t i = 0; i < DOOR_COUNT; i++)
        close_door(&service->doors[i]);
    loop_timer_free(service->sweep);
    for (size_t i = 0; i < service->loop_count; i++)
        stream_pool_free(service->loops[i].pool);
    nfs_server_free(service->server);
    free(service);
}
