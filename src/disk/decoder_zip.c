/*
 * zip, through libarchive: the one member that is a disk, whatever else is in the archive.
 */
#include "base/text.h"
#include "disk/decoder.h"
#include "disk/filesystem.h"

#include <archive.h>
#include <archive_entry.h>

enum {
    MEMBER_HEAD_BYTES = 128 * 1024, /* reaches every file system's magic */
    MEMBERS_MAX = 10000,
    NAMES_MAX_BYTES = 200,
    END_RECORD_BYTES = 22,
};

struct zip {
    struct import_input *input;
    struct archive *archive;
    char *disk_name; /* of the member that is the disk */
    char names[NAMES_MAX_BYTES];
    unsigned members;
    bool ended;
    size_t lent_bytes; /* of the input's buffer, to libarchive */

    uint8_t *head; /* of the present member */
    size_t head_bytes;
    size_t head_at;
};

static bool recognises_zip(const uint8_t *head, size_t length_bytes)
{
    return length_bytes >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
}

/* Hands the input's buffer to libarchive, which is done with the block before when it asks for the next. */
static ssize_t give_block(struct archive *archive, void *context, const void **data)
{
    struct zip *zip = context;
    struct import_input *input = zip->input;

    input->at += zip->lent_bytes;
    zip->lent_bytes = 0;
    int r = import_input_fill(input);
    if (r < 0) {
        archive_set_error(archive, -r, "%s", strerror(-r));
        return ARCHIVE_FATAL;
    }
    zip->lent_bytes = import_input_left(input);
    *data = import_input_data(input);
    return (ssize_t)zip->lent_bytes;
}

static int zip_error(struct zip *zip, struct error *error)
{
    const char *reason = archive_error_string(zip->archive);
    char quoted[160];

    if (archive_errno(zip->archive) == ECANCELED)
        return error_set(error, -ECANCELED, "cancelled");
    quote_into(quoted, sizeof(quoted), reason ? reason : "unknown", reason ? strlen(reason) : 7);
    return error_set(error, -EBADMSG, "the zip archive is damaged or cut short (%s)", quoted);
}

/* Fills the head with the member's beginning. */
static int read_head(struct zip *zip, struct error *error)
{
    zip->head_bytes = zip->head_at = 0;
    while (zip->head_bytes < MEMBER_HEAD_BYTES) {
        ssize_t got =
            archive_read_data(zip->archive, zip->head + zip->head_bytes, MEMBER_HEAD_BYTES - zip->head_bytes);
        if (got < 0)
            return zip_error(zip, error);
        if (got == 0)
            break;
        zip->head_bytes += (size_t)got;
    }
    return 0;
}

static void note_name(struct zip *zip, const char *name)
{
    char quoted[80];
    size_t used = strlen(zip->names);

    quote_into(quoted, sizeof(quoted), name, strlen(name));
    if (used + strlen(quoted) + 3 > sizeof(zip->names))
        return;
    if (used)
        strcat(zip->names, ", ");
    strcat(zip->names, quoted);
}

/* Moves to the next member that is a file. 1 if there is one, 0 at the archive's end. */
static int next_file(struct zip *zip, const char **name, struct error *error)
{
    struct archive_entry *entry;

    for (;;) {
        int r = archive_read_next_header(zip->archive, &entry);
        if (r == ARCHIVE_EOF)
            return 0;
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
            return zip_error(zip, error);
        if (++zip->members > MEMBERS_MAX)
            return error_set(error, -E2BIG, "the zip archive has more than %d members", MEMBERS_MAX);
        *name = archive_entry_pathname(entry);
        if (!*name)
            *name = "?";
        if (archive_entry_is_encrypted(entry))
            return error_set(error, -EOPNOTSUPP, "the zip archive is encrypted: unpack it first");
        if (archive_entry_filetype(entry) == AE_IFREG)
            return 1;
    }
}

