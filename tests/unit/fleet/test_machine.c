#include "../test.h"

#include "fleet/machine.h"

static const char prefix[] = "iqn.2026-11.internal.farboot";

static void names_carry_the_mac_both_ways(void **state)
{
    const struct mac mac = {{0xdc, 0xa6, 0x32, 1, 2, 3}};
    char name[IQN_SIZE];
    struct mac parsed;

    assert_string_equal(machine_target_name(name, prefix, &mac), "iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03");
    assert_true(machine_mac_of_target(name, prefix, &parsed));
    assert_true(mac_equal(&mac, &parsed));
    assert_false(machine_mac_of_initiator(name, prefix, &parsed));

    machine_initiator_name(name, prefix, &mac);
    assert_true(machine_mac_of_initiator(name, prefix, &parsed));
    assert_true(machine_mac_of_initiator("IQN.2026-11.internal.farboot:machine:DC-A6-32-01-02-03", prefix, &parsed));
}

static void foreign_names_are_nobodys(void **state)
{
    static const char *const names[] = {"", "iqn.2026-11.internal.farboot", "iqn.2026-11.internal.farboot:root:",
                                        "iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03x",
                                        "iqn.2026-11.internal.farboot:root:dc-a6-32-01-02",
                                        "iqn.2010-04.org.ipxe:dc-a6-32-01-02-03"};
    struct mac mac;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_false(machine_mac_of_target(names[i], prefix, &mac));
}

static void boot_kinds_have_names(void **state)
{
    enum machine_boot boot;

    assert_true(machine_boot_from_name("san", &boot));
    assert_int_equal(boot, MACHINE_BOOT_SAN);
    assert_string_equal(machine_boot_name(MACHINE_BOOT_DISK), "disk");
    assert_false(machine_boot_from_name("floppy", &boot));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_carry_the_mac_both_ways),
        cmocka_unit_test(foreign_names_are_nobodys),
        cmocka_unit_test(boot_kinds_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
