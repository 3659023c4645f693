#include "../test.h"

#include "lan/newcomers.h"

static const struct recognition pi4 = {.firmware = FIRMWARE_PI4, .architecture = 0, .serial = 0x1234abcd};

static struct mac numbered(unsigned n)
{
    return (struct mac){{0xdc, 0xa6, 0x32, 0, (uint8_t)(n >> 8), (uint8_t)n}};
}

static void see(struct newcomers *newcomers, unsigned n, uint64_t now_ms)
{
    struct mac mac = numbered(n);

    newcomers_seen(newcomers, &mac, &pi4, "eth0", now_ms);
}

static void who_asked_last_stands_in_front(void **state)
{
    struct newcomers *newcomers = newcomers_new();
    struct newcomer list[4];

    see(newcomers, 1, 100);
    see(newcomers, 2, 200);
    see(newcomers, 1, 300);
    assert_int_equal(newcomers_list(newcomers, list, 4), 2);
    assert_int_equal(list[0].mac.bytes[5], 1);
    assert_int_equal(list[0].first_seen_ms, 100);
    assert_int_equal(list[0].last_seen_ms, 300);
    assert_int_equal(list[0].seen.serial, 0x1234abcd);
    assert_string_equal(list[0].interface, "eth0");
    assert_int_equal(list[1].mac.bytes[5], 2);
    assert_int_equal(newcomers_list(newcomers, list, 1), 1);
    newcomers_free(newcomers);
}

static void the_longest_silent_goes_when_it_is_full(void **state)
{
    struct newcomers *newcomers = newcomers_new();
    static struct newcomer list[NEWCOMERS_MAX + 1];

    for (unsigned i = 0; i < NEWCOMERS_MAX; i++)
        see(newcomers, i, i);
    see(newcomers, 0, 1000);
    see(newcomers, 900, 1001);
    assert_int_equal(newcomers_list(newcomers, list, NEWCOMERS_MAX + 1), NEWCOMERS_MAX);
    assert_int_equal(list[1].first_seen_ms, 0);
    for (size_t i = 0; i < NEWCOMERS_MAX; i++)
        assert_int_not_equal(list[i].first_seen_ms, 1);
    newcomers_free(newcomers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asked_last_stands_in_front),
        cmocka_unit_test(the_longest_silent_goes_when_it_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
