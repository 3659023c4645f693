/*
 * One message's way: on_server_port or on_boot_port takes it, `decide` asks an engine, `carry_out` does what it said:
 * at once (`send_now`), after its lease is durable (`store`), or after a moment (`send_later`).
 */
#include "dhcp/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "dhcp/frame.h"
#include "dhcp/port.h"
#include "dhcp/proxy.h"
#include "dhcp/report.h"
#include "dhcp/server.h"

enum { MESSAGES_PER_TURN = 64 }; /* so that a flood leaves time for the loop's other work */

/* A port with what watches it. */
struct door {
    struct dhcp_service *service;
    struct dhcp_port port;
    struct loop_watch *watches[3];
};

/* A reply on its way: with whom it is for, and what is told when it left. */
struct parcel {
    struct dhcp_service *service;
    struct door *door;
    struct dhcp_subject subject;
    struct address_binding binding;
    bool has_reply;
    bool renewed;
    bool is_ack;
    uint32_t delay_ms;
    struct dhcp_outgoing outgoing;
    struct loop_timer *timer; /* while delayed */
    struct parcel *next_delayed;
    struct parcel *previous_delayed;
};

struct dhcp_service {
    struct dhcp_service_options options;
    struct dhcp_config config;
    struct address_table *addresses;
    struct dhcp_report report;
    struct door doors[DHCP_INTERFACES_MAX];
    size_t door_count;
    size_t pending; /* parcels whose lease is on its way to the disk */
    size_t delayed_count;
    struct parcel *delayed;
    bool stopped;
};

/* ---- sending ---- */

static void send_now(struct parcel *parcel)
{
    struct dhcp_service *service = parcel->service;
    char mac[MAC_TEXT_SIZE];

    int r = dhcp_port_send(&parcel->door->port, &parcel->outgoing);
    if (r < 0)
        log_warning("dhcp: %s: reply to %s: %s", parcel->door->port.name, mac_format(mac, &parcel->subject.mac, ':'),
                    strerror(-r));
    else if (parcel->is_ack)
        dhcp_report_ack(&service->report, &parcel->subject, parcel->binding.address, parcel->renewed);
}

static void unlink_delayed(struct parcel *parcel)
{
    if (parcel->previous_delayed)
        parcel->previous_delayed->next_delayed = parcel->next_delayed;
    else
        parcel->service->delayed = parcel->next_delayed;
    if (parcel->next_delayed)
        parcel->next_delayed->previous_delayed = parcel->previous_delayed;
    parcel->service->delayed_count--;
}

static void drop_delayed(struct parcel *parcel)
{
    unlink_delayed(parcel);
    loop_timer_free(parcel->timer);
    free(parcel);
}

static void on_delay_over(void *arg)
{
    send_now(arg);
    drop_delayed(arg);
}

static void send_later(struct parcel *parcel)
{
    struct dhcp_service *service = parcel->service;

    parcel->timer = loop_timer_new(service->options.loop, on_delay_over, parcel);
    parcel->next_delayed = service->delayed;
    if (service->delayed)
        service->delayed->previous_delayed = parcel;
    service->delayed = parcel;
    service->delayed_count++;
    loop_timer_set(parcel->timer, parcel->delay_ms);
}

/* Takes the parcel. When too many wait, a reply that comes too early is better than none. */
static void post(struct parcel *parcel)
{
    if (parcel->delay_ms && parcel->service->delayed_count < DHCP_DELAYED_MAX) {
        send_later(parcel);
        return;
    }
    send_now(parcel);
    free(parcel);
}

/* ---- leases ---- */

static const enum lease_state lease_states[] = {
    [ADDRESS_OFFERED] = LEASE_OFFERED,
    [ADDRESS_BOUND] = LEASE_BOUND,
    [ADDRESS_RELEASED] = LEASE_RELEASED,
    [ADDRESS_DECLINED] = LEASE_DECLINED,
};

