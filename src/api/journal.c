#include "api/journal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <stdatomic.h>

enum {
    BUCKETS = 1024, /* a power of two */
    PENDING_MAX = 16384,
};

struct boot_node {
    struct journal_boot known;
    struct boot_node *next;
};

struct journal {
    struct loop *loop;
    struct journal_entry entries[JOURNAL_EVENTS_MAX]; /* event number N is at N % JOURNAL_EVENTS_MAX */
    uint64_t newest;
    struct boot_node *buckets[BUCKETS];
    size_t boot_count;
    uint64_t last_boot_id;
    atomic_uint pending; /* posted and not yet taken in */
    void (*on_event)(void *arg);
    void *on_event_arg;
    void (*on_boot)(void *arg, const struct event *event);
    void *on_boot_arg;
};

struct posted {
    struct journal *journal;
    struct event event;
};

static const enum log_level log_levels[] = {
    [EVENT_DEBUG] = LOG_LEVEL_DEBUG,
    [EVENT_INFO] = LOG_LEVEL_INFO,
    [EVENT_WARNING] = LOG_LEVEL_WARNING,
    [EVENT_ERROR] = LOG_LEVEL_ERROR,
};

struct journal *journal_new(struct loop *loop)
{
    struct journal *journal = xcalloc(1, sizeof(*journal));

    journal->loop = loop;
    return journal;
}

void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (journal->buckets[i]) {
            struct boot_node *node = journal->buckets[i];
            journal->buckets[i] = node->next;
            free(node);
        }
    }
    free(journal);
}

/* ---- boots ---- */

static struct boot_node **bucket_of(const struct journal *journal, const struct mac *mac)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < MAC_BYTES; i++)
        hash = (hash ^ mac->bytes[i]) * 16777619u;
    return (struct boot_node **)&journal->buckets[hash & (BUCKETS - 1)];
}

static struct boot_node *find_boot(const struct journal *journal, const struct mac *mac)
{
    struct boot_node *node = *bucket_of(journal, mac);

    while (node && !mac_equal(&node->known.mac, mac))
        node = node->next;
    return node;
}

/* Strangers go before machines, and the longest silent first. */
static bool forget_before(const struct journal_boot *a, const struct journal_boot *b)
{
    if (!a->machine_id != !b->machine_id)
        return !a->machine_id;
    return a->boot.last_ms < b->boot.last_ms;
}

static void forget_one_boot(struct journal *journal)
{
    struct boot_node **chosen = NULL;

    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct boot_node **link = &journal->buckets[i]; *link; link = &(*link)->next) {
            if (!chosen || forget_before(&(*link)->known, &(*chosen)->known))
                chosen = link;
        }
    }
    CHECK(chosen != NULL);
    struct boot_node *gone = *chosen;
    *chosen = gone->next;
    free(gone);
    journal->boot_count--;
}

static struct journal_boot *boot_for(struct journal *journal, const struct mac *mac)
{
    struct boot_node *node = find_boot(journal, mac);

    if (node)
        return &node->known;
    if (journal->boot_count >= JOURNAL_BOOTS_MAX)
        forget_one_boot(journal);
    node = xcalloc(1, sizeof(*node));
    node->known.mac = *mac;
    struct boot_node **bucket = bucket_of(journal, mac);
    node->next = *bucket;
    *bucket = node;
    journal->boot_count++;
    return &node->known;
}

/* True if a boot begins with it. */
static bool follow_boot(struct journal *journal, struct event *event)
{
    if (mac_is_zero(&event->mac))
        return false;
    struct journal_boot *known = boot_for(journal, &event->mac);
    known->machine_id = event->machine_id;
    bool begins = boot_advance(&known->boot, event, journal->last_boot_id + 1);
    journal->last_boot_id += begins;
    event->boot_id = known->boot.id;
    return begins;
}

/* ---- events ---- */

