#include "tftp/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "loop/datagram.h"
#include "tftp/packet.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    /* Not less than the longest block. */
    READ_AHEAD_BYTES = 64 * 1024,
    NETASCII_MAX_BYTES = 1024 * 1024,
    BATCH_MAX = 16,
    REPLY_MAX_BYTES = 600,
};

struct tftp_session {
    const struct tftp_session_context *context;
    struct loop *loop;
    void (*over)(struct tftp_session *session);
    void *owner;

    struct tftp_session_request request;
    struct machine machine;
    struct boot_plan plan; /* its machine points to `machine` */
    struct bootfile *file;
    struct text netascii; /* the whole file, where the client wants it translated */
    uint64_t size_bytes;

    struct work work; /* opening, then reading; one at a time */
    bool working;
    bool cancelled;
    int result;
    struct error error;

    int fd;
    struct loop_watch *watch;
    struct loop_timer *timer;
    bool timer_set;
    uint64_t timer_ms;
    struct tftp_transfer transfer;
    uint64_t begun_ms;
    bool warned;

    uint8_t *buffer;
    uint64_t buffer_offset;
    size_t buffer_length;
    struct tftp_block wanted; /* what a worker reads for */
};

/* Blocks on their way to one system call; they point into the session's buffer. */
struct batch {
    unsigned count;
    uint8_t headers[BATCH_MAX][TFTP_DATA_HEADER_BYTES];
    struct iovec parts[BATCH_MAX][2];
    struct mmsghdr messages[BATCH_MAX];
};

static void pump(struct tftp_session *s);

/* ---- what is told about it ---- */

static enum stage stage_of(const struct tftp_session *s)
{
    return bootfile_stage(s->file, s->plan.kind);
}

static const char *quoted_path(const struct tftp_session *s, char to[160])
{
    return quote_into(to, 160, s->plan.path, strlen(s->plan.path));
}

#define SAY(s, level, kind, ...)                                                                             \
    event_post((s)->context->events, &(s)->machine, NULL, stage_of(s), (level), (kind), __VA_ARGS__)

static void say_begun(const struct tftp_session *s)
{
    char path[160];
    char size[32];

    SAY(s, EVENT_DEBUG, "tftp.begun", "asks for %s (%s)%s", quoted_path(s, path),
        format_size(size, sizeof(size), s->size_bytes),
        bootfile_is_generated(s->file) ? ", written by farboot" : "");
}

static void say_missing(const struct tftp_session *s)
{
    char path[160];

    if (s->error.text[0])
        SAY(s, EVENT_WARNING, "tftp.failed", "%s", s->error.text);
    else if (s->result == -ENOENT)
        SAY(s, EVENT_DEBUG, "tftp.missing", "has no %s", quoted_path(s, path));
    else
        SAY(s, EVENT_WARNING, "tftp.failed", "cannot read %s: %s", quoted_path(s, path),
            strerror(-s->result));
}

static void say_sent(const struct tftp_session *s)
{
    double seconds = (double)(clock_monotonic_ms() - s->begun_ms) / 1000;
    char path[160];
    char size[32];
    char again[48] = "";

    if (s->transfer.resends_total > 0)
        snprintf(again, sizeof(again), ", %u times sent again", s->transfer.resends_total);
    SAY(s, EVENT_INFO, "tftp.sent", "sent %s %s in %.1f s%s", quoted_path(s, path),
        format_size(size, sizeof(size), s->size_bytes), seconds, again);
}

static void say_cut_off(const struct tftp_session *s, const char *how)
{
    uint64_t arrived = MIN(s->transfer.acked * s->transfer.blksize, s->size_bytes);
    bool heard = s->transfer.heard;
    char path[160];
    char size[32];
    char all[32];

    SAY(s, heard ? EVENT_WARNING : EVENT_DEBUG, "tftp.cut", "%s: %s after %s of %s", quoted_path(s, path),
        how, format_size(size, sizeof(size), arrived), format_size(all, sizeof(all), s->size_bytes));
}

