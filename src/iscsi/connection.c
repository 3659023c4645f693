#include "iscsi/connection.h"

#include "base/clock.h"
#include "base/log.h"
#include "iscsi/access.h"

#include <stdio.h>
#include <sys/socket.h>

enum {
    LOGIN_TIMEOUT_MS = 15000,
    LEAVING_TIMEOUT_MS = 5000, /* after a logout or a refusal, for the initiator to close first */
    LOGIN_DATA_MAX_BYTES = 16384,
    BATCH_TASKS_MAX = 16,
    BATCH_MAX_BYTES = 262144,
    BATCH_SHARED_MAX_BYTES = 65536, /* a write longer than this has a worker to itself */
    ROOT_READ_BYTES = 8 << 20,
    FIRMWARE_RECV_BYTES = 65536, /* iPXE takes 8 KiB, UEFI 64; operating systems take more */
    TAKEOVER_IDLE_MS = 5000,
};

enum phase {
    PHASE_LOGIN,
    PHASE_WAITING, /* a login that needs a disk opened or a predecessor gone */
    PHASE_FULL,    /* full feature phase */
    PHASE_LEAVING, /* the last PDU was said */
    PHASE_GONE,
};

enum frame { FRAME_HEADER, FRAME_DATA, FRAME_TRAILER };

/* Tasks that a worker does, one after the other. */
struct batch {
    struct work work;
    struct connection *connection;
    bool reads;
    unsigned count;
    size_t bytes;
    struct task *tasks[BATCH_TASKS_MAX];
};

struct connection {
    struct connection *next, **previous;
    struct iscsi_loop *loop;
    struct stream *stream;
    struct loop_timer *timer;
    struct sockaddr_in peer;
    enum phase phase;
    struct registry_entry entry;

    struct login *login;     /* until full feature phase */
    struct session *session; /* from then on */
    struct machine machine;  /* as it was at login; id 0 for discovery */
    struct work work;        /* opening and closing the disk */
    bool working;
    int open_result;
    struct open_disk *disk;
    struct registry_predecessor predecessor;

    enum frame frame;
    struct pdu pdu; /* whose data segment is coming */
    uint8_t *place;
    size_t placed_bytes;
    uint8_t trailer[PDU_DIGEST_BYTES + 3];
    size_t trailer_bytes;

    struct batch *open_batch; /* writes of this turn */
    unsigned batches;         /* at workers */
    bool ending;              /* `finish_end` is on its way */
    bool is_firmware;
};

static void go_on(struct connection *c);
static void handle_login(struct connection *c, enum login_outcome outcome);

/* ---- telling ---- */

static const char *peer_text(const struct connection *c, char to[INET_TEXT_SIZE])
{
    return inet_format(to, inet_of_sockaddr(&c->peer));
}

static const struct machine *machine_of(const struct connection *c)
{
    return c->machine.id ? &c->machine : NULL;
}

static const struct event_sink *events_of(const struct connection *c)
{
    return &c->loop->service->options.events;
}

static void tell_refused(struct connection *c, const char *why)
{
    char address[INET_TEXT_SIZE];
    char initiator[96], target[96];
    const struct session_parameters *p = &c->login->parameters;

    quote_into(initiator, sizeof(initiator), p->initiator_name, strlen(p->initiator_name));
    quote_into(target, sizeof(target), p->target_name, strlen(p->target_name));
    event_post(events_of(c), machine_of(c), NULL, STAGE_NONE, EVENT_WARNING, "iscsi.refused",
               "%s at %s cannot log in to %s: %s", initiator, peer_text(c, address), target, why);
}

static void reach(struct connection *c, enum stage stage)
{
    if (atomic_load(&c->entry.stage) < stage)
        atomic_store(&c->entry.stage, stage);
}

/* A predecessor that was alive a moment ago means that the machine runs on: iscsid took its root disk over,
 * or the network was away for a short while. */
static bool is_takeover(const struct connection *c)
{
    return c->predecessor.found && c->predecessor.idle_ms < TAKEOVER_IDLE_MS && !c->is_firmware;
}

static void tell_conflict(struct connection *c)
{
    char here[INET_TEXT_SIZE], there[INET_TEXT_SIZE];
    bool alive = c->predecessor.found && c->predecessor.idle_ms < TAKEOVER_IDLE_MS;

    if (!alive || c->predecessor.address == inet_of_sockaddr(&c->peer))
        return;
    event_post(events_of(c), machine_of(c), NULL, STAGE_NONE, EVENT_ERROR, "iscsi.conflict",
               "two machines use one initiator name and throw each other out: %s and %s",
               inet_format(there, c->predecessor.address), peer_text(c, here));
}

