#include "rpc/xdr.h"

static size_t padding(size_t length_bytes)
{
    return -length_bytes & 3;
}

const uint8_t *xdr_fixed(struct reader *r, size_t length_bytes)
{
    const uint8_t *at = reader_bytes(r, length_bytes);

    reader_skip(r, padding(length_bytes));
    return reader_ok(r) ? at : NULL;
}

const uint8_t *xdr_opaque(struct reader *r, size_t max_bytes, size_t *length_bytes)
{
    uint32_t length = reader_be32(r);

    *length_bytes = 0;
    if (length > max_bytes)
        r->failed = true;
    const uint8_t *at = xdr_fixed(r, length);
    if (at)
        *length_bytes = length;
    return at;
}

bool xdr_bool(struct reader *r)
{
    uint32_t value = reader_be32(r);

    if (value > 1)
        r->failed = true;
    return value == 1;
}

uint32_t xdr_count(struct reader *r, uint32_t max)
{
    uint32_t count = reader_be32(r);

    if (count > max)
        r->failed = true;
    return reader_ok(r) ? count : 0;
}

void xdr_put_fixed(struct writer *w, const void *bytes, size_t length_bytes)
{
    writer_bytes(w, bytes, length_bytes);
    writer_fill(w, 0, padding(length_bytes));
}

void xdr_put_opaque(struct writer *w, const void *bytes, size_t length_bytes)
{
    writer_be32(w, (uint32_t)length_bytes);
    xdr_put_fixed(w, bytes, length_bytes);
}

void xdr_put_string(struct writer *w, const char *s)
{
    xdr_put_opaque(w, s, strlen(s));
}

void xdr_put_bool(struct writer *w, bool value)
{
    writer_be32(w, value);
}

size_t xdr_put_later(struct writer *w)
{
    size_t place = w->offset;

    writer_be32(w, 0);
    return place;
}

void xdr_patch(struct writer *w, size_t place, uint32_t value)
{
    struct writer patch = writer_over(w->data, w->offset);

    if (!writer_ok(w))
        return;
    patch.offset = place;
    writer_be32(&patch, value);
    CHECK(writer_ok(&patch));
}

void xdr_rewind(struct writer *w, size_t offset)
{
    CHECK(offset <= w->offset);
    w->offset = offset;
    w->failed = false;
}
