#include "tftp/service.h"

#include "base/clock.h"
#include "loop/datagram.h"
#include "catalog/networks.h"
#include "tftp/shard.h"

enum {
    INTERFACES_MAX = 32,
    SHARDS_MAX = 64,
    /* Requests taken in before the control loop looks at its other work. */
    REQUESTS_PER_TURN = 16,
    STRANGER_INTERVAL_MS = 10 * 1000,
};

struct door {
    struct tftp_service *service;
    struct networks networks;
    int fd;
    struct loop_watch *watch;
};

struct tftp_service {
    struct tftp_session_context context;
    struct presence *presence;
    struct loop *control;
    struct door doors[INTERFACES_MAX];
    size_t door_count;
    struct shard *shards[SHARDS_MAX];
    size_t shard_count;

    uint64_t next_stranger_ms;
    unsigned strangers_unsaid;
    uint64_t next_write_ms;

    size_t shards_running;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

/* ---- open ---- */

static int open_door(struct tftp_service *service, const char *interface, struct error *error)
{
    struct door *door = &service->doors[service->door_count];
    const struct datagram_options options = {
        .interface = interface, .port = service->context.port, .reuse = true};

    *door = (struct door){.service = service, .fd = -1};
    if (!COPY_STRING(door->networks.interface, interface))
        return error_set(error, -ENODEV, "%s: not the name of an interface", interface);
    int r = datagram_open(&options, &door->fd);
    if (r < 0)
        return error_set_errno(error, r, "%s: cannot listen at TFTP port %u", interface,
                               service->context.port);
    service->door_count++;
    return 0;
}

int tftp_service_open(const char *const *interfaces, size_t interface_count, uint16_t port,
                      struct tftp_service **service, struct error *error)
{
    struct tftp_service *opened;
    int r = 0;

