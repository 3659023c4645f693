/*
 * farboot store status, check.
 */
#include "ctl/command.h"

#include "base/text.h"
#include "ctl/client.h"
#include "ctl/job.h"
#include "ctl/terminal.h"
#include "ctl/table.h"

#include <stdio.h>
#include <time.h>

/* ---- status ---- */

static void print_space(const json_t *store)
{
    char used[16], free_space[16], total[16];

    printf("store %s: %s used, %s of %s free\n", json_member_text(store, "path"),
           format_size(used, sizeof(used), json_member_u64(store, "used_bytes")),
           format_size(free_space, sizeof(free_space), json_member_u64(store, "free_bytes")),
           format_size(total, sizeof(total), json_member_u64(store, "total_bytes")));
}

static void print_reclaim(const json_t *reclaim)
{
    uint64_t total_bytes = json_member_u64(reclaim, "total_bytes"), left_bytes = json_member_u64(reclaim, "left_bytes");
    uint64_t layers = json_member_u64(reclaim, "layers");
    char left[16];

    if (layers == 0) {
        printf("removed snapshots: all space was given back\n");
        return;
    }
    printf("removed snapshots: space is being given back, %llu %% done, %s to go",
           (unsigned long long)(total_bytes ? (total_bytes - left_bytes) * 100 / total_bytes : 0),
           format_size(left, sizeof(left), left_bytes));
    if (layers > 1)
        printf(", then %llu more", (unsigned long long)layers - 1);
    fputc('\n', stdout);
}

static void print_verify(const json_t *verify)
{
    uint64_t finished = json_member_u64(verify, "finished"), damaged = json_member_u64(verify, "damaged");
    char ago[40];

    if (finished)
        printf("verification: frozen layers were gone through %s",
               format_ago(ago, sizeof(ago), (uint64_t)time(NULL), finished));
    else
        fputs("verification: no round through the frozen layers has ended yet", stdout);
    if (damaged)
        printf(", %s%llu damaged%s", colour_begin(stdout, COLOUR_YELLOW), (unsigned long long)damaged,
               colour_end(stdout));
    fputc('\n', stdout);
}

static void print_warnings(const json_t *warnings)
{
    const json_t *warning;
    size_t i;

    json_array_foreach(warnings, i, warning) {
        printf("%swarning:%s ", colour_begin(stdout, COLOUR_YELLOW), colour_end(stdout));
        print_wrapped(stdout, json_string_value(warning), 9, 9);
    }
}

int store_status_command(const struct arguments *arguments)
{
    json_t *reply;
    int status = client_ask(arguments->socket, "GET", "/v1/store", NULL, &reply);

    if (status != CTL_EXIT_OK)
        return status;
    const json_t *store = json_object_get(reply, "store");
    if (arguments_value(arguments, "--json")) {
        print_json(reply, false);
    } else {
        print_space(store);
        print_reclaim(json_object_get(store, "reclaim"));
        print_verify(json_object_get(store, "verify"));
        print_warnings(json_object_get(reply, "warnings"));
    }
    json_decref(reply);
    return CTL_EXIT_OK;
}

/* ---- check ---- */

static void print_finding(const json_t *finding)
{
    const json_t *affected = json_object_get(finding, "affected"), *name;
    bool repaired = json_is_true(json_object_get(finding, "repaired"));
    const char *mark = repaired ? "repaired:" : "problem:";
    size_t i;

    printf("%s%s%s ", colour_begin(stdout, repaired ? COLOUR_GREEN : COLOUR_YELLOW), mark, colour_end(stdout));
    print_wrapped(stdout, json_member_text(finding, "sentence"), (unsigned)strlen(mark) + 1, 9);
    json_array_foreach(affected, i, name) {
        fputs(i == 0 ? "         affected: " : ", ", stdout);
        print_safe(stdout, json_string_value(name));
    }
    if (i > 0)
        fputc('\n', stdout);
}

static int print_result(const struct arguments *arguments, const json_t *result)
{
    const json_t *findings = json_object_get(result, "findings"), *finding;
    uint64_t found = json_member_u64(result, "found"), repaired = json_member_u64(result, "repaired");
    size_t i;

    if (arguments_value(arguments, "--json")) {
        print_json(result, false);
        return found == repaired ? CTL_EXIT_OK : CTL_EXIT_PROBLEMS;
    }
    json_array_foreach(findings, i, finding)
        print_finding(finding);
    if (found > i)
        printf("and %llu more\n", (unsigned long long)(found - i));
    if (found == 0)
        printf("all is well\n");
    else
        printf("%llu found, %llu repaired\n", (unsigned long long)found, (unsigned long long)repaired);
    return found == repaired ? CTL_EXIT_OK : CTL_EXIT_PROBLEMS;
}

static int tell_no_end(const char *sentence)
{
    fputs("farboot: ", stderr);
    print_safe(stderr, sentence);
    fputc('\n', stderr);
    return job_was_interrupted() ? CTL_EXIT_INTERRUPTED : CTL_EXIT_FAILED;
}

static int end_check(const struct arguments *arguments, struct progress *progress, const json_t *job)
{
    if (job_is_done(job)) {
        job_end_progress(job, progress);
        return print_result(arguments, json_object_get(job, "result"));
    }
    progress_abandon(progress);
    const char *sentence = json_member_text(job, "error");
    return tell_no_end(*sentence ? sentence : "the check was cancelled");
}

static int check_by_daemon(const struct arguments *arguments, bool repair)
{
    struct progress progress = progress_begin(stderr);
    json_t *body = json_pack("{s:b}", "repair", (int)repair), *reply = NULL, *job = NULL;
    int status = client_ask(arguments->socket, "POST", "/v1/store/check", body, &reply);

    if (status == CTL_EXIT_OK)
        status = job_follow(arguments->socket, json_member_u64(reply, "job"), &progress, &job);
    if (status == CTL_EXIT_OK)
        status = end_check(arguments, &progress, job);
    json_decref(job);
    json_decref(reply);
    json_decref(body);
    return status;
}

struct here {
    struct progress progress;
    struct timespec begun;
    struct progress_state state;
};

static bool on_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
    struct here *here = arg;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    here->state = (struct progress_state){
        .read_bytes = done_bytes,
        .written_bytes = done_bytes,
        .total_bytes = total_bytes,
        .elapsed_ms = (uint64_t)((now.tv_sec - here->begun.tv_sec) * 1000 +
                                 (now.tv_nsec - here->begun.tv_nsec) / 1000000),
    };
    progress_show(&here->progress, &here->state);
    return !job_was_interrupted();
}

static int check_here(const struct arguments *arguments, const char *folder, bool repair)
{
    struct here here = {.progress = progress_begin(stderr)};
    struct error error = {0};
    json_t *result = NULL;

    clock_gettime(CLOCK_MONOTONIC, &here.begun);
    int rc = arguments->hooks->check_store(folder, repair, on_progress, &here, &result, &error);
    if (rc) {
        progress_abandon(&here.progress);
        return tell_no_end(error.text);
    }
    here.state.ended = true;
    progress_end(&here.progress, &here.state);
    int status = print_result(arguments, result);
    json_decref(result);
    return status;
}

int store_check_command(const struct arguments *arguments)
{
    const char *folder = arguments_value(arguments, "--path");
    bool repair = arguments_value(arguments, "--repair");

    job_catch_interrupts();
    return folder ? check_here(arguments, folder, repair) : check_by_daemon(arguments, repair);
}
