#include "../test.h"

#include "base/inet.h"
#include "base/mac.h"

static void mac_addresses_in_both_spellings(void **state)
{
    struct mac mac;
    char text[MAC_TEXT_SIZE];

    assert_true(mac_parse("DC:A6:32:01:02:0f", &mac));
    assert_string_equal(mac_format(text, &mac, '-'), "dc-a6-32-01-02-0f");
    assert_true(mac_parse("dc-a6-32-01-02-03", &mac));

    static const char *const bad[] = {"", "dc:a6:32:01:02", "dc:a6:32:01:02:0g", "dca632010203", "dc.a6.32.01.02.03",
                                      "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(mac_parse(bad[i], &mac));
}

static void networks_know_their_members(void **state)
{
    struct inet_network network;
    uint32_t address;

    assert_true(inet_network_parse("192.168.20.0/24", &network));
    assert_true(inet_parse("192.168.20.255", &address));
    assert_true(inet_network_contains(&network, address));
    assert_int_equal(inet_broadcast(&network), address);
    assert_true(inet_parse("192.168.21.0", &address));
    assert_false(inet_network_contains(&network, address));
    assert_true(inet_network_parse("0.0.0.0/0", &network));
    assert_true(inet_network_contains(&network, address));

    static const char *const bad[] = {"192.168.20.1/24", "192.168.20.0", "192.168.20.0/33", "192.168.20.0/", "x/8"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(inet_network_parse(bad[i], &network));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mac_addresses_in_both_spellings),
        cmocka_unit_test(networks_know_their_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