static enum address_state address_state_of(enum lease_state state)
{
    for (size_t i = 0; i < ARRAY_SIZE(lease_states); i++) {
        if (lease_states[i] == state)
            return (enum address_state)i;
    }
    return ADDRESS_RELEASED;
}

static void tell_presence(struct dhcp_service *service, const struct address_binding *binding)
{
    struct presence *presence = service->options.presence;

    if (binding->state == ADDRESS_BOUND)
        presence_learn(presence, binding->address, &binding->mac);
    else
        presence_forget(presence, binding->address);
}

static void release_if_last(struct dhcp_service *service)
{
    if (service->stopped && service->pending == 0)
        free(service);
}

static void on_stored(void *arg, int result)
{
    struct parcel *parcel = arg;
    struct dhcp_service *service = parcel->service;

    service->pending--;
    if (service->stopped) {
        free(parcel);
        release_if_last(service);
        return;
    }
    if (result < 0) {
        dhcp_report_not_stored(&service->report, &parcel->subject, parcel->binding.address, result);
        free(parcel);
        return;
    }
    tell_presence(service, &parcel->binding);
    if (parcel->has_reply)
        post(parcel);
    else
        free(parcel);
}

/* Takes the parcel; what it promises leaves only after it is durable. */
static void store(struct parcel *parcel)
{
    struct dhcp_service *service = parcel->service;
    struct lease lease = {
        .address = parcel->binding.address,
        .mac = parcel->binding.mac,
        .state = lease_states[parcel->binding.state],
        .expires_seconds = parcel->binding.expires_seconds,
    };

    if (service->pending >= DHCP_PENDING_MAX) {
        free(parcel); /* it will ask again */
        return;
    }
    if (parcel->subject.is_machine)
        COPY_STRING(lease.host_name, parcel->subject.machine.name);
    service->pending++;
    catalog_lease_put(service->options.catalog, &lease, 1, service->options.loop, on_stored, parcel);
}

static int compare_expiry(const void *a, const void *b)
{
    uint64_t x = ((const struct lease *)a)->expires_seconds;
    uint64_t y = ((const struct lease *)b)->expires_seconds;

    return (x > y) - (x < y);
}

/* Oldest first: where one client left several behind, the newest counts. */
static int load_leases(struct dhcp_service *service, struct error *error)
{
    CLEANUP_FREE struct lease *leases = NULL;
    uint64_t now_seconds = clock_wall_seconds();
    size_t count = 0;
    int r = catalog_lease_list(service->options.catalog, &leases, &count);

    if (r < 0)
        return error_set_errno(error, r, "the leases cannot be read");
    if (count)
        qsort(leases, count, sizeof(*leases), compare_expiry);
    for (size_t i = 0; i < count; i++) {
        struct address_binding binding = {.address = leases[i].address,
                                          .mac = leases[i].mac,
                                          .state = address_state_of(leases[i].state),
                                          .expires_seconds = leases[i].expires_seconds};
        address_put(service->addresses, &binding, false);
        if (binding.state == ADDRESS_BOUND && address_is_held(&binding, now_seconds))
            tell_presence(service, &binding);
    }
    return 0;
}

/* ---- carrying out what an engine decided ---- */

enum todo { TODO_NOTHING, TODO_SEND, TODO_STORE, TODO_STORE_AND_SEND };

static const enum todo todos[] = {
    [DHCP_OUTCOME_IGNORE] = TODO_NOTHING,
    [DHCP_OUTCOME_OFFER] = TODO_SEND,
    [DHCP_OUTCOME_DURABLE_OFFER] = TODO_STORE_AND_SEND,
    [DHCP_OUTCOME_ACK] = TODO_STORE_AND_SEND,
    [DHCP_OUTCOME_NAK] = TODO_SEND,
    [DHCP_OUTCOME_INFORM] = TODO_SEND,
    [DHCP_OUTCOME_PROXY_OFFER] = TODO_SEND,
    [DHCP_OUTCOME_PROXY_ACK] = TODO_SEND,
    [DHCP_OUTCOME_OTHER_SERVER] = TODO_NOTHING,
    [DHCP_OUTCOME_RELEASED] = TODO_STORE,
    [DHCP_OUTCOME_DECLINED] = TODO_STORE,
};

