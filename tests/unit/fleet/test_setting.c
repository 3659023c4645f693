#include "../test.h"

#include "fleet/machine.h"

#include <stdio.h>

static void every_key_is_found_by_its_name(void **state)
{
    enum setting key;

    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        assert_true(setting_from_name(setting_name(i), &key));
        assert_int_equal(key, i);
        assert_non_null(setting_help(i));
        assert_non_null(setting_value_name(i));
        assert_non_null(setting_built_in(i));
        /* What the program brings would pass as an administrator's word. */
        if (*setting_built_in(i))
            assert_int_equal(setting_check(i, SETTING_FROM_DEFAULTS, setting_built_in(i), NULL), 0);
    }
    assert_false(setting_from_name("Boot", &key));
    assert_false(setting_from_name("", &key));
}

static void sources_have_names(void **state)
{
    for (enum setting_source i = SETTING_FROM_PROGRAM; i <= SETTING_FROM_MACHINE; i++) {
        enum setting_source source;
        assert_true(setting_source_from_name(setting_source_name(i), &source));
        assert_int_equal(source, i);
    }
}

static void a_bad_value_is_refused_with_a_sentence(void **state)
{
    static const struct {
        enum setting key;
        enum setting_source source;
        const char *value;
        const char *says; /* NULL: it is good */
    } rows[] = {
        {SETTING_BOOT, SETTING_FROM_MACHINE, "disk", NULL},
        {SETTING_BOOT, SETTING_FROM_DEFAULTS, "san", NULL},
        {SETTING_BOOT, SETTING_FROM_MACHINE, "usb", "boot: \"usb\" is not a way to boot: disk"},
        {SETTING_IMAGE, SETTING_FROM_GROUP, "raspios-13", NULL},
        {SETTING_IMAGE, SETTING_FROM_GROUP, "../x", "image: \"../x\" is not an image"},
        {SETTING_IMAGE, SETTING_FROM_MACHINE, "raspios", "image: is settled when a machine is added"},
        {SETTING_CMDLINE_ADD, SETTING_FROM_MACHINE, "a=\"b c\" d", NULL},
        {SETTING_CMDLINE_ADD, SETTING_FROM_MACHINE, " ", NULL},
        {SETTING_CMDLINE_ADD, SETTING_FROM_MACHINE, "a=\"b", "quotes closed"},
        {SETTING_CMDLINE_ADD, SETTING_FROM_MACHINE, "a\nb", "cmdline-add: \"a\\x0ab\" is not kernel parameters"},
        {SETTING_CMDLINE_REMOVE, SETTING_FROM_MACHINE, "\xc3\xa4", "printable ASCII"},
        {SETTING_IMAGE, SETTING_FROM_GROUP, "ubuntu:2", NULL},
        {SETTING_IMAGE, SETTING_FROM_GROUP, "ubuntu:0", "is not an image"},
        {SETTING_IMAGE_VERSION, SETTING_FROM_MACHINE, "newest", NULL},
        {SETTING_IMAGE_VERSION, SETTING_FROM_GROUP, "0", "newest, or the number of a version"},
        {SETTING_MODE, SETTING_FROM_GROUP, "reset", NULL},
        {SETTING_MODE, SETTING_FROM_MACHINE, "forget", "mode: \"forget\" is not keep or reset"},
        {SETTING_SNAPSHOT_HOURLY, SETTING_FROM_DEFAULTS, "24", NULL},
        {SETTING_SNAPSHOT_HOURLY, SETTING_FROM_DEFAULTS, "101", "at most 100"},
        {SETTING_KEEP_BEFORE_ROLLBACK, SETTING_FROM_DEFAULTS, "all", NULL},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, "150=ip:192.0.2.1,192.0.2.2 209=text:a=b 43=hex:00ff 26=u16:1400", NULL},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, "53=u8:2", "\"53=u8:2\" is not CODE=TYPE:VALUE"},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, "256=u8:2", "is not"},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, "150", "is not"},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, "150=", "is not"},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, "150=ip:", "is not"},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, "150=ip:192.0.2.1,", "is not"},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, "43=hex:0", "is not"},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, "43=hex:0g", "is not"},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, "43=u8:256", "is not"},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, "43=u32:4294967295", NULL},
        {SETTING_DHCP_OPTION, SETTING_FROM_GROUP, " ", "says no option"},
        {SETTING_BOOT_FILE, SETTING_FROM_GROUP, "a b", "a path or URL"},
        {SETTING_BOOT_SERVER, SETTING_FROM_MACHINE, "boot.example.org", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct error error = {0};
        int r = setting_check(rows[i].key, rows[i].source, rows[i].value, &error);
        assert_int_equal(r, rows[i].says ? -EINVAL : 0);
        if (rows[i].says && !strstr(error.text, rows[i].says))
            fail_msg("%s", error.text);
    }
}

static void too_many_words_are_refused(void **state)
{
    char words[SETTING_WORDS_MAX_BYTES + 2];

    memset(words, 'a', sizeof(words));
    words[SETTING_WORDS_MAX_BYTES] = '\0';
    assert_int_equal(setting_check(SETTING_CMDLINE_ADD, SETTING_FROM_MACHINE, words, NULL), 0);
    words[SETTING_WORDS_MAX_BYTES] = 'a';
    words[SETTING_WORDS_MAX_BYTES + 1] = '\0';
    assert_int_equal(setting_check(SETTING_CMDLINE_ADD, SETTING_FROM_MACHINE, words, NULL), -EINVAL);
}

static void a_copy_has_what_the_program_brings(void **state)
{
    struct settings settings;
    struct machine machine = {.name = "pi-01", .settings = &settings};

    settings_begin(&settings);
    settings.values[SETTING_BOOT] = "san";
    assert_string_equal(machine_setting(&machine, SETTING_BOOT), "san");
    struct machine copy = machine_copy(&machine);
    assert_string_equal(copy.name, "pi-01");
    assert_string_equal(machine_setting(&copy, SETTING_BOOT), "disk");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_found_by_its_name),
        cmocka_unit_test(sources_have_names),
        cmocka_unit_test(a_bad_value_is_refused_with_a_sentence),
        cmocka_unit_test(too_many_words_are_refused),
        cmocka_unit_test(a_copy_has_what_the_program_brings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
