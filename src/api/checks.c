#include "api/checks.h"

#include "api/findings.h"
#include "api/jobs.h"

#include <sys/eventfd.h>

struct checks {
    struct api *api;
    struct job *job; /* NULL: none runs */

    pthread_t thread;
    int ended_fd;
    struct loop_watch *ended_watch;

    /* The thread's, until it raised `ended_fd`. */
    bool repair;
    int code;
    struct error error;
    json_t *findings;
    size_t found;
    size_t repaired;
};

/* ---- on its thread ---- */

static void on_finding(void *arg, const struct store_finding *finding)
{
    struct checks *checks = arg;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog =
        catalog_read(checks->api->options.catalog);

    checks->found++;
    checks->repaired += finding->repaired;
    if (json_array_size(checks->findings) < FINDINGS_LISTED_MAX)
        json_array_append_new(checks->findings, finding_json(catalog, finding));
}

static bool on_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
    struct job *job = ((struct checks *)arg)->job;

    atomic_store(&job->read_bytes, done_bytes);
    atomic_store(&job->written_bytes, done_bytes);
    atomic_store(&job->total_bytes, total_bytes);
    return !atomic_load(&job->cancelled);
}

static void *run(void *arg)
{
    struct checks *checks = arg;
    const struct store_check how = {
        .repair = checks->repair, .listener = {on_finding, checks}, .progress = on_progress};

    checks->code = store_check(checks->api->options.store, &how, &checks->error);
    CHECK(eventfd_write(checks->ended_fd, 1) == 0);
    return NULL;
}

/* ---- on the loop ---- */

static void finish(struct checks *checks)
{
    json_t *findings = TAKE_PTR(checks->findings);

    pthread_join(checks->thread, NULL);
    job_end(TAKE_PTR(checks->job), checks->code, &checks->error,
            checks->code ? NULL
                         : json_pack("{s:I, s:I, s:O}", "found", (json_int_t)checks->found, "repaired",
                                     (json_int_t)checks->repaired, "findings", findings));
    json_decref(findings);
}

static void on_ended(void *arg, int events)
{
    struct checks *checks = arg;
    eventfd_t ignored;

    if (eventfd_read(checks->ended_fd, &ignored) == 0 && checks->job)
        finish(checks);
}

struct checks *checks_new(struct api *api)
{
    struct checks *checks = xcalloc(1, sizeof(*checks));

    checks->api = api;
    checks->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(checks->ended_fd >= 0);
    checks->ended_watch = loop_watch_new(api->options.loop, checks->ended_fd, on_ended, checks);
    loop_watch_set(checks->ended_watch, LOOP_READ);
    return checks;
}

int checks_begin(struct checks *checks, bool repair, uint64_t *number, struct error *error)
{
    struct job *job = checks->job ? NULL : jobs_add(checks->api->jobs, "check", "store");

    if (!job)
        return error_set(error, -EBUSY, "the store is being checked already: see farboot store status");
    *number = job->number;
    checks->job = job;
    checks->repair = repair;
    checks->error = (struct error){0};
    checks->found = checks->repaired = 0;
    checks->findings = json_array();
    CHECK(pthread_create(&checks->thread, NULL, run, checks) == 0);
    return 0;
}

void checks_stop(struct checks *checks)
{
    if (checks->job)
        atomic_store(&checks->job->cancelled, true);
    loop_watch_free(TAKE_PTR(checks->ended_watch));
}

void checks_free(struct checks *checks)
{
    if (!checks)
        return;
    if (checks->job)
        finish(checks);
    close(checks->ended_fd);
    free(checks);
}