/* A message with what is known of it, while it is dealt with. */
struct visit {
    struct door *door;
    const struct datagram_origin *origin;
    bool by_boot_port;
    struct dhcp_message request;
    struct dhcp_subject subject;
    struct dhcp_answer answer;
};

static void address_parcel(struct parcel *parcel, const struct visit *visit)
{
    struct dhcp_outgoing *out = &parcel->outgoing;
    const struct dhcp_message *request = &visit->request;

    out->route = visit->by_boot_port ? DHCP_ROUTE_ADDRESS : dhcp_route(request, &visit->answer);
    out->to_mac = visit->subject.mac;
    out->yiaddr = visit->answer.reply.yiaddr;
    out->announce_self = visit->answer.announce_self;
    out->from_boot_port = visit->by_boot_port;
    if (visit->by_boot_port)
        out->to = visit->origin->source;
    else if (out->route == DHCP_ROUTE_RELAY)
        out->to = inet_sockaddr(request->giaddr, DHCP_SERVER_PORT);
    else
        out->to = inet_sockaddr(request->ciaddr, DHCP_CLIENT_PORT);
}

static bool encode_parcel(struct parcel *parcel, const struct visit *visit)
{
    struct dhcp_service *service = parcel->service;
    struct dhcp_layout layout = {
        .max_bytes = dhcp_message_size_limit(&visit->request),
        .may_overload = visit->answer.may_overload,
    };
    unsigned left_out = 0;
    ssize_t length_bytes =
        dhcp_message_encode(&visit->answer.reply, &layout, parcel->outgoing.bytes, &left_out);

    if (left_out)
        dhcp_report_left_out(&service->report, &parcel->subject, left_out);
    parcel->outgoing.length_bytes = length_bytes > 0 ? (size_t)length_bytes : 0;
    return length_bytes > 0;
}

static void carry_out(struct dhcp_service *service, const struct visit *visit)
{
    const struct dhcp_answer *answer = &visit->answer;
    enum todo todo = todos[answer->outcome];
    CLEANUP_FREE struct parcel *parcel = NULL;

    if (todo == TODO_NOTHING)
        return;
    parcel = xcalloc(1, sizeof(*parcel));
    parcel->service = service;
    parcel->door = visit->door;
    parcel->subject = visit->subject;
    parcel->binding = answer->binding;
    parcel->delay_ms = answer->delay_ms;
    parcel->has_reply = todo != TODO_STORE;
    parcel->is_ack = answer->outcome == DHCP_OUTCOME_ACK;
    parcel->renewed = visit->request.ciaddr != 0;
    address_parcel(parcel, visit);
    if (parcel->has_reply && !encode_parcel(parcel, visit))
        return;
    if (todo == TODO_SEND)
        post(TAKE_PTR(parcel));
    else
        store(TAKE_PTR(parcel));
}

/* Of the clients of other servers we remember where our machines are, and who gave them that. */
static void learn_from_others(struct dhcp_service *service, const struct visit *visit)
{
    const struct dhcp_answer *answer = &visit->answer;

    if (answer->outcome != DHCP_OUTCOME_OTHER_SERVER)
        return;
    if (visit->subject.is_machine && answer->binding.address)
        presence_learn(service->options.presence, answer->binding.address, &answer->binding.mac);
    if (answer->other_server && service->options.other_server)
        service->options.other_server(service->options.other_server_arg, answer->other_server, visit->door->port.name,
                                      clock_wall_seconds());
}

