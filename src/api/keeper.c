#include "api/keeper.h"

#include "api/points.h"
#include "base/clock.h"

enum { HOUR_SECONDS = 3600 };

/* When a machine was last looked after, and by which rules: again in another hour, or with other rules, or while a
 * snapshot is due that had nothing to keep yet. */
struct looked_after {
    uint64_t machine_id;
    uint64_t hour;
    struct keep_rules rules;
};

struct keeper {
    struct api *api;
    struct loop_timer *timer;
    struct looked_after *machines;
    size_t machine_count;
    size_t next; /* where among all machines to begin, so that everyone has a turn */

    struct work work;
    bool working;
    struct {
        uint64_t machine_id;
        bool waits;
    } due[KEEPER_MACHINES_AT_ONCE];
    size_t due_count;
};

static void on_tick(void *arg);

struct keeper *keeper_new(struct api *api)
{
    struct keeper *keeper = xcalloc(1, sizeof(*keeper));

    keeper->api = api;
    keeper->timer = loop_timer_new(api->options.loop, on_tick, keeper);
    loop_timer_set(keeper->timer, KEEPER_TICK_MS);
    return keeper;
}

void keeper_stop(struct keeper *keeper)
{
    loop_timer_free(TAKE_PTR(keeper->timer));
}

void keeper_free(struct keeper *keeper)
{
    if (!keeper)
        return;
    free(keeper->machines);
    free(keeper);
}

/* ---- who is due ---- */

static struct looked_after *find(const struct keeper *keeper, uint64_t machine_id)
{
    for (size_t i = 0; i < keeper->machine_count; i++) {
        if (keeper->machines[i].machine_id == machine_id)
            return &keeper->machines[i];
    }
    return NULL;
}

static bool is_due(const struct keeper *keeper, struct looked_after *now)
{
    const struct looked_after *before = find(keeper, now->machine_id);

    return !before || before->hour != now->hour || !keep_rules_equal(&before->rules, &now->rules);
}

/* The list is made anew each time, so that machines which were removed leave it. */
static void choose(struct keeper *keeper)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog = catalog_read(keeper->api->options.catalog);
    uint64_t hour = clock_wall_seconds() / HOUR_SECONDS;
    size_t count;
    const struct machine *machines = catalog_machines(catalog, &count);
    struct looked_after *list = xcalloc(count, sizeof(*list));
    size_t kept = 0, begin = keeper->next;

    for (size_t n = 0; n < count; n++) {
        const struct machine *machine = &machines[(begin + n) % count];
        struct looked_after now = {machine->id, hour, keep_rules_of(machine)};
        if (!is_due(keeper, &now)) {
            list[kept++] = now;
        } else if (keeper->due_count < KEEPER_MACHINES_AT_ONCE) {
            keeper->due[keeper->due_count++].machine_id = now.machine_id;
            list[kept++] = now;
            keeper->next = begin + n + 1;
        }
    }
    free(keeper->machines);
    keeper->machines = list;
    keeper->machine_count = kept;
}

/* ---- the work ---- */

static void run(struct work *work)
{
    struct keeper *keeper = CONTAINER_OF(work, struct keeper, work);

    for (size_t i = 0; i < keeper->due_count; i++) {
        keeper->due[i].waits = points_take_due(keeper->api, keeper->due[i].machine_id);
        points_prune(keeper->api, keeper->due[i].machine_id);
    }
}

static void done(struct work *work)
{
    struct keeper *keeper = CONTAINER_OF(work, struct keeper, work);
    struct api *api = keeper->api;

    keeper->working = false;
    for (size_t i = 0; i < keeper->due_count; i++) {
        struct looked_after *machine = keeper->due[i].waits ? find(keeper, keeper->due[i].machine_id) : NULL;
        if (machine)
            machine->hour = 0;
    }
    api_unref(api);
}

static void on_tick(void *arg)
{
    struct keeper *keeper = arg;

    loop_timer_set(keeper->timer, KEEPER_TICK_MS);
    if (keeper->working)
        return;
    keeper->due_count = 0;
    choose(keeper);
    if (keeper->due_count == 0)
        return;
    keeper->work = (struct work){.run = run, .done = done, .home = keeper->api->options.loop};
    keeper->working = workers_submit(keeper->api->options.workers, &keeper->work);
    if (keeper->working)
        api_ref(keeper->api);
    else
        keeper->machine_count = 0; /* nobody was looked after: all again at the next tick */
}
