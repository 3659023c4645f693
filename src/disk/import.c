#include "disk/import.h"

#include "base/text.h"
#include "disk/decoder.h"
#include "disk/digest.h"
#include "disk/filesystem.h"
#include "disk/import_writer.h"

enum {
    /* Partition tools round up: a table may name this much more than the image has. */
    TABLE_OVERHANG_BYTES = 1 << 20,
    SIZE_TEXT_BYTES = 16,
};

/* One import on its way. */
struct job {
    const struct import_request *request;
    uint64_t limit_bytes;
    struct import_input input;
    const struct decoder *decoder;
    void *state;
    struct store_import *import;
    struct import_writer *writer;
    uint64_t bytes_out;
    uint8_t *head; /* the first chunk of the disk: what tells a disk from anything else */
    size_t head_bytes;
};

static bool is_cancelled(const struct job *job)
{
    return job->request->cancelled && atomic_load_explicit(job->request->cancelled, memory_order_relaxed);
}

static void tell_progress(const struct job *job)
{
    struct import_progress progress = {.bytes_in = job->input.bytes_in,
                                       .total_in_bytes = job->input.total_bytes,
                                       .bytes_out = job->bytes_out};

    if (job->request->progress)
        job->request->progress(job->request->context, &progress);
}

static int say_store_error(const struct job *job, int code, struct error *error)
{
    char size[SIZE_TEXT_BYTES];

    format_size(size, sizeof(size), code == -EFBIG ? job->limit_bytes : job->bytes_out);
    if (code == -ENOSPC)
        return error_set(error, code, "no space is left in the store after %s: free some and import again",
                         size);
    if (code == -EFBIG)
        return error_set(error, code, "the disk inside is larger than the limit of %s", size);
    return error_set_errno(error, code, "the store cannot write the image");
}

static int choose_decoder(struct job *job, struct error *error)
{
    int r = import_input_want(&job->input, DECODER_HEAD_BYTES);

    if (r < 0)
        return error_set_errno(error, r, "cannot be read");
    size_t length = MIN(import_input_left(&job->input), (size_t)DECODER_HEAD_BYTES);
    if (!length)
        return error_set(error, -EMEDIUMTYPE, "is empty");
    struct error unread = {0};
    job->decoder = decoder_for(import_input_data(&job->input), length, &unread);
    return job->decoder ? 0 : error_set(error, unread.code, "%s", unread.text);
}

static int check_is_disk(const struct job *job, struct error *error)
{
    const char *again = decoder_name_of(job->head, job->head_bytes);

    if (is_head_of_disk(job->head, job->head_bytes))
        return 0;
    if (again && job->decoder != &decoder_raw)
        return error_set(error, -EMEDIUMTYPE, "what the %s data holds is %s once more: unpack it first",
                         job->decoder->name, again);
    return error_set(error, -EMEDIUMTYPE,
                     "is not a disk: it has neither a partition table nor a file system");
}

/* Fills a chunk, less only at the end. Gives its length or the decoder's error. */
static ssize_t decode_chunk(struct job *job, uint8_t *chunk, struct error *error)
{
    size_t done = 0;

    while (done < IMPORT_CHUNK_BYTES) {
        ssize_t got = job->decoder->read(job->state, chunk + done, IMPORT_CHUNK_BYTES - done, error);
        if (got < 0)
            return got;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static int keep_head(struct job *job, const uint8_t *chunk, size_t length, struct error *error)
{
    if (job->head)
        return 0;
    job->head = xcalloc(MAX(length, (size_t)1), 1);
    job->head_bytes = length;
    memcpy(job->head, chunk, length);
    return check_is_disk(job, error);
}

/* Decodes chunk after chunk while the writer hashes and writes the one before. */
static int pump(struct job *job, struct error *error)
{
    for (;;) {
        uint8_t *chunk = import_writer_buffer(job->writer);
        ssize_t length = decode_chunk(job, chunk, error);
        if (length < 0)
            return (int)length;
        int r = keep_head(job, chunk, (size_t)length, error);
        if (r < 0)
            return r;
        if (length == 0)
            return 0;
        if ((uint64_t)length > job->limit_bytes - job->bytes_out)
            return say_store_error(job, -EFBIG, error);
        job->bytes_out += (uint64_t)length;
        r = import_writer_put(job->writer, (size_t)length);
        if (r < 0)
            return say_store_error(job, r, error);
        if (is_cancelled(job))
            return error_set(error, -ECANCELED, "cancelled");
        tell_progress(job);
    }
}

/* A raw image that was cut short still decodes; its partition table knows better. */
static int check_is_whole(const struct job *job, struct error *error)
{
    uint64_t needed = end_of_partitions(job->head, job->head_bytes);
    char has_text[SIZE_TEXT_BYTES];
    char needed_text[SIZE_TEXT_BYTES];

    if (needed <= job->bytes_out + TABLE_OVERHANG_BYTES)
        return 0;
    return error_set(error, -EBADMSG, "the image is cut short: its partitions need %s and it has %s",
                     format_size(needed_text, sizeof(needed_text), needed),
                     format_size(has_text, sizeof(has_text), job->bytes_out));
}

/* Everything between begin and commit. */
static int fill(struct job *job, struct import_result *result, struct error *error)
{
    job->writer = import_writer_start(job->import);
    int r = pump(job, error);
    int written = import_writer_finish(TAKE_PTR(job->writer), result->sha256);

    if (r == 0 && written < 0)
        r = say_store_error(job, written, error);
    return r < 0 ? r : check_is_whole(job, error);
}

static int run_job(struct job *job, struct import_result *result, struct error *error)
{
    int r = choose_decoder(job, error);

    if (r == 0)
        r = store_import_begin(job->request->store, job->request->name, job->limit_bytes, &job->import,
                               error);
    if (r == 0)
        r = job->decoder->open(&job->input, job->limit_bytes, &job->state, error);
    if (r == 0)
        r = fill(job, result, error);
    if (r == 0)
        r = store_import_commit(job->import, error);
    if (r == 0)
        job->import = NULL;
    return r;
}

/* Sentences made here begin after the source's name; the store's own stand alone. */
static int name_source(const struct job *job, int code, const struct error *reason, struct error *error)
{
    const char *source = job->request->source;
    char quoted[128];

    if (code == -ECANCELED)
        return error_set(error, code, "the import was cancelled");
    if (code == -EEXIST || !source)
        return error_set(error, code, "%s", reason->text);
    quote_into(quoted, sizeof(quoted), source, strlen(source));
    return error_set(error, code, string_starts_with(reason->text, "is ") ? "%s %s" : "%s: %s", quoted,
                     reason->text);
}

int image_import(const struct import_request *request, struct import_result *result, struct error *error)
{
    struct job job = {.request = request,
                      .limit_bytes = request->limit_bytes ? request->limit_bytes : IMPORT_LIMIT_BYTES};
    struct error reason = {0};

    *result = (struct import_result){0};
    import_input_open(&job.input, request->fd, request->cancelled);
    job.input.temporary_folder = request->temporary_folder ? request->temporary_folder : "/var/tmp";
    int r = run_job(&job, result, &reason);
    if (r == 0) {
        result->format = job.decoder->name;
        result->source_bytes = job.input.bytes_in;
        result->size_bytes = job.bytes_out;
        sha256_text(job.input.digest, result->source_sha256);
    }
    store_import_abort(job.import);
    if (job.state)
        job.decoder->close(job.state);
    free(job.head);
    import_input_close(&job.input);
    return r < 0 ? name_source(&job, r, &reason, error) : 0;
}