static void tell_of_newcomer(struct dhcp_service *service, const struct visit *visit)
{
    const struct dhcp_subject *subject = &visit->subject;

    if (!subject->is_machine && firmware_boots(subject->client.firmware) && service->options.newcomer)
        service->options.newcomer(service->options.newcomer_arg, &subject->mac, &subject->client,
                                  visit->door->port.name, clock_wall_ms());
}

/* ---- deciding ---- */

static bool is_reserved(const void *arg, uint32_t address, const struct machine *machine)
{
    const struct machine *owner = catalog_machine_by_address(arg, address);

    return owner && (!machine || owner->id != machine->id);
}

static void decide(struct dhcp_service *service, struct visit *visit, const struct catalog_snapshot *snapshot)
{
    const struct machine *machine = catalog_machine_by_mac(snapshot, &visit->subject.mac);
    const struct dhcp_context context = {
        .config = &service->config,
        .server_address = visit->door->port.address,
        .sent_to_us = visit->origin->destination == visit->door->port.address,
        .machine = machine,
        .client = visit->subject.client,
        .now_seconds = clock_wall_seconds(),
        .iqn_prefix = service->options.iqn_prefix,
        .iscsi_port = service->options.iscsi_port,
        .http_port = service->options.http_port,
        .addresses = service->addresses,
        .is_reserved = is_reserved,
        .is_reserved_arg = snapshot,
    };

    visit->subject.is_machine = machine != NULL;
    if (machine)
        visit->subject.machine = machine_copy(machine);
    if (visit->by_boot_port)
        dhcp_proxy_answer_boot(&context, &visit->request, &visit->answer);
    else if (service->config.mode == DHCP_MODE_SERVER)
        dhcp_server_answer(&context, &visit->request, &visit->answer);
    else
        dhcp_proxy_answer(&context, &visit->request, &visit->answer);
}

static void take_message(struct door *door, const void *bytes, size_t length_bytes,
                         const struct datagram_origin *origin, bool by_boot_port)
{
    struct dhcp_service *service = door->service;
    struct visit visit = {.door = door, .origin = origin, .by_boot_port = by_boot_port};
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = NULL;

    if (dhcp_message_decode(&visit.request, bytes, length_bytes) < 0 || !dhcp_port_refresh(&door->port))
        return;
    snapshot = catalog_read(service->options.catalog);
    visit.subject.mac = dhcp_mac(&visit.request);
    visit.subject.client = dhcp_recognise(&visit.request);
    visit.subject.now_ms = clock_monotonic_ms();
    decide(service, &visit, snapshot);
    learn_from_others(service, &visit);
    tell_of_newcomer(service, &visit);
    dhcp_report_decision(&service->report, &visit.subject, &visit.request, &visit.answer);
    carry_out(service, &visit);
}

/* ---- sockets ---- */

static void receive(struct door *door, int fd, bool by_boot_port)
{
    uint8_t bytes[DHCP_MESSAGE_MAX_BYTES];
    struct datagram_origin origin;

    for (int i = 0; i < MESSAGES_PER_TURN; i++) {
        ssize_t length_bytes = datagram_receive(fd, bytes, sizeof(bytes), &origin);
        if (length_bytes == -EMSGSIZE)
            continue;
        if (length_bytes < 0)
            return;
        take_message(door, bytes, (size_t)length_bytes, &origin, by_boot_port);
    }
}

static void on_server_port(void *arg, int events)
{
    struct door *door = arg;

    receive(door, door->port.server_fd, false);
}

static void on_boot_port(void *arg, int events)
{
    struct door *door = arg;

    receive(door, door->port.boot_fd, true);
}