static void say_outcome(const struct tftp_session *s)
{
    char path[160];
    char how[128];

    switch (s->transfer.outcome) {
    case TFTP_SENT:
        say_sent(s);
        break;
    case TFTP_PROBED:
        SAY(s, EVENT_DEBUG, "tftp.probed", "looked at %s", quoted_path(s, path));
        break;
    case TFTP_ABORTED:
        snprintf(how, sizeof(how), "gave up (%s)", s->transfer.error_text);
        say_cut_off(s, how);
        break;
    case TFTP_TIMED_OUT:
        say_cut_off(s, "fell silent");
        break;
    case TFTP_RUNNING:
        break;
    }
}

/* Firmware that cannot count past 65535 stops there, or worse, starts what it has. */
static void warn_of_rollover(struct tftp_session *s)
{
    char path[160];

    if (s->warned || s->transfer.acked == 0 || !tftp_transfer_rolls_over(&s->transfer))
        return;
    s->warned = true;
    SAY(s, EVENT_WARNING, "tftp.large",
        "%s needs more than 65535 blocks of %u bytes: Raspberry Pi firmware before 2025-09 cannot load it",
        quoted_path(s, path), s->transfer.blksize);
}

/* ---- the end ---- */

static void finish(struct tftp_session *s)
{
    loop_watch_free(TAKE_PTR(s->watch));
    loop_timer_free(TAKE_PTR(s->timer));
    s->over(s);
}

void tftp_session_cancel(struct tftp_session *s)
{
    s->cancelled = true;
    if (!s->working)
        finish(s);
}

void tftp_session_free(struct tftp_session *s)
{
    cleanup_fd(&s->fd);
    bootfile_close(s->file);
    text_free(&s->netascii);
    free(s->buffer);
    free(s);
}

const struct tftp_session_request *tftp_session_request(const struct tftp_session *s)
{
    return &s->request;
}

void *tftp_session_owner(const struct tftp_session *s)
{
    return s->owner;
}

bool tftp_session_was_heard(const struct tftp_session *s)
{
    return s->transfer.heard;
}

/* ---- sockets ---- */

/* A socket that speaks with this client only, from a port of its own (its TID). -1 if there is none to be
 * had. */
static int open_socket(const struct tftp_session_request *request)
{
    const struct datagram_options options = {.address = request->local};
    const int may_fragment = IP_PMTUDISC_DONT;
    CLEANUP_FD int fd = -1;

    if (datagram_open(&options, &fd) < 0)
        return -1;
    /* ROMs do not answer "fragmentation needed". */
    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &may_fragment, sizeof(may_fragment));
    if (connect(fd, (const struct sockaddr *)&request->peer, sizeof(request->peer)) < 0)
        return -1;
    return TAKE_FD(fd);
}

static void send_error(int fd, enum tftp_error_code code, const char *text)
{
    uint8_t packet[TFTP_ERROR_MAX_BYTES];

    /* One that is lost is asked for again. */
    (void)!send(fd, packet, tftp_encode_error(packet, code, text), 0);
}

void tftp_session_refuse(const struct tftp_session_request *request, enum tftp_error_code code,
                         const char *text)
{
    CLEANUP_FD int fd = open_socket(request);

    if (fd >= 0)
        send_error(fd, code, text);
}

/* ---- sending ---- */

static void send_oack(struct tftp_session *s)
{
    uint8_t packet[TFTP_OACK_MAX_BYTES];

    if (send(s->fd, packet, tftp_encode_oack(packet, &s->transfer.granted), 0) < 0 && errno == ECONNREFUSED)
        tftp_transfer_gone(&s->transfer);
}

/* What does not go out counts as lost on the way: the engine has an answer to that. A Pi 3 does not answer ARP while it
 * loads; the ACK that brought us here is proof enough that it is where it was, and MSG_CONFIRM tells the kernel so. */
