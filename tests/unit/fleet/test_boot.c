#include "../test.h"

#include "fleet/boot.h"

struct step {
    uint64_t at_ms;
    enum stage stage;
    enum event_level level;
    const char *text;
};

static struct event event_of(const struct step *step)
{
    struct event event = {.time_ms = step->at_ms, .stage = step->stage, .level = step->level, .kind = "test"};

    COPY_STRING(event.text, step->text);
    return event;
}

/* Gives the number of boots that began. */
static uint64_t follow(struct boot *boot, const struct step *steps, size_t count)
{
    uint64_t begun = 0;

    for (size_t i = 0; i < count; i++) {
        struct event event = event_of(&steps[i]);
        if (boot_advance(boot, &event, begun + 1))
            begun++;
    }
    return begun;
}

static void a_boot_passes_its_stages(void **state)
{
    static const struct step steps[] = {
        {1000, STAGE_DHCP, EVENT_INFO, "offered"},      {2000, STAGE_FIRMWARE, EVENT_DEBUG, "start4.elf"},
        {3000, STAGE_KERNEL, EVENT_INFO, "vmlinuz"},    {9000, STAGE_INITRAMFS, EVENT_INFO, "offered again"},
        {10000, STAGE_DISK, EVENT_INFO, "logged in"},   {11000, STAGE_ROOT, EVENT_INFO, "reads"},
        {20000, STAGE_UP, EVENT_INFO, "took it over"},
    };
    struct boot boot = {0};

    assert_int_equal(follow(&boot, steps, ARRAY_SIZE(steps)), 1);
    assert_int_equal(boot.stage, STAGE_UP);
    assert_int_equal(boot.begun_ms, 1000);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        assert_int_equal(boot.reached_ms[steps[i].stage], steps[i].at_ms);
    assert_string_equal(boot.last, "took it over");
}

static void asking_twice_is_one_boot_and_asking_later_is_another(void **state)
{
    static const struct step rom_and_loader[] = {
        {1000, STAGE_DHCP, EVENT_INFO, ""},
        {1500, STAGE_FIRMWARE, EVENT_INFO, "bootcode.bin"},
        {2500, STAGE_DHCP, EVENT_INFO, ""},
        {3000, STAGE_FIRMWARE, EVENT_INFO, "start.elf"},
    };
    static const struct step power_cycle[] = {
        {1000, STAGE_DHCP, EVENT_INFO, ""},
        {2000, STAGE_KERNEL, EVENT_INFO, ""},
        {3000, STAGE_DHCP, EVENT_INFO, ""},
    };
    static const struct step tomorrow[] = {
        {1000, STAGE_DHCP, EVENT_INFO, ""},
        {1000 + BOOT_QUIET_MS + 1, STAGE_DHCP, EVENT_INFO, ""},
    };
    struct boot boot = {0};

    assert_int_equal(follow(&boot, rom_and_loader, ARRAY_SIZE(rom_and_loader)), 1);
    assert_int_equal(boot.address_requests, 2);
    boot = (struct boot){0};
    assert_int_equal(follow(&boot, power_cycle, ARRAY_SIZE(power_cycle)), 2);
    assert_int_equal(boot.stage, STAGE_DHCP);
    assert_int_equal(boot.begun_ms, 3000);
    assert_int_equal(boot.reached_ms[STAGE_KERNEL], 0);
    boot = (struct boot){0};
    assert_int_equal(follow(&boot, tomorrow, ARRAY_SIZE(tomorrow)), 2);
}

static void stages_never_go_back(void **state)
{
    static const struct step steps[] = {
        {1000, STAGE_DHCP, EVENT_INFO, ""},
        {2000, STAGE_UP, EVENT_INFO, ""},
        {3000, STAGE_INITRAMFS, EVENT_INFO, "the system renews its address"},
        {4000, STAGE_DISK, EVENT_INFO, "logged in again"},
    };
    struct boot boot = {0};

    assert_int_equal(follow(&boot, steps, ARRAY_SIZE(steps)), 1);
    assert_int_equal(boot.stage, STAGE_UP);
    assert_string_equal(boot.last, "logged in again");
}

static void an_event_about_no_boot_begins_none(void **state)
{
    static const struct step steps[] = {{1000, STAGE_NONE, EVENT_INFO, "added"}};
    struct boot boot = {0};

    assert_int_equal(follow(&boot, steps, ARRAY_SIZE(steps)), 0);
    assert_int_equal(boot.id, 0);
    assert_string_equal(boot.last, "");
}

static void an_event_about_no_stage_is_no_sign_of_life(void **state)
{
    static const struct step steps[] = {
        {1000, STAGE_DHCP, EVENT_INFO, "offered"},
        {9000, STAGE_NONE, EVENT_WARNING, "cannot log in: no such initiator"},
    };
    struct boot boot = {0};

    follow(&boot, steps, ARRAY_SIZE(steps));
    assert_int_equal(boot.last_ms, 1000);
    assert_int_equal(boot.stage, STAGE_DHCP);
    assert_string_equal(boot.trouble, "cannot log in: no such initiator");
    assert_int_equal(boot.trouble_ms, 9000);
}

static void trouble_is_kept_until_the_boot_goes_on(void **state)
{
    static const struct step refused[] = {
        {1000, STAGE_INITRAMFS, EVENT_INFO, "address"},
        {2000, STAGE_DISK, EVENT_WARNING, "login refused"},
        {2500, STAGE_INITRAMFS, EVENT_INFO, "address again"},
    };
    static const struct step accepted[] = {{3000, STAGE_DISK, EVENT_INFO, "logged in"}};
    struct boot boot = {0};

    follow(&boot, refused, ARRAY_SIZE(refused));
    assert_int_equal(boot.stage, STAGE_INITRAMFS);
    assert_string_equal(boot.trouble, "login refused");
    follow(&boot, accepted, ARRAY_SIZE(accepted));
    assert_string_equal(boot.trouble, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_boot_passes_its_stages),
        cmocka_unit_test(asking_twice_is_one_boot_and_asking_later_is_another),
        cmocka_unit_test(stages_never_go_back),
        cmocka_unit_test(an_event_about_no_boot_begins_none),
        cmocka_unit_test(an_event_about_no_stage_is_no_sign_of_life),
        cmocka_unit_test(trouble_is_kept_until_the_boot_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