/* Somebody answered a client. Our own replies are not among what this socket hears. */
static void overhear(struct door *door, const void *bytes, size_t length_bytes)
{
    struct dhcp_service *service = door->service;
    struct dhcp_message message;
    struct dhcp_frame frame;

    if (dhcp_frame_decode(&frame, bytes, length_bytes) < 0 || frame.from_port != DHCP_SERVER_PORT ||
        dhcp_message_decode(&message, frame.payload, frame.payload_bytes) < 0 || message.op != DHCP_OP_REPLY)
        return;
    uint32_t server = dhcp_get_u32(&message, DHCP_OPTION_SERVER_ID, frame.from);
    if (server == door->port.address || !server)
        return;
    if (service->options.other_server)
        service->options.other_server(service->options.other_server_arg, server, door->port.name,
                                      clock_wall_seconds());
    if (dhcp_type(&message) != DHCP_ACK || !message.yiaddr)
        return;
    struct mac mac = dhcp_mac(&message);
    const struct catalog_snapshot *snapshot = catalog_read(service->options.catalog);
    if (catalog_machine_by_mac(snapshot, &mac))
        presence_learn(service->options.presence, message.yiaddr, &mac);
    catalog_snapshot_unref(snapshot);
}

static void on_frames(void *arg, int events)
{
    struct door *door = arg;
    uint8_t bytes[DHCP_FRAME_MAX_BYTES];

    for (int i = 0; i < MESSAGES_PER_TURN; i++) {
        ssize_t length_bytes = recv(door->port.frame_fd, bytes, sizeof(bytes), 0);
        if (length_bytes < 0)
            return;
        overhear(door, bytes, (size_t)length_bytes);
    }
}

/* ---- life ---- */

int dhcp_service_open(const char *const *interfaces, size_t count, struct dhcp_service **service, struct error *error)
{
    struct dhcp_service *opened = xcalloc(1, sizeof(*opened));
    int r = 0;

    if (count > DHCP_INTERFACES_MAX)
        r = error_set(error, -E2BIG, "interfaces: DHCP serves at most %d", DHCP_INTERFACES_MAX);
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct door *door = &opened->doors[opened->door_count++];
        door->service = opened;
        dhcp_port_init(&door->port);
        r = dhcp_port_open(&door->port, interfaces[i], error);
    }
    if (r < 0) {
        dhcp_service_stop(opened);
        return r;
    }
    *service = opened;
    return 0;
}

static void watch_door(struct door *door, struct loop *loop)
{
    const struct {
        int fd;
        void (*fn)(void *arg, int events);
    } sockets[] = {
        {door->port.server_fd, on_server_port}, {door->port.boot_fd, on_boot_port}, {door->port.frame_fd, on_frames}};

    for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
        door->watches[i] = loop_watch_new(loop, sockets[i].fd, sockets[i].fn, door);
        loop_watch_set(door->watches[i], LOOP_READ);
    }
}

static void warn_of_missing_address(struct door *door)
{
    if (!dhcp_port_refresh(&door->port))
        log_warning("dhcp: %s has no IPv4 address: nothing is answered there until it has one", door->port.name);
}

int dhcp_service_start(struct dhcp_service *service, const struct dhcp_service_options *options, struct error *error)
{
    CHECK(options->config->mode != DHCP_MODE_OFF);
    service->options = *options;
    service->config = *options->config;
    service->report.sink = options->sink;
    service->addresses = address_table_new();
    int r = load_leases(service, error);
    if (r < 0)
        return r;
    for (size_t i = 0; i < service->door_count; i++) {
        warn_of_missing_address(&service->doors[i]);
        watch_door(&service->doors[i], options->loop);
    }
    return 0;
}

static void close_door(struct door *door)
{
    for (size_t i = 0; i < ARRAY_SIZE(door->watches); i++) {
        if (door->watches[i])
            loop_watch_free(door->watches[i]);
    }
    dhcp_port_close(&door->port);
}

void dhcp_service_stop(struct dhcp_service *service)
{
    if (!service)
        return;
    for (size_t i = 0; i < service->door_count; i++)
        close_door(&service->doors[i]);
    while (service->delayed)
        drop_delayed(service->delayed);
    address_table_free(service->addresses);
    service->stopped = true;
    release_if_last(service);
}