static void flush(struct tftp_session *s, struct batch *batch)
{
    int flags = s->transfer.heard ? MSG_CONFIRM : 0;

    if (batch->count > 0 && sendmmsg(s->fd, batch->messages, batch->count, flags) < 0 && errno == ECONNREFUSED)
        tftp_transfer_gone(&s->transfer);
    batch->count = 0;
}

static void add_block(struct tftp_session *s, struct batch *batch, const struct tftp_block *block)
{
    unsigned i = batch->count++;
    uint8_t *bytes = s->buffer ? s->buffer + (block->offset - s->buffer_offset) : NULL;

    tftp_encode_data_header(batch->headers[i], (uint16_t)block->number);
    batch->parts[i][0] = (struct iovec){batch->headers[i], TFTP_DATA_HEADER_BYTES};
    batch->parts[i][1] = (struct iovec){bytes, block->length_bytes};
    batch->messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = batch->parts[i], .msg_iovlen = 2}};
    if (batch->count == BATCH_MAX)
        flush(s, batch);
}

/* ---- reading ---- */

static bool is_buffered(const struct tftp_session *s, const struct tftp_block *block)
{
    return block->length_bytes == 0 ||
           (block->offset >= s->buffer_offset &&
            block->offset + block->length_bytes <= s->buffer_offset + s->buffer_length);
}

static ssize_t read_source(const struct tftp_session *s, void *to, size_t length_bytes, uint64_t offset,
                           enum volume_wait wait)
{
    if (s->request.tftp.mode == TFTP_MODE_OCTET)
        return bootfile_read(s->file, to, length_bytes, offset, wait);
    memcpy(to, text_string(&s->netascii) + offset, length_bytes);
    return (ssize_t)length_bytes;
}

/* Fills the buffer from the block on. The same on the loop and on a worker. 0 or negative errno. */
static int read_ahead(struct tftp_session *s, const struct tftp_block *block, enum volume_wait wait)
{
    size_t length = (size_t)MIN((uint64_t)READ_AHEAD_BYTES, s->size_bytes - block->offset);

    if (!s->buffer)
        s->buffer = xcalloc(1, READ_AHEAD_BYTES);
    s->buffer_length = 0;
    ssize_t got = read_source(s, s->buffer, length, block->offset, wait);
    if (got < 0)
        return (int)got;
    if ((size_t)got < block->length_bytes)
        return -EIO;
    s->buffer_offset = block->offset;
    s->buffer_length = (size_t)got;
    return 0;
}

static void fail(struct tftp_session *s, int result)
{
    s->result = result;
    say_missing(s);
    send_error(s->fd, TFTP_ERROR_UNDEFINED, "cannot read the file");
    finish(s);
}

static void read_on_worker(struct work *work)
{
    struct tftp_session *s = CONTAINER_OF(work, struct tftp_session, work);

    s->result = read_ahead(s, &s->wanted, VOLUME_MAY_WAIT);
}

static void read_done(struct work *work)
{
    struct tftp_session *s = CONTAINER_OF(work, struct tftp_session, work);
    struct batch batch = {0};

    s->working = false;
    if (s->cancelled) {
        finish(s);
    } else if (s->result < 0) {
        fail(s, s->result);
    } else {
        loop_watch_set(s->watch, LOOP_READ);
        add_block(s, &batch, &s->wanted);
        flush(s, &batch);
        pump(s);
    }
}

/* Until the bytes are there nothing else can happen to the session, so that packets wait in the socket. */
static void read_elsewhere(struct tftp_session *s, const struct tftp_block *block)
{
    s->wanted = *block;
    s->work = (struct work){.run = read_on_worker, .done = read_done, .home = s->loop};
    s->working = true;
    loop_watch_set(s->watch, 0);
    if (workers_submit(s->context->workers, &s->work))
        return;
    s->working = false;
    fail(s, -EBUSY);
}

