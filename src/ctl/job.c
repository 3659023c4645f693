#include "ctl/job.h"

#include "base/text.h"
#include "ctl/client.h"
#include "ctl/terminal.h"

#include <signal.h>
#include <time.h>

enum { FIRST_POLL_MS = 20, POLL_MS = 200 };

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = 1;
}

/* Without SA_RESTART, so that a wait ends at once. */
void job_catch_interrupts(void)
{
    const struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool job_was_interrupted(void)
{
    return interrupted;
}

static void sleep_ms(unsigned ms)
{
    const struct timespec delay = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l};

    nanosleep(&delay, NULL);
}

bool job_is_done(const json_t *job)
{
    return string_equal(json_member_text(job, "state"), "done");
}

static struct progress_state state_of(const json_t *job)
{
    return (struct progress_state){
        .read_bytes = json_member_u64(job, "read_bytes"),
        .total_bytes = json_member_u64(job, "total_bytes"),
        .written_bytes = json_member_u64(job, "written_bytes"),
        .elapsed_ms = json_member_u64(job, "elapsed_ms"),
        .ended = job_is_done(job),
    };
}

int job_follow(const char *socket, uint64_t number, struct progress *progress, json_t **job)
{
    unsigned wait_ms = FIRST_POLL_MS;
    char path[CLIENT_PATH_SIZE];
    bool asked_to_cancel = false;

    snprintf(path, sizeof(path), "/v1/jobs/%llu", (unsigned long long)number);
    for (;;) {
        bool cancel = interrupted && !asked_to_cancel;
        int status = client_ask(socket, cancel ? "DELETE" : "GET", path, NULL, job);
        if (status != CTL_EXIT_OK)
            return status;
        asked_to_cancel |= cancel;
        if (!string_equal(json_member_text(*job, "state"), "running"))
            return CTL_EXIT_OK;
        struct progress_state state = state_of(*job);
        if (!asked_to_cancel)
            progress_show(progress, &state);
        json_decref(TAKE_PTR(*job));
        sleep_ms(wait_ms);
        wait_ms = MIN(wait_ms * 2, (unsigned)POLL_MS);
    }
}

void job_end_progress(const json_t *job, struct progress *progress)
{
    struct progress_state state = state_of(job);

    progress_end(progress, &state);
}
