#include "api/export_work.h"

#include "api/store_names.h"

static void on_progress(void *context, const struct export_progress *progress)
{
    struct job *job = context;

    atomic_store(&job->read_bytes, progress->done_bytes);
    atomic_store(&job->total_bytes, progress->total_bytes);
    atomic_store(&job->written_bytes, progress->written_bytes);
}

static int export_volume(const struct export_work *work, const char *name, json_t **result, struct error *error)
{
    CLEANUP(cleanup_volume) struct volume *volume = NULL;
    uint64_t written = 0;
    int code = store_volume_open(work->options->store, name, &volume);

    if (code < 0)
        return error_set_errno(error, code, "%s: its disk cannot be opened", work->source.text);
    const struct export_request request = {
        .volume = volume,
        .fd = work->fd,
        .target = work->file,
        .format = work->format,
        .progress = on_progress,
        .context = work->job,
        .cancelled = &work->job->cancelled,
    };
    code = image_export(&request, &written, error);
    if (code == 0)
        *result = json_pack("{s:s, s:s, s:s, s:I, s:I}", "source", work->source.text, "file", work->file, "format",
                            export_format_name(work->format), "size_bytes", (json_int_t)volume_size_bytes(volume),
                            "written_bytes", (json_int_t)written);
    return code;
}

int export_run(const struct export_work *work, json_t **result, struct error *error)
{
    char copy[NAME_SIZE];

    if (!work->source.machine.id)
        return export_volume(work, work->source.image.volume, result, error);
    int code = frozen_copy_make(work->options, &work->source, copy, STORE_NAME_COPY, error);
    if (code < 0)
        return code;
    code = export_volume(work, copy, result, error);
    frozen_copy_drop(work->options, copy);
    return code;
}