static void tell_login(struct connection *c)
{
    char address[INET_TEXT_SIZE];

    if (!c->machine.id)
        return;
    tell_conflict(c);
    if (is_takeover(c)) {
        reach(c, c->predecessor.stage);
        event_post(events_of(c), machine_of(c), NULL, STAGE_NONE, EVENT_INFO, "iscsi.back",
                   "logged in to its disk again from %s", peer_text(c, address));
        return;
    }
    reach(c, STAGE_DISK);
    event_post(events_of(c), machine_of(c), NULL, STAGE_DISK, EVENT_INFO, "iscsi.login",
               "%s logged in to its disk from %s", c->is_firmware ? "firmware" : "operating system",
               peer_text(c, address));
}

static void tell_stages(struct connection *c)
{
    const struct session_counters *n = &c->session->counters;
    unsigned reached = atomic_load(&c->entry.stage);

    if (!c->machine.id || c->is_firmware || reached >= STAGE_UP)
        return;
    if (reached < STAGE_ROOT && (n->written_bytes || n->read_bytes >= ROOT_READ_BYTES)) {
        reach(c, STAGE_ROOT);
        event_post(events_of(c), machine_of(c), NULL, STAGE_ROOT, EVENT_INFO, "iscsi.root",
                   "uses its root file system");
    }
    if (n->pings) {
        reach(c, STAGE_UP);
        event_post(events_of(c), machine_of(c), NULL, STAGE_UP, EVENT_INFO, "iscsi.up",
                   "its operating system looks after the disk");
    }
}

static void tell_end(struct connection *c, const char *how)
{
    char address[INET_TEXT_SIZE];

    if (c->session && c->machine.id && (c->phase == PHASE_FULL || c->session->logging_out))
        event_post(events_of(c), machine_of(c), NULL, STAGE_NONE, EVENT_INFO, "iscsi.end",
                   "session from %s ended: %s", peer_text(c, address), how);
}

static void publish_counters(struct connection *c)
{
    const struct session_counters *n = &c->session->counters;

    atomic_store_explicit(&c->entry.commands, n->commands, memory_order_relaxed);
    atomic_store_explicit(&c->entry.read_bytes, n->read_bytes, memory_order_relaxed);
    atomic_store_explicit(&c->entry.written_bytes, n->written_bytes, memory_order_relaxed);
    atomic_store_explicit(&c->entry.last_active_ms, clock_monotonic_ms(), memory_order_relaxed);
}

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

static void close_disk(struct work *work)
{
    struct connection *c = CONTAINER_OF(work, struct connection, work);

    service_close_disk(c->loop->service, c->disk);
}

static void disk_closed(struct work *work)
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
    if (!c->disk) {
        free_connection(c);
        return;
    }
    c->work = (struct work){.run = close_disk, .done = disk_closed, .home = c->loop->loop};
    c->working = true;
    if (!workers_submit(c->loop->service->options.workers, &c->work)) {
        close_disk(&c->work);
        free_connection(c);
    }
}

