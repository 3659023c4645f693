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
