#include "rpc/record.h"

enum { FIRST_CAPACITY_BYTES = 1024 };

static const uint32_t last_fragment = UINT32_C(1) << 31;

void record_init(struct record *record, size_t max_bytes)
{
    *record = (struct record){.max_bytes = max_bytes};
}

void record_end(struct record *record)
{
    free(record->data);
    record->data = NULL;
}

static bool take_mark(struct record *record)
{
    struct reader r = reader_over(record->mark, sizeof(record->mark));
    uint32_t mark = reader_be32(&r);

    record->last = mark & last_fragment;
    record->fragment_left = mark & ~last_fragment;
    return record->fragment_left <= record->max_bytes - record->length_bytes;
}

static void append(struct record *record, const uint8_t *bytes, size_t length_bytes)
{
    size_t needed = record->length_bytes + length_bytes;

    if (needed > record->capacity_bytes) {
        size_t capacity = MAX(record->capacity_bytes * 2, (size_t)FIRST_CAPACITY_BYTES);
        capacity = MAX(capacity, needed);
        record->capacity_bytes = MIN(capacity, record->max_bytes);
        record->data = xrealloc(record->data, record->capacity_bytes, 1);
    }
    if (length_bytes)
        memcpy(record->data + record->length_bytes, bytes, length_bytes);
    record->length_bytes = needed;
}

static size_t input_mark(struct record *record, const uint8_t *bytes, size_t length_bytes)
{
    size_t step = MIN(length_bytes, (size_t)(RECORD_MARK_BYTES - record->mark_bytes));

    memcpy(record->mark + record->mark_bytes, bytes, step);
    record->mark_bytes += (unsigned)step;
    return step;
}

static size_t input_fragment(struct record *record, const uint8_t *bytes, size_t length_bytes)
{
    size_t step = MIN(length_bytes, record->fragment_left);

    append(record, bytes, step);
    record->fragment_left -= step;
    return step;
}

enum record_outcome record_input(struct record *record, const uint8_t *bytes, size_t length_bytes,
                                 size_t *used)
{
    *used = 0;
    while (*used < length_bytes) {
        if (record->mark_bytes < RECORD_MARK_BYTES) {
            *used += input_mark(record, bytes + *used, length_bytes - *used);
            if (record->mark_bytes == RECORD_MARK_BYTES && !take_mark(record))
                return RECORD_REFUSED;
        } else {
            *used += input_fragment(record, bytes + *used, length_bytes - *used);
        }
        if (record->mark_bytes < RECORD_MARK_BYTES || record->fragment_left)
            continue;
        record->mark_bytes = 0;
        if (record->last)
            return RECORD_COMPLETE;
    }
    return RECORD_MORE;
}

uint8_t *record_take(struct record *record, size_t *length_bytes)
{
    uint8_t *data = TAKE_PTR(record->data);

    *length_bytes = record->length_bytes;
    record_init(record, record->max_bytes);
    return data;
}

void record_put_mark(uint8_t to[RECORD_MARK_BYTES], size_t length_bytes)
{
    struct writer w = writer_over(to, RECORD_MARK_BYTES);

    writer_be32(&w, last_fragment | (uint32_t)length_bytes);
}
