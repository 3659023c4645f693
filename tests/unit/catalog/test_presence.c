#include "../test.h"

#include "catalog/presence.h"

/* In the reserved class E: no kernel has neighbours there. */
#define NOBODY 0xf0000000u

static const struct mac mac_a = {{2, 0, 0, 0, 0, 1}};
static const struct mac mac_b = {{2, 0, 0, 0, 0, 2}};

static void an_address_belongs_to_one_and_one_has_one_address(void **state)
{
    struct presence *presence = presence_new(8);
    struct mac mac;

    assert_false(presence_mac(presence, NOBODY + 1, &mac));
    presence_learn(presence, NOBODY + 1, &mac_a);
    assert_true(presence_mac(presence, NOBODY + 1, &mac));
    assert_true(mac_equal(&mac, &mac_a));

    presence_learn(presence, NOBODY + 2, &mac_a);
    assert_false(presence_mac(presence, NOBODY + 1, &mac));
    assert_int_equal(presence_address(presence, &mac_a), NOBODY + 2);

    presence_learn(presence, NOBODY + 2, &mac_b);
    assert_true(presence_mac(presence, NOBODY + 2, &mac));
    assert_true(mac_equal(&mac, &mac_b));
    assert_int_equal(presence_address(presence, &mac_a), 0);

    presence_forget(presence, NOBODY + 2);
    assert_false(presence_mac(presence, NOBODY + 2, &mac));
    presence_free(presence);
}

static void the_oldest_is_forgotten_first(void **state)
{
    struct presence *presence = presence_new(4);
    struct mac mac;

    for (uint32_t i = 0; i < 6; i++)
        presence_learn(presence, NOBODY + i, &(struct mac){{2, 0, 0, 0, 1, (uint8_t)i}});
    assert_false(presence_mac(presence, NOBODY + 0, &mac));
    assert_false(presence_mac(presence, NOBODY + 1, &mac));
    assert_true(presence_mac(presence, NOBODY + 2, &mac));
    assert_true(presence_mac(presence, NOBODY + 5, &mac));
    presence_free(presence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_belongs_to_one_and_one_has_one_address),
        cmocka_unit_test(the_oldest_is_forgotten_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
