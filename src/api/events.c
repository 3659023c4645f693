/*
 * What happened, asked for once or waited for.
 */
#include "api/answer.h"

#include "base/clock.h"
#include "base/text.h"

enum { EVENTS_PER_ANSWER = 500 };

static json_t *event_json(const struct journal_entry *entry)
{
    const struct event *event = &entry->event;
    json_t *value = json_pack("{s:I, s:I, s:o, s:o, s:o, s:s, s:s, s:I}", "number", (json_int_t)entry->number,
                              "time_ms", (json_int_t)event->time_ms, "machine", json_text(event->machine), "mac",
                              mac_is_zero(&event->mac) ? json_null() : json_mac(&event->mac), "stage",
                              json_text(stage_name(event->stage)), "level", event_level_name(event->level), "kind",
                              event->kind, "boot", (json_int_t)event->boot_id);

    json_object_set_new(value, "text", json_text(event->text));
    return value;
}

/* `newest` is where the next question goes on: behind the last event told. */
static json_t *events_json(const struct journal *journal, uint64_t since, const char *machine)
{
    json_t *list = json_array();
    uint64_t told = since;
    const struct journal_entry *entry;

    while (json_array_size(list) < EVENTS_PER_ANSWER && (entry = journal_next(journal, told, machine))) {
        json_array_append_new(list, event_json(entry));
        told = entry->number;
    }
    if (json_array_size(list) < EVENTS_PER_ANSWER)
        told = journal_newest(journal);
    return json_pack("{s:I, s:o}", "newest", (json_int_t)told, "events", list);
}

/* A client of a daemon that was started again since asks for numbers that do not exist yet. */
static uint64_t since_or_now(const struct journal *journal, uint64_t since)
{
    return MIN(since, journal_newest(journal));
}

static void wait_for_event(struct api_call *call, uint64_t since, const char *machine, uint64_t wait_seconds)
{
    struct api *api = call->api;

    if (api->waiting_count >= API_WAITING_MAX) {
        error_set(&call->error, -EAGAIN, "%d clients wait for events already: end one (farboot watch) first",
                  API_WAITING_MAX);
        return;
    }
    call->waiting = true;
    call->wait_since = since;
    call->wait_until_ms = clock_monotonic_ms() + wait_seconds * 1000;
    call->wait_for_machine = machine != NULL;
    COPY_STRING(call->wait_machine, machine ? machine : "");
    if (api->waiting_count++ == 0)
        loop_timer_set(api->wait_timer, API_WAIT_TICK_MS);
}

void events_get(struct api_call *call)
{
    const struct journal *journal = call->api->options.journal;
    const char *machine = call_query(call, "machine");
    uint64_t since, wait_seconds;

    if (machine && !is_valid_name(machine)) {
        error_set(&call->error, -EINVAL, "machine: not a name of a machine");
        return;
    }
    if (call_query_u64(call, "since", UINT64_MAX, 0, &since) < 0 ||
        call_query_u64(call, "wait", API_WAIT_MAX_SECONDS, 0, &wait_seconds) < 0)
        return;
    since = since_or_now(journal, since);
    if (wait_seconds && !journal_next(journal, since, machine))
        wait_for_event(call, since, machine, wait_seconds);
    else
        call->reply = events_json(journal, since, machine);
}

static void wake_one(struct api_call *call, uint64_t now_ms)
{
    const struct journal *journal = call->api->options.journal;
    const char *machine = call->wait_for_machine ? call->wait_machine : NULL;

    if (now_ms < call->wait_until_ms && !journal_next(journal, call->wait_since, machine))
        return;
    call->reply = events_json(journal, call->wait_since, machine);
    call_finish(call);
}

void events_wake(struct api *api)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (api->waiting_count == 0)
        return;
    for (struct api_call *call = api->calls, *next; call; call = next) {
        next = call->next;
        if (call->waiting)
            wake_one(call, now_ms);
    }
}