    if (interface_count > INTERFACES_MAX)
        return error_set(error, -E2BIG, "TFTP can serve at most %d interfaces", INTERFACES_MAX);
    opened = xcalloc(1, sizeof(*opened));
    opened->context.port = port;
    for (size_t i = 0; i < interface_count && r == 0; i++)
        r = open_door(opened, interfaces[i], error);
    if (r < 0) {
        tftp_service_free(opened);
        return r;
    }
    *service = opened;
    return 0;
}

/* ---- requests ---- */

static void note_stranger(struct tftp_service *service, const struct door *door, uint32_t address,
                          uint64_t now_ms)
{
    char text[INET_TEXT_SIZE];

    if (now_ms < service->next_stranger_ms) {
        service->strangers_unsaid++;
        return;
    }
    event_post(service->context.events, NULL, NULL, STAGE_NONE, EVENT_INFO, "tftp.stranger",
               "%s is outside the networks of %s and gets no answer (%u more unmentioned)",
               inet_format(text, address), door->networks.interface, service->strangers_unsaid);
    service->strangers_unsaid = 0;
    service->next_stranger_ms = now_ms + STRANGER_INTERVAL_MS;
}

/* Whether a datagram may be answered at all. */
static bool is_welcome(struct door *door, const struct datagram_origin *origin)
{
    struct tftp_service *service = door->service;
    uint32_t address = inet_of_sockaddr(&origin->source);
    uint64_t now_ms = clock_monotonic_ms();
    struct mac mac;

    /* Behind a relay a machine is in another network, but it got its address through us. */
    bool known =
        networks_contain(&door->networks, address, now_ms) || presence_mac(service->presence, address, &mac);
    if (!known)
        note_stranger(service, door, address, now_ms);
    return known && origin->source.sin_port != 0 && !networks_is_broadcast(&door->networks, address) &&
           !networks_is_broadcast(&door->networks, origin->destination);
}

static void refuse_write(struct tftp_service *service, const struct tftp_session_request *request)
{
    uint64_t now_ms = clock_monotonic_ms();
    char address[INET_TEXT_SIZE];

    tftp_session_refuse(request, TFTP_ERROR_ACCESS, "read only");
    if (now_ms < service->next_write_ms)
        return;
    service->next_write_ms = now_ms + STRANGER_INTERVAL_MS;
    event_post(service->context.events, NULL, NULL, STAGE_NONE, EVENT_INFO, "tftp.refused",
               "%s tried to write a file", inet_format(address, inet_of_sockaddr(&request->peer)));
}

static void take_in(struct door *door, const void *packet, size_t length_bytes,
                    const struct datagram_origin *origin)
{
    struct tftp_service *service = door->service;
    struct tftp_session_request request = {.peer = origin->source, .local = origin->destination};
    enum tftp_request_kind kind = tftp_decode_request(packet, length_bytes, &request.tftp);

    if (kind == TFTP_REQUEST_NONE || !is_welcome(door, origin))
        return;
    request.mtu_bytes = door->networks.mtu_bytes;
    switch (kind) {
    case TFTP_REQUEST_READ:
        /* When even the queue is full, silence makes the client ask again. */
        (void)shard_submit(service->shards[inet_of_sockaddr(&request.peer) % service->shard_count], &request);
        break;
    case TFTP_REQUEST_WRITE:
        refuse_write(service, &request);
        break;
    case TFTP_REQUEST_MALFORMED:
        tftp_session_refuse(&request, TFTP_ERROR_ILLEGAL, "not a TFTP request");
        break;
    case TFTP_REQUEST_NONE:
        break;
    }
}

static void on_request(void *arg, int events)
{
    struct door *door = arg;
    /* One byte more than allowed, so that the codec sees that it was too long. */
    uint8_t packet[TFTP_REQUEST_MAX_BYTES + 1];
    struct datagram_origin origin;

    for (int i = 0; i < REQUESTS_PER_TURN; i++) {
        ssize_t length = datagram_receive(door->fd, packet, sizeof(packet), &origin);
        if (length == -EMSGSIZE)
            continue;
        if (length < 0)
            return;
        take_in(door, packet, (size_t)length, &origin);
    }
}

static void start_shards(struct tftp_service *service, const struct tftp_service_options *options)
{
    size_t count = MAX(options->loop_count, (size_t)1);

    CHECK(count <= SHARDS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct loop *loop = options->loop_count ? options->loops[i] : options->control;
        service->shards[service->shard_count++] =
            shard_new(&service->context, options->presence, loop, TFTP_TRANSFERS_MAX / count);
    }
}

void tftp_service_start(struct tftp_service *service, const struct tftp_service_options *options)
{
    service->control = options->control;
    service->presence = options->presence;
    service->context.workers = options->workers;
    service->context.gate = options->gate;
    service->context.catalog = options->catalog;
    service->context.bootfiles = options->bootfiles;
    service->context.events = options->events;
    start_shards(service, options);
    for (size_t i = 0; i < service->door_count; i++) {
        struct door *door = &service->doors[i];
        door->watch = loop_watch_new(service->control, door->fd, on_request, door);
        loop_watch_set(door->watch, LOOP_READ);
    }
}

/* ---- end ---- */

static void close_doors(struct tftp_service *service)
{
    for (size_t i = 0; i < service->door_count; i++) {
        struct door *door = &service->doors[i];
        loop_watch_free(TAKE_PTR(door->watch));
        cleanup_fd(&door->fd);
        door->fd = -1;
    }
}

static void shard_stopped(void *arg)
{
    struct tftp_service *service = arg;

    if (--service->shards_running == 0)
        service->stopped(service->stopped_arg);
}

void tftp_service_stop(struct tftp_service *service, uint64_t drain_ms, void (*stopped)(void *arg), void *arg)
{
    service->stopped = stopped;
    service->stopped_arg = arg;
    service->shards_running = service->shard_count;
    close_doors(service);
    for (size_t i = 0; i < service->shard_count; i++)
        shard_stop(service->shards[i], drain_ms, service->control, shard_stopped, service);
}

void tftp_service_free(struct tftp_service *service)
{
    if (!service)
        return;
    close_doors(service);
    for (size_t i = 0; i < service->shard_count; i++)
        shard_free(service->shards[i]);
    free(service);
}
