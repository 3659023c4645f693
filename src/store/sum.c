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

static void encode_unit(uint8_t to[UNIT_BYTES], uint64_t layer_id, size_t index, const struct sum *sum)
{
    uint8_t payload[UNIT_PAYLOAD_BYTES] = {0};
    struct writer w = writer_over(payload, sizeof(payload));
    size_t end = MIN(sum->count, (index + 1) * SUM_UNIT_VALUES);

    for (size_t i = index * SUM_UNIT_VALUES; i < end; i++)
        writer_le32(&w, sum->values[i]);
    unit_encode(to, payload, 1, layer_id, index);
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

static int decode(const uint8_t *bytes, uint64_t layer_id, size_t count, struct sum *sum)
{
    int rc = unit_header_decode(bytes, UNIT_MAGIC_SUM, layer_id);

    for (size_t i = 0; !rc && i < unit_count(count); i++) {
        uint8_t payload[UNIT_PAYLOAD_BYTES];
        uint32_t generation;
        if (unit_decode(bytes + unit_offset(i), layer_id, i, payload, &generation) != UNIT_VALID)
            return -EUCLEAN;
        struct reader r = reader_over(payload, sizeof(payload));
        for (size_t value = i * SUM_UNIT_VALUES; value < MIN(count, (i + 1) * SUM_UNIT_VALUES); value++)
            sum_append(sum, reader_le32(&r));
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
