#include "disk/initramfs.h"

#include "base/text.h"
#include "disk/cpio.h"

#include <archive.h>
#include <archive_entry.h>

enum {
    ARCHIVES_MAX = 16,
    BLOCK_BYTES = 256 * 1024,
    BUILTIN_MAX_BYTES = 1 << 20,
};

#define UNPACKED_MAX_BYTES (UINT64_C(2) << 30)

/* One place in the file that goes forward: an uncompressed archive is read from it, and libarchive is fed
 * from it. */
struct feed {
    struct disk_source source;
    uint64_t offset;
    int error; /* of the source */
    uint8_t *block;
};

/* ---- what the names say ---- */

static bool is_at_end(const struct initramfs_report *report)
{
    return report->has_iscsistart && report->has_login_script && report->has_iscsi_tcp;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void note_name(struct initramfs_report *report, const char *name)
{
    const char *base = base_name(name);

    report->files++;
    if (string_equal(base, "iscsistart"))
        report->has_iscsistart = true;
    if (string_equal(base, "iscsiroot") || string_ends_with(name, "scripts/local-top/iscsi"))
        report->has_login_script = true;
    if (string_starts_with(base, "iscsi_tcp.ko"))
        report->has_iscsi_tcp = true;
    if (strstr(name, "lib/dracut/"))
        report->is_dracut = true;
    if (string_ends_with(name, "scripts/local-top") || string_ends_with(name, "scripts/functions"))
        report->is_initramfs_tools = true;
}

static bool is_list_of_builtins(const struct cpio_entry *entry)
{
    return entry->size_bytes && entry->size_bytes <= BUILTIN_MAX_BYTES &&
           string_equal(base_name(entry->name), "modules.builtin");
}

static int look_for_builtin(struct cpio_stream *stream, const struct cpio_entry *entry,
                            struct initramfs_report *report)
{
    static const char module[] = "/iscsi_tcp.ko";
    CLEANUP_FREE char *content = xcalloc(entry->size_bytes, 1);
    int r = cpio_read_content(stream, entry, content);

    if (r == 0 && memmem(content, entry->size_bytes, module, sizeof(module) - 1))
        report->has_iscsi_tcp = true;
    return r;
}

/* 0 behind the archive's trailer or once everything was found. */
static int walk_archive(struct cpio_stream *stream, struct initramfs_report *report)
{
    struct cpio_entry entry;
    int r;

    while ((r = cpio_next(stream, &entry)) > 0) {
        note_name(report, entry.name);
        if (report->files > CPIO_FILES_MAX)
            return -E2BIG;
        if (is_at_end(report))
            return 0;
        r = is_list_of_builtins(&entry) ? look_for_builtin(stream, &entry, report)
                                        : cpio_skip_content(stream, &entry);
        if (r < 0)
            return r;
    }
    return r;
}

/* ---- where the bytes come from ---- */

static ssize_t feed_read(struct feed *feed, void *buffer, size_t capacity)
{
    size_t length = (size_t)MIN((uint64_t)capacity, feed->source.size_bytes - feed->offset);
    int r = disk_source_read(&feed->source, buffer, length, feed->offset, VOLUME_MAY_WAIT);

    if (r < 0)
        return feed->error = r;
    feed->offset += length;
    return (ssize_t)length;
}

static ssize_t read_plain(void *context, void *buffer, size_t capacity)
{
    return feed_read(context, buffer, capacity);
}

static ssize_t give_block(struct archive *archive, void *context, const void **data)
{
    struct feed *feed = context;
    ssize_t got = feed_read(feed, feed->block, BLOCK_BYTES);

    *data = feed->block;
    if (got < 0)
        archive_set_error(archive, (int)-got, "read");
    return got < 0 ? ARCHIVE_FATAL : got;
}

static ssize_t read_unpacked(void *context, void *buffer, size_t capacity)
{
    la_ssize_t got = archive_read_data(context, buffer, capacity);

    return got < 0 ? -EBADMSG : got;
}

/* Only filters that are linked in: libarchive would start a program for the others. */
static struct archive *new_unpacker(void)
{
    struct archive *archive = archive_read_new();

    CHECK(archive != NULL);
    CHECK(archive_read_support_format_raw(archive) == ARCHIVE_OK);
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_bzip2(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_filter_lzma(archive);
    archive_read_support_filter_lz4(archive);
    archive_read_support_filter_zstd(archive);
    return archive;
}

static int walk_packed(struct feed *feed, struct initramfs_report *report)
{
    struct archive *archive = new_unpacker();
    struct archive_entry *entry;
    struct cpio_stream stream = {
        .read = read_unpacked, .context = archive, .limit_bytes = UNPACKED_MAX_BYTES};
    int r = -EBADMSG;

    if (archive_read_open(archive, feed, NULL, give_block, NULL) == ARCHIVE_OK &&
        archive_read_next_header(archive, &entry) == ARCHIVE_OK && archive_filter_count(archive) == 2) {
        COPY_STRING(report->compression, archive_filter_name(archive, 0));
        r = walk_archive(&stream, report);
    }
    archive_read_free(archive);
    return r;
}

/* Zeros fill the gap between archives. 1 if something follows. */
static int skip_zeros(struct feed *feed, bool *is_cpio)
{
    char magic[6] = {0};

    for (;;) {
        size_t length = (size_t)MIN((uint64_t)BLOCK_BYTES, feed->source.size_bytes - feed->offset);
        size_t zeros = 0;
        int r = disk_source_read(&feed->source, feed->block, length, feed->offset, VOLUME_MAY_WAIT);
        if (r < 0)
            return feed->error = r;
        if (!length)
            return 0;
        while (zeros < length && !feed->block[zeros])
            zeros++;
        feed->offset += zeros;
        if (zeros < length)
            break;
    }
    if (feed->source.size_bytes - feed->offset >= sizeof(magic))
        feed->error = disk_source_read(&feed->source, magic, sizeof(magic), feed->offset, VOLUME_MAY_WAIT);
    *is_cpio = memcmp(magic, "070701", 6) == 0 || memcmp(magic, "070702", 6) == 0;
    return feed->error < 0 ? feed->error : 1;
}

/* What follows a compressed archive is not looked at: nobody but the kernel knows where it ends, and nobody
 * puts anything there. */
static int walk_all(struct feed *feed, struct initramfs_report *report)
{
    for (unsigned i = 0; i < ARCHIVES_MAX && !is_at_end(report); i++) {
        bool is_cpio;
        int r = skip_zeros(feed, &is_cpio);
        if (r <= 0)
            return r;
        if (!is_cpio)
            return walk_packed(feed, report);
        struct cpio_stream stream = {.read = read_plain, .context = feed, .limit_bytes = UNPACKED_MAX_BYTES};
        r = walk_archive(&stream, report);
        if (r < 0)
            return r;
    }
    return 0;
}

int initramfs_inspect(const struct disk_source *source, struct initramfs_report *report)
{
    struct feed feed = {.source = *source, .block = xcalloc(BLOCK_BYTES, 1)};

    *report = (struct initramfs_report){0};
    report->was_read = walk_all(&feed, report) == 0 && report->files > 0;
    free(feed.block);
    if (report->has_iscsistart && report->has_login_script && report->has_iscsi_tcp)
        report->can_login = INITRAMFS_YES;
    else if (report->was_read)
        report->can_login = INITRAMFS_NO;
    return feed.error;
}

const char *initramfs_answer_name(enum initramfs_answer answer)
{
    switch (answer) {
    case INITRAMFS_UNKNOWN:
        return "unknown";
    case INITRAMFS_NO:
        return "no";
    case INITRAMFS_YES:
        return "yes";
    }
    CHECK(false);
}
