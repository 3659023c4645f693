#include "api/jobs.h"

#include "api/answer.h"
#include "base/clock.h"
#include "base/text.h"

struct jobs {
    struct job *slots[JOBS_MAX];
    uint64_t last_number;
};

static const char *const state_names[] = {
    [JOB_RUNNING] = "running",
    [JOB_DONE] = "done",
    [JOB_FAILED] = "failed",
    [JOB_CANCELLED] = "cancelled",
};

struct jobs *jobs_new(void)
{
    return xcalloc(1, sizeof(struct jobs));
}

static void job_free(struct job *job)
{
    if (!job)
        return;
    CHECK(job->state != JOB_RUNNING);
    json_decref(job->result);
    free(job);
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    for (size_t i = 0; i < JOBS_MAX; i++)
        job_free(jobs->slots[i]);
    free(jobs);
}

/* An empty slot, else that of the oldest job that ended. */
static struct job **free_slot(struct jobs *jobs)
{
    struct job **chosen = NULL;

    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job **slot = &jobs->slots[i];
        if (!*slot)
            return slot;
        if ((*slot)->state != JOB_RUNNING && (!chosen || (*slot)->number < (*chosen)->number))
            chosen = slot;
    }
    return chosen;
}

struct job *jobs_add(struct jobs *jobs, const char *kind, const char *name)
{
    struct job **slot = free_slot(jobs);

    if (!slot)
        return NULL;
    job_free(*slot);
    *slot = xcalloc(1, sizeof(**slot));
    (*slot)->number = ++jobs->last_number;
    (*slot)->kind = kind;
    (*slot)->begun_ms = clock_monotonic_ms();
    COPY_STRING((*slot)->name, name);
    return *slot;
}

struct job *jobs_find(const struct jobs *jobs, uint64_t number)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (jobs->slots[i] && jobs->slots[i]->number == number)
            return jobs->slots[i];
    }
    return NULL;
}

bool jobs_running(const struct jobs *jobs, const char *kind, const char *name)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        const struct job *job = jobs->slots[i];
        if (job && job->state == JOB_RUNNING && string_equal(job->kind, kind) && string_equal(job->name, name))
            return true;
    }
    return false;
}

void job_end(struct job *job, int code, const struct error *error, json_t *result)
{
    CHECK(job->state == JOB_RUNNING);
    job->ended_ms = clock_monotonic_ms();
    job->result = result;
    job->state = code == 0 ? JOB_DONE : code == -ECANCELED ? JOB_CANCELLED : JOB_FAILED;
    if (code == 0)
        return;
    if (error->code)
        job->error = *error;
    else
        error_set_errno(&job->error, code, "%s", job->name);
}

/* ---- requests ---- */

static json_t *job_json(struct job *job)
{
    uint64_t until_ms = job->state == JOB_RUNNING ? clock_monotonic_ms() : job->ended_ms;
    uint64_t total_bytes = atomic_load(&job->total_bytes);
    json_t *value = json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:I}", "job", (json_int_t)job->number, "kind", job->kind,
                              "name", job->name, "state", state_names[job->state], "elapsed_ms",
                              (json_int_t)(until_ms - job->begun_ms), "read_bytes",
                              (json_int_t)atomic_load(&job->read_bytes), "written_bytes",
                              (json_int_t)atomic_load(&job->written_bytes));

    json_object_set_new(value, "total_bytes", total_bytes ? json_integer((json_int_t)total_bytes) : json_null());
    if (job->error.code)
        json_object_update_new(value, answer_error(&job->error));
    if (job->result)
        json_object_set(value, "result", job->result);
    return value;
}

void jobs_get(struct api_call *call)
{
    const struct jobs *jobs = call->api->jobs;
    json_t *list = json_array();

    for (uint64_t n = jobs->last_number; n > 0 && json_array_size(list) < JOBS_MAX; n--) {
        struct job *job = jobs_find(jobs, n);
        if (job)
            json_array_append_new(list, job_json(job));
        else if (jobs->last_number - n > JOBS_MAX * 2)
            break;
    }
    call->reply = json_pack("{s:o}", "jobs", list);
}

static struct job *find_job(struct api_call *call)
{
    uint64_t number = 0;
    struct job *job = parse_u64(call->name, UINT64_MAX, &number) ? jobs_find(call->api->jobs, number) : NULL;

    if (!job)
        error_set(&call->error, -ENOENT, "there is no such job: it never was or is long over");
    return job;
}

void job_get(struct api_call *call)
{
    struct job *job = find_job(call);

    if (job)
        call->reply = job_json(job);
}

void job_cancel(struct api_call *call)
{
    struct job *job = find_job(call);

    if (!job)
        return;
    atomic_store(&job->cancelled, true);
    call->reply = job_json(job);
}
