#include "../test.h"

#include "rpc/record.h"

static const uint8_t two_fragments[] = {0, 0, 0, 3, 'a', 'b', 'c', 0x80, 0, 0, 2, 'd', 'e', 0x80, 0, 0, 0};

static void a_message_is_put_together_however_it_is_cut(void **state)
{
    for (size_t cut = 1; cut <= sizeof(two_fragments); cut++) {
        struct record record;
        size_t used, at = 0, length;
        enum record_outcome outcome = RECORD_MORE;
        record_init(&record, 5);
        while (outcome == RECORD_MORE) {
            outcome = record_input(&record, two_fragments + at, MIN(cut, sizeof(two_fragments) - at), &used);
            at += used;
        }
        assert_int_equal(outcome, RECORD_COMPLETE);
        assert_int_equal(at, 13);
        uint8_t *message = record_take(&record, &length);
        assert_int_equal(length, 5);
        assert_memory_equal(message, "abcde", 5);
        free(message);
        assert_int_equal(record_input(&record, two_fragments + at, 4, &used), RECORD_COMPLETE);
        free(record_take(&record, &length));
        assert_int_equal(length, 0);
        record_end(&record);
    }
}

static void a_message_has_a_maximum(void **state)
{
    static const uint8_t endless[] = {0x7f, 0xff, 0xff, 0xff};
    struct record record;
    size_t used;

    record_init(&record, 4);
    assert_int_equal(record_input(&record, two_fragments, sizeof(two_fragments), &used), RECORD_REFUSED);
    record_end(&record);
    record_init(&record, 1000);
    assert_int_equal(record_input(&record, endless, sizeof(endless), &used), RECORD_REFUSED);
    record_end(&record);
}

static void a_mark_says_last_and_how_long(void **state)
{
    uint8_t mark[RECORD_MARK_BYTES];

    record_put_mark(mark, 0x1234);
    assert_memory_equal(mark, "\x80\x00\x12\x34", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_put_together_however_it_is_cut),
        cmocka_unit_test(a_message_has_a_maximum),
        cmocka_unit_test(a_mark_says_last_and_how_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