static void end(struct connection *c, const char *how)
{
    if (c->phase == PHASE_GONE)
        return;
    tell_end(c, how);
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
static void go_on_ending(struct connection *c)
{
    if (!c->ending)
        finish_end(c);
}

static void leave(struct connection *c)
{
    c->phase = PHASE_LEAVING;
    stream_set_reading(c->stream, true);
    loop_timer_set(c->timer, LEAVING_TIMEOUT_MS);
}

/* ---- work that may block ---- */

static void read_piece(struct task *task)
{
    uint64_t left = task->scsi.in_bytes - task->in_sent_bytes;

    task->piece_offset = task->in_sent_bytes;
    task->piece_bytes = MIN(left, (uint64_t)TASK_PIECE_BYTES);
    task->piece = malloc(task->piece_bytes);
    CHECK(task->piece != NULL);
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
        go_on_ending(c);
    else
        go_on(c);
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

static void execute_ready(struct connection *c)
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

/* ---- output ---- */

/* The data of a read, into its place behind the header. False: not now, or never; the task has been moved. */
static bool fetch(struct connection *c, const struct session_output *out, uint8_t *data)
{
    int r = scsi_read(&out->task->scsi, out->read_offset, data, out->read_bytes, VOLUME_NO_WAIT);

    if (r == 0)
        return true;
    if (r == -EAGAIN) {
        session_read_elsewhere(c->session, out->task);
        submit_alone(c, out->task, true);
    } else {
        session_read_failed(c->session, out->task);
    }
    return false;
}

/* False when the output is full. */
static bool put_pdu(struct connection *c, const struct session_output *out)
{
    struct pdu_digests digests = c->session->digests;
    size_t header = pdu_header_bytes(&out->pdu, digests);
    size_t data_room = MAX(out->pdu.data_bytes, out->read_bytes);
    uint8_t *to = stream_reserve(c->stream, header + data_room + PDU_DIGEST_BYTES + 3);

    if (!to)
        return false;
    if (out->read && !fetch(c, out, to + header))
        return true;
    if (!out->read && out->pdu.data_bytes)
        memcpy(to + header, out->data, out->pdu.data_bytes);
    pdu_write_header(&out->pdu, digests, to);
    size_t trailer = pdu_write_trailer(&out->pdu, digests, to + header);
    stream_commit(c->stream, header + out->pdu.data_bytes + trailer);
    if (session_sent(c->session, out))
        leave(c);
    return true;
}

static void put_output(struct connection *c)
{
    struct session_output out;

    while (c->phase == PHASE_FULL && session_next(c->session, &out)) {
        if (!put_pdu(c, &out))
            break;
    }
    stream_send(c->stream);
}

static void reset_target(struct connection *c)
{
    c->session->reset_target = false;
    registry_close_machine(&c->loop->service->registry, c->machine.id);
}

/* Does what can be done now, and says what can be said. */
static void go_on(struct connection *c)
{
    if (c->phase != PHASE_FULL)
        return;
    execute_ready(c);
    put_output(c);
    if (c->phase != PHASE_FULL)
        return;
    publish_counters(c);
    tell_stages(c);
    stream_set_reading(c->stream, !session_is_full(c->session));
    if (c->session->reset_target && !c->session->replies.first)
        reset_target(c);
}

/* ---- login ---- */

static void send_login_reply(struct connection *c)
{
    const struct login *login = c->login;
    size_t length = PDU_HEADER_BYTES + login->reply.data_bytes;
    uint8_t *to = stream_reserve(c->stream, length + 3);

    if (!to) {
        end(c, "it does not read");
        return;
    }
    pdu_encode(&login->reply, to);
    if (login->reply.data_bytes)
        memcpy(to + PDU_HEADER_BYTES, text_string(&login->reply_text), login->reply.data_bytes);
    size_t trailer = pdu_write_trailer(&login->reply, (struct pdu_digests){0}, to + PDU_HEADER_BYTES);
    stream_commit(c->stream, length + trailer);
    stream_send(c->stream);
}

static void copy_to_entry(struct connection *c)
{
    const struct session_parameters *p = &c->login->parameters;
    struct registry *registry = &c->loop->service->registry;

    pthread_mutex_lock(&registry->lock);
    COPY_STRING(c->entry.initiator_name, p->initiator_name);
    COPY_STRING(c->entry.target_name, p->discovery ? "" : p->target_name);
    memcpy(c->entry.isid, p->isid, sizeof(c->entry.isid));
    c->entry.tsih = p->tsih;
    c->entry.machine_id = c->machine.id;
    COPY_STRING(c->entry.machine, c->machine.name);
    pthread_mutex_unlock(&registry->lock);
}

static bool mac_at_peer(struct connection *c, struct mac *mac)
{
    return presence_mac(c->loop->service->options.presence, inet_of_sockaddr(&c->peer), mac);
}

/* Whose disk the target name means, if anybody's. */
static const struct machine *machine_of_target(struct connection *c, const struct catalog_snapshot *snapshot)
{
    struct mac mac;

    if (!machine_mac_of_target(c->login->parameters.target_name, c->loop->service->iqn_prefix, &mac))
        return NULL;
    return catalog_machine_by_mac(snapshot, &mac);
}

/* Whose disk a discovery session may see: that of the machine it says it is, else of the one at its address.
 */
static const struct machine *machine_of_peer(struct connection *c, const struct catalog_snapshot *snapshot)
{
    const char *name = c->login->parameters.initiator_name;
    struct mac mac;

    if (!machine_mac_of_initiator(name, c->loop->service->iqn_prefix, &mac) && !mac_at_peer(c, &mac))
        return NULL;
    return catalog_machine_by_mac(snapshot, &mac);
}

static enum login_status decide_access(struct connection *c, const struct catalog_snapshot *snapshot)
{
    struct access_request request = {
        .iqn_prefix = c->loop->service->iqn_prefix,
        .initiator_name = c->login->parameters.initiator_name,
        .target_name = c->login->parameters.target_name,
        .machine = machine_of_target(c, snapshot),
    };

    request.knows_mac = mac_at_peer(c, &request.mac);
    if (request.machine)
        c->machine = *request.machine;
    enum access access = access_decide(&request);
    if (access != ACCESS_GRANTED)
        tell_refused(c, access_reason(access));
    return access_status(access);
}

static void identify(struct connection *c)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(c->loop->service->options.catalog);
    enum login_status status = LOGIN_SUCCESS;

    c->is_firmware = access_is_firmware_name(c->login->parameters.initiator_name);
    if (!c->login->parameters.discovery)
        status = decide_access(c, snapshot);
    if (status == LOGIN_SUCCESS)
        copy_to_entry(c);
    handle_login(c, login_identified(c->login, status, c->machine.id ? c->machine.name : NULL));
}

/* TargetName and TargetAddress of the disks that this initiator may see (RFC 7143 appendix C). */
static void fill_targets(struct connection *c)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(c->loop->service->options.catalog);
    const struct machine *machine = c->machine.id ? &c->machine : machine_of_peer(c, snapshot);
    char name[IQN_SIZE], address[INET_TEXT_SIZE], portal[64];
    struct sockaddr_in local;

    if (!machine || stream_local_address(c->stream, &local) < 0)
        return;
    snprintf(portal, sizeof(portal), "%s:%u,%d", inet_format(address, inet_of_sockaddr(&local)),
             inet_port_of_sockaddr(&local), ISCSI_PORTAL_GROUP);
    machine_target_name(name, c->loop->service->iqn_prefix, &machine->mac);
    COPY_STRING(c->session->visible_target, name);
    iscsi_text_put(&c->session->targets, "TargetName", name);
    iscsi_text_put(&c->session->targets, "TargetAddress", portal);
}

