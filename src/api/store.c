/*
 * The store as a whole: its space, what goes on in it, whether all is well.
 */
#include "api/answer.h"
#include "api/checks.h"
#include "api/findings.h"
#include "api/upkeep.h"

#include <stdio.h>

static const char *const space_names[STORE_SPACES] = {
    [STORE_SPACE_ENOUGH] = "enough",
    [STORE_SPACE_LOW] = "low",
    [STORE_SPACE_REFUSING] = "refusing",
    [STORE_SPACE_FULL] = "full",
};

static json_t *reclaim_json(struct store *store)
{
    struct store_reclaim progress;

    store_reclaim_progress(store, &progress);
    if (progress.layers == 0)
        return json_null();
    return json_pack("{s:I, s:I, s:I}", "layers", (json_int_t)progress.layers, "total_bytes",
                     (json_int_t)progress.total_bytes, "left_bytes", (json_int_t)progress.left_bytes);
}

static json_t *verify_json(struct store *store)
{
    struct store_verify verify;

    if (store_verify_status(store, &verify))
        return json_null();
    json_t *value = json_pack("{s:I}", "damaged", (json_int_t)verify.damaged);
    json_object_set_new(value, "finished", verify.finished_seconds ? json_integer((json_int_t)verify.finished_seconds)
                                                                   : json_null());
    return value;
}

/* Space, and what goes on; `warnings` gets a sentence for what is wrong. */
static json_t *store_json(const struct api_options *options, json_t *warnings)
{
    struct store_space_report space;
    struct store_usage usage;
    char sentence[EVENT_TEXT_SIZE];

    if (store_usage(options->store, &usage) || store_look_at_space(options->store, &space)) {
        json_array_append_new(warnings, json_string("the store does not say how much space is free"));
        return NULL;
    }
    if (space.space != STORE_SPACE_ENOUGH)
        json_array_append_new(warnings, json_string(upkeep_space_sentence(&space, sentence)));
    return json_pack("{s:s, s:I, s:I, s:I, s:s, s:o, s:o}", "path", options->store_path, "total_bytes",
                     (json_int_t)usage.total_bytes, "free_bytes", (json_int_t)usage.free_bytes, "used_bytes",
                     (json_int_t)usage.used_bytes, "space", space_names[space.space], "reclaim",
                     reclaim_json(options->store), "verify", verify_json(options->store));
}

struct damage {
    const struct catalog_snapshot *catalog;
    json_t *list;
    json_t *warnings; /* NULL: not wanted */
};

static void note_damage(void *arg, const struct store_finding *finding)
{
    struct damage *damage = arg;
    char affected[AFFECTED_TEXT_SIZE], sentence[sizeof(finding->sentence) + AFFECTED_TEXT_SIZE + 16];

    if (json_array_size(damage->list) == FINDINGS_LISTED_MAX)
        return;
    json_array_append_new(damage->list, finding_json(damage->catalog, finding));
    snprintf(sentence, sizeof(sentence), "%s; affected: %s", finding->sentence,
             finding_affected(damage->catalog, finding, affected));
    json_array_append_new(damage->warnings, json_string(sentence));
}

static json_t *damage_json(struct api *api, json_t *warnings)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog = catalog_read(api->options.catalog);
    struct damage damage = {catalog, json_array(), warnings};
    const struct store_listener listener = {note_damage, &damage};

    store_tell_damage(api->options.store, &listener);
    return damage.list;
}

void status_get_store(struct api_call *call)
{
    json_t *warnings = json_object_get(call->reply, "warnings");
    json_t *value = store_json(&call->api->options, warnings);

    json_decref(damage_json(call->api, warnings));
    if (value)
        json_object_set_new(call->reply, "store", value);
}

void store_get(struct api_call *call)
{
    json_t *warnings = json_array();
    json_t *value = store_json(&call->api->options, warnings);

    if (!value)
        error_set(&call->error, -EIO, "the store does not say how much space is free");
    else
        call->reply = json_pack("{s:o, s:o, s:O}", "store", value, "damage", damage_json(call->api, warnings),
                                "warnings", warnings);
    json_decref(warnings);
}

void store_check_begin(struct api_call *call)
{
    static const char *const keys[] = {"repair"};
    uint64_t job;

    if (call_check_keys(call, keys, ARRAY_SIZE(keys)) < 0)
        return;
    if (checks_begin(call->api->checks, json_is_true(json_object_get(call->body, "repair")), &job, &call->error) == 0)
        call->reply = json_pack("{s:I}", "job", (json_int_t)job);
}
