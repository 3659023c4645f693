#include "api/live.h"

#include "api/answer.h"
#include "base/clock.h"
#include "fleet/diagnose.h"

struct live {
    struct api *api;
    uint64_t now_ms;
    size_t session_count;
    struct api_session *sessions; /* by machine */
};

static int compare_sessions(const void *a, const void *b)
{
    const struct api_session *one = a, *two = b;

    return one->machine_id < two->machine_id ? -1 : one->machine_id > two->machine_id;
}

struct live *live_new(struct api *api)
{
    const struct api_sources *sources = &api->options.sources;
    struct live *live = xcalloc(1, sizeof(*live));

    live->api = api;
    live->now_ms = clock_wall_ms();
    live->sessions = xcalloc(API_SESSIONS_MAX, sizeof(*live->sessions));
    if (sources->sessions)
        live->session_count = sources->sessions(sources->arg, live->sessions, API_SESSIONS_MAX);
    CHECK(live->session_count <= API_SESSIONS_MAX);
    qsort(live->sessions, live->session_count, sizeof(*live->sessions), compare_sessions);
    return live;
}

void live_free(struct live *live)
{
    if (!live)
        return;
    free(live->sessions);
    free(live);
}

const struct api_session *live_sessions(const struct live *live, size_t *count)
{
    *count = live->session_count;
    return live->sessions;
}

unsigned api_disk_users(struct api *api, uint64_t machine_id, uint32_t *address)
{
    CLEANUP(cleanup_live) struct live *live = live_new(api);
    unsigned users = 0;

    for (size_t i = 0; i < live->session_count; i++) {
        if (live->sessions[i].machine_id != machine_id)
            continue;
        if (users++ == 0)
            *address = live->sessions[i].address;
    }
    return users;
}

static json_t *users_json(const struct live *live, uint64_t machine_id)
{
    size_t low = 0, high = live->session_count;
    json_t *list = json_array();

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (live->sessions[middle].machine_id < machine_id)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < live->session_count && live->sessions[low].machine_id == machine_id; low++)
        json_array_append_new(list, json_address(live->sessions[low].address));
    return list;
}

/* When each stage was reached, in milliseconds since the boot began. */
static json_t *stages_json(const struct boot *boot)
{
    json_t *stages = json_object();

    for (int stage = STAGE_DHCP; stage < STAGE_COUNT; stage++) {
        if (boot->reached_ms[stage])
            json_object_set_new(stages, stage_name((enum stage)stage),
                                json_integer((json_int_t)(boot->reached_ms[stage] - boot->begun_ms)));
    }
    return stages;
}

static void add_boot(const struct live *live, const struct boot *boot, json_t *value)
{
    char sentence[DIAGNOSIS_SIZE];

    diagnose(boot, live->now_ms, sentence);
    json_object_set_new(value, "boot_id", json_integer((json_int_t)boot->id));
    json_object_set_new(value, "boot_begun_ms", json_integer((json_int_t)boot->begun_ms));
    json_object_set_new(value, "stage", json_text(stage_name(boot->stage)));
    json_object_set_new(value, "stages", stages_json(boot));
    json_object_set_new(value, "last", json_text(boot->last));
    json_object_set_new(value, "last_ms", json_integer((json_int_t)boot->last_ms));
    json_object_set_new(value, "diagnosis", json_text(sentence));
}

void live_add_machine(const struct live *live, const struct machine *machine, json_t *value)
{
    const struct api_options *options = &live->api->options;
    const struct journal_boot *known = journal_boot_of(options->journal, &machine->mac);
    static const struct boot never;

    json_object_set_new(value, "present_address", json_address(presence_address(options->presence, &machine->mac)));
    json_object_set_new(value, "in_use_by", users_json(live, machine->id));
    add_boot(live, known ? &known->boot : &never, value);
}
