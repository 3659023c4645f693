#include "../test.h"

#include "nfs/replies.h"

static uint8_t copy[REPLY_KEPT_MAX_BYTES];
static size_t length;

static void a_call_is_run_once(void **state)
{
    const struct reply_key key = {.address = 1, .port = 2, .xid = 3, .fingerprint = 4};
    struct replies *replies = replies_new();

    assert_int_equal(replies_begin(replies, &key, 0, copy, &length), REPLY_NEW);
    assert_int_equal(replies_begin(replies, &key, 10, copy, &length), REPLY_BUSY);
    replies_put(replies, &key, (const uint8_t *)"done", 4);
    assert_int_equal(replies_begin(replies, &key, 20, copy, &length), REPLY_KEPT);
    assert_int_equal(length, 4);
    assert_memory_equal(copy, "done", 4);
    replies_free(replies);
}

static void another_call_with_the_same_number_is_another_call(void **state)
{
    const struct reply_key key = {.xid = 3, .fingerprint = 4}, other = {.xid = 3, .fingerprint = 5};
    struct replies *replies = replies_new();

    assert_int_equal(replies_begin(replies, &key, 0, copy, &length), REPLY_NEW);
    assert_int_equal(replies_begin(replies, &other, 0, copy, &length), REPLY_NEW);
    replies_free(replies);
}

static void answers_are_forgotten_by_age_and_number(void **state)
{
    struct reply_key key = {.xid = 0};
    struct replies *replies = replies_new();

    assert_int_equal(replies_begin(replies, &key, 0, copy, &length), REPLY_NEW);
    replies_put(replies, &key, (const uint8_t *)"done", 4);
    assert_int_equal(replies_begin(replies, &key, REPLY_AGE_MAX_MS + 1, copy, &length), REPLY_NEW);
    for (key.xid = 1; key.xid <= REPLIES_MAX; key.xid++)
        assert_int_equal(replies_begin(replies, &key, 0, copy, &length), REPLY_NEW);
    key.xid = 0;
    assert_int_equal(replies_begin(replies, &key, 0, copy, &length), REPLY_NEW);
    replies_free(replies);
}

static void what_is_too_long_is_run_again(void **state)
{
    const struct reply_key key = {.xid = 3};
    struct replies *replies = replies_new();

    assert_int_equal(replies_begin(replies, &key, 0, copy, &length), REPLY_NEW);
    replies_put(replies, &key, NULL, SIZE_MAX);
    assert_int_equal(replies_begin(replies, &key, 0, copy, &length), REPLY_NEW);
    replies_free(replies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_run_once),
        cmocka_unit_test(another_call_with_the_same_number_is_another_call),
        cmocka_unit_test(answers_are_forgotten_by_age_and_number),
        cmocka_unit_test(what_is_too_long_is_run_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
