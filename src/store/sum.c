#include "store/sum.h"

#include "base/bytes.h"

#include <fcntl.h>

void sum_append(struct sum *sum, uint32_t crc)
{
    if (sum->count == sum->capacity) {
        sum->capacity = MAX(sum->capacity * 2, (size_t)1024);
        sum->values = xrealloc(sum->values, sum->capacity, sizeof(uint32_t));
    }
    sum->values[sum->count++] = crc;
}

void sum_free(struct sum *sum)
{
    free(sum->values);
    *sum = (struct sum){0};
}

static size_t unit_count(size_t values)
{
    return (values + SUM_UNIT_VALUES - 1) / SUM_UNIT_VALUES;
}

static void encode_values(uint8_t to[UNIT_BYTES], uint64_t layer_id, uint64_t index, const uint32_t *values,
                          size_t count)
{
    uint8_t payload[UNIT_PAYLOAD_BYTES] = {0};
    struct writer w = writer_over(payload, sizeof(payload));

    for (size_t i = 0; i < count; i++)
        writer_le32(&w, values[i]);
    unit_encode(to, payload, 1, layer_id, index);
}

static void encode_unit(uint8_t to[UNIT_BYTES], uint64_t layer_id, size_t index, const struct sum *sum)
{
    size_t first = index * SUM_UNIT_VALUES;

    encode_values(to, layer_id, index, sum->values + first, MIN(sum->count - first, (size_t)SUM_UNIT_VALUES));
}

int sum_write(const struct store_io *io, const char *path, uint64_t layer_id, const struct sum *sum)
{
    size_t length_bytes = unit_offset(unit_count(sum->count));
    CLEANUP_FREE uint8_t *bytes = xcalloc(1, length_bytes);
    int fd = io->open(io->context, path, O_RDWR | O_CREAT | O_TRUNC);

    if (fd < 0)
        return fd;
    unit_header_encode(bytes, UNIT_MAGIC_SUM, layer_id);
    for (size_t i = 0; i < unit_count(sum->count); i++)
        encode_unit(bytes + unit_offset(i), layer_id, i, sum);
    int rc = io_write_bytes(io, fd, bytes, length_bytes, 0);
    rc = rc ?: io->fsync(io->context, fd);
    io->close(io->context, fd);
    return rc;
}

static int decode_values(const uint8_t from[UNIT_BYTES], uint64_t layer_id, uint64_t index,
                         uint32_t values[SUM_UNIT_VALUES])
{
    uint8_t payload[UNIT_PAYLOAD_BYTES];
    uint32_t generation;

    if (unit_decode(from, layer_id, index, payload, &generation) != UNIT_VALID)
        return -EUCLEAN;
    struct reader r = reader_over(payload, sizeof(payload));
    for (size_t i = 0; i < SUM_UNIT_VALUES; i++)
        values[i] = reader_le32(&r);
    return 0;
}

static int decode(const uint8_t *bytes, uint64_t layer_id, size_t count, struct sum *sum)
{
    int rc = unit_header_decode(bytes, UNIT_MAGIC_SUM, layer_id);

    for (size_t i = 0; !rc && i < unit_count(count); i++) {
        uint32_t values[SUM_UNIT_VALUES];
        rc = decode_values(bytes + unit_offset(i), layer_id, i, values);
        for (size_t n = 0; !rc && n < MIN(count - i * SUM_UNIT_VALUES, (size_t)SUM_UNIT_VALUES); n++)
            sum_append(sum, values[n]);
    }
    return rc;
}

int sum_read(const struct store_io *io, const char *path, uint64_t layer_id, size_t count, struct sum *sum)
{
    size_t length_bytes = unit_offset(unit_count(count));
    CLEANUP_FREE uint8_t *bytes = xcalloc(1, length_bytes);
    int fd = io->open(io->context, path, O_RDONLY);

    if (fd < 0)
        return fd;
    int rc = io_read_bytes(io, fd, bytes, length_bytes, 0);
    io->close(io->context, fd);
    return rc ?: decode(bytes, layer_id, count, sum);
}

/* ---- unit by unit ---- */

int sum_header_write(const struct store_io *io, int fd, uint64_t layer_id)
{
    uint8_t header[UNIT_HEADER_BYTES];

    unit_header_encode(header, UNIT_MAGIC_SUM, layer_id);
    return io_write_bytes(io, fd, header, sizeof(header), 0);
}

int sum_header_check(const struct store_io *io, int fd, uint64_t layer_id)
{
    uint8_t header[UNIT_HEADER_BYTES];
    int rc = io_read_bytes(io, fd, header, sizeof(header), 0);

    return rc ?: unit_header_decode(header, UNIT_MAGIC_SUM, layer_id);
}

int sum_unit_write(const struct store_io *io, int fd, uint64_t layer_id, uint64_t index,
                   const uint32_t values[SUM_UNIT_VALUES])
{
    uint8_t unit[UNIT_BYTES];

    encode_values(unit, layer_id, index, values, SUM_UNIT_VALUES);
    return io_write_bytes(io, fd, unit, sizeof(unit), unit_offset(index));
}

int sum_unit_read(const struct store_io *io, int fd, uint64_t layer_id, uint64_t index,
                  uint32_t values[SUM_UNIT_VALUES])
{
    uint8_t unit[UNIT_BYTES];
    int rc = io_read_bytes(io, fd, unit, sizeof(unit), unit_offset(index));

    return rc ?: decode_values(unit, layer_id, index, values);
}
