#include "api/rewind.h"

#include "api/points.h"
#include "api/reclaim.h"
#include "base/clock.h"
#include "base/text.h"

struct winding {
    struct rewind *rewind;
    struct winding *next;
    uint64_t machine_id;
    char machine[NAME_SIZE];
    bool resets;    /* else it only gets a snapshot */
    bool watched;   /* a session was there when it began */
    bool working;   /* on a worker */
    bool abandoned; /* the daemon stops */
    uint64_t until_ms;

    struct work work;
    struct points_reset reset;
    char snapshot[KEEP_NAME_SIZE];
    int rc;
    struct error error;
};

struct rewind {
    struct api *api;
    struct loop_timer *timer;
    struct winding *first;
    unsigned count;
};

static void on_tick(void *arg);

struct rewind *rewind_new(struct api *api)
{
    struct rewind *rewind = xcalloc(1, sizeof(*rewind));

    rewind->api = api;
    rewind->timer = loop_timer_new(api->options.loop, on_tick, rewind);
    return rewind;
}

void rewind_free(struct rewind *rewind)
{
    if (!rewind)
        return;
    CHECK(!rewind->first);
    free(rewind);
}

/* ---- the end of one ---- */

static void tell(const struct winding *w)
{
    struct event_sink sink = journal_sink(w->rewind->api->options.journal);
    const struct machine named = {.id = w->machine_id};
    struct machine machine = named;

    COPY_STRING(machine.name, w->machine);
    if (w->rc < 0)
        event_post(&sink, &machine, NULL, STAGE_NONE, EVENT_WARNING, "machine.not-reset", "boots from its disk as it is: %s",
                   w->error.text);
    else if (w->resets && *w->reset.kept)
        event_post(&sink, &machine, NULL, STAGE_NONE, EVENT_INFO, "machine.reset", "begins at %s; its last boot is kept as %s",
                   w->reset.began, w->reset.kept);
    else if (w->resets)
        event_post(&sink, &machine, NULL, STAGE_NONE, EVENT_INFO, "machine.reset", "begins at %s", w->reset.began);
}

static void unlink_winding(struct winding *w)
{
    struct winding **at = &w->rewind->first;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    w->rewind->count--;
}

static void open_gate(const struct winding *w)
{
    disk_gate_open(w->rewind->api->options.gate, w->machine_id);
}

static void finish(struct winding *w)
{
    struct api *api = w->rewind->api;
    const struct api_sources *sources = &api->options.sources;

    if (!w->abandoned) {
        if (w->watched && sources->watch)
            sources->watch(sources->arg, w->machine_id, false);
        open_gate(w);
        tell(w);
    }
    unlink_winding(w);
    free(w);
    reclaim_begin(api->reclaim);
    api_unref(api);
}

/* ---- the work ---- */

static void run(struct work *work)
{
    struct winding *w = CONTAINER_OF(work, struct winding, work);
    struct api *api = w->rewind->api;

    w->error = (struct error){0};
    w->rc = w->resets ? points_reset(api, w->machine_id, &w->reset, &w->error)
                      : points_take(api, w->machine_id, KEEP_BOOT, w->snapshot);
    if (w->rc < 0 && !w->error.code)
        error_set_errno(&w->error, w->rc, "no snapshot could be made before it boots");
    if (w->rc != -EBUSY)
        points_prune(api, w->machine_id);
}

static void done(struct work *work)
{
    struct winding *w = CONTAINER_OF(work, struct winding, work);

    w->working = false;
    if (w->rc != -EBUSY || w->abandoned || clock_monotonic_ms() >= w->until_ms)
        finish(w);
}

static void submit(struct winding *w)
{
    struct api *api = w->rewind->api;

    w->work = (struct work){.run = run, .done = done, .home = api->options.loop};
    w->working = workers_submit(api->options.workers, &w->work); /* else at the next tick */
}

/* A machine that is asked for its sign of life and gives one did not start again, whatever a packet says. */
static void try(struct winding *w)
{
    char text[INET_TEXT_SIZE];
    uint32_t address;

    if (w->working)
        return;
    if (!w->resets || api_disk_users(w->rewind->api, w->machine_id, &address) == 0) {
        submit(w);
        return;
    }
    if (clock_monotonic_ms() < w->until_ms)
        return;
    w->rc = error_set(&w->error, -EBUSY, "it is still used by %s", inet_format(text, address));
    finish(w);
}

static void on_tick(void *arg)
{
    struct rewind *rewind = arg;

    for (struct winding *w = rewind->first, *next; w; w = next) {
        next = w->next;
        try(w);
    }
    if (rewind->first)
        loop_timer_set(rewind->timer, REWIND_TICK_MS);
}

/* ---- the beginning of one ---- */

static void add(struct rewind *rewind, const struct machine *machine, bool resets, bool keeps)
{
    struct api *api = rewind->api;
    const struct api_sources *sources = &api->options.sources;
    struct winding *w = xcalloc(1, sizeof(*w));
    uint32_t address;

    *w = (struct winding){.rewind = rewind, .machine_id = machine->id, .resets = resets, .next = rewind->first,
                          .reset = {.keeps = keeps, .kind = KEEP_LAST_BOOT},
                          .until_ms = clock_monotonic_ms() + REWIND_WAIT_MS};
    COPY_STRING(w->machine, machine->name);
    rewind->first = w;
    rewind->count++;
    api_ref(api);
    w->watched = resets && api_disk_users(api, machine->id, &address) > 0;
    if (w->watched && sources->watch)
        sources->watch(sources->arg, machine->id, true);
    try(w);
    loop_timer_set(rewind->timer, REWIND_TICK_MS);
}

void rewind_begin(struct rewind *rewind, const struct event *event)
{
    const struct api_options *options = &rewind->api->options;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog = catalog_read(options->catalog);
    const struct machine *machine = event->machine_id ? catalog_machine_by_id(catalog, event->machine_id) : NULL;

    /* Later stages are seen first only by a daemon that was started in the middle of a boot: too late for this one. */
    if (!machine || !options->gate || (event->stage != STAGE_DHCP && event->stage != STAGE_FIRMWARE))
        return;
    const struct keep_rules rules = keep_rules_of(machine);
    bool resets = string_equal(machine_setting(machine, SETTING_MODE), "reset");
    if ((!resets && rules.keep[KEEP_BOOT] == 0) || rewind->count >= REWIND_MACHINES_MAX ||
        !disk_gate_close(options->gate, machine->id))
        return;
    add(rewind, machine, resets, rules.keep[KEEP_LAST_BOOT] > 0);
}

void rewind_stop(struct rewind *rewind)
{
    loop_timer_free(TAKE_PTR(rewind->timer));
    for (struct winding *w = rewind->first, *next; w; w = next) {
        next = w->next;
        open_gate(w);
        w->abandoned = true;
        if (!w->working)
            finish(w);
    }
}