static enum login_status make_session(struct connection *c)
{
    const struct session_parameters *p = &c->login->parameters;

    c->session = xcalloc(1, sizeof(*c->session));
    session_init(c->session, p, c->entry.tsih, c->login->asked.words[WORD_CMD_SN], 0);
    c->session->buffers = c->loop->buffers;
    scsi_nexus_init(&c->session->nexus, p->target_name, ISCSI_PORTAL_GROUP);
    fill_targets(c);
    if (c->disk && scsi_nexus_attach(&c->session->nexus, 0, c->disk->disk) < 0)
        return LOGIN_OUT_OF_RESOURCES;
    return LOGIN_SUCCESS;
}

static void enter_full_feature(struct connection *c, enum login_status status)
{
    if (status == LOGIN_SUCCESS)
        status = make_session(c);
    if (status != LOGIN_SUCCESS)
        tell_refused(c, login_status_text(status));
    handle_login(c, login_finished(c->login, status, c->entry.tsih));
}

/* The disk is open. Older sessions with the same names must be gone before this one begins. */
static void try_to_enter(struct connection *c)
{
    bool wait = false;
    enum login_status status =
        registry_enter(&c->loop->service->registry, &c->entry, clock_monotonic_ms(), &c->predecessor, &wait);

    if (!wait)
        enter_full_feature(c, status);
}

static void open_disk(struct work *work)
{
    struct connection *c = CONTAINER_OF(work, struct connection, work);

    c->open_result = service_open_disk(c->loop->service, c->machine.volume, &c->disk);
}

static void disk_opened(struct work *work)
{
    struct connection *c = CONTAINER_OF(work, struct connection, work);

    c->working = false;
    if (c->phase == PHASE_GONE) {
        go_on_ending(c);
        return;
    }
    if (c->open_result == 0) {
        try_to_enter(c);
        return;
    }
    log_error("%s: cannot open its volume %s: %s", c->machine.name, c->machine.volume,
              strerror(-c->open_result));
    enter_full_feature(c, LOGIN_UNAVAILABLE);
}

