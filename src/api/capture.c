/*
 * A machine's disk becomes an image: a clone of it, its identity taken out, sealed.
 */
#include "api/answer.h"
#include "api/frozen.h"
#include "api/images.h"
#include "api/import_work.h"
#include "api/reclaim.h"
#include "api/store_names.h"
#include "base/text.h"
#include "disk/identity.h"

/* ---- the request ---- */

static const char *text_of(const struct api_call *call, const char *key)
{
    const char *text = json_string_value(json_object_get(call->body, key));

    return text ? text : "";
}

static int read_request(struct api_call *call, struct frozen_source *source, struct image *image)
{
    static const char *const keys[] = {"from", "name", "comment", "keep_identity"};
    char quoted[NAME_SIZE];
    int result = call_check_keys(call, keys, ARRAY_SIZE(keys));

    if (result < 0)
        return result;
    if (!is_valid_name(text_of(call, "name")) || !COPY_STRING(image->name, text_of(call, "name")))
        return error_set(&call->error, -EINVAL, "name: \"%s\" is not a name for an image",
                         quote_into(quoted, sizeof(quoted), text_of(call, "name"), strlen(text_of(call, "name"))));
    if (!COPY_STRING(image->comment, text_of(call, "comment")))
        return error_set(&call->error, -EINVAL, "comment: at most %d bytes", COMMENT_SIZE - 1);
    result = frozen_source_find(call->api, text_of(call, "from"), source, &call->error);
    if (result == 0 && !source->machine.id)
        return error_set(&call->error, -EINVAL, "%s: is an image already: only machines are captured", source->text);
    return result;
}

void image_capture_check(struct api_call *call)
{
    struct frozen_source source;
    struct image image = {0};

    if (read_request(call, &source, &image) == 0)
        frozen_source_check_off(call->api, &source, &call->error);
}

/* ---- the work ---- */

static json_t *identity_json(const struct identity_report *report)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < report->count; i++) {
        const struct identity_part *part = &report->parts[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "what", part->what, "state",
                                              part->state == IDENTITY_CLEANED ? "cleaned" : "kept", "why",
                                              json_text(part->why)));
    }
    return list;
}

static int clean(struct api_call *call, const struct frozen_source *source, const char *volume_name,
                 struct identity_report *report)
{
    CLEANUP(cleanup_volume) struct volume *volume = NULL;
    int result = store_volume_open(call->api->options.store, volume_name, &volume);

    if (result < 0)
        return error_set_errno(&call->error, result, "%s: its disk cannot be opened", source->text);
    return identity_clean(volume, source->text, report, &call->error);
}

/* `image->volume` is a clone that is ours alone. */
static int make_image(struct api_call *call, const struct frozen_source *source, struct image *image,
                      struct identity_report *report)
{
    const struct api_options *options = &call->api->options;
    int result = 0;

    if (!json_is_true(json_object_get(call->body, "keep_identity")))
        result = clean(call, source, image->volume, report);
    if (result == 0)
        result = store_volume_seal(options->store, image->volume, &call->error);
    if (result == 0)
        result = image_describe(options->store, image, &call->error);
    if (result == 0)
        result = catalog_image_insert(options->catalog, image, &call->error);
    if (result < 0)
        frozen_copy_drop(options, image->volume);
    return result;
}

static void tell(struct api_call *call, const struct frozen_source *source, const struct image *image,
                 const struct identity_report *report)
{
    struct event_sink sink = journal_sink(call->api->options.journal);

    event_post(&sink, NULL, NULL, STAGE_NONE, EVENT_INFO, "image.captured", "image %s:%u was captured from %s",
               image->name, image->version, source->text);
    call->reply = image_json(image);
    json_object_set_new(call->reply, "source", json_string(source->text));
    json_object_set_new(call->reply, "identity", identity_json(report));
}

void image_capture(struct api_call *call)
{
    struct identity_report report = {0};
    struct frozen_source source;
    struct image image = {0};

    if (read_request(call, &source, &image) < 0 ||
        frozen_copy_make(&call->api->options, &source, image.volume, STORE_NAME_IMAGE, &call->error) < 0)
        return;
    if (make_image(call, &source, &image, &report) == 0)
        tell(call, &source, &image, &report);
    reclaim_begin_soon(call->api);
    free(image.report);
}
