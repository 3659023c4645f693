#include "disk/export_sink.h"

#include <archive.h>
#include <archive_entry.h>
#include <limits.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum {
    CANCEL_CHECK_MS = 200,
    ZEROS_BYTES = 1 << 16,
    FILE_STEP_BYTES = 1 << 20,
};

static const uint8_t zeros[ZEROS_BYTES];

static bool is_cancelled(const struct export_sink *sink)
{
    return sink->cancelled && atomic_load(sink->cancelled);
}

/* ---- to the descriptor ---- */

/* A reader that sleeps must not keep us from being cancelled. */
static int wait_writable(const struct export_sink *sink)
{
    struct pollfd one = {.fd = sink->fd, .events = POLLOUT};

    for (;;) {
        if (is_cancelled(sink))
            return -ECANCELED;
        int r = poll(&one, 1, CANCEL_CHECK_MS);
        if (r > 0)
            return 0;
        if (r < 0 && errno != EINTR)
            return -errno;
    }
}

/* A pipe that is writable takes PIPE_BUF bytes without blocking, and more only perhaps. */
static int write_stream(struct export_sink *sink, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        int r = wait_writable(sink);
        if (r < 0)
            return r;
        ssize_t done = write(sink->fd, bytes, MIN(length, (size_t)PIPE_BUF));
        if (done < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        if (done <= 0)
            continue;
        bytes += done;
        length -= (size_t)done;
        sink->written_bytes += (uint64_t)done;
    }
    return 0;
}

static int write_file(struct export_sink *sink, const uint8_t *bytes, size_t length, uint64_t offset)
{
    while (length > 0) {
        if (is_cancelled(sink))
            return -ECANCELED;
        ssize_t done = pwrite(sink->fd, bytes, MIN(length, (size_t)FILE_STEP_BYTES), (off_t)offset);
        if (done < 0 && errno != EINTR)
            return -errno;
        if (done <= 0)
            continue;
        bytes += done;
        length -= (size_t)done;
        offset += (uint64_t)done;
        sink->written_bytes += (uint64_t)done;
    }
    return 0;
}

/* ---- through a compressor ---- */

static la_ssize_t take_compressed(struct archive *archive, void *context, const void *bytes, size_t length)
{
    struct export_sink *sink = context;

    sink->failure = write_stream(sink, bytes, length);
    if (sink->failure == 0)
        return (la_ssize_t)length;
    archive_set_error(archive, -sink->failure, "write");
    return -1;
}

static int choose_filter(struct export_sink *sink)
{
    struct archive *archive = sink->archive;

    switch (sink->format) {
    case EXPORT_GZIP:
        return archive_write_add_filter_gzip(archive);
    case EXPORT_XZ:
        /* Several blocks, of which the sizes are known: what unpacks in parallel again. */
        if (archive_write_add_filter_xz(archive) != ARCHIVE_OK)
            return ARCHIVE_FATAL;
        archive_write_set_filter_option(archive, "xz", "threads", "2");
        return ARCHIVE_OK;
    case EXPORT_ZSTD:
        return archive_write_add_filter_zstd(archive);
    case EXPORT_RAW:
        break;
    }
    CHECK(false);
    return ARCHIVE_FATAL;
}

static int open_compressor(struct export_sink *sink)
{
    sink->archive = archive_write_new();
    sink->entry = archive_entry_new();
    CHECK(sink->archive && sink->entry);
    archive_entry_set_filetype(sink->entry, AE_IFREG);
    archive_write_set_bytes_per_block(sink->archive, 0);
    archive_write_set_format_raw(sink->archive);
    if (choose_filter(sink) != ARCHIVE_OK ||
        archive_write_open(sink->archive, sink, NULL, take_compressed, NULL) != ARCHIVE_OK ||
        archive_write_header(sink->archive, sink->entry) != ARCHIVE_OK)
        return sink->failure ?: -EIO;
    return 0;
}

static int compress(struct export_sink *sink, const void *bytes, size_t length)
{
    if (is_cancelled(sink))
        return -ECANCELED;
    if (archive_write_data(sink->archive, bytes, length) == (la_ssize_t)length)
        return 0;
    return sink->failure ?: -EIO;
}

/* ---- the sink ---- */

/* Whatever the file held before must not show through the holes. */
static int prepare_file(struct export_sink *sink, uint64_t size_bytes)
{
    sink->has_holes = true;
    if (ftruncate(sink->fd, 0) < 0 || ftruncate(sink->fd, (off_t)size_bytes) < 0)
        return -errno;
    return 0;
}

static int check_device(const struct export_sink *sink, uint64_t size_bytes)
{
    uint64_t has_bytes;

    if (ioctl(sink->fd, BLKGETSIZE64, &has_bytes) < 0)
        return -errno;
    return has_bytes < size_bytes ? -EFBIG : 0;
}

int export_sink_open(struct export_sink *sink, int fd, enum export_format format, uint64_t size_bytes,
                     const atomic_bool *cancelled)
{
    struct stat info;

    *sink = (struct export_sink){.fd = fd, .format = format, .cancelled = cancelled};
    if (fstat(fd, &info) < 0)
        return -errno;
    if (format != EXPORT_RAW)
        return open_compressor(sink);
    if (S_ISREG(info.st_mode))
        return prepare_file(sink, size_bytes);
    return S_ISBLK(info.st_mode) ? check_device(sink, size_bytes) : 0;
}

int export_sink_put(struct export_sink *sink, const void *bytes, size_t length_bytes)
{
    int r;

    if (sink->archive)
        r = compress(sink, bytes, length_bytes);
    else if (sink->has_holes)
        r = write_file(sink, bytes, length_bytes, sink->position);
    else
        r = write_stream(sink, bytes, length_bytes);
    sink->position += length_bytes;
    return r;
}

int export_sink_skip(struct export_sink *sink, uint64_t length_bytes)
{
    int r = 0;

    if (sink->has_holes) {
        sink->position += length_bytes;
        return 0;
    }
    for (uint64_t left = length_bytes; r == 0 && left > 0;) {
        size_t piece = (size_t)MIN(left, (uint64_t)sizeof(zeros));
        r = export_sink_put(sink, zeros, piece);
        left -= piece;
    }
    return r;
}

int export_sink_finish(struct export_sink *sink)
{
    if (sink->archive && archive_write_close(sink->archive) != ARCHIVE_OK)
        return sink->failure ?: -EIO;
    /* A pipe cannot be synced, and need not be. */
    return fdatasync(sink->fd) < 0 && errno != EINVAL && errno != EROFS ? -errno : 0;
}

void export_sink_close(struct export_sink *sink)
{
    if (sink->archive)
        archive_write_free(sink->archive);
    if (sink->entry)
        archive_entry_free(sink->entry);
}
