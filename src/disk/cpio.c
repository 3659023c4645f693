#include "disk/cpio.h"

#include "base/text.h"

enum {
    HEADER_BYTES = 110,
    FIELDS = 13,
    FIELD_SIZE = 6,
    FIELD_NAME_SIZE = 11,
    ALIGNMENT = 4,
    SKIP_BYTES = 65536
};

static int take(struct cpio_stream *stream, void *buffer, size_t length)
{
    uint8_t *to = buffer;

    if (length > stream->limit_bytes - stream->taken_bytes)
        return -EFBIG;
    stream->taken_bytes += length;
    while (length) {
        ssize_t got = stream->read(stream->context, to, length);
        if (got <= 0)
            return got < 0 ? (int)got : -EBADMSG;
        to += got;
        length -= (size_t)got;
    }
    return 0;
}

static int skip(struct cpio_stream *stream, uint64_t length)
{
    uint8_t nowhere[SKIP_BYTES];
    int r = 0;

    while (r == 0 && length) {
        size_t piece = (size_t)MIN(length, (uint64_t)sizeof(nowhere));
        r = take(stream, nowhere, piece);
        length -= piece;
    }
    return r;
}

/* Headers and contents begin at multiples of four, counted from the archive's beginning. */
static int align(struct cpio_stream *stream)
{
    uint64_t over = stream->taken_bytes % ALIGNMENT;

    return over ? skip(stream, ALIGNMENT - over) : 0;
}

static bool parse_hex(const char digits[8], uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < 8; i++) {
        char c = digits[i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
        *value = *value << 4 | digit;
    }
    return true;
}

static bool parse_header(const char header[HEADER_BYTES], uint32_t fields[FIELDS])
{
    if (memcmp(header, "070701", 6) != 0 && memcmp(header, "070702", 6) != 0)
        return false;
    for (size_t i = 0; i < FIELDS; i++) {
        if (!parse_hex(header + 6 + 8 * i, &fields[i]))
            return false;
    }
    return fields[FIELD_NAME_SIZE] > 0 && fields[FIELD_NAME_SIZE] <= CPIO_NAME_SIZE;
}

int cpio_next(struct cpio_stream *stream, struct cpio_entry *entry)
{
    char header[HEADER_BYTES];
    uint32_t fields[FIELDS];
    int r = take(stream, header, sizeof(header));

    if (r < 0)
        return r;
    if (!parse_header(header, fields))
        return -EBADMSG;
    r = take(stream, entry->name, fields[FIELD_NAME_SIZE]);
    if (r == 0)
        r = align(stream);
    if (r < 0)
        return r;
    if (entry->name[fields[FIELD_NAME_SIZE] - 1] != '\0')
        return -EBADMSG;
    entry->size_bytes = fields[FIELD_SIZE];
    return string_equal(entry->name, "TRAILER!!!") ? 0 : 1;
}

int cpio_read_content(struct cpio_stream *stream, const struct cpio_entry *entry, void *content)
{
    int r = take(stream, content, entry->size_bytes);

    return r < 0 ? r : align(stream);
}

int cpio_skip_content(struct cpio_stream *stream, const struct cpio_entry *entry)
{
    int r = skip(stream, entry->size_bytes);

    return r < 0 ? r : align(stream);
}
