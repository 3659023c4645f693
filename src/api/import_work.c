#include "api/import_work.h"

#include "api/images.h"
#include "api/store_names.h"
#include "base/clock.h"
#include "disk/import.h"
#include "disk/inspect.h"

static void on_progress(void *context, const struct import_progress *progress)
{
    struct job *job = context;

    atomic_store(&job->read_bytes, progress->bytes_in);
    atomic_store(&job->total_bytes, progress->total_in_bytes);
    atomic_store(&job->written_bytes, progress->bytes_out);
}

/* The disk itself, into a volume that no record names yet. */
static int import_volume(const struct import_work *work, struct image *image, struct import_result *imported,
                         struct error *error)
{
    const struct import_request request = {
        .store = work->store,
        .name = image->volume,
        .fd = work->fd,
        .source = work->file,
        .temporary_folder = work->temporary_folder,
        .progress = on_progress,
        .context = work->job,
        .cancelled = &work->job->cancelled,
    };

    int result = catalog_pending_put(work->catalog, image->volume, error);
    if (result == 0)
        result = image_import(&request, imported, error);
    if (result < 0) {
        catalog_pending_drop(work->catalog, image->volume);
        return result;
    }
    COPY_STRING(image->source_sha256, imported->source_sha256);
    COPY_STRING(image->sha256, imported->sha256);
    return 0;
}

/* What is inside: JSON, the caller frees. */
static int look_inside(struct store *store, const char *name, char **report)
{
    CLEANUP(cleanup_volume) struct volume *volume = NULL;
    CLEANUP_FREE struct disk_report *found = xcalloc(1, sizeof(*found));
    int result = store_volume_open(store, name, &volume);

    if (result < 0)
        return result;
    const struct disk_source disk = disk_source_over_volume(volume);
    result = inspect_disk(&disk, found);
    if (result < 0)
        return result;
    json_t *value = disk_report_json(found);
    *report = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    CHECK(*report != NULL);
    return 0;
}

int image_describe(struct store *store, struct image *image, struct error *error)
{
    struct store_volume_info info;
    int result = store_volume_info(store, image->volume, &info);

    if (result == 0)
        result = look_inside(store, image->volume, &image->report);
    if (result < 0)
        return error_set_errno(error, result, "%s: cannot be looked at", image->name);
    image->size_bytes = info.size_bytes;
    image->created_seconds = clock_wall_seconds();
    return 0;
}

static int make_image(const struct import_work *work, struct image *image, struct error *error)
{
    int result = image_describe(work->store, image, error);

    if (result == 0 && atomic_load(&work->job->cancelled))
        result = error_set(error, -ECANCELED, "%s: cancelled", image->name);
    if (result == 0)
        result = catalog_image_insert(work->catalog, image, error);
    if (result < 0 && store_volume_delete(work->store, image->volume, NULL) == 0)
        catalog_pending_drop(work->catalog, image->volume);
    return result;
}

int import_run(const struct import_work *work, json_t **result, struct error *error)
{
    struct image image = {0};
    struct import_result imported;

    COPY_STRING(image.name, work->job->name);
    COPY_STRING(image.comment, work->comment);
    image.version = work->new_version ? 0 : 1;
    store_name_new(image.volume, STORE_NAME_IMAGE);
    int code = import_volume(work, &image, &imported, error);
    if (code == 0)
        code = make_image(work, &image, error);
    if (code == 0) {
        *result = image_json(&image);
        json_object_set_new(*result, "format", json_string(imported.format));
        json_object_set_new(*result, "source_bytes", json_integer((json_int_t)imported.source_bytes));
    }
    free(image.report);
    return code;
}
