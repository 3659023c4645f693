#include "../test.h"

#include "eeprom/config.h"

static void bad_configurations_are_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *config;
        const char *says; /* NULL: it is good */
    } rows[] = {
        {EEPROM_CONFIG_DEFAULT, NULL},
        {"BOOT_ORDER=0xf21 NETCONSOLE=6665@169.254.1.1/,6666@/ BOOT_UART=1", NULL},
        {"BOOT_ORDER=0xf2", NULL},
        {"BOOT_ORDER=0x21", NULL},
        {"BOOT_ORDER=0xe21", NULL},
        {"BOOT_ORDER=0x3421", NULL},
        {"", "BOOT_ORDER: must be set"},
        {"TFTP_PREFIX=2", "BOOT_ORDER: must be set"},
        {"BOOT_ORDER=0xf41", "is not a boot order that comes to the network"},
        {"BOOT_ORDER=0xf2e1", "BOOT_ORDER"}, /* stops before the network */
        {"BOOT_ORDER=0x23", "BOOT_ORDER"},   /* waits for USB for ever */
        {"BOOT_ORDER=0x2f", "BOOT_ORDER"},
        {"BOOT_ORDER=0xf20", "BOOT_ORDER"},
        {"BOOT_ORDER=0xf82", "BOOT_ORDER"},
        {"BOOT_ORDER=0x0", "BOOT_ORDER"},
        {"BOOT_ORDER=0xf2141f241", "BOOT_ORDER"},
        {"BOOT_ORDER=f21", "BOOT_ORDER"},
        {"BOOT_ORDER=0xf21 BOOT_ORDER=0xf41", "said twice"},
        {"BOOT_ORDER=0xf21 BOOT_ORDR=1", "\"BOOT_ORDR=1\" sets no key"},
        {"BOOT_ORDER=0xf21\n[pi4]", "sets no key"},
        {"BOOT_ORDER=0xf21 DHCP_TIMEOUT=4999", "at least 5000"},
        {"BOOT_ORDER=0xf21 USE_IPV6=1", "IPv6"},
        {"BOOT_ORDER=0xf21 TFTP_PREFIX=3", "TFTP_PREFIX"},
        {"BOOT_ORDER=0xf21 NETCONSOLE=6665@", "NETCONSOLE"},
        {"BOOT_ORDER=0xf21 CLIENT_IP=192.0.2.50", "needs SUBNET and TFTP_IP"},
        {"BOOT_ORDER=0xf21 HTTP_PATH=\x1b[2J", "HTTP_PATH: \"\\x1b[2J\" is not printable ASCII"},
        {"BOOT_ORDER=", "needs a value"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct error error = {0};
        int r = eeprom_config_check(rows[i].config, &error);
        if (r != (rows[i].says ? -EINVAL : 0) || (rows[i].says && !strstr(error.text, rows[i].says)))
            fail_msg("\"%s\": %d %s", rows[i].config, r, error.text);
    }
}

static void a_key_is_added_replaced_and_taken_away(void **state)
{
    static const struct {
        const char *assignment;
        const char *result;
    } rows[] = {
        {"BOOT_UART=1", "BOOT_ORDER=0xf21 TFTP_PREFIX=2 BOOT_UART=1"},
        {"BOOT_ORDER=0xf2", "BOOT_ORDER=0xf2 TFTP_PREFIX=2"},
        {"TFTP_PREFIX=", "BOOT_ORDER=0xf21"},
        {"BOOT=", EEPROM_CONFIG_DEFAULT},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_TEXT struct text text = text_with_max(1024);
        assert_int_equal(eeprom_config_set(&text, EEPROM_CONFIG_DEFAULT, rows[i].assignment, NULL), 0);
        assert_string_equal(text_string(&text), rows[i].result);
    }
    CLEANUP_TEXT struct text text = text_with_max(1024);
    assert_int_equal(eeprom_config_set(&text, "", "BOOT_UART", NULL), -EINVAL);
    assert_int_equal(eeprom_config_set(&text, "", "A=1 B=2", NULL), -EINVAL);
}

static void what_the_image_says_beside_ours_stays(void **state)
{
    static const char own[] = "[all]\r\nBOOT_UART=0\r\nBOOT_ORDER=0xf41\n[pi4]\nBOOT_ORDER=0xf1\nWAKE_ON_GPIO=1\n";
    CLEANUP_TEXT struct text text = text_with_max(EEPROM_CONFIG_MAX_BYTES);

    assert_int_equal(eeprom_config_merge(&text, own, strlen(own), EEPROM_CONFIG_DEFAULT), 0);
    assert_string_equal(text_string(&text),
                        "[all]\nBOOT_UART=0\n[pi4]\nWAKE_ON_GPIO=1\n[all]\nBOOT_ORDER=0xf21\nTFTP_PREFIX=2\n");
    CLEANUP_TEXT struct text small = text_with_max(40);
    assert_int_equal(eeprom_config_merge(&small, own, strlen(own), EEPROM_CONFIG_DEFAULT), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_configurations_are_refused_with_a_sentence),
        cmocka_unit_test(a_key_is_added_replaced_and_taken_away),
        cmocka_unit_test(what_the_image_says_beside_ours_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
