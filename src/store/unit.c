#include "store/unit.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/volume.h"

enum {
    HEADER_CHECKED_BYTES = 24, /* what the header's CRC covers */
    UNIT_CHECKED_BYTES = 508,
};

uint64_t unit_offset(uint64_t index)
{
    return UNIT_HEADER_BYTES + index * UNIT_BYTES;
}

bool bytes_are_zero(const void *bytes, size_t length_bytes)
{
    const uint8_t *at = bytes;

    return length_bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, length_bytes - 1) == 0);
}

void unit_header_encode(uint8_t to[UNIT_HEADER_BYTES], const char *magic, uint64_t layer_id)
{
    struct writer w = writer_over(to, UNIT_HEADER_COPY_BYTES);

    writer_bytes(&w, magic, 8);
    writer_le32(&w, UNIT_VERSION);
    writer_le32(&w, VOLUME_BLOCK_BYTES);
    writer_le64(&w, layer_id);
    writer_le32(&w, crc32c(0, to, HEADER_CHECKED_BYTES));
    writer_fill(&w, 0, writer_left(&w));
    memcpy(to + UNIT_HEADER_COPY_BYTES, to, UNIT_HEADER_COPY_BYTES);
}

static int header_copy_decode(const uint8_t *from, const char *magic, uint64_t layer_id)
{
    struct reader r = reader_over(from, UNIT_HEADER_COPY_BYTES);
    bool right_magic = memcmp(reader_bytes(&r, 8), magic, 8) == 0;
    uint32_t version = reader_le32(&r);
    uint32_t block_bytes = reader_le32(&r);
    uint64_t id = reader_le64(&r);

    if (!right_magic || reader_le32(&r) != crc32c(0, from, HEADER_CHECKED_BYTES))
        return -EUCLEAN;
    if (version > UNIT_VERSION)
        return -EPROTONOSUPPORT;
    return id == layer_id && block_bytes == VOLUME_BLOCK_BYTES ? 0 : -EUCLEAN;
}

int unit_header_decode(const uint8_t from[UNIT_HEADER_BYTES], const char *magic, uint64_t layer_id)
{
    int rc = header_copy_decode(from, magic, layer_id);

    return rc == -EUCLEAN ? header_copy_decode(from + UNIT_HEADER_COPY_BYTES, magic, layer_id) : rc;
}

/* Covers where the unit belongs, so that one written to the wrong place is seen. */
static uint32_t unit_checksum(const uint8_t *unit, uint64_t layer_id, uint64_t index)
{
    uint8_t place[16];
    struct writer w = writer_over(place, sizeof(place));

    writer_le64(&w, layer_id);
    writer_le64(&w, index);
    return crc32c(crc32c(0, place, sizeof(place)), unit, UNIT_CHECKED_BYTES);
}

void unit_encode(uint8_t to[UNIT_BYTES], const uint8_t payload[UNIT_PAYLOAD_BYTES], uint32_t generation,
                 uint64_t layer_id, uint64_t index)
{
    struct writer w = writer_over(to, UNIT_BYTES);

    writer_bytes(&w, payload, UNIT_PAYLOAD_BYTES);
    writer_le32(&w, generation);
    writer_le32(&w, unit_checksum(to, layer_id, index));
}

enum unit_state unit_decode(const uint8_t from[UNIT_BYTES], uint64_t layer_id, uint64_t index,
                            uint8_t payload[UNIT_PAYLOAD_BYTES], uint32_t *generation)
{
    struct reader r = reader_over(from, UNIT_BYTES);

    memset(payload, 0, UNIT_PAYLOAD_BYTES);
    *generation = 0;
    if (bytes_are_zero(from, UNIT_BYTES))
        return UNIT_EMPTY;
    reader_skip(&r, UNIT_CHECKED_BYTES);
    if (reader_le32(&r) != unit_checksum(from, layer_id, index))
        return UNIT_DAMAGED;
    memcpy(payload, from, UNIT_PAYLOAD_BYTES);
    reader_seek(&r, UNIT_PAYLOAD_BYTES);
    *generation = reader_le32(&r);
    return UNIT_VALID;
}