/* ---- the conversation ---- */

static void set_timer(struct tftp_session *s, uint64_t now_ms)
{
    uint64_t deadline_ms = s->transfer.deadline_ms;

    /* A timer that is due earlier looks again by itself: cheaper than moving it with every block. */
    if (s->timer_set && s->timer_ms <= deadline_ms)
        return;
    s->timer_set = true;
    s->timer_ms = deadline_ms;
    loop_timer_set(s->timer, deadline_ms > now_ms ? deadline_ms - now_ms : 0);
}

/* One block into the batch; false if a worker has to read it first or reading failed. */
static bool prepare_block(struct tftp_session *s, struct batch *batch, const struct tftp_block *block)
{
    if (!is_buffered(s, block)) {
        flush(s, batch);
        int r = read_ahead(s, block, VOLUME_NO_WAIT);
        if (r == -EAGAIN)
            read_elsewhere(s, block);
        else if (r < 0)
            fail(s, r);
        if (r < 0)
            return false;
    }
    add_block(s, batch, block);
    return true;
}

/* Sends what the engine wants sent, until it waits or is done. */
static void pump(struct tftp_session *s)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct tftp_block block;
    struct batch batch;

    batch.count = 0;
    for (;;) {
        switch (tftp_transfer_next(&s->transfer, now_ms, &block)) {
        case TFTP_STEP_OACK:
            send_oack(s);
            break;
        case TFTP_STEP_DATA:
            if (!prepare_block(s, &batch, &block))
                return;
            break;
        case TFTP_STEP_WAIT:
            flush(s, &batch);
            if (s->transfer.outcome != TFTP_RUNNING)
                break;
            set_timer(s, now_ms);
            return;
        case TFTP_STEP_END:
            say_outcome(s);
            finish(s);
            return;
        }
    }
}

/* One packet, if there is one. Afterwards the session may be over. */
static void receive(struct tftp_session *s)
{
    uint8_t packet[REPLY_MAX_BYTES];
    ssize_t length = recv(s->fd, packet, sizeof(packet), 0);

    if (length < 0 && errno != ECONNREFUSED)
        return;
    if (length < 0)
        tftp_transfer_gone(&s->transfer);
    else
        tftp_transfer_receive(&s->transfer, packet, (size_t)length, clock_monotonic_ms());
    warn_of_rollover(s);
    pump(s);
}

static void on_packet(void *arg, int events)
{
    receive(arg);
}

void tftp_session_catch_up(struct tftp_session *s)
{
    if (s->watch && !s->working)
        receive(s);
}

void tftp_session_asked_again(struct tftp_session *s, size_t length_bytes)
{
    /* Not begun yet, or busy reading: what it asks for comes anyway. */
    if (!s->watch || s->working)
        return;
    tftp_transfer_asked_again(&s->transfer, length_bytes, clock_monotonic_ms());
    pump(s);
}

static void on_timer(void *arg)
{
    struct tftp_session *s = arg;

    s->timer_set = false;
    /* While a worker reads, it is we who are slow. */
    if (s->working)
        return;
    tftp_transfer_timeout(&s->transfer, clock_monotonic_ms());
    pump(s);
}

/* ---- the beginning ---- */

static void learn_serial(struct tftp_session *s)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(s->context->catalog);
    const struct machine *present = catalog_machine_by_id(snapshot, s->machine.id);
    struct error error = {0};

    if (!s->plan.serial_learned || !present || present->serial != 0)
        return;
    struct machine changed = *present;
    changed.serial = s->plan.serial;
    if (catalog_machine_update(s->context->catalog, &changed, &error) < 0)
        SAY(s, EVENT_WARNING, "tftp.serial", "its serial %08x cannot be kept: %s", changed.serial,
            error.text);
    else
        SAY(s, EVENT_INFO, "tftp.serial", "calls itself %08x", changed.serial);
}