/* Agreed on everything: what is left may take a while. */
static void finish_login(struct connection *c)
{
    c->phase = PHASE_WAITING;
    if (c->login->parameters.peer_max_recv_bytes <= FIRMWARE_RECV_BYTES)
        c->is_firmware = true;
    stream_set_reading(c->stream, false);
    if (c->login->parameters.discovery) {
        try_to_enter(c);
        return;
    }
    c->work = (struct work){.run = open_disk, .done = disk_opened, .home = c->loop->loop};
    c->working = true;
    if (!workers_submit(c->loop->service->options.workers, &c->work)) {
        c->working = false;
        enter_full_feature(c, LOGIN_OUT_OF_RESOURCES);
    }
}

static void begin_full_feature(struct connection *c)
{
    c->session->stat_sn = c->login->stat_sn;
    login_free(c->login);
    free(c->login);
    c->login = NULL;
    c->phase = PHASE_FULL;
    loop_timer_cancel(c->timer);
    stream_set_reading(c->stream, true);
    publish_counters(c);
    tell_login(c);
}

static void handle_login(struct connection *c, enum login_outcome outcome)
{
    switch (outcome) {
    case LOGIN_ANSWER:
        send_login_reply(c);
        return;
    case LOGIN_IDENTIFY:
        identify(c);
        return;
    case LOGIN_FINISH:
        finish_login(c);
        return;
    case LOGIN_COMPLETE:
        send_login_reply(c);
        if (c->phase != PHASE_GONE)
            begin_full_feature(c);
        return;
    case LOGIN_REFUSED:
        log_debug("iscsi: login refused: %s", login_status_text(c->login->status));
        send_login_reply(c);
        if (c->phase != PHASE_GONE)
            leave(c);
        return;
    }
}

/* ---- input ---- */

/* A whole PDU whose data has no place of its own. */
static void take_request(struct connection *c, const struct pdu *pdu, const uint8_t *data)
{
    if (c->phase == PHASE_LOGIN)
        handle_login(c, login_request(c->login, pdu, data));
    else if (session_request(c->session, pdu, data) == SESSION_BROKEN)
        end(c, "the initiator broke the protocol");
}

static void end_data(struct connection *c)
{
    c->frame = FRAME_HEADER;
    if (c->place && !pdu_data_digest_ok(&c->pdu, c->place, c->trailer, c->session->digests))
        end(c, "data digest error");
    else if (session_end_data(c->session, &c->pdu) == SESSION_BROKEN)
        end(c, "the initiator broke the protocol");
}

static size_t begin_data(struct connection *c, const struct pdu *pdu, size_t header_bytes)
{
    c->pdu = *pdu;
    c->placed_bytes = c->trailer_bytes = 0;
    if (session_begin_data(c->session, pdu, &c->place) == SESSION_BROKEN) {
        end(c, "the initiator broke the protocol");
        return 0;
    }
    if (pdu->data_bytes)
        c->frame = FRAME_DATA;
    else
        end_data(c);
    return header_bytes;
}

static bool has_place(const struct connection *c, const struct pdu *pdu)
{
    return c->phase == PHASE_FULL && (pdu->opcode == PDU_SCSI_COMMAND || pdu->opcode == PDU_DATA_OUT);
}

static struct pdu_digests digests_of(const struct connection *c)
{
    return c->session ? c->session->digests : (struct pdu_digests){0};
}

static size_t take_pdu(struct connection *c, const uint8_t *bytes, size_t length_bytes)
{
    struct pdu pdu = pdu_decode(bytes);
    struct pdu_digests digests = digests_of(c);
    size_t header = pdu_header_bytes(&pdu, digests);
    size_t most = c->phase == PHASE_LOGIN ? LOGIN_DATA_MAX_BYTES : PDU_DATA_MAX_BYTES;

    if (pdu.data_bytes > most) {
        end(c, "a data segment longer than was declared");
        return 0;
    }
    if (length_bytes < header)
        return 0;
    if (!pdu_header_digest_ok(&pdu, bytes, digests)) {
        end(c, "header digest error");
        return 0;
    }
    if (has_place(c, &pdu))
        return begin_data(c, &pdu, header);
    size_t whole = header + pdu.data_bytes + pdu_trailer_bytes(&pdu, digests);
    if (length_bytes < whole)
        return 0;
    if (pdu_data_digest_ok(&pdu, bytes + header, bytes + header + pdu.data_bytes, digests))
        take_request(c, &pdu, bytes + header);
    else
        end(c, "data digest error");
    return whole;
}

