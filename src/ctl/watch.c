/*
 * farboot watch: events as they happen.
 */
#include "ctl/command.h"

#include "base/text.h"
#include "ctl/client.h"
#include "ctl/terminal.h"

#include <time.h>

enum { WAIT_SECONDS = 30, NAME_COLUMNS = 14, STAGE_COLUMNS = 9 };

static enum colour level_colour(const char *level)
{
    if (string_equal(level, "error"))
        return COLOUR_RED;
    if (string_equal(level, "warning"))
        return COLOUR_YELLOW;
    return string_equal(level, "debug") ? COLOUR_FAINT : COLOUR_NONE;
}

static void print_event(const json_t *event)
{
    uint64_t time_ms = json_member_u64(event, "time_ms");
    time_t seconds = (time_t)(time_ms / 1000);
    const char *who = json_member_text(event, "machine");
    enum colour colour = level_colour(json_member_text(event, "level"));
    struct tm local;
    char clock[16];

    localtime_r(&seconds, &local);
    strftime(clock, sizeof(clock), "%H:%M:%S", &local);
    if (!*who)
        who = json_member_text(event, "mac");
    printf("%s.%03u  %-*s %-*s ", clock, (unsigned)(time_ms % 1000), NAME_COLUMNS, *who ? who : "farboot",
           STAGE_COLUMNS, json_member_text(event, "stage"));
    fputs(colour_begin(stdout, colour), stdout);
    print_safe(stdout, json_member_text(event, "text"));
    fputs(colour == COLOUR_NONE ? "" : colour_end(stdout), stdout);
    fputc('\n', stdout);
}

static void print_events(const json_t *reply, bool as_json)
{
    const json_t *events = json_object_get(reply, "events"), *event;
    size_t i;

    json_array_foreach(events, i, event) {
        if (as_json)
            print_json(event, true);
        else
            print_event(event);
    }
    fflush(stdout);
}

/* Events behind `since`, waiting for one up to `wait_seconds`; moves `since` behind those that came. */
static int ask_events(const struct arguments *arguments, uint64_t *since, unsigned wait_seconds, json_t **reply)
{
    const char *machine = arguments->operands[0];
    char path[CLIENT_PATH_SIZE];

    snprintf(path, sizeof(path), "/v1/events?since=%llu&wait=%u%s%s", (unsigned long long)*since, wait_seconds,
             machine ? "&machine=" : "", machine ? machine : "");
    int status = client_ask(arguments->socket, "GET", path, NULL, reply);
    if (status == CTL_EXIT_OK)
        *since = json_member_u64(*reply, "newest");
    return status;
}

/* A machine that nobody knows would never be heard of. */
static int check_machine(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE];
    json_t *reply;

    if (!arguments->operands[0])
        return CTL_EXIT_OK;
    if (!client_path(path, "machines", arguments->operands[0]))
        return CTL_EXIT_USAGE;
    int status = client_ask(arguments->socket, "GET", path, NULL, &reply);
    json_decref(reply);
    return status;
}

int watch_command(const struct arguments *arguments)
{
    bool as_json = arguments_value(arguments, "--json") != NULL;
    uint64_t since = INT64_MAX; /* from now on */
    int status = check_machine(arguments);
    unsigned wait_seconds = 0;

    while (status == CTL_EXIT_OK && !ferror(stdout)) {
        json_t *reply;
        status = ask_events(arguments, &since, wait_seconds, &reply);
        if (status == CTL_EXIT_OK)
            print_events(reply, as_json);
        json_decref(reply);
        wait_seconds = WAIT_SECONDS;
    }
    return status;
}
