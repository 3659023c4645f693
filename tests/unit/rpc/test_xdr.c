#include "../test.h"

#include "rpc/xdr.h"

static void opaques_are_padded_both_ways(void **state)
{
    uint8_t bytes[32];
    struct writer w = writer_over(bytes, sizeof(bytes));
    size_t length;

    xdr_put_string(&w, "abcde");
    xdr_put_opaque(&w, "", 0);
    xdr_put_bool(&w, true);
    assert_int_equal(w.offset, 4 + 8 + 4 + 4);
    struct reader r = reader_over(bytes, w.offset);
    assert_memory_equal(xdr_opaque(&r, 5, &length), "abcde", 5);
    assert_int_equal(length, 5);
    assert_non_null(xdr_opaque(&r, 5, &length));
    assert_int_equal(length, 0);
    assert_true(xdr_bool(&r));
    assert_true(reader_ok(&r) && reader_left(&r) == 0);
}

static void what_is_too_long_or_cut_short_is_refused(void **state)
{
    static const uint8_t five[] = {0, 0, 0, 5, 'a', 'b', 'c', 'd', 'e', 0, 0, 0};
    size_t length;

    struct reader r = reader_over(five, sizeof(five));
    assert_null(xdr_opaque(&r, 4, &length));
    assert_false(reader_ok(&r));
    for (size_t cut = 0; cut < sizeof(five); cut++) {
        r = reader_over(five, cut);
        assert_null(xdr_opaque(&r, 100, &length));
        assert_int_equal(length, 0);
    }
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
    r = reader_over(huge, sizeof(huge));
    assert_null(xdr_opaque(&r, SIZE_MAX, &length));
    r = reader_over(huge, sizeof(huge));
    assert_int_equal(xdr_count(&r, 100), 0);
    assert_false(reader_ok(&r));
    r = reader_over(huge, sizeof(huge));
    assert_false(xdr_bool(&r));
    assert_false(reader_ok(&r));
}

static void lengths_are_filled_in_later_and_taken_back(void **state)
{
    uint8_t bytes[8];
    struct writer w = writer_over(bytes, sizeof(bytes));

    size_t place = xdr_put_later(&w);
    writer_be32(&w, 7);
    xdr_patch(&w, place, 42);
    writer_be32(&w, 8); /* does not fit */
    assert_false(writer_ok(&w));
    xdr_patch(&w, place, 43); /* a writer that failed stays as it is */
    xdr_rewind(&w, 4);
    assert_true(writer_ok(&w) && w.offset == 4);
    assert_int_equal(bytes[3], 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opaques_are_padded_both_ways),
        cmocka_unit_test(what_is_too_long_or_cut_short_is_refused),
        cmocka_unit_test(lengths_are_filled_in_later_and_taken_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
