#include "../test.h"

#include "base/bytes.h"

static void integers_keep_their_byte_order(void **state)
{
    uint8_t memory[32];
    struct writer w = writer_over(memory, sizeof(memory));

    writer_be16(&w, 0x0102);
    writer_le16(&w, 0x0102);
    writer_be24(&w, 0x030405);
    writer_be32(&w, 0x06070809);
    writer_le64(&w, 0x1122334455667788);
    assert_true(writer_ok(&w));
    static const uint8_t expected[] = {1, 2, 2, 1, 3, 4, 5, 6, 7, 8, 9, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
    assert_int_equal(w.offset, sizeof(expected));
    assert_memory_equal(memory, expected, sizeof(expected));

    struct reader r = reader_over(memory, w.offset);
    assert_int_equal(reader_be16(&r), 0x0102);
    assert_int_equal(reader_le16(&r), 0x0102);
    assert_int_equal(reader_be24(&r), 0x030405);
    assert_int_equal(reader_be32(&r), 0x06070809);
    assert_int_equal(reader_le64(&r), 0x1122334455667788);
    assert_int_equal(reader_left(&r), 0);
    assert_true(reader_ok(&r));
}

static void a_read_past_the_end_sticks(void **state)
{
    static const uint8_t memory[] = {1, 2, 3};
    struct reader r = reader_over(memory, sizeof(memory));

    assert_int_equal(reader_be32(&r), 0);
    assert_false(reader_ok(&r));
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_left(&r), 0);
}

static void a_huge_length_does_not_wrap(void **state)
{
    static const uint8_t memory[] = {1, 2, 3};
    struct reader r = reader_over(memory, sizeof(memory));

    reader_u8(&r);
    assert_null(reader_bytes(&r, SIZE_MAX));
    assert_false(reader_ok(&r));

    uint8_t room[4];
    struct writer w = writer_over(room, sizeof(room));
    writer_u8(&w, 1);
    writer_fill(&w, 0, SIZE_MAX);
    assert_false(writer_ok(&w));
}

static void a_full_writer_changes_nothing_more(void **state)
{
    uint8_t memory[4] = {9, 9, 9, 9};
    struct writer w = writer_over(memory, 3);

    writer_be16(&w, 0);
    writer_be16(&w, 0);
    writer_u8(&w, 0);
    assert_false(writer_ok(&w));
    assert_int_equal(memory[2], 9);
    assert_int_equal(memory[3], 9);
}

static void a_part_ends_where_it_was_cut(void **state)
{
    static const uint8_t memory[] = {1, 2, 3, 4};
    struct reader r = reader_over(memory, sizeof(memory));
    struct reader part = reader_take(&r, 2);

    assert_int_equal(reader_be16(&part), 0x0102);
    assert_int_equal(reader_u8(&part), 0);
    assert_false(reader_ok(&part));
    assert_int_equal(reader_be16(&r), 0x0304);

    struct reader too_long = reader_take(&r, 1);
    assert_false(reader_ok(&too_long));
    assert_false(reader_ok(&r));
}

static void a_string_needs_its_nul(void **state)
{
    static const char memory[] = {'a', 'b', 0, 'c'};
    struct reader r = reader_over(memory, sizeof(memory));

    assert_string_equal(reader_cstring(&r), "ab");
    assert_null(reader_cstring(&r));
    assert_false(reader_ok(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_keep_their_byte_order), cmocka_unit_test(a_read_past_the_end_sticks),
        cmocka_unit_test(a_huge_length_does_not_wrap),    cmocka_unit_test(a_full_writer_changes_nothing_more),
        cmocka_unit_test(a_part_ends_where_it_was_cut),   cmocka_unit_test(a_string_needs_its_nul),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
