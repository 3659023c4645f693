/*
 * What a connection says about itself: events of its machine, counters for whoever asks.
 */
#include "iscsi/connection_parts.h"

#include "base/clock.h"

enum { ROOT_READ_BYTES = 8 << 20, TAKEOVER_IDLE_MS = 5000 };

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

void connection_tell_refused(struct connection *c, const char *why)
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

void connection_tell_conflict(struct connection *c)
{
    char here[INET_TEXT_SIZE], there[INET_TEXT_SIZE];

    if (!c->predecessor.tell)
        return;
    event_post(events_of(c), machine_of(c), NULL, STAGE_NONE, EVENT_ERROR, "iscsi.conflict",
               "two machines use one initiator name: %s keeps the disk, %s is refused as long as that one "
               "lives; give "
               "each its own name",
               inet_format(there, c->predecessor.address), peer_text(c, here));
}

void connection_tell_login(struct connection *c)
{
    char address[INET_TEXT_SIZE];

    if (!c->machine.id)
        return;
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

void connection_tell_stages(struct connection *c)
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

void connection_tell_end(struct connection *c, const char *how)
{
    char address[INET_TEXT_SIZE];

    if (c->session && c->machine.id && (c->phase == PHASE_FULL || c->session->logging_out))
        event_post(events_of(c), machine_of(c), NULL, STAGE_NONE, EVENT_INFO, "iscsi.end",
                   "session from %s ended: %s", peer_text(c, address), how);
}

void connection_publish(struct connection *c)
{
    const struct session_counters *n = &c->session->counters;

    atomic_store_explicit(&c->entry.commands, n->commands, memory_order_relaxed);
    atomic_store_explicit(&c->entry.requests, n->commands + n->pings + n->pongs, memory_order_relaxed);
    atomic_store_explicit(&c->entry.read_bytes, n->read_bytes, memory_order_relaxed);
    atomic_store_explicit(&c->entry.written_bytes, n->written_bytes, memory_order_relaxed);
    atomic_store_explicit(&c->entry.last_active_ms, clock_monotonic_ms(), memory_order_relaxed);
}