/* Moves to the next member that is a disk. 1, or 0 at the archive's end. */
static int next_disk(struct zip *zip, char **name, struct error *error)
{
    const char *member = NULL;
    int r;

    while ((r = next_file(zip, &member, error)) > 0) {
        *name = xstrdup(member);
        r = read_head(zip, error);
        if (r == 0 && is_head_of_disk(zip->head, zip->head_bytes))
            return 1;
        note_name(zip, *name);
        free(TAKE_PTR(*name));
        if (r < 0)
            return r;
    }
    return r;
}

static int say_no_disk(const struct zip *zip, struct error *error)
{
    if (!zip->names[0])
        return error_set(error, -EMEDIUMTYPE, "the zip archive is empty");
    return error_set(error, -EMEDIUMTYPE, "nothing in the zip archive is a disk (it holds %s)", zip->names);
}

static int zip_open(struct import_input *input, uint64_t limit_bytes, void **state, struct error *error)
{
    struct zip *zip = xcalloc(1, sizeof(*zip));

    *state = zip;
    zip->input = input;
    zip->head = xcalloc(MEMBER_HEAD_BYTES, 1);
    zip->archive = archive_read_new();
    CHECK(zip->archive && archive_read_support_format_zip_streamable(zip->archive) == ARCHIVE_OK);
    if (archive_read_open(zip->archive, zip, NULL, give_block, NULL) != ARCHIVE_OK)
        return zip_error(zip, error);
    int r = next_disk(zip, &zip->disk_name, error);
    return r == 0 ? say_no_disk(zip, error) : MIN(r, 0);
}

/* A zip archive ends with a record of its own (its comment may follow): reading front to back never needs it,
 * so only this tells a whole archive from one cut short, or from one with something behind it. */
static bool ends_with_record(const struct import_input *input)
{
    for (size_t i = 0; i + END_RECORD_BYTES <= input->tail_bytes; i++) {
        const uint8_t *at = input->tail + i;
        size_t comment_bytes = at[20] | (size_t)at[21] << 8;
        if (memcmp(at, "PK\5\6", 4) == 0 && i + END_RECORD_BYTES + comment_bytes == input->tail_bytes)
            return true;
    }
    return false;
}

/* Behind the disk's last byte: there must be no other disk, and nothing behind the archive. */
static ssize_t check_end(struct zip *zip, struct error *error)
{
    CLEANUP_FREE char *other = NULL;
    char first[80];
    char second[80];
    int r = next_disk(zip, &other, error);

    if (r < 0)
        return r;
    if (r > 0)
        return error_set(error, -ENOTUNIQ,
                         "the zip archive holds several disks (%s, %s): unpack it and import one",
                         quote_into(first, sizeof(first), zip->disk_name, strlen(zip->disk_name)),
                         quote_into(second, sizeof(second), other, strlen(other)));
    r = import_input_drain(zip->input);
    if (r < 0)
        return error_set_errno(error, r, "cannot be read");
    if (!ends_with_record(zip->input))
        return error_set(error, -EBADMSG, "the zip archive is cut short, or something else follows it");
    zip->ended = true;
    return 0;
}

static ssize_t zip_read(void *state, void *buffer, size_t capacity_bytes, struct error *error)
{
    struct zip *zip = state;

    if (zip->ended)
        return 0;
    if (zip->head_at < zip->head_bytes) {
        size_t length = MIN(capacity_bytes, zip->head_bytes - zip->head_at);
        memcpy(buffer, zip->head + zip->head_at, length);
        zip->head_at += length;
        return (ssize_t)length;
    }
    ssize_t got = archive_read_data(zip->archive, buffer, capacity_bytes);
    if (got < 0)
        return zip_error(zip, error);
    return got ? got : check_end(zip, error);
}

static void zip_close(void *state)
{
    struct zip *zip = state;

    archive_read_free(zip->archive);
    free(zip->disk_name);
    free(zip->head);
    free(zip);
}

const struct decoder decoder_zip = {
    .name = "zip", .recognises = recognises_zip, .open = zip_open, .read = zip_read, .close = zip_close};
