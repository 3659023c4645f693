#include "iscsi/pdu.h"

#include "base/bytes.h"
#include "base/crc32c.h"

enum { OPCODE = 0x3f, IMMEDIATE = 0x40, CDB_AT = 32, FIRST_WORD_AT = 20 };

struct pdu pdu_decode(const uint8_t bytes[PDU_HEADER_BYTES])
{
    struct reader r = reader_over(bytes, PDU_HEADER_BYTES);
    struct pdu pdu;
    uint8_t first = reader_u8(&r);

    pdu.opcode = first & OPCODE;
    pdu.immediate = first & IMMEDIATE;
    pdu.flags = reader_u8(&r);
    reader_copy(&r, pdu.detail, sizeof(pdu.detail));
    pdu.ahs_bytes = (uint16_t)(reader_u8(&r) * 4);
    pdu.data_bytes = reader_be24(&r);
    reader_copy(&r, pdu.lun, sizeof(pdu.lun));
    pdu.task_tag = reader_be32(&r);
    for (size_t i = 0; i < PDU_WORDS; i++)
        pdu.words[i] = reader_be32(&r);
    memcpy(pdu.cdb, bytes + CDB_AT, sizeof(pdu.cdb));
    return pdu;
}

void pdu_encode(const struct pdu *pdu, uint8_t to[PDU_HEADER_BYTES])
{
    struct writer w = writer_over(to, PDU_HEADER_BYTES);

    writer_u8(&w, pdu->opcode | (pdu->immediate ? IMMEDIATE : 0));
    writer_u8(&w, pdu->flags);
    writer_bytes(&w, pdu->detail, sizeof(pdu->detail));
    writer_u8(&w, (uint8_t)(pdu->ahs_bytes / 4));
    writer_be24(&w, pdu->data_bytes);
    writer_bytes(&w, pdu->lun, sizeof(pdu->lun));
    writer_be32(&w, pdu->task_tag);
    for (size_t i = 0; i < PDU_WORDS; i++)
        writer_be32(&w, pdu->words[i]);
    if (pdu->opcode == PDU_SCSI_COMMAND)
        memcpy(to + CDB_AT, pdu->cdb, sizeof(pdu->cdb));
    CHECK(writer_ok(&w));
}

size_t pdu_header_bytes(const struct pdu *pdu, struct pdu_digests digests)
{
    return PDU_HEADER_BYTES + pdu->ahs_bytes + (digests.header ? PDU_DIGEST_BYTES : 0);
}

size_t pdu_padding_bytes(size_t data_bytes)
{
    return -data_bytes & 3;
}

size_t pdu_trailer_bytes(const struct pdu *pdu, struct pdu_digests digests)
{
    if (!pdu->data_bytes)
        return 0;
    return pdu_padding_bytes(pdu->data_bytes) + (digests.data ? PDU_DIGEST_BYTES : 0);
}

/* Digests are the one little-endian thing in iSCSI: the CRC's bytes go out lowest first (RFC 7143 13.1). */
static bool digest_equals(const uint8_t *at, uint32_t crc)
{
    struct reader r = reader_over(at, PDU_DIGEST_BYTES);

    return reader_le32(&r) == crc;
}

static void write_digest(uint8_t *at, uint32_t crc)
{
    struct writer w = writer_over(at, PDU_DIGEST_BYTES);

    writer_le32(&w, crc);
}

bool pdu_header_digest_ok(const struct pdu *pdu, const uint8_t *header, struct pdu_digests digests)
{
    size_t covered = PDU_HEADER_BYTES + pdu->ahs_bytes;

    return !digests.header || digest_equals(header + covered, crc32c(0, header, covered));
}

bool pdu_data_digest_ok(const struct pdu *pdu, const uint8_t *data, const uint8_t *trailer,
                        struct pdu_digests digests)
{
    size_t padding = pdu_padding_bytes(pdu->data_bytes);

    if (!digests.data || !pdu->data_bytes)
        return true;
    return digest_equals(trailer + padding, crc32c(crc32c(0, data, pdu->data_bytes), trailer, padding));
}

size_t pdu_write_header(const struct pdu *pdu, struct pdu_digests digests, uint8_t *to)
{
    pdu_encode(pdu, to);
    if (digests.header)
        write_digest(to + PDU_HEADER_BYTES, crc32c(0, to, PDU_HEADER_BYTES));
    return pdu_header_bytes(pdu, digests);
}

size_t pdu_write_trailer(const struct pdu *pdu, struct pdu_digests digests, uint8_t *data)
{
    size_t covered = pdu->data_bytes + pdu_padding_bytes(pdu->data_bytes);

    memset(data + pdu->data_bytes, 0, covered - pdu->data_bytes);
    if (digests.data && pdu->data_bytes)
        write_digest(data + covered, crc32c(0, data, covered));
    return pdu_trailer_bytes(pdu, digests);
}
