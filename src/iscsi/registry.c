#include "iscsi/registry.h"

#include <strings.h>

void registry_init(struct registry *registry)
{
    memset(registry, 0, sizeof(*registry));
    pthread_mutex_init(&registry->lock, NULL);
}

void registry_end(struct registry *registry)
{
    CHECK(!registry->first);
    pthread_mutex_destroy(&registry->lock);
}

bool registry_add(struct registry *registry, struct registry_entry *entry)
{
    pthread_mutex_lock(&registry->lock);
    bool added = registry->count < REGISTRY_SESSIONS_MAX;
    if (added) {
        registry->count++;
        entry->id = ++registry->last_id;
        entry->next = registry->first;
        registry->first = entry;
    }
    pthread_mutex_unlock(&registry->lock);
    return added;
}

static bool is_same_session(const struct registry_entry *a, const struct registry_entry *b)
{
    return a->target_name[0] && strcasecmp(a->initiator_name, b->initiator_name) == 0 &&
           strcasecmp(a->target_name, b->target_name) == 0 && memcmp(a->isid, b->isid, sizeof(a->isid)) == 0;
}

static void wake_waiting(struct registry *registry, const struct registry_entry *gone)
{
    for (struct registry_entry *e = registry->first; e; e = e->next) {
        if (e->waiting && is_same_session(e, gone)) {
            e->waiting = false;
            e->retry(e);
        }
    }
}

void registry_remove(struct registry *registry, struct registry_entry *entry)
{
    pthread_mutex_lock(&registry->lock);
    for (struct registry_entry **at = &registry->first; *at; at = &(*at)->next) {
        if (*at != entry)
            continue;
        *at = entry->next;
        registry->count--;
        wake_waiting(registry, entry);
        break;
    }
    pthread_mutex_unlock(&registry->lock);
}

static void close_entry(struct registry_entry *entry)
{
    if (entry->closing)
        return;
    entry->closing = true;
    entry->close(entry);
}

static void describe(const struct registry_entry *old, uint64_t now_ms,
                     struct registry_predecessor *predecessor)
{
    uint64_t active_ms = atomic_load(&old->last_active_ms);

    predecessor->found = true;
    predecessor->address = old->address;
    predecessor->idle_ms = now_ms > active_ms ? now_ms - active_ms : 0;
    predecessor->stage = atomic_load(&old->stage);
}

/* Closes what `entry` replaces: the older sessions that are the same one. */
static bool close_predecessors(struct registry *registry, struct registry_entry *entry, uint64_t now_ms,
                               struct registry_predecessor *predecessor)
{
    bool found = false;

    for (struct registry_entry *e = registry->first; e; e = e->next) {
        if (e == entry || e->id > entry->id || !is_same_session(e, entry))
            continue;
        if (e->entered && !e->closing)
            describe(e, now_ms, predecessor);
        found = true;
        close_entry(e);
    }
    return found;
}

/* The older session that is the same one and lives somewhere else, as far as one knows. */
static struct registry_entry *find_elsewhere(struct registry *registry, const struct registry_entry *entry)
{
    for (struct registry_entry *e = registry->first; e; e = e->next) {
        if (e->id < entry->id && e->entered && !e->closing && e->address != entry->address &&
            is_same_session(e, entry))
            return e;
    }
    return NULL;
}

static void ask_whether_alive(struct registry_entry *entry, struct registry_entry *other, uint64_t now_ms)
{
    entry->contested_id = other->id;
    entry->contested_since_ms = now_ms;
    entry->contested_requests = atomic_load(&other->requests);
    other->ping(other);
}

/* REGISTRY_ENTERED: nobody elsewhere is in the way. */
static enum registry_answer contest(struct registry *registry, struct registry_entry *entry, uint64_t now_ms,
                                    struct registry_predecessor *predecessor)
{
    struct registry_entry *other = find_elsewhere(registry, entry);

