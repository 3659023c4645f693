#include "../test.h"

#include "fleet/cloud_init.h"

static struct settings settings;
static struct machine machine = {.name = "pi-01", .volume = "machine-0123456789abcdef", .settings = &settings};

static int set_up(void **state)
{
    settings_begin(&settings);
    machine.cloud_init[0] = '\0';
    return 0;
}

static void say(enum setting key, const char *value)
{
    assert_int_equal(setting_check(key, SETTING_FROM_MACHINE, value, NULL), 0);
    settings.values[key] = value;
}

static void assert_file(enum cloud_init_file file, const char *expected)
{
    CLEANUP_TEXT struct text text = text_with_max(CLOUD_INIT_MAX_BYTES);

    assert_int_equal(cloud_init_write(&text, &machine, file, NULL), 0);
    assert_string_equal(text_string(&text), expected);
}

static void files_have_names(void **state)
{
    enum cloud_init_file found;

    for (enum cloud_init_file file = 0; file <= CLOUD_INIT_NETWORK_CONFIG; file++) {
        assert_true(cloud_init_from_name(cloud_init_name(file), &found));
        assert_int_equal(found, file);
    }
    assert_false(cloud_init_from_name("passwd", &found));
}

static void a_machine_without_settings_has_a_name(void **state)
{
    assert_file(CLOUD_INIT_META_DATA, "instance-id: \"machine-0123456789abcdef\"\nlocal-hostname: \"pi-01\"\n");
    assert_file(CLOUD_INIT_USER_DATA, "#cloud-config\nhostname: \"pi-01\"\n");
    assert_file(CLOUD_INIT_VENDOR_DATA, "");
    assert_file(CLOUD_INIT_NETWORK_CONFIG, "");
}

static void settings_become_cloud_config(void **state)
{
    say(SETTING_HOSTNAME, "wall-1.lab");
    say(SETTING_TIMEZONE, "Europe/Berlin");
    say(SETTING_USERS, "anna, ben");
    say(SETTING_SSH_KEYS, "ssh-ed25519 AAAA a@b\n\necdsa-sha2-nistp256 BBBB\n");
    say(SETTING_PACKAGES, "htop\tnfs-common");
    say(SETTING_RUN, "echo \"a b\" > /x\nprintf '%s\\n' é\n");
    assert_file(CLOUD_INIT_USER_DATA,
                "#cloud-config\n"
                "hostname: \"wall-1.lab\"\n"
                "timezone: \"Europe/Berlin\"\n"
                "users:\n"
                "  - name: \"anna\"\n"
                "    shell: \"/bin/bash\"\n"
                "    sudo: \"ALL=(ALL) NOPASSWD:ALL\"\n"
                "    lock_passwd: true\n"
                "    ssh_authorized_keys:\n"
                "      - \"ssh-ed25519 AAAA a@b\"\n"
                "      - \"ecdsa-sha2-nistp256 BBBB\"\n"
                "  - name: \"ben\"\n"
                "    shell: \"/bin/bash\"\n"
                "    sudo: \"ALL=(ALL) NOPASSWD:ALL\"\n"
                "    lock_passwd: true\n"
                "    ssh_authorized_keys:\n"
                "      - \"ssh-ed25519 AAAA a@b\"\n"
                "      - \"ecdsa-sha2-nistp256 BBBB\"\n"
                "package_update: true\n"
                "packages:\n"
                "  - \"htop\"\n"
                "  - \"nfs-common\"\n"
                "runcmd:\n"
                "  - \"echo \\\"a b\\\" > /x\"\n"
                "  - \"printf '%s\\\\n' \\u00e9\"\n");
}

static void without_users_keys_are_the_default_users(void **state)
{
    say(SETTING_SSH_KEYS, "ssh-rsa AAAA");
    assert_file(CLOUD_INIT_USER_DATA, "#cloud-config\nhostname: \"pi-01\"\nssh_authorized_keys:\n  - \"ssh-rsa AAAA\"\n");
}

static void a_file_takes_the_place_of_all(void **state)
{
    say(SETTING_PACKAGES, "htop");
    say(SETTING_USER_DATA, "#!/bin/sh\necho hello\n");
    assert_file(CLOUD_INIT_USER_DATA, "#!/bin/sh\necho hello\n");
}

