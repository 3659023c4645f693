#include "../test.h"
#include "maker.h"

#include "eeprom/rollout.h"

enum { PI_1 = 1, PI_2, PI_3, COUNT = 3 };

static struct rollout *begun(void)
{
    struct rollout *rollout = rollout_new();
    CLEANUP(cleanup_eeprom_package) struct eeprom_package *package = eeprom_package_new((const uint8_t *)"image", 5, 7);
    const struct rollout_machine machines[COUNT] = {{PI_1, package, 0}, {PI_2, package, 0}, {PI_3, package, 0}};

    assert_int_equal(rollout_begin(rollout, machines, COUNT, NULL), 0);
    return rollout;
}

static bool gets_signature(struct rollout *rollout, uint64_t id)
{
    CLEANUP(cleanup_eeprom_package) struct eeprom_package *package = rollout_asked_for_signature(rollout, id);

    return package;
}

static bool gets_image(struct rollout *rollout, uint64_t id)
{
    CLEANUP(cleanup_eeprom_package) struct eeprom_package *package = rollout_asked_for_image(rollout, id);

    return package;
}

static enum rollout_state state_of(struct rollout *rollout, uint64_t id)
{
    struct rollout_machine list[ROLLOUT_MACHINES_MAX];
    bool stopped;
    size_t count = rollout_list(rollout, list, &stopped);

    CHECK(id <= count);
    return list[id - 1].state;
}

static void update(struct rollout *rollout, uint64_t id)
{
    enum rollout_state state;

    assert_true(gets_signature(rollout, id));
    assert_true(gets_image(rollout, id));
    assert_true(gets_signature(rollout, id));
    assert_true(rollout_booted(rollout, id, &state));
    assert_int_equal(state, ROLLOUT_DONE);
}

static void one_is_first_and_the_others_follow(void **state)
{
    struct rollout *rollout = begun();

    assert_false(gets_signature(rollout, PI_2));
    assert_false(gets_image(rollout, PI_2));
    assert_false(gets_signature(rollout, 99));
    update(rollout, PI_1);
    assert_false(gets_signature(rollout, PI_1)); /* withdrawn */
    assert_false(gets_image(rollout, PI_1));
    update(rollout, PI_3);
    update(rollout, PI_2);
    rollout_free(rollout);
}

static void a_boot_is_only_believed_after_the_update(void **state)
{
    struct rollout *rollout = begun();
    enum rollout_state how;

    assert_false(rollout_booted(rollout, PI_1, &how)); /* its old system attaches its disk again */
    assert_true(gets_signature(rollout, PI_1));
    assert_true(gets_image(rollout, PI_1));
    assert_true(gets_image(rollout, PI_1)); /* looked, then fetched */
    assert_false(rollout_booted(rollout, PI_1, &how));
    assert_int_equal(state_of(rollout, PI_1), ROLLOUT_TAKEN);
    assert_false(gets_signature(rollout, PI_2));
    rollout_free(rollout);
}

static void who_needs_nothing_is_not_the_proof(void **state)
{
    struct rollout *rollout = begun();
    enum rollout_state how;

    assert_true(gets_signature(rollout, PI_1));
    assert_true(rollout_booted(rollout, PI_1, &how));
    assert_int_equal(how, ROLLOUT_UNCHANGED);
    assert_true(gets_signature(rollout, PI_2));
    assert_false(gets_signature(rollout, PI_3));
    rollout_free(rollout);
}

static void the_first_failure_ends_it_for_all(void **state)
{
    struct rollout *rollout = begun();

    assert_true(gets_signature(rollout, PI_1));
    assert_true(gets_image(rollout, PI_1));
    assert_true(gets_signature(rollout, PI_1));
    assert_false(gets_image(rollout, PI_1)); /* it would go on for ever */
    assert_int_equal(state_of(rollout, PI_1), ROLLOUT_FAILED);
    assert_false(gets_signature(rollout, PI_1));
    assert_false(gets_signature(rollout, PI_2));
    rollout_free(rollout);
}

static void one_at_a_time(void **state)
{
    struct rollout *rollout = begun();
    CLEANUP(cleanup_eeprom_package) struct eeprom_package *package = eeprom_package_new((const uint8_t *)"other", 5, 8);
    const struct rollout_machine machine = {PI_1, package, 0};
    struct error error = {0};

    assert_int_equal(rollout_begin(rollout, &machine, 1, &error), -EBUSY);
    assert_non_null(strstr(error.text, "withdraw"));
    rollout_withdraw(rollout);
    assert_false(gets_signature(rollout, PI_1));
    assert_int_equal(rollout_begin(rollout, &machine, 1, NULL), 0);
    update(rollout, PI_1);
    assert_int_equal(rollout_begin(rollout, &machine, 1, NULL), 0);
    rollout_free(rollout);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_first_and_the_others_follow),
        cmocka_unit_test(a_boot_is_only_believed_after_the_update),
        cmocka_unit_test(who_needs_nothing_is_not_the_proof),
        cmocka_unit_test(the_first_failure_ends_it_for_all),
        cmocka_unit_test(one_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
