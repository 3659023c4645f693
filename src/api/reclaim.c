#include "api/reclaim.h"

#include "base/log.h"

struct reclaim {
    struct api *api;
    struct work work;
    bool running;
    bool asked_again; /* while a step ran that may have looked before */
    int rc;
    bool more;
};

struct reclaim *reclaim_new(struct api *api)
{
    struct reclaim *reclaim = xcalloc(1, sizeof(*reclaim));

    reclaim->api = api;
    return reclaim;
}

void reclaim_free(struct reclaim *reclaim)
{
    free(reclaim);
}

static void run_step(struct work *work)
{
    struct reclaim *reclaim = CONTAINER_OF(work, struct reclaim, work);

    reclaim->rc = store_reclaim_step(reclaim->api->options.store, &reclaim->more);
}

static void step_done(struct work *work)
{
    struct reclaim *reclaim = CONTAINER_OF(work, struct reclaim, work);
    struct api *api = reclaim->api;

    reclaim->running = false;
    if (reclaim->rc)
        log_warning("store: cannot give back what removed snapshots kept: %s", strerror(-reclaim->rc));
    if (reclaim->more || reclaim->asked_again)
        reclaim_begin(reclaim);
    api_unref(api);
}

void reclaim_begin(struct reclaim *reclaim)
{
    struct api *api = reclaim->api;

    reclaim->asked_again = reclaim->running;
    if (reclaim->running || api->stopped)
        return;
    reclaim->work = (struct work){.run = run_step, .done = step_done, .home = api->options.loop};
    reclaim->running = workers_submit(api->options.workers, &reclaim->work);
    if (reclaim->running) /* else the next removal asks again */
        api_ref(api);
}

static void begin(void *arg)
{
    reclaim_begin(arg);
}

void reclaim_begin_soon(struct api *api)
{
    loop_call(api->options.loop, begin, api->reclaim);
}
