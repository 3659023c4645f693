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

enum { LONGEST_BYTES = 8192, ALIGNMENTS = 16 };

static uint8_t bytes_at_random[LONGEST_BYTES + ALIGNMENTS];

static int fill(void **state)
{
    srand(1);
    for (size_t i = 0; i < sizeof(bytes_at_random); i++)
        bytes_at_random[i] = (uint8_t)rand();
    return 0;
}

/* The reference goes on byte by byte, so that all lengths of one start cost one pass. */
static void assert_equal_from(size_t start)
{
    const uint8_t *bytes = bytes_at_random + start;
    uint32_t plain = 7;

    for (size_t length = 0; length <= LONGEST_BYTES; length++) {
        assert_int_equal(crc32c(7, bytes, length), plain);
        plain = crc32c_reference(plain, bytes + length, 1);
    }
}

static void the_fast_one_equals_the_plain_one_at_every_length_and_alignment(void **state)
{
    for (size_t start = 0; start < ALIGNMENTS; start++)
        assert_equal_from(start);
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
        cmocka_unit_test_setup(the_fast_one_equals_the_plain_one_at_every_length_and_alignment, fill),
        cmocka_unit_test(pieces_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
