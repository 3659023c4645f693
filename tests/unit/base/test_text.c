#include "../test.h"

#include "base/text.h"

static void text_refuses_to_grow_past_its_maximum(void **state)
{
    CLEANUP_TEXT struct text t = text_with_max(5);

    text_append(&t, "abc");
    text_append(&t, "def");
    assert_true(t.failed);
    assert_string_equal(text_string(&t), "abc");
    text_append(&t, "d");
    assert_string_equal(text_string(&t), "abc");
}

static void what_a_peer_sent_cannot_draw(void **state)
{
    CLEANUP_TEXT struct text t = text_with_max(100);

    text_append_quoted(&t, "a\"\x1b[2J\xff\n", 8);
    assert_string_equal(text_string(&t), "a\\\"\\x1b[2J\\xff\\x0a");

    char cut[6];
    assert_string_equal(quote_into(cut, sizeof(cut), "ab\x01", 3), "ab");
}

static void sizes_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *text;
        bool valid;
        uint64_t size_bytes;
    } cases[] = {
        {"0", true, 0},
        {"64G", true, 64ull << 30},
        {"512MiB", true, 512ull << 20},
        {"1kB", true, 1024},
        {"1000000", true, 1000000},
        {"16777215T", true, 16777215ull << 40},
        {"18014398509481984K", false, 0},
        {"", false, 0},
        {"G", false, 0},
        {"-1", false, 0},
        {"1.5G", false, 0},
        {"1GX", false, 0},
        {"99999999999999999999999", false, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t size_bytes = 0;
        assert_int_equal(parse_size(cases[i].text, &size_bytes), cases[i].valid);
        if (cases[i].valid)
            assert_int_equal(size_bytes, cases[i].size_bytes);
    }
}

static void sizes_are_shown_short(void **state)
{
    char to[16];

    assert_string_equal(format_size(to, sizeof(to), 0), "0 B");
    assert_string_equal(format_size(to, sizeof(to), 1023), "1023 B");
    assert_string_equal(format_size(to, sizeof(to), 3006477107), "2.8 GiB");
    assert_string_equal(format_size(to, sizeof(to), 512ull << 20), "512 MiB");
}

static void names_stay_harmless_in_paths(void **state)
{
    static const char *const good[] = {"pi-01", "ubuntu-24.04", "a", "9_x"};
    static const char *const bad[] = {"", ".", "..", "-x", "a/b", "a b", "a\n", "\xc3\xa4",
                                      "a123456789012345678901234567890123456789012345678901234567890123"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(is_valid_name(good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(is_valid_name(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_refuses_to_grow_past_its_maximum), cmocka_unit_test(what_a_peer_sent_cannot_draw),
        cmocka_unit_test(sizes_are_read_as_people_write_them),   cmocka_unit_test(sizes_are_shown_short),
        cmocka_unit_test(names_stay_harmless_in_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
