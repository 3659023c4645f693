#include "base/bytes.h"

struct reader reader_over(const void *data, size_t length_bytes)
{
    return (struct reader){.data = data, .length_bytes = length_bytes};
}

bool reader_ok(const struct reader *r)
{
    return !r->failed;
}

size_t reader_left(const struct reader *r)
{
    return r->failed ? 0 : r->length_bytes - r->offset;
}

const uint8_t *reader_bytes(struct reader *r, size_t length_bytes)
{
    if (r->failed || length_bytes > r->length_bytes - r->offset) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *at = r->data + r->offset;
    r->offset += length_bytes;
    return at;
}

static uint64_t read_big_endian(struct reader *r, size_t width)
{
    const uint8_t *at = reader_bytes(r, width);
    uint64_t value = 0;

    for (size_t i = 0; at && i < width; i++)
        value = value << 8 | at[i];
    return value;
}

static uint64_t read_little_endian(struct reader *r, size_t width)
{
    const uint8_t *at = reader_bytes(r, width);
    uint64_t value = 0;

    for (size_t i = width; at && i > 0; i--)
        value = value << 8 | at[i - 1];
    return value;
}

uint8_t reader_u8(struct reader *r)
{
    return (uint8_t)read_big_endian(r, 1);
}

uint16_t reader_be16(struct reader *r)
{
    return (uint16_t)read_big_endian(r, 2);
}

uint32_t reader_be24(struct reader *r)
{
    return (uint32_t)read_big_endian(r, 3);
}

uint32_t reader_be32(struct reader *r)
{
    return (uint32_t)read_big_endian(r, 4);
}

uint64_t reader_be64(struct reader *r)
{
    return read_big_endian(r, 8);
}

uint16_t reader_le16(struct reader *r)
{
    return (uint16_t)read_little_endian(r, 2);
}

uint32_t reader_le32(struct reader *r)
{
    return (uint32_t)read_little_endian(r, 4);
}

uint64_t reader_le64(struct reader *r)
{
    return read_little_endian(r, 8);
}

void reader_copy(struct reader *r, void *to, size_t length_bytes)
{
    const uint8_t *at = reader_bytes(r, length_bytes);

    if (at)
        memcpy(to, at, length_bytes);
    else
        memset(to, 0, length_bytes);
}

void reader_skip(struct reader *r, size_t length_bytes)
{
    reader_bytes(r, length_bytes);
}

void reader_seek(struct reader *r, size_t offset)
{
    if (offset > r->length_bytes)
        r->failed = true;
    else
        r->offset = offset;
}

struct reader reader_take(struct reader *r, size_t length_bytes)
{
    const uint8_t *at = reader_bytes(r, length_bytes);

    if (!at)
        return (struct reader){.failed = true};
    return reader_over(at, length_bytes);
}

const char *reader_cstring(struct reader *r)
{
    size_t left = reader_left(r);
    const uint8_t *end = left ? memchr(r->data + r->offset, '\0', left) : NULL;

    if (!end) {
        r->failed = true;
        return NULL;
    }
    return (const char *)reader_bytes(r, (size_t)(end - (r->data + r->offset)) + 1);
}

struct writer writer_over(void *data, size_t capacity_bytes)
{
    return (struct writer){.data = data, .capacity_bytes = capacity_bytes};
}

bool writer_ok(const struct writer *w)
{
    return !w->failed;
}

size_t writer_left(const struct writer *w)
{
    return w->failed ? 0 : w->capacity_bytes - w->offset;
}

static uint8_t *writer_room(struct writer *w, size_t length_bytes)
{
    if (w->failed || length_bytes > w->capacity_bytes - w->offset) {
        w->failed = true;
        return NULL;
    }
    uint8_t *at = w->data + w->offset;
    w->offset += length_bytes;
    return at;
}

static void write_big_endian(struct writer *w, uint64_t value, size_t width)
{
    uint8_t *at = writer_room(w, width);

    for (size_t i = width; at && i > 0; i--, value >>= 8)
        at[i - 1] = (uint8_t)value;
}

static void write_little_endian(struct writer *w, uint64_t value, size_t width)
{
    uint8_t *at = writer_room(w, width);

    for (size_t i = 0; at && i < width; i++, value >>= 8)
        at[i] = (uint8_t)value;
}

void writer_u8(struct writer *w, uint8_t value)
{
    write_big_endian(w, value, 1);
}

void writer_be16(struct writer *w, uint16_t value)
{
    write_big_endian(w, value, 2);
}

void writer_be24(struct writer *w, uint32_t value)
{
    write_big_endian(w, value, 3);
}

void writer_be32(struct writer *w, uint32_t value)
{
    write_big_endian(w, value, 4);
}

void writer_be64(struct writer *w, uint64_t value)
{
    write_big_endian(w, value, 8);
}

void writer_le16(struct writer *w, uint16_t value)
{
    write_little_endian(w, value, 2);
}

void writer_le32(struct writer *w, uint32_t value)
{
    write_little_endian(w, value, 4);
}

void writer_le64(struct writer *w, uint64_t value)
{
    write_little_endian(w, value, 8);
}

void writer_bytes(struct writer *w, const void *from, size_t length_bytes)
{
    uint8_t *at = writer_room(w, length_bytes);

    if (at && length_bytes)
        memcpy(at, from, length_bytes);
}

void writer_fill(struct writer *w, uint8_t value, size_t length_bytes)
{
    uint8_t *at = writer_room(w, length_bytes);

    if (at)
        memset(at, value, length_bytes);
}

void writer_cstring(struct writer *w, const char *s)
{
    writer_bytes(w, s, strlen(s) + 1);
}

void writer_align(struct writer *w, size_t alignment)
{
    size_t over = w->offset % alignment;

    if (over)
        writer_fill(w, 0, alignment - over);
}
