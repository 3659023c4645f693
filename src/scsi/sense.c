#include "scsi/sense.h"

#include "base/bytes.h"

enum {
    RESPONSE_FIXED = 0x70,
    RESPONSE_DESCRIPTOR = 0x72,
    FIXED_VALID = 0x80,
    DESCRIPTOR_INFORMATION = 0x00,
    DESCRIPTOR_KEY_SPECIFIC = 0x02,
    SPECIFIC_VALID = 0x80,
    FIELD_IN_CDB = 0x40,
};

/* What the sense key says more exactly: which byte was refused, or how far an operation is (SPC-4 4.5.2.4).
 */
static void write_key_specific(struct writer *w, const struct sense *sense)
{
    uint8_t field = SPECIFIC_VALID | (sense->field_in_cdb ? FIELD_IN_CDB : 0);

    writer_u8(w, sense->has_field ? field : sense->has_progress ? SPECIFIC_VALID : 0);
    writer_be16(w, sense->has_field ? sense->field : sense->has_progress ? sense->progress : 0);
}

static size_t encode_fixed(const struct sense *sense, uint8_t *to)
{
    struct writer w = writer_over(to, SENSE_FIXED_BYTES);
    /* The field has four bytes; a larger value cannot be told in this format. */
    bool valid = sense->has_information && sense->information <= UINT32_MAX;

    writer_u8(&w, RESPONSE_FIXED | (valid ? FIXED_VALID : 0));
    writer_u8(&w, 0);
    writer_u8(&w, (uint8_t)sense->key);
    writer_be32(&w, valid ? (uint32_t)sense->information : 0);
    writer_u8(&w, SENSE_FIXED_BYTES - 8);
    writer_be32(&w, 0);
    writer_be16(&w, (uint16_t)sense->code);
    writer_u8(&w, 0);
    write_key_specific(&w, sense);
    CHECK(writer_ok(&w));
    return w.offset;
}

static size_t encode_descriptor(const struct sense *sense, uint8_t *to)
{
    struct writer w = writer_over(to, SENSE_MAX_BYTES);

    writer_u8(&w, RESPONSE_DESCRIPTOR);
    writer_u8(&w, (uint8_t)sense->key);
    writer_be16(&w, (uint16_t)sense->code);
    writer_fill(&w, 0, 4);
    if (sense->has_information) {
        writer_u8(&w, DESCRIPTOR_INFORMATION);
        writer_u8(&w, 0x0a);
        writer_be16(&w, 0x8000);
        writer_be64(&w, sense->information);
    }
    if (sense->has_field || sense->has_progress) {
        writer_u8(&w, DESCRIPTOR_KEY_SPECIFIC);
        writer_u8(&w, 0x06);
        writer_be16(&w, 0);
        write_key_specific(&w, sense);
        writer_u8(&w, 0);
    }
    CHECK(writer_ok(&w));
    to[7] = (uint8_t)(w.offset - 8);
    return w.offset;
}

size_t sense_encode(const struct sense *sense, bool descriptor, uint8_t to[SENSE_MAX_BYTES])
{
    return descriptor ? encode_descriptor(sense, to) : encode_fixed(sense, to);
}