    if (!other)
        return REGISTRY_ENTERED;
    if (entry->contested_id != other->id)
        ask_whether_alive(entry, other, now_ms);
    else if (atomic_load(&other->requests) != entry->contested_requests) {
        describe(other, now_ms, predecessor);
        predecessor->tell =
            !other->conflict_told_ms || now_ms - other->conflict_told_ms >= REGISTRY_TELL_AGAIN_MS;
        if (predecessor->tell)
            other->conflict_told_ms = now_ms;
        return REGISTRY_KEEPS_OTHER;
    }
    return now_ms - entry->contested_since_ms < REGISTRY_CONTEST_MS ? REGISTRY_ASK_AGAIN : REGISTRY_ENTERED;
}

static bool session_exists(struct registry *registry, const struct registry_entry *entry, uint16_t tsih)
{
    for (struct registry_entry *e = registry->first; e; e = e->next) {
        if (e != entry && e->entered && e->tsih == tsih && is_same_session(e, entry))
            return true;
    }
    return false;
}

/* A machine with too many sessions loses the one that was silent longest. */
static void make_room(struct registry *registry, const struct registry_entry *entry)
{
    struct registry_entry *quietest = NULL;
    unsigned count = 0;

    for (struct registry_entry *e = registry->first; e && entry->machine_id; e = e->next) {
        if (e == entry || e->machine_id != entry->machine_id || !e->entered || e->closing)
            continue;
        count++;
        if (!quietest || atomic_load(&e->last_active_ms) < atomic_load(&quietest->last_active_ms))
            quietest = e;
    }
    if (count >= REGISTRY_MACHINE_SESSIONS_MAX)
        close_entry(quietest);
}

static uint16_t next_tsih(struct registry *registry)
{
    if (++registry->last_tsih == 0)
        registry->last_tsih = 1;
    return registry->last_tsih;
}

static enum registry_answer enter(struct registry *registry, struct registry_entry *entry, uint64_t now_ms,
                                  struct registry_predecessor *predecessor)
{
    if (entry->tsih && !predecessor->found && !session_exists(registry, entry, entry->tsih))
        return REGISTRY_NO_SESSION;
    enum registry_answer answer = contest(registry, entry, now_ms, predecessor);
    if (answer != REGISTRY_ENTERED)
        return answer;
    if (close_predecessors(registry, entry, now_ms, predecessor)) {
        entry->waiting = true;
        return REGISTRY_WAIT;
    }
    make_room(registry, entry);
    if (!entry->tsih)
        entry->tsih = next_tsih(registry);
    entry->entered = true;
    return REGISTRY_ENTERED;
}

enum registry_answer registry_enter(struct registry *registry, struct registry_entry *entry, uint64_t now_ms,
                                    struct registry_predecessor *predecessor)
{
    pthread_mutex_lock(&registry->lock);
    enum registry_answer answer = enter(registry, entry, now_ms, predecessor);
    pthread_mutex_unlock(&registry->lock);
    return answer;
}

void registry_close_machine(struct registry *registry, uint64_t machine_id)
{
    pthread_mutex_lock(&registry->lock);
    for (struct registry_entry *e = registry->first; e; e = e->next) {
        if ((machine_id && e->machine_id != machine_id) || e->closing)
            continue;
        e->closing = true;
        e->disconnect(e);
    }
    pthread_mutex_unlock(&registry->lock);
}

void registry_watch_machine(struct registry *registry, uint64_t machine_id, bool closely)
{
    pthread_mutex_lock(&registry->lock);
    for (struct registry_entry *e = registry->first; e; e = e->next) {
        if (e->entered && e->machine_id == machine_id)
            e->watch(e, closely);
    }
    pthread_mutex_unlock(&registry->lock);
}

void registry_for_each(struct registry *registry, void (*fn)(const struct registry_entry *entry, void *arg),
                       void *arg)
{
    pthread_mutex_lock(&registry->lock);
    for (struct registry_entry *e = registry->first; e; e = e->next) {
        if (e->entered)
            fn(e, arg);
    }
    pthread_mutex_unlock(&registry->lock);
}
