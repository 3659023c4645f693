/*
 * Images: asked about and removed. How they come in is imports.c.
 */
#include "api/answer.h"
#include "api/images.h"
#include "api/reclaim.h"

#include "base/text.h"

json_t *image_json(const struct image *image)
{
    json_t *report = json_loads(image->report, 0, NULL);

    return json_pack("{s:s, s:I, s:o, s:I, s:I, s:o, s:o, s:o}", "name", image->name, "version",
                     (json_int_t)image->version, "comment", json_text(image->comment), "size_bytes",
                     (json_int_t)image->size_bytes, "created", (json_int_t)image->created_seconds, "source_sha256",
                     json_text(image->source_sha256), "sha256", json_text(image->sha256), "report",
                     report ? report : json_null());
}

static json_t *machines_of(const struct catalog_snapshot *snapshot, const struct image *image)
{
    json_t *list = json_array();
    size_t count;
    const struct machine *machines = catalog_machines(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        if (machine_uses_image(&machines[i], image->id))
            json_array_append_new(list, json_string(machines[i].name));
    }
    return list;
}

/* All of its versions, the newest first. What each adds to the one before is asked of `store`; NULL: it is not. */
static json_t *versions_of(const struct catalog_snapshot *snapshot, struct store *store, const char *name)
{
    json_t *list = json_array();
    const char *before = NULL;
    size_t count;
    const struct image *images = catalog_images(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        const struct image *image = &images[i];
        uint64_t bytes;
        if (!string_equal(image->name, name))
            continue;
        json_t *value = json_pack("{s:I, s:o, s:I, s:I, s:o}", "version", (json_int_t)image->version, "comment",
                                  json_text(image->comment), "size_bytes", (json_int_t)image->size_bytes, "created",
                                  (json_int_t)image->created_seconds, "machines", machines_of(snapshot, image));
        if (store && store_volume_difference(store, image->volume, before, &bytes) == 0)
            json_object_set_new(value, "difference_bytes", json_integer((json_int_t)bytes));
        before = image->volume;
        json_array_insert_new(list, 0, value);
    }
    return list;
}

static const struct image *find_image(struct api_call *call, const struct catalog_snapshot *snapshot)
{
    const struct image *image = NULL;
    char name[NAME_SIZE], quoted[NAME_SIZE];
    uint32_t version;

    if (image_name_parse(call->name, name, &version))
        image = catalog_image_version(snapshot, name, version);
    if (!image)
        error_set(&call->error, -ENOENT, "%s: no such image (see farboot image list)",
                  quote_into(quoted, sizeof(quoted), call->name, strlen(call->name)));
    return image;
}

static bool is_newest(const struct image *images, size_t count, size_t i)
{
    return i + 1 == count || !string_equal(images[i].name, images[i + 1].name);
}

/* One entry for each name: its newest version. */
void images_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    json_t *list = json_array();
    size_t count;
    const struct image *images = catalog_images(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        if (!is_newest(images, count, i))
            continue;
        json_t *value = image_json(&images[i]);
        json_object_set_new(value, "machines", machines_of(snapshot, &images[i]));
        json_object_set_new(value, "versions", versions_of(snapshot, NULL, images[i].name));
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
    json_object_set_new(call->reply, "machines", machines_of(snapshot, image));
}

void image_get_store(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    struct store *store = call->api->options.store;
    const struct image *image = find_image(call, snapshot);
    struct store_volume_info info;

    if (!image)
        return;
    json_object_set_new(call->reply, "versions", versions_of(snapshot, store, image->name));
    if (store_volume_info(store, image->volume, &info) == 0)
        json_object_set_new(call->reply, "stored_bytes",
                            json_integer((json_int_t)(info.own_bytes + info.shared_bytes)));
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

/* A name alone means the image as a whole: with several versions that is too easily said. */
static int check_one_version(struct api_call *call, const struct catalog_snapshot *snapshot, const struct image *image)
{
    size_t count = 0, all;
    const struct image *images = catalog_images(snapshot, &all);

    for (size_t i = 0; i < all; i++)
        count += string_equal(images[i].name, image->name);
    if (count == 1 || strchr(call->name, ':'))
        return 0;
    return error_set(&call->error, -EINVAL, "%s: has %zu versions: name one of them, like %s:%u (see farboot image show %s)",
                     image->name, count, image->name, image->version, image->name);
}

/* A machine that began at another version, but is to begin at this one, uses it, too. */
static int check_not_pinned(struct api_call *call, const struct catalog_snapshot *snapshot, const struct image *image)
{
    size_t count;
    const struct machine *machines = catalog_machines(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        if (machines[i].image_id != image->id && string_equal(machines[i].image, image->name) &&
            machine_follows_version(&machines[i]) == image->version)
            return error_set(&call->error, -EBUSY, "%s:%u: cannot be removed while %s is pinned to it", image->name,
                             image->version, machines[i].name);
    }
    return 0;
}

static void remove_under_lock(struct api_call *call)
{
    struct event_sink sink = journal_sink(call->api->options.journal);
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    const struct image *image = find_image(call, snapshot);

    if (!image || check_one_version(call, snapshot, image) < 0 || check_not_pinned(call, snapshot, image) < 0 ||
        delete_image(call, image) < 0)
        return;
    reclaim_begin_soon(call->api);
    event_post(&sink, NULL, NULL, STAGE_NONE, EVENT_INFO, "image.removed", "image %s:%u was removed", image->name,
               image->version);
    call->reply = json_pack("{s:s, s:I}", "removed", image->name, "version", (json_int_t)image->version);
}

void image_remove(struct api_call *call)
{
    pthread_mutex_lock(&call->api->change_lock);
    remove_under_lock(call);
    pthread_mutex_unlock(&call->api->change_lock);
}
