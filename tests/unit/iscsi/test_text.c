#include "../test.h"

#include "iscsi/text.h"

static enum text_next first(const char *bytes, size_t length, const char **key, const char **value)
{
    static char copy[512];
    struct reader r = reader_over(copy, length);

    CHECK(length <= sizeof(copy));
    memcpy(copy, bytes, length);
    return iscsi_text_next(&r, key, value);
}

static void pairs_one_after_the_other(void **state)
{
    char text[] = "A=1\0\0Bee=x=y\0C=";
    struct reader r = reader_over(text, sizeof(text));
    const char *key, *value;

    assert_int_equal(iscsi_text_next(&r, &key, &value), TEXT_PAIR);
    assert_string_equal(key, "A");
    assert_string_equal(value, "1");
    assert_int_equal(iscsi_text_next(&r, &key, &value), TEXT_PAIR);
    assert_string_equal(key, "Bee");
    assert_string_equal(value, "x=y");
    assert_int_equal(iscsi_text_next(&r, &key, &value), TEXT_PAIR);
    assert_string_equal(value, "");
    assert_int_equal(iscsi_text_next(&r, &key, &value), TEXT_END);
}

static void what_is_no_pair(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } rows[] = {
        {"A=1", 3},                                                                 /* no NUL */
        {"novalue", 8},                                                             /* no '=' */
        {"=1", 3},                                                                  /* no key */
        {"1A=1", 5},                                                                /* begins with a digit */
        {"A B=1", 6},                                                               /* a space */
        {"A\x80=1", 5},                                                             /* not ASCII */
        {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl=1", 67}, /* 64 bytes of key */
    };
    const char *key, *value;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(first(rows[i].bytes, rows[i].length, &key, &value), TEXT_MALFORMED);
}

static void numbers(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},
        {"262144", true, 262144},
        {"0x40000", true, 262144},
        {"0X1f", true, 31},
        {"", false, 0},
        {"0x", false, 0},
        {"-1", false, 0},
        {"1 ", false, 0},
        {"16777216", false, 0},
        {"0xffffffffffffffffff", false, 0},
        {"0xg", false, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t value = 0;
        assert_int_equal(iscsi_text_number(rows[i].text, 16777215, &value), rows[i].ok);
        if (rows[i].ok)
            assert_int_equal(value, rows[i].value);
    }
}

static void lists(void **state)
{
    assert_true(iscsi_text_list_has("CHAP,None", "None"));
    assert_true(iscsi_text_list_has("None", "None"));
    assert_false(iscsi_text_list_has("CHAP,Nonesuch", "None"));
    assert_false(iscsi_text_list_has("", "None"));
    assert_true(iscsi_text_list_has(",,None,", "None"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_one_after_the_other),
        cmocka_unit_test(what_is_no_pair),
        cmocka_unit_test(numbers),
        cmocka_unit_test(lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
