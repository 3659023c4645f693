/*
 * Who is logged in, and what their commands cost.
 */
#include "api/answer.h"
#include "api/live.h"

static const char *const kinds[API_COMMAND_KINDS] = {"read", "write", "flush", "other"};

static uint64_t total(const uint64_t counts[API_LATENCY_BUCKETS])
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < API_LATENCY_BUCKETS; i++)
        sum += counts[i];
    return sum;
}

/* The bound below which at least `percent` of them took; 0 when there were none. */
static uint64_t quantile_us(const uint64_t counts[API_LATENCY_BUCKETS], unsigned percent)
{
    uint64_t all = total(counts);
    uint64_t seen = 0;
    unsigned bucket = 0;

    if (!all)
        return 0;
    while ((seen += counts[bucket]) * 100 < all * percent)
        bucket++;
    return 1ull << bucket;
}

static json_t *histogram_json(const uint64_t counts[API_LATENCY_BUCKETS])
{
    json_t *list = json_array();

    for (unsigned i = 0; i < API_LATENCY_BUCKETS; i++) {
        if (counts[i])
            json_array_append_new(list, json_pack("{s:I, s:I}", "below_us", (json_int_t)(1ll << i), "count",
                                                  (json_int_t)counts[i]));
    }
    return list;
}

static json_t *commands_json(const struct api_session *session)
{
    json_t *commands = json_object();

    for (unsigned i = 0; i < API_COMMAND_KINDS; i++) {
        const uint64_t *counts = session->latency[i];
        json_object_set_new(commands, kinds[i],
                            json_pack("{s:I, s:I, s:I, s:o}", "count", (json_int_t)total(counts), "p50_us",
                                      (json_int_t)quantile_us(counts, 50), "p99_us",
                                      (json_int_t)quantile_us(counts, 99), "latency",
                                      histogram_json(counts)));
    }
    return commands;
}

static json_t *session_json(const struct api_session *session)
{
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:i, s:i, s:i, s:o}", "machine",
                     json_text(session->machine), "address", json_address(session->address), "initiator",
                     json_text(session->initiator), "since", (json_int_t)session->since_seconds, "read_bytes",
                     (json_int_t)session->read_bytes, "written_bytes", (json_int_t)session->written_bytes,
                     "operations_per_second", (int)session->operations_per_second, "queue_depth",
                     (int)session->queue_depth, "queue_depth_max", (int)session->queue_depth_max, "commands",
                     commands_json(session));
}

void sessions_get(struct api_call *call)
{
    CLEANUP(cleanup_live) struct live *live = live_new(call->api);
    json_t *list = json_array();
    size_t count;
    const struct api_session *sessions = live_sessions(live, &count);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, session_json(&sessions[i]));
    call->reply = json_pack("{s:o}", "sessions", list);
}
