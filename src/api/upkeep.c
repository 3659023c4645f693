#include "api/upkeep.h"

#include "api/findings.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <stdio.h>

enum {
    TURN_MS = 1000,
    VERIFY_BYTES = 8 << 20,              /* read each turn, at most */
    VERIFY_MS = 100,                     /* and that long, since layers may be large and empty */
    VERIFY_INTERVAL_SECONDS = 7 * 86400, /* from the end of one round to the beginning of the next */
};

struct upkeep {
    struct api *api;
    struct loop_timer *timer;
    struct work work;
    struct store_space_report report;
    bool looked;
    bool verify_failed; /* told once */
    enum store_space told;
};

/* ---- sentences ---- */

const char *upkeep_space_sentence(const struct store_space_report *report, char to[EVENT_TEXT_SIZE])
{
    static const char *const formats[STORE_SPACES] = {
        [STORE_SPACE_ENOUGH] = "enough space is free in the store again: %s",
        [STORE_SPACE_LOW] =
            "only %s are free in the store: below %s no new machines, images and snapshots are made",
        [STORE_SPACE_REFUSING] =
            "only %s are free in the store: no new machines, images and snapshots are made until %s are free",
        [STORE_SPACE_FULL] = "only %s are free in the store: until %s are free, machines can only write where they "
                             "have written since their last snapshot",
    };
    enum store_space mark = report->space == STORE_SPACE_FULL ? STORE_SPACE_FULL : STORE_SPACE_REFUSING;
    char free_text[16], mark_text[16];

    format_size(free_text, sizeof(free_text), report->free_bytes);
    format_size(mark_text, sizeof(mark_text), report->mark_bytes[mark]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(to, EVENT_TEXT_SIZE, formats[report->space], free_text, mark_text);
#pragma GCC diagnostic pop
    return to;
}

static void tell_space(struct upkeep *upkeep)
{
    static const enum event_level levels[STORE_SPACES] = {
        [STORE_SPACE_LOW] = EVENT_WARNING, [STORE_SPACE_REFUSING] = EVENT_WARNING, [STORE_SPACE_FULL] = EVENT_ERROR};
    struct event_sink sink = journal_sink(upkeep->api->options.journal);
    enum store_space space = upkeep->report.space;
    char sentence[EVENT_TEXT_SIZE];

    if (space == upkeep->told)
        return;
    upkeep->told = space;
    event_post(&sink, NULL, NULL, STAGE_NONE, space == STORE_SPACE_ENOUGH ? EVENT_INFO : levels[space], "store.space",
               "%s", upkeep_space_sentence(&upkeep->report, sentence));
}

/* ---- a turn, on a worker ---- */

static void on_finding(void *arg, const struct store_finding *finding)
{
    const struct upkeep *upkeep = arg;
    struct event_sink sink = journal_sink(upkeep->api->options.journal);
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(upkeep->api->options.catalog);
    char affected[AFFECTED_TEXT_SIZE];

    event_post(&sink, NULL, NULL, STAGE_NONE, EVENT_ERROR, "store.damage", "%s; affected: %s", finding->sentence,
               finding_affected(catalog, finding, affected));
}

static int verify(struct upkeep *upkeep)
{
    const struct store_listener listener = {on_finding, upkeep};
    uint64_t until_ms = clock_monotonic_ms() + VERIFY_MS;
    uint64_t read_bytes = 0;
    bool more = true;
    int rc = 0;

    while (!rc && more && read_bytes < VERIFY_BYTES && clock_monotonic_ms() < until_ms)
        rc = store_verify_step(upkeep->api->options.store, VERIFY_INTERVAL_SECONDS, &listener, &read_bytes, &more);
    return rc;
}

static void run_turn(struct work *work)
{
    struct upkeep *upkeep = CONTAINER_OF(work, struct upkeep, work);
    int rc;

    upkeep->looked = store_look_at_space(upkeep->api->options.store, &upkeep->report) == 0;
    rc = verify(upkeep);
    if (rc && !upkeep->verify_failed)
        log_warning("store: cannot be gone through: %s", strerror(-rc));
    upkeep->verify_failed = rc != 0;
}

/* ---- on the loop ---- */

static void turn_done(struct work *work)
{
    struct upkeep *upkeep = CONTAINER_OF(work, struct upkeep, work);
    struct api *api = upkeep->api;

    if (upkeep->looked)
        tell_space(upkeep);
    if (!api->stopped)
        loop_timer_set(upkeep->timer, TURN_MS);
    api_unref(api);
}

static void begin_turn(void *arg)
{
    struct upkeep *upkeep = arg;
    struct api *api = upkeep->api;

    upkeep->work = (struct work){.run = run_turn, .done = turn_done, .home = api->options.loop};
    if (workers_submit(api->options.workers, &upkeep->work))
        api_ref(api);
    else
        loop_timer_set(upkeep->timer, TURN_MS);
}

struct upkeep *upkeep_new(struct api *api)
{
    struct upkeep *upkeep = xcalloc(1, sizeof(*upkeep));

    upkeep->api = api;
    upkeep->timer = loop_timer_new(api->options.loop, begin_turn, upkeep);
    loop_timer_set(upkeep->timer, TURN_MS);
    return upkeep;
}

void upkeep_stop(struct upkeep *upkeep)
{
    loop_timer_free(TAKE_PTR(upkeep->timer));
}

void upkeep_free(struct upkeep *upkeep)
{
    free(upkeep);
}
