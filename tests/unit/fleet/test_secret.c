#include "../test.h"

#include "fleet/secret.h"

static const uint8_t *script;

/* What the test says that chance says. */
static void scripted(void *to, size_t length_bytes)
{
    memcpy(to, script, length_bytes);
    script += length_bytes;
}

static void what_looks_encoded_is_drawn_again(void **state)
{
    /* '0' is the 53rd of the alphabet, 'x' the 50th; a byte of 255 is beyond the last whole multiple. */
    static const uint8_t chance[] = {52,  49, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  0, 52,
                                     255, 0,  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 64, 13};
    char secret[SECRET_SIZE];

    script = chance;
    secret_make(secret, scripted);
    assert_string_equal(secret, "0ABCDEFGHIJKLM-N");
}

static void none_begins_like_an_option_and_all_characters_occur(void **state)
{
    bool seen[256] = {false};
    unsigned different = 0;

    for (int i = 0; i < 2000; i++) {
        char secret[SECRET_SIZE];
        secret_make(secret, random_bytes);
        assert_int_equal(strlen(secret), 16);
        assert_int_not_equal(secret[0], '-');
        for (size_t at = 0; at < 16; at++) {
            different += !seen[(uint8_t)secret[at]];
            seen[(uint8_t)secret[at]] = true;
        }
    }
    assert_int_equal(different, 65);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_looks_encoded_is_drawn_again),
        cmocka_unit_test(none_begins_like_an_option_and_all_characters_occur),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
