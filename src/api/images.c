/*
 * Images: asked about and removed. How they come in is imports.c.
 */
#include "api/answer.h"
#include "api/images.h"

#include "base/text.h"

json_t *image_json(const struct image *image)
{
    json_t *report = json_loads(image->report, 0, NULL);

    return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "name", image->name, "size_bytes",
                     (json_int_t)image->size_bytes, "created", (json_int_t)image->created_seconds, "source_sha256",
                     json_text(image->source_sha256), "sha256", json_text(image->sha256), "report",
                     report ? report : json_null());
}

static void add_machines(const struct catalog_snapshot *snapshot, const struct image *image, json_t *value)
{
    json_t *list = json_array();
    size_t count;
    const struct machine *machines = catalog_machines(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        if (machine_uses_image(&machines[i], image->id))
            json_array_append_new(list, json_string(machines[i].name));
    }
    json_object_set_new(value, "machines", list);
}

static const struct image *find_image(struct api_call *call, const struct catalog_snapshot *snapshot)
{
    const struct image *image = catalog_image_by_name(snapshot, call->name);
    char quoted[NAME_SIZE];

    if (!image)
        error_set(&call->error, -ENOENT, "%s: no such image (see farboot image list)",
                  quote_into(quoted, sizeof(quoted), call->name, strlen(call->name)));
    return image;
}

void images_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    json_t *list = json_array();
    size_t count;
    const struct image *images = catalog_images(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        json_t *value = image_json(&images[i]);
        add_machines(snapshot, &images[i], value);
        json_array_append_new(list, value);
    }
    call->reply = json_pack("{s:o}", "images", list);
}

void image_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    const struct image *image = find_image(call, snapshot);

    if (!image)
        return;
    call->reply = image_json(image);
    add_machines(snapshot, image, call->reply);
}

void image_get_store(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    const struct image *image = find_image(call, snapshot);
    struct store_volume_info info;

    if (!image || store_volume_info(call->api->options.store, image->volume, &info) < 0)
        return;
    json_object_set_new(call->reply, "stored_bytes", json_integer((json_int_t)(info.own_bytes + info.shared_bytes)));
}

/* The record first, so that no machine can begin from it. A volume that stays is swept at the next start. */
static int delete_image(struct api_call *call, const struct image *image)
{
    const struct api_options *options = &call->api->options;
    int result = catalog_image_delete(options->catalog, image->id, &call->error);

    if (result < 0)
        return result;
    result = store_volume_delete(options->store, image->volume, &call->error);
    if (result == -EBUSY) {
        struct image restored = *image;
        catalog_image_insert(options->catalog, &restored, NULL);
    }
    if (result == 0)
        catalog_pending_drop(options->catalog, image->volume);
    return result;
}

static void remove_under_lock(struct api_call *call)
{
    struct event_sink sink = journal_sink(call->api->options.journal);
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    const struct image *image = find_image(call, snapshot);

    if (!image || delete_image(call, image) < 0)
        return;
    event_post(&sink, NULL, NULL, STAGE_NONE, EVENT_INFO, "image.removed", "image %s was removed", image->name);
    call->reply = json_pack("{s:s}", "removed", image->name);
}

void image_remove(struct api_call *call)
{
    pthread_mutex_lock(&call->api->change_lock);
    remove_under_lock(call);
    pthread_mutex_unlock(&call->api->change_lock);
}
