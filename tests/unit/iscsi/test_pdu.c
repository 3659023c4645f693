#include "../test.h"

#include "iscsi/pdu.h"

static void a_header_survives_both_ways(void **state)
{
    uint8_t bytes[PDU_HEADER_BYTES], again[PDU_HEADER_BYTES];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + 1);
    bytes[0] = 0x41; /* immediate SCSI command */
    struct pdu pdu = pdu_decode(bytes);
    assert_true(pdu.immediate);
    assert_int_equal(pdu.opcode, PDU_SCSI_COMMAND);
    assert_int_equal(pdu.ahs_bytes, bytes[4] * 4);
    assert_int_equal(pdu.data_bytes, bytes[5] << 16 | bytes[6] << 8 | bytes[7]);
    assert_memory_equal(pdu.cdb, bytes + 32, 16);
    pdu_encode(&pdu, again);
    assert_memory_equal(again, bytes, sizeof(bytes));
}

static void words_lie_where_the_rfc_puts_them(void **state)
{
    const struct pdu pdu = {
        .opcode = PDU_DATA_IN,
        .words = {[WORD_STAT_SN] = 1, [WORD_DATA_SN] = 2, [WORD_BUFFER_OFFSET] = 3, [WORD_RESIDUAL] = 4}};
    uint8_t bytes[PDU_HEADER_BYTES];

    pdu_encode(&pdu, bytes);
    assert_int_equal(bytes[27], 1);
    assert_int_equal(bytes[39], 2);
    assert_int_equal(bytes[43], 3);
    assert_int_equal(bytes[47], 4);
}

static void lengths_with_padding_and_digests(void **state)
{
    static const struct {
        uint32_t data;
        bool header, digest;
        size_t header_bytes, trailer_bytes;
    } rows[] = {
        {0, false, false, 48, 0}, {0, true, true, 52, 0},  {1, false, false, 48, 3},
        {1, true, true, 52, 7},   {4, false, true, 48, 4}, {6, true, false, 52, 2},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct pdu pdu = {.data_bytes = rows[i].data};
        const struct pdu_digests digests = {rows[i].header, rows[i].digest};
        assert_int_equal(pdu_header_bytes(&pdu, digests), rows[i].header_bytes);
        assert_int_equal(pdu_trailer_bytes(&pdu, digests), rows[i].trailer_bytes);
    }
}

/* The examples of RFC 7143 appendix A.4: bytes as they stand on the wire. */
static void digests_are_those_of_the_rfc(void **state)
{
    static const struct {
        int first, step;
        uint8_t digest[4];
    } rows[] = {
        {0, 0, {0xaa, 0x36, 0x91, 0x8a}},
        {0xff, 0, {0x43, 0xab, 0xa8, 0x62}},
        {0, 1, {0x4e, 0x79, 0xdd, 0x46}},
        {31, -1, {0x5c, 0xdb, 0x3f, 0x11}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct pdu pdu = {.data_bytes = 32};
        const struct pdu_digests digests = {.data = true};
        uint8_t data[32 + 4];
        for (int n = 0; n < 32; n++)
            data[n] = (uint8_t)(rows[i].first + n * rows[i].step);
        assert_int_equal(pdu_write_trailer(&pdu, digests, data), 4);
        assert_memory_equal(data + 32, rows[i].digest, 4);
        assert_true(pdu_data_digest_ok(&pdu, data, data + 32, digests));
        data[5] ^= 1;
        assert_false(pdu_data_digest_ok(&pdu, data, data + 32, digests));
    }
}

static void padding_is_covered_by_the_digest(void **state)
{
    const struct pdu pdu = {.data_bytes = 5};
    const struct pdu_digests digests = {.data = true};
    uint8_t data[5 + 3 + 4] = "hello";

    assert_int_equal(pdu_write_trailer(&pdu, digests, data), 7);
    assert_true(pdu_data_digest_ok(&pdu, data, data + 5, digests));
    data[6] = 1;
    assert_false(pdu_data_digest_ok(&pdu, data, data + 5, digests));
}

static void a_header_digest_covers_the_header(void **state)
{
    const struct pdu pdu = {.opcode = PDU_NOP_IN, .task_tag = 7};
    const struct pdu_digests digests = {.header = true};
    uint8_t bytes[52];

    assert_int_equal(pdu_write_header(&pdu, digests, bytes), 52);
    assert_true(pdu_header_digest_ok(&pdu, bytes, digests));
    bytes[19] ^= 1;
    assert_false(pdu_header_digest_ok(&pdu, bytes, digests));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_survives_both_ways),
        cmocka_unit_test(words_lie_where_the_rfc_puts_them),
        cmocka_unit_test(lengths_with_padding_and_digests),
        cmocka_unit_test(digests_are_those_of_the_rfc),
        cmocka_unit_test(padding_is_covered_by_the_digest),
        cmocka_unit_test(a_header_digest_covers_the_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
