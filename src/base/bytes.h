/*
 * Cursors over bytes: the only place that knows byte order.
 *
 * Both cursors carry a sticky error. After the first access out of range a reader gives zeros and a writer writes
 * nothing, so a decoder is a straight list of reads with one question at the end (`reader_ok`). Neither cursor owns
 * or allocates memory.
 */
#pragma once

#include "base/base.h"

#include <endian.h>

struct reader {
    const uint8_t *data;
    size_t length_bytes;
    size_t offset;
    bool failed;
};

struct writer {
    uint8_t *data;
    size_t capacity_bytes;
    size_t offset;
    bool failed;
};

struct reader reader_over(const void *data, size_t length_bytes);

bool reader_ok(const struct reader *r);
size_t reader_left(const struct reader *r);

/* Points into the reader's own memory; NULL (and the sticky error) if fewer than `length_bytes` are left. */
static inline const uint8_t *reader_bytes(struct reader *r, size_t length_bytes)
{
    if (r->failed || length_bytes > r->length_bytes - r->offset) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *at = r->data + r->offset;
    r->offset += length_bytes;
    return at;
}

/* Numbers are in line: the header of a packet is a dozen of them, and as calls they showed on the path of every read.
 * `width` is a constant wherever these are used. */
static inline uint64_t reader_big_endian(struct reader *r, size_t width)
{
    const uint8_t *at = reader_bytes(r, width);
    uint64_t value = 0;

    if (!at)
        return 0;
    memcpy((uint8_t *)&value + sizeof(value) - width, at, width);
    return be64toh(value);
}

static inline uint64_t reader_little_endian(struct reader *r, size_t width)
{
    const uint8_t *at = reader_bytes(r, width);
    uint64_t value = 0;

    if (at)
        memcpy(&value, at, width);
    return le64toh(value);
}

static inline uint8_t reader_u8(struct reader *r)
{
    return (uint8_t)reader_big_endian(r, 1);
}

static inline uint16_t reader_be16(struct reader *r)
{
    return (uint16_t)reader_big_endian(r, 2);
}

static inline uint32_t reader_be24(struct reader *r)
{
    return (uint32_t)reader_big_endian(r, 3);
}

static inline uint32_t reader_be32(struct reader *r)
{
    return (uint32_t)reader_big_endian(r, 4);
}

static inline uint64_t reader_be64(struct reader *r)
{
    return (uint64_t)reader_big_endian(r, 8);
}

static inline uint16_t reader_le16(struct reader *r)
{
    return (uint16_t)reader_little_endian(r, 2);
}

static inline uint32_t reader_le32(struct reader *r)
{
    return (uint32_t)reader_little_endian(r, 4);
}

static inline uint64_t reader_le64(struct reader *r)
{
    return (uint64_t)reader_little_endian(r, 8);
}

/* Copies, or fills `to` with zeros when out of range. */
void reader_copy(struct reader *r, void *to, size_t length_bytes);
void reader_skip(struct reader *r, size_t length_bytes);
/* Moves to an absolute offset; past the end is an error. */
void reader_seek(struct reader *r, size_t offset);
/* A reader over the next `length_bytes`, which this reader skips. On failure the result has failed too. */
struct reader reader_take(struct reader *r, size_t length_bytes);
/* A NUL-terminated string inside the memory, without copying; NULL and the sticky error if no NUL is left. */
const char *reader_cstring(struct reader *r);

struct writer writer_over(void *data, size_t capacity_bytes);

bool writer_ok(const struct writer *w);
size_t writer_left(const struct writer *w);

/* Where the next `length_bytes` go, which count as written; NULL and the sticky error if there is no room. */
static inline uint8_t *writer_room(struct writer *w, size_t length_bytes)
{
    if (w->failed || length_bytes > w->capacity_bytes - w->offset) {
        w->failed = true;
        return NULL;
    }
    uint8_t *at = w->data + w->offset;
    w->offset += length_bytes;
    return at;
}

static inline void writer_big_endian(struct writer *w, uint64_t value, size_t width)
{
    uint8_t *at = writer_room(w, width);

    value = htobe64(value);
    if (at)
        memcpy(at, (uint8_t *)&value + sizeof(value) - width, width);
}

static inline void writer_little_endian(struct writer *w, uint64_t value, size_t width)
{
    uint8_t *at = writer_room(w, width);

    value = htole64(value);
    if (at)
        memcpy(at, &value, width);
}

static inline void writer_u8(struct writer *w, uint8_t value)
{
    writer_big_endian(w, value, 1);
}

static inline void writer_be16(struct writer *w, uint16_t value)
{
    writer_big_endian(w, value, 2);
}

static inline void writer_be24(struct writer *w, uint32_t value)
{
    writer_big_endian(w, value, 3);
}

static inline void writer_be32(struct writer *w, uint32_t value)
{
    writer_big_endian(w, value, 4);
}

static inline void writer_be64(struct writer *w, uint64_t value)
{
    writer_big_endian(w, value, 8);
}

static inline void writer_le16(struct writer *w, uint16_t value)
{
    writer_little_endian(w, value, 2);
}

static inline void writer_le32(struct writer *w, uint32_t value)
{
    writer_little_endian(w, value, 4);
}

static inline void writer_le64(struct writer *w, uint64_t value)
{
    writer_little_endian(w, value, 8);
}

void writer_bytes(struct writer *w, const void *from, size_t length_bytes);
void writer_fill(struct writer *w, uint8_t value, size_t length_bytes);
/* The string and its NUL. */
void writer_cstring(struct writer *w, const char *s);
/* Zeros up to the next multiple of `alignment`, counted from the writer's start. */
void writer_align(struct writer *w, size_t alignment);
