#include "tftp/shard.h"

#include "base/clock.h"
#include "bootfiles/asked.h"

struct shard {
    const struct tftp_session_context *context;
    struct presence *presence;
    struct loop *loop;
    atomic_uint queued;

    /* From here on the loop's own. */
    struct tftp_session **sessions;
    size_t count;
    size_t max_transfers;
    uint64_t next_complaint_ms;
    uint64_t refusals_since_ms;
    unsigned refusals;

    bool stopping;
    uint64_t drain_ms;
    struct loop_timer *drain_timer;
    struct loop *home;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

struct queued_request {
    struct shard *shard;
    struct tftp_session_request request;
};

/* What one client can make the log say. */
enum { COMPLAINT_INTERVAL_MS = 10 * 1000, REFUSALS_TOLD_MAX = 10 };

struct shard *shard_new(const struct tftp_session_context *context, struct presence *presence,
                        struct loop *loop, size_t max_transfers)
{
    struct shard *shard = xcalloc(1, sizeof(*shard));

    *shard = (struct shard){
        .context = context, .presence = presence, .loop = loop, .max_transfers = max_transfers};
    shard->sessions = xcalloc(max_transfers, sizeof(*shard->sessions));
    return shard;
}

void shard_free(struct shard *shard)
{
    if (!shard)
        return;
    CHECK(shard->count == 0);
    free(shard->sessions);
    free(shard);
}

/* ---- stopping ---- */

static void report_stopped(struct shard *shard)
{
    if (!shard->stopping || shard->count > 0 || !shard->stopped)
        return;
    loop_timer_free(TAKE_PTR(shard->drain_timer));
    loop_call(shard->home, shard->stopped, shard->stopped_arg);
    shard->stopped = NULL;
}

static void cut_off(void *arg)
{
    struct shard *shard = arg;

    /* Backwards: each that ends at once takes itself out. */
    for (size_t i = shard->count; i > 0; i--)
        tftp_session_cancel(shard->sessions[i - 1]);
}

static void stop_here(void *arg)
{
    struct shard *shard = arg;

    shard->stopping = true;
    shard->drain_timer = loop_timer_new(shard->loop, cut_off, shard);
    loop_timer_set(shard->drain_timer, shard->drain_ms);
    report_stopped(shard);
}

void shard_stop(struct shard *shard, uint64_t drain_ms, struct loop *home, void (*stopped)(void *arg),
                void *arg)
{
    shard->drain_ms = drain_ms;
    shard->home = home;
    shard->stopped = stopped;
    shard->stopped_arg = arg;
    loop_call(shard->loop, stop_here, shard);
}

/* ---- the table ---- */

static void session_over(struct tftp_session *session)
{
    struct shard *shard = tftp_session_owner(session);

    for (size_t i = 0; i < shard->count; i++) {
        if (shard->sessions[i] == session) {
            shard->sessions[i] = shard->sessions[--shard->count];
            break;
        }
    }
    tftp_session_free(session);
    report_stopped(shard);
}

static bool same_peer(const struct tftp_session_request *a, const struct tftp_session_request *b)
{
    return a->peer.sin_addr.s_addr == b->peer.sin_addr.s_addr && a->peer.sin_port == b->peer.sin_port;
}

static struct tftp_session *session_of_peer(struct shard *shard, const struct tftp_session_request *request)
{
    for (size_t i = 0; i < shard->count; i++) {
        if (same_peer(tftp_session_request(shard->sessions[i]), request))
            return shard->sessions[i];
    }
    return NULL;
}

/* Whether the request only repeats one whose answer is still on its way. Another request from the same port
 * takes the place of the old one: the client was started again, or went on without telling. */
static bool is_repeated(struct shard *shard, const struct tftp_session_request *request)
{
    struct tftp_session *session = session_of_peer(shard, request);

    /* A client's last ACK comes by another socket than its next request, and may be read after it. */
    if (session)
        tftp_session_catch_up(session);
    session = session_of_peer(shard, request);
    if (!session)
        return false;
    if (!tftp_session_was_heard(session) &&
        strcmp(tftp_session_request(session)->tftp.path, request->tftp.path) == 0) {
        tftp_session_asked_again(session, request->tftp.length_bytes);
        return true;
    }
    tftp_session_cancel(session);
    return false;
}

static bool has_room(const struct shard *shard, const struct tftp_session_request *request)
{
    size_t of_peer = 0;

    for (size_t i = 0; i < shard->count; i++) {
        if (tftp_session_request(shard->sessions[i])->peer.sin_addr.s_addr == request->peer.sin_addr.s_addr)
            of_peer++;
    }
    return shard->count < shard->max_transfers && of_peer < TFTP_TRANSFERS_PER_PEER_MAX;
}

/* ---- deciding ---- */

/* A refusal is worth reading, a thousand of them are not. */
static enum event_level level_of_refusal(struct shard *shard)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (now_ms - shard->refusals_since_ms > COMPLAINT_INTERVAL_MS) {
        shard->refusals_since_ms = now_ms;
        shard->refusals = 0;
    }
    return ++shard->refusals <= REFUSALS_TOLD_MAX ? EVENT_INFO : EVENT_DEBUG;
}

