#include "disk/export.h"

#include "base/text.h"
#include "disk/export_sink.h"

enum { STEP_BYTES = 1 << 20 };

static const char *const names[] = {
    [EXPORT_RAW] = "raw",
    [EXPORT_GZIP] = "gz",
    [EXPORT_XZ] = "xz",
    [EXPORT_ZSTD] = "zst",
};

const char *export_format_name(enum export_format format)
{
    return names[format];
}

bool export_format_from_name(const char *name, enum export_format *format)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (string_equal(names[i], name)) {
            *format = (enum export_format)i;
            return true;
        }
    }
    return false;
}

struct export {
    const struct export_request *request;
    struct export_sink sink;
    uint64_t size_bytes;
    uint64_t offset;
    uint8_t *buffer; /* STEP_BYTES */
};

static bool is_zero(const uint8_t *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* Blocks of zeros stay holes, those that were written as zeros, too. */
static int put_blocks(struct export *e, size_t length)
{
    size_t at = 0;
    int r = 0;

    while (r == 0 && at < length) {
        size_t end = at + VOLUME_BLOCK_BYTES;
        bool zero = is_zero(e->buffer + at, VOLUME_BLOCK_BYTES);
        while (end < length && is_zero(e->buffer + end, VOLUME_BLOCK_BYTES) == zero)
            end += VOLUME_BLOCK_BYTES;
        r = zero ? export_sink_skip(&e->sink, end - at) : export_sink_put(&e->sink, e->buffer + at, end - at);
        at = end;
    }
    return r;
}

static int copy_piece(struct export *e, size_t length)
{
    const struct iovec vec = {.iov_base = e->buffer, .iov_len = length};
    int r = volume_read(e->request->volume, &vec, 1, e->offset, VOLUME_MAY_WAIT);

    return r ?: put_blocks(e, length);
}

static void tell_progress(struct export *e)
{
    const struct export_progress progress = {.done_bytes = e->offset, .total_bytes = e->size_bytes,
                                             .written_bytes = e->sink.written_bytes};

    if (e->request->progress)
        e->request->progress(e->request->context, &progress);
}

/* One run of blocks that may hold something, or of those that do not. */
static int copy_run(struct export *e)
{
    uint64_t length;
    bool mapped;
    int r = volume_extent(e->request->volume, e->offset, STEP_BYTES, &length, &mapped);

    if (r < 0)
        return r;
    r = mapped ? copy_piece(e, (size_t)length) : export_sink_skip(&e->sink, length);
    e->offset += length;
    tell_progress(e);
    return r;
}

static int copy_all(struct export *e)
{
    int r = 0;

    while (r == 0 && e->offset < e->size_bytes) {
        if (e->request->cancelled && atomic_load(e->request->cancelled))
            return -ECANCELED;
        r = copy_run(e);
    }
    return r ?: export_sink_finish(&e->sink);
}

static int explain(const struct export *e, int code, struct error *error)
{
    const char *target = e->request->target;
    char size[16];

    switch (code) {
    case -ECANCELED:
        return error_set(error, code, "%s: cancelled", target);
    case -EFBIG:
        return error_set(error, code, "%s: cannot hold a disk of %s", target,
                         format_size(size, sizeof(size), e->size_bytes));
    case -EPIPE:
        return error_set(error, code, "%s: whoever reads it went away", target);
    default:
        return error_set_errno(error, code, "%s: cannot be written", target);
    }
}

int image_export(const struct export_request *request, uint64_t *written_bytes, struct error *error)
{
    struct export e = {.request = request, .size_bytes = volume_size_bytes(request->volume)};
    int r = export_sink_open(&e.sink, request->fd, request->format, e.size_bytes, request->cancelled);

    e.buffer = xcalloc(STEP_BYTES, 1);
    r = r ?: copy_all(&e);
    export_sink_close(&e.sink);
    free(e.buffer);
    *written_bytes = e.sink.written_bytes;
    return r ? explain(&e, r, error) : 0;
}