static void placed(void *arg, size_t length_bytes)
{
    struct connection *c = arg;

    c->placed_bytes += length_bytes;
    if (c->placed_bytes < c->pdu.data_bytes)
        return;
    if (pdu_trailer_bytes(&c->pdu, c->session->digests))
        c->frame = FRAME_TRAILER;
    else
        end_data(c);
}

static size_t take_data(struct connection *c, const uint8_t *bytes, size_t length_bytes)
{
    size_t step = MIN(length_bytes, c->pdu.data_bytes - c->placed_bytes);

    if (c->place)
        memcpy(c->place + c->placed_bytes, bytes, step);
    placed(c, step);
    return step;
}

static size_t take_trailer(struct connection *c, const uint8_t *bytes, size_t length_bytes)
{
    size_t whole = pdu_trailer_bytes(&c->pdu, c->session->digests);
    size_t step = MIN(length_bytes, whole - c->trailer_bytes);

    memcpy(c->trailer + c->trailer_bytes, bytes, step);
    c->trailer_bytes += step;
    if (c->trailer_bytes == whole)
        end_data(c);
    return step;
}

static size_t on_input(void *arg, const uint8_t *bytes, size_t length_bytes)
{
    struct connection *c = arg;

    if (c->phase == PHASE_LEAVING)
        return length_bytes;
    if (c->phase == PHASE_WAITING || c->phase == PHASE_GONE)
        return 0;
    if (c->frame == FRAME_DATA)
        return take_data(c, bytes, length_bytes);
    if (c->frame == FRAME_TRAILER)
        return take_trailer(c, bytes, length_bytes);
    if (c->session && session_is_full(c->session)) {
        stream_set_reading(c->stream, false);
        return 0;
    }
    return length_bytes < PDU_HEADER_BYTES ? 0 : take_pdu(c, bytes, length_bytes);
}

static struct iovec on_place(void *arg)
{
    struct connection *c = arg;

    if (c->phase != PHASE_FULL || c->frame != FRAME_DATA || !c->place)
        return (struct iovec){0};
    return (struct iovec){c->place + c->placed_bytes, c->pdu.data_bytes - c->placed_bytes};
}

static void on_ready(void *arg)
{
    go_on(arg);
}

static void on_end(void *arg, int error)
{
    end(arg, error ? strerror(-error) : "the initiator closed the connection");
}

static const struct stream_handler handler = {on_input, on_place, placed, on_ready, on_end};

/* ---- life ---- */

static void on_timeout(void *arg)
{
    struct connection *c = arg;

    end(c, c->phase == PHASE_LEAVING ? "logged out" : "no login in time");
}

/* From any thread, by the registry. */
static void ask_to_close(struct registry_entry *entry)
{
    struct connection *c = CONTAINER_OF(entry, struct connection, entry);

    service_call(c->loop->service, entry->loop_index, entry->id, connection_close_by_id);
}

static void ask_to_retry(struct registry_entry *entry)
{
    struct connection *c = CONTAINER_OF(entry, struct connection, entry);

    service_call(c->loop->service, entry->loop_index, entry->id, connection_retry_by_id);
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
    c->entry.retry = ask_to_retry;
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
    login_init(c->login, ISCSI_PORTAL_GROUP);
    c->timer = loop_timer_new(loop->loop, on_timeout, c);
    loop_timer_set(c->timer, LOGIN_TIMEOUT_MS);
    c->stream = stream_new(loop->pool, fd, &handler, c);
}

static struct connection *find(struct iscsi_loop *loop, uint64_t id)
{
    struct connection *c = loop->connections;

    while (c && c->entry.id != id)
        c = c->next;
    return c;
}

void connection_close_by_id(struct iscsi_loop *loop, uint64_t id)
{
    struct connection *c = find(loop, id);

    if (c)
        end(c, "another session took its place, or it was told to end");
}

void connection_retry_by_id(struct iscsi_loop *loop, uint64_t id)
{
    struct connection *c = find(loop, id);

    if (c && c->phase == PHASE_WAITING)
        try_to_enter(c);
}

void connection_close_all(struct iscsi_loop *loop)
{
    struct connection *next;

    for (struct connection *c = loop->connections; c; c = next) {
        next = c->next;
        end(c, "farboot is stopping");
    }
}