static void turn_away(struct shard *shard, const struct tftp_session_request *request,
                      const struct boot_plan *plan)
{
    bool refused = plan->kind == BOOT_PLAN_REFUSED;
    char address[INET_TEXT_SIZE];
    char path[96];

    /* Firmware knows what to do about a missing file, whatever the reason: it drops the prefix and goes on.
     */
    tftp_session_refuse(request, TFTP_ERROR_NOT_FOUND, "file not found");
    event_post(shard->context->events, plan->machine, NULL, STAGE_NONE,
               refused ? level_of_refusal(shard) : EVENT_DEBUG, refused ? "tftp.refused" : "tftp.missing",
               "%s asks for %s: %s", inet_format(address, inet_of_sockaddr(&request->peer)),
               quote_into(path, sizeof(path), request->tftp.path, strlen(request->tftp.path)), plan->reason);
}

static void complain_busy(struct shard *shard, const struct tftp_session_request *request)
{
    uint64_t now_ms = clock_monotonic_ms();
    char address[INET_TEXT_SIZE];

    if (now_ms < shard->next_complaint_ms)
        return;
    shard->next_complaint_ms = now_ms + COMPLAINT_INTERVAL_MS;
    event_post(shard->context->events, NULL, NULL, STAGE_NONE, EVENT_WARNING, "tftp.busy",
               "too many transfers at once: %s has to ask again (%zu of %zu running)",
               inet_format(address, inet_of_sockaddr(&request->peer)), shard->count, shard->max_transfers);
}

static void accept_request(struct shard *shard, const struct tftp_session_request *request)
{
    if (shard->stopping || is_repeated(shard, request))
        return;
    if (!has_room(shard, request)) {
        complain_busy(shard, request);
        return;
    }
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(shard->context->catalog);
    struct boot_plan plan = bootfiles_asked(snapshot, shard->presence, inet_of_sockaddr(&request->peer),
                                            request->tftp.path);
    if (plan.kind == BOOT_PLAN_REFUSED || plan.kind == BOOT_PLAN_NOT_FOUND) {
        turn_away(shard, request, &plan);
        return;
    }
    struct tftp_session *session =
        tftp_session_new(shard->context, shard->loop, request, &plan, session_over, shard);
    if (session)
        shard->sessions[shard->count++] = session;
    else
        complain_busy(shard, request);
}

static void take_request(void *arg)
{
    CLEANUP_FREE struct queued_request *queued = arg;

    atomic_fetch_sub(&queued->shard->queued, 1);
    accept_request(queued->shard, &queued->request);
}

bool shard_submit(struct shard *shard, const struct tftp_session_request *request)
{
    if (atomic_fetch_add(&shard->queued, 1) >= TFTP_REQUESTS_QUEUED_MAX) {
        atomic_fetch_sub(&shard->queued, 1);
        return false;
    }
    struct queued_request *queued = xcalloc(1, sizeof(*queued));
    *queued = (struct queued_request){.shard = shard, .request = *request};
    loop_call(shard->loop, take_request, queued);
    return true;
}