static int translate(struct tftp_session *s)
{
    uint64_t size = bootfile_size_bytes(s->file);
    CLEANUP_FREE char *plain = NULL;

    if (size > NETASCII_MAX_BYTES)
        return error_set(&s->error, -EFBIG,
                         "%s: asks for a large file as netascii text, which only octet can carry",
                         s->machine.name);
    plain = xcalloc(1, (size_t)size + 1);
    ssize_t got = bootfile_read(s->file, plain, (size_t)size, 0, VOLUME_MAY_WAIT);
    if (got < 0)
        return (int)got;
    s->netascii = text_with_max(2 * NETASCII_MAX_BYTES);
    tftp_append_netascii(&s->netascii, plain, (size_t)got);
    s->size_bytes = s->netascii.length_bytes;
    return 0;
}

static int open_file(struct tftp_session *s)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(s->context->catalog);
    const struct machine *machine = catalog_machine_by_id(snapshot, s->machine.id);
    char address[INET_TEXT_SIZE];
    char url[64];
    struct bootfile_request request = {.machine = machine,
                                       .kind = s->plan.kind,
                                       .path = s->plan.path,
                                       .server = s->request.local,
                                       .base_url = url};

    if (!machine)
        return -ENOENT; /* removed a moment ago */
    inet_format(address, s->request.local);
    if (s->context->port == TFTP_PORT)
        snprintf(url, sizeof(url), "tftp://%s/", address);
    else
        snprintf(url, sizeof(url), "tftp://%s:%u/", address, s->context->port);
    int r = bootfiles_open(s->context->bootfiles, &request, &s->file, &s->error);
    if (r < 0)
        return r;
    s->size_bytes = bootfile_size_bytes(s->file);
    return s->request.tftp.mode == TFTP_MODE_NETASCII ? translate(s) : 0;
}

static void open_on_worker(struct work *work)
{
    struct tftp_session *s = CONTAINER_OF(work, struct tftp_session, work);

    learn_serial(s);
    s->result = open_file(s);
}

static void begin_transfer(struct tftp_session *s)
{
    s->begun_ms = clock_monotonic_ms();
    s->watch = loop_watch_new(s->loop, s->fd, on_packet, s);
    s->timer = loop_timer_new(s->loop, on_timer, s);
    loop_watch_set(s->watch, LOOP_READ);
    tftp_transfer_begin(&s->transfer, &s->request.tftp, s->size_bytes, s->request.mtu_bytes, s->begun_ms);
    say_begun(s);
    pump(s);
}

static void open_done(struct work *work)
{
    struct tftp_session *s = CONTAINER_OF(work, struct tftp_session, work);

    s->working = false;
    if (!s->cancelled)
        s->fd = open_socket(&s->request);
    if (s->fd < 0) {
        finish(s);
    } else if (s->result < 0) {
        say_missing(s);
        send_error(s->fd, s->result == -ENOENT ? TFTP_ERROR_NOT_FOUND : TFTP_ERROR_UNDEFINED,
                   s->result == -ENOENT ? "file not found" : "cannot read the file");
        finish(s);
    } else {
        begin_transfer(s);
    }
}

struct tftp_session *tftp_session_new(const struct tftp_session_context *context, struct loop *loop,
                                      const struct tftp_session_request *request,
                                      const struct boot_plan *plan,
                                      void (*over)(struct tftp_session *session), void *owner)
{
    struct tftp_session *s = xcalloc(1, sizeof(*s));

    *s = (struct tftp_session){.context = context,
                               .loop = loop,
                               .over = over,
                               .owner = owner,
                               .request = *request,
                               .machine = machine_copy(plan->machine),
                               .plan = *plan,
                               .fd = -1,
                               .working = true,
                               .work = {.run = open_on_worker, .done = open_done, .home = loop}};
    s->plan.machine = &s->machine;
    if (disk_gate_submit(context->gate, s->machine.id, &s->work))
        return s;
    free(s);
    return NULL;
}
