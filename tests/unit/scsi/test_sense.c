#include "../test.h"

#include "scsi/sense.h"

static void fixed_format(void **state)
{
    const struct sense sense = {.key = SENSE_MISCOMPARE,
                                .code = SENSE_CODE_MISCOMPARE,
                                .has_information = true,
                                .information = 0x01020304};
    const uint8_t expected[] = {0xf0, 0, 0x0e, 1, 2, 3, 4, 10, 0, 0, 0, 0, 0x1d, 0, 0, 0, 0, 0};
    uint8_t bytes[SENSE_MAX_BYTES];

    assert_int_equal(sense_encode(&sense, false, bytes), sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void a_value_too_large_for_fixed_format_is_left_out(void **state)
{
    const struct sense sense = {
        .key = SENSE_MISCOMPARE, .has_information = true, .information = UINT64_C(1) << 32};
    uint8_t bytes[SENSE_MAX_BYTES];

    sense_encode(&sense, false, bytes);
    assert_int_equal(bytes[0], 0x70);
}

static void descriptor_format(void **state)
{
    const struct sense sense = {.key = SENSE_ILLEGAL_REQUEST,
                                .code = SENSE_CODE_INVALID_FIELD_IN_CDB,
                                .has_information = true,
                                .information = UINT64_C(0x0102030405060708),
                                .has_field = true,
                                .field_in_cdb = true,
                                .field = 2};
    const uint8_t expected[] = {0x72, 5, 0x24, 0, 0, 0, 0, 20, 0x00, 0x0a, 0x80, 0, 1, 2,
                                3,    4, 5,    6, 7, 8, 2, 6,  0,    0,    0xc0, 0, 2, 0};
    uint8_t bytes[SENSE_MAX_BYTES];

    assert_int_equal(sense_encode(&sense, true, bytes), sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_format),
        cmocka_unit_test(a_value_too_large_for_fixed_format_is_left_out),
        cmocka_unit_test(descriptor_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
