#include "../test.h"

#include "fleet/diagnose.h"

static struct boot boot_at(enum stage stage, uint64_t last_ms)
{
    struct boot boot = {.id = 1, .stage = stage, .begun_ms = 1000, .last_ms = last_ms};

    boot.reached_ms[STAGE_DHCP] = 1000;
    boot.reached_ms[stage] = last_ms;
    return boot;
}

static void silence_has_a_reason_at_every_stage(void **state)
{
    static const struct {
        enum stage stage;
        unsigned healthy_seconds;
        unsigned stuck_seconds;
        const char *says;
    } rows[] = {
        {STAGE_DHCP, 19, 20, "never for a boot file"},
        {STAGE_FIRMWARE, 39, 40, "no kernel"},
        {STAGE_KERNEL, 89, 90, "never asked for an address again"},
        {STAGE_INITRAMFS, 59, 60, "open-iscsi"},
        {STAGE_DISK, 59, 60, "root="},
    };
    char sentence[DIAGNOSIS_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct boot boot = boot_at(rows[i].stage, 5000);
        assert_false(diagnose(&boot, 5000 + rows[i].healthy_seconds * 1000, sentence));
        assert_string_equal(sentence, "");
        assert_true(diagnose(&boot, 5000 + rows[i].stuck_seconds * 1000, sentence));
        assert_non_null(strstr(sentence, rows[i].says));
    }
}

static void a_machine_that_runs_is_never_stuck(void **state)
{
    char sentence[DIAGNOSIS_SIZE];
    struct boot none = {0};
    struct boot up = boot_at(STAGE_UP, 5000);
    struct boot root = boot_at(STAGE_ROOT, 5000);
    struct boot reconnected = {.id = 1, .stage = STAGE_DISK, .begun_ms = 1000, .last_ms = 1000};

    COPY_STRING(up.trouble, "a session was cut");
    assert_false(diagnose(&none, 1000000, sentence));
    assert_false(diagnose(&up, 1000000, sentence));
    assert_false(diagnose(&root, 1000000, sentence));
    assert_false(diagnose(&reconnected, 1000000, sentence));
}

static void what_a_service_said_comes_first(void **state)
{
    char sentence[DIAGNOSIS_SIZE];
    struct boot boot = boot_at(STAGE_INITRAMFS, 5000);

    COPY_STRING(boot.trouble, "iSCSI login refused: the initiator is another machine's");
    assert_true(diagnose(&boot, 5001, sentence));
    assert_string_equal(sentence, boot.trouble);
}

static void an_error_of_a_running_machine_is_told_for_a_while(void **state)
{
    char sentence[DIAGNOSIS_SIZE];
    struct boot boot = boot_at(STAGE_UP, 5000);

    COPY_STRING(boot.trouble, "two machines use one initiator name");
    boot.trouble_level = EVENT_ERROR;
    boot.trouble_ms = 6000;
    assert_true(diagnose(&boot, 6000 + DIAGNOSE_ERROR_MS, sentence));
    assert_string_equal(sentence, boot.trouble);
    assert_false(diagnose(&boot, 6001 + DIAGNOSE_ERROR_MS, sentence));
    boot.trouble_level = EVENT_WARNING;
    assert_false(diagnose(&boot, 7000, sentence));
}

static void asking_without_end_is_stuck_too(void **state)
{
    char sentence[DIAGNOSIS_SIZE];
    struct boot boot = boot_at(STAGE_DHCP, 31000);

    boot.address_requests = 5;
    assert_false(diagnose(&boot, 32000, sentence));
    boot.address_requests = 6;
    assert_true(diagnose(&boot, 32000, sentence));
    boot.last_ms = 4000; /* six packets within three seconds: only eager */
    assert_false(diagnose(&boot, 5000, sentence));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_has_a_reason_at_every_stage),
        cmocka_unit_test(a_machine_that_runs_is_never_stuck),
        cmocka_unit_test(what_a_service_said_comes_first),
        cmocka_unit_test(an_error_of_a_running_machine_is_told_for_a_while),
        cmocka_unit_test(asking_without_end_is_stuck_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
