#include "../test.h"

#include "dhcp/config.h"

static struct dhcp_config good(void)
{
    struct dhcp_config config = {.mode = DHCP_MODE_SERVER, .subnet_count = 2};

    config.subnets[0] = (struct dhcp_subnet){.network = {0xc0a81400, 24}, .range_first = 0xc0a81401,
                                             .range_last = 0xc0a814fe, .router = 0xc0a814fe, .lease_seconds = 60};
    config.subnets[1] = (struct dhcp_subnet){.network = {0x0a000000, 8}, .lease_seconds = 3600};
    return config;
}

static void a_good_one_passes(void **state)
{
    struct dhcp_config config = good();

    assert_int_equal(dhcp_config_check(&config, NULL), 0);
    assert_ptr_equal(dhcp_config_subnet(&config, 0x0a010203), &config.subnets[1]);
    assert_null(dhcp_config_subnet(&config, 0xc0a81501));
}

static void a_bad_one_is_explained(void **state)
{
    static const struct {
        const char *says;
        struct dhcp_subnet first;
    } cases[] = {
        {"reaches out", {.range_first = 0xc0a81400, .range_last = 0xc0a81410, .lease_seconds = 60}},
        {"reaches out", {.range_first = 0xc0a81410, .range_last = 0xc0a81510, .lease_seconds = 60}},
        {"reaches out", {.range_first = 0xc0a81410, .lease_seconds = 60}},
        {"ends before", {.range_first = 0xc0a81410, .range_last = 0xc0a8140f, .lease_seconds = 60}},
        {"router", {.router = 0xc0a81501, .lease_seconds = 60}},
        {"lease_seconds", {.lease_seconds = 59}},
        {"overlaps", {.network = {0x0a010000, 16}, .lease_seconds = 60}},
        {"more than", {.network = {0xac000000, 8}, .range_first = 0xac000001, .range_last = 0xac010001,
                       .lease_seconds = 60}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct dhcp_config config = good();
        struct error error = {0};
        config.subnets[0] = cases[i].first;
        if (!config.subnets[0].network.address)
            config.subnets[0].network = (struct inet_network){0xc0a81400, 24};
        assert_int_equal(dhcp_config_check(&config, &error), -EINVAL);
        if (!strstr(error.text, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_good_one_passes), cmocka_unit_test(a_bad_one_is_explained)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
