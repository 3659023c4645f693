#include "../test.h"

#include "base/siphash.h"

/* The vectors of the reference implementation: key 00..0f, input 00, 01, … */
static void hashes_as_its_authors_do(void **state)
{
    static const struct {
        size_t length;
        uint64_t hash;
    } vectors[] = {
        {0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},
        {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5},
    };
    uint8_t key[SIPHASH_KEY_BYTES], input[16];

    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = input[i] = (uint8_t)i;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
        assert_int_equal(siphash(key, input, vectors[i].length), vectors[i].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hashes_as_its_authors_do)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
