#include "../test.h"

#include "base/crc32c.h"

/* RFC 7143 appendix A.4 (32 bytes each, shown there in little-endian order). */
static void the_rfc_examples(void **state)
{
    uint8_t bytes[32];

    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
}

static void the_fast_one_equals_the_plain_one(void **state)
{
    uint8_t bytes[8192 + 16];

    srand(1);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rand();
    for (size_t length = 0; length < sizeof(bytes) - 8; length += length < 64 ? 1 : 397) {
        for (size_t start = 0; start < 8; start++)
            assert_int_equal(crc32c(7, bytes + start, length), crc32c_reference(7, bytes + start, length));
    }
}

static void pieces_chain(void **state)
{
    static const char text[] = "one piece and another";

    assert_int_equal(crc32c(crc32c(0, text, 9), text + 9, sizeof(text) - 9), crc32c(0, text, sizeof(text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rfc_examples),
        cmocka_unit_test(the_fast_one_equals_the_plain_one),
        cmocka_unit_test(pieces_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