static void write_log_line(const struct event *event)
{
    enum log_level level = log_levels[event->level];
    char mac[MAC_TEXT_SIZE];

    if (event->machine[0])
        log_line(level, "%s: %s", event->machine, event->text);
    else if (!mac_is_zero(&event->mac))
        log_line(level, "%s: %s", mac_format(mac, &event->mac, ':'), event->text);
    else
        log_line(level, "%s", event->text);
}

void journal_add(struct journal *journal, const struct event *event)
{
    uint64_t number = ++journal->newest;
    struct journal_entry *entry = &journal->entries[number % JOURNAL_EVENTS_MAX];

    *entry = (struct journal_entry){.number = number, .event = *event};
    if (!entry->event.time_ms)
        entry->event.time_ms = clock_wall_ms();
    bool begins = follow_boot(journal, &entry->event);
    write_log_line(&entry->event);
    if (begins && journal->on_boot)
        journal->on_boot(journal->on_boot_arg, &entry->event);
    if (journal->on_event)
        journal->on_event(journal->on_event_arg);
}

static void add_posted(void *arg)
{
    CLEANUP_FREE struct posted *posted = arg;

    atomic_fetch_sub(&posted->journal->pending, 1);
    journal_add(posted->journal, &posted->event);
}

static void post(void *arg, const struct event *event)
{
    struct journal *journal = arg;

    /* A storm that outruns the control loop loses its newest events, not the daemon's memory. */
    if (atomic_fetch_add(&journal->pending, 1) >= PENDING_MAX) {
        atomic_fetch_sub(&journal->pending, 1);
        return;
    }
    struct posted *posted = xcalloc(1, sizeof(*posted));
    *posted = (struct posted){.journal = journal, .event = *event};
    if (!posted->event.time_ms)
        posted->event.time_ms = clock_wall_ms();
    loop_call(journal->loop, add_posted, posted);
}

struct event_sink journal_sink(struct journal *journal)
{
    return (struct event_sink){.post = post, .arg = journal};
}

void journal_on_event(struct journal *journal, void (*fn)(void *arg), void *arg)
{
    journal->on_event = fn;
    journal->on_event_arg = arg;
}

void journal_on_boot(struct journal *journal, void (*fn)(void *arg, const struct event *event), void *arg)
{
    journal->on_boot = fn;
    journal->on_boot_arg = arg;
}

uint64_t journal_newest(const struct journal *journal)
{
    return journal->newest;
}

const struct journal_entry *journal_next(const struct journal *journal, uint64_t since, const char *machine)
{
    uint64_t oldest = journal->newest >= JOURNAL_EVENTS_MAX ? journal->newest - JOURNAL_EVENTS_MAX + 1 : 1;

    for (uint64_t n = MAX(oldest, since + 1); n <= journal->newest && n > since; n++) {
        const struct journal_entry *entry = &journal->entries[n % JOURNAL_EVENTS_MAX];
        if (!machine || string_equal(entry->event.machine, machine))
            return entry;
    }
    return NULL;
}

const struct journal_boot *journal_boot_of(const struct journal *journal, const struct mac *mac)
{
    const struct boot_node *node = find_boot(journal, mac);

    return node ? &node->known : NULL;
}

static void insert_newest_first(const struct journal_boot **to, size_t *count, size_t max,
                                const struct journal_boot *boot)
{
    size_t place = *count;

    while (place > 0 && to[place - 1]->boot.last_ms < boot->boot.last_ms)
        place--;
    if (place >= max)
        return;
    size_t kept = MIN(*count, max - 1);
    memmove(&to[place + 1], &to[place], (kept - place) * sizeof(*to));
    to[place] = boot;
    *count = kept + 1;
}

size_t journal_unknown(const struct journal *journal, const struct journal_boot **to, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < BUCKETS; i++) {
        for (const struct boot_node *node = journal->buckets[i]; node; node = node->next) {
            if (!node->known.machine_id)
                insert_newest_first(to, &count, max, &node->known);
        }
    }
    return count;
}