static void a_boot_folder_is_mounted(void **state)
{
    CLEANUP_TEXT struct text user = text_with_max(CLOUD_INIT_MAX_BYTES);
    CLEANUP_TEXT struct text vendor = text_with_max(CLOUD_INIT_MAX_BYTES);
    static const char folder[] = "192.0.2.1:/srv/tftp/dc-a6-32-01-02-03";
    static const char ours[] =
        "  - \"sed -i '\\\\#[[:space:]]/boot/firmware[[:space:]]#d' /etc/fstab\"\n"
        "  - \"echo '192.0.2.1:/srv/tftp/dc-a6-32-01-02-03 /boot/firmware nfs defaults 0 1' >> /etc/fstab\"\n"
        "  - \"mkdir -p /boot/firmware && { umount /boot/firmware || true; } && mount /boot/firmware\"\n";
    CLEANUP_FREE char *with_own = xasprintf("#cloud-config\nhostname: \"pi-01\"\npackage_update: true\npackages:\n"
                                            "  - \"nfs-common\"\n  - \"htop\"\nruncmd:\n%s  - \"true\"\n", ours);
    CLEANUP_FREE char *alone =
        xasprintf("#cloud-config\npackage_update: true\npackages:\n  - \"nfs-common\"\nruncmd:\n%s", ours);

    say(SETTING_PACKAGES, "htop");
    say(SETTING_RUN, "true");
    assert_int_equal(cloud_init_write(&user, &machine, CLOUD_INIT_USER_DATA, folder), 0);
    assert_string_equal(text_string(&user), with_own);
    assert_int_equal(cloud_init_write(&vendor, &machine, CLOUD_INIT_VENDOR_DATA, folder), 0);
    assert_string_equal(text_string(&vendor), "");
    /* Beside an administrator's own user data. */
    say(SETTING_USER_DATA, "#cloud-config\n");
    assert_int_equal(cloud_init_write(&vendor, &machine, CLOUD_INIT_VENDOR_DATA, folder), 0);
    assert_string_equal(text_string(&vendor), alone);
}

static void what_yaml_might_misread_is_written_as_numbers(void **state)
{
    say(SETTING_RUN, "a\tb\xe2\x80\xa8" "c\xc2\x85" "d\xf0\x9f\x98\x80");
    assert_file(CLOUD_INIT_USER_DATA,
                "#cloud-config\nhostname: \"pi-01\"\nruncmd:\n  - \"a\\u0009b\\u2028c\\u0085d\\U0001f600\"\n");
    settings.values[SETTING_RUN] = "\xff\xc3(\xe2\x82";
    assert_file(CLOUD_INIT_USER_DATA,
                "#cloud-config\nhostname: \"pi-01\"\nruncmd:\n  - \"\\ufffd\\ufffd(\\ufffd\"\n");
}

static void the_word_depends_on_the_version(void **state)
{
    static const struct {
        const char *version;
        const char *word;
    } rows[] = {
        {"22.4.2", "ds=nocloud-net;s=http://192.0.2.1/cloud-init/"},
        {"23.1.1", "ds=nocloud-net;s=http://192.0.2.1/cloud-init/"},
        {"23.2", "ds=nocloud;s=http://192.0.2.1/cloud-init/"},
        {"25.1.4", "ds=nocloud;s=http://192.0.2.1/cloud-init/"},
        {"unknown", "ds=nocloud;s=http://192.0.2.1/cloud-init/"},
        {"", "ds=nocloud;s=http://192.0.2.1/cloud-init/"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_TEXT struct text text = text_with_max(200);
        COPY_STRING(machine.cloud_init, rows[i].version);
        cloud_init_append_word(&text, &machine, "http://192.0.2.1/");
        assert_string_equal(text_string(&text), rows[i].word);
    }
}

static void who_has_it_is_sent_to_us(void **state)
{
    assert_false(cloud_init_is_wanted(&machine));
    COPY_STRING(machine.cloud_init, "24.1");
    assert_true(cloud_init_is_wanted(&machine));
    say(SETTING_CLOUD_INIT, "off");
    assert_false(cloud_init_is_wanted(&machine));
    machine.cloud_init[0] = '\0';
    say(SETTING_CLOUD_INIT, "on");
    assert_true(cloud_init_is_wanted(&machine));
}

static void what_is_no_value_is_refused(void **state)
{
    static const struct {
        enum setting key;
        const char *value;
    } rows[] = {
        {SETTING_CLOUD_INIT, "yes"},      {SETTING_HOSTNAME, "a b"},        {SETTING_HOSTNAME, "-a"},
        {SETTING_HOSTNAME, "a-"},         {SETTING_HOSTNAME, "a..b"},       {SETTING_HOSTNAME, "a.-b"},
        {SETTING_TIMEZONE, "../x"},       {SETTING_TIMEZONE, "/etc/x"},     {SETTING_TIMEZONE, "a b"},
        {SETTING_USERS, "Anna;rm"},       {SETTING_SSH_KEYS, "hello"},      {SETTING_PACKAGES, "a;b"},
        {SETTING_SSH_KEYS, "-----BEGIN OPENSSH PRIVATE KEY----- ssh-"},     {SETTING_RUN, "a\x1b[0m"},
        {SETTING_USER_DATA, "hostname: x\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (setting_check(rows[i].key, SETTING_FROM_MACHINE, rows[i].value, NULL) != -EINVAL)
            fail_msg("%s: %s", setting_name(rows[i].key), rows[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(files_have_names, set_up),
        cmocka_unit_test_setup(a_machine_without_settings_has_a_name, set_up),
        cmocka_unit_test_setup(settings_become_cloud_config, set_up),
        cmocka_unit_test_setup(without_users_keys_are_the_default_users, set_up),
        cmocka_unit_test_setup(a_file_takes_the_place_of_all, set_up),
        cmocka_unit_test_setup(a_boot_folder_is_mounted, set_up),
        cmocka_unit_test_setup(what_yaml_might_misread_is_written_as_numbers, set_up),
        cmocka_unit_test_setup(the_word_depends_on_the_version, set_up),
        cmocka_unit_test_setup(who_has_it_is_sent_to_us, set_up),
        cmocka_unit_test_setup(what_is_no_value_is_refused, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
