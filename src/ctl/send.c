#include "ctl/send.h"

#include "base/text.h"
#include "ctl/client.h"
#include "ctl/job.h"
#include "ctl/table.h"

static int tell_failure(const json_t *job)
{
    if (string_equal(json_member_text(job, "state"), "cancelled")) {
        fprintf(stderr, "farboot: %s: %s cancelled, nothing was kept\n", json_member_text(job, "name"),
                json_member_text(job, "kind"));
        return job_was_interrupted() ? CTL_EXIT_INTERRUPTED : CTL_EXIT_FAILED;
    }
    fputs("farboot: ", stderr);
    print_safe(stderr, json_member_text(job, "error"));
    fputc('\n', stderr);
    return CTL_EXIT_FAILED;
}

static int tell_job_end(const struct arguments *arguments, struct progress *progress, const json_t *job,
                        void (*print)(const json_t *result))
{
    if (!job_is_done(job)) {
        progress_abandon(progress);
        return tell_failure(job);
    }
    job_end_progress(job, progress);
    if (arguments_value(arguments, "--json"))
        print_json(json_object_get(job, "result"), false);
    else
        print(json_object_get(job, "result"));
    return CTL_EXIT_OK;
}

int send_and_follow(const struct arguments *arguments, int fd, const json_t *message,
                    void (*print)(const json_t *result))
{
    struct progress progress = progress_begin(stderr);
    CLEANUP_FD int connection = -1;
    json_t *reply = NULL, *job = NULL;
    int status = client_send_file(arguments->socket, fd, message, &connection, &reply);

    if (status == CTL_EXIT_OK)
        status = job_follow(arguments->socket, json_member_u64(reply, "job"), &progress, &job);
    if (status == CTL_EXIT_OK)
        status = tell_job_end(arguments, &progress, job, print);
    json_decref(job);
    json_decref(reply);
    return status;
}
