#include "../test.h"
#include "maker.h"

#include "eeprom/signature.h"

#define OWN "[all]\nBOOT_UART=0\nBOOT_ORDER=0xf41\n"
#define NEW "[all]\nBOOT_UART=1\nBOOT_ORDER=0xf21\nTFTP_PREFIX=2\n"

static void expect_config(const uint8_t *image, size_t length_bytes, int copies, const char *config)
{
    struct eeprom_file files[EEPROM_COPIES_MAX];

    assert_int_equal(eeprom_find(image, length_bytes, "bootconf.txt", files), copies);
    for (int i = 0; i < copies; i++) {
        assert_int_equal(files[i].content_bytes, strlen(config));
        assert_memory_equal(image + files[i].content_offset, config, strlen(config));
    }
}

static void files_are_found_where_they_are(void **state)
{
    CLEANUP_FREE uint8_t *image = make_image_2711(OWN);
    struct eeprom_file files[EEPROM_COPIES_MAX];

    expect_config(image, EEPROM_BYTES_2711, 1, OWN);
    assert_int_equal(eeprom_find(image, EEPROM_BYTES_2711, "bootconf.txt", files), 1);
    assert_int_equal(files[0].header_offset, 0x10000);
    assert_int_equal(files[0].content_offset, 0x10000 + 24);
    assert_int_equal(files[0].end_offset, 0x11000); /* padding is room */
    assert_int_equal(eeprom_find(image, EEPROM_BYTES_2711, "cacert.der", files), 1);
    assert_int_equal(files[0].content_bytes, 100);
    assert_int_equal(eeprom_find(image, EEPROM_BYTES_2711, "bootsys", files), 0);
    assert_int_equal(eeprom_processor(EEPROM_BYTES_2711), 2711);
    assert_int_equal(eeprom_processor(EEPROM_BYTES_2712), 2712);
    assert_int_equal(eeprom_processor(EEPROM_BYTES_2711 + 1), 0);
}

/* Whatever is written, the image is byte for byte what it would be if it had been made with that. */
static void a_configuration_is_replaced_byte_for_byte(void **state)
{
    static const char *const configs[] = {NEW, "", "A=1", "A=12345", "A=1234567890123"};

    for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
        CLEANUP_FREE uint8_t *image = make_image_2711(OWN);
        CLEANUP_FREE uint8_t *expected = make_image_2711(configs[i]);
        assert_int_equal(eeprom_set_config(image, EEPROM_BYTES_2711, configs[i], strlen(configs[i]), NULL), 0);
        assert_memory_equal(image, expected, EEPROM_BYTES_2711);
    }
}

static void both_copies_of_a_newer_flash_are_changed(void **state)
{
    CLEANUP_FREE uint8_t *image = make_image_2712(OWN);
    CLEANUP_FREE uint8_t *expected = make_image_2712(NEW);

    expect_config(image, EEPROM_BYTES_2712, 2, OWN);
    assert_int_equal(eeprom_set_config(image, EEPROM_BYTES_2712, NEW, strlen(NEW), NULL), 0);
    assert_memory_equal(image, expected, EEPROM_BYTES_2712);
}

static void what_fits_the_sector_fits_and_no_byte_more(void **state)
{
    CLEANUP_FREE uint8_t *image = make_image_2711(OWN);
    char config[4096];
    struct error error = {0};
    struct eeprom_file files[EEPROM_COPIES_MAX];

    memset(config, 'x', sizeof(config));
    assert_int_equal(eeprom_set_config(image, EEPROM_BYTES_2711, config, 4096 - 24, NULL), 0);
    assert_int_equal(eeprom_find(image, EEPROM_BYTES_2711, "cacert.der", files), 1);
    assert_int_equal(files[0].header_offset, 0x11000);
    assert_int_equal(eeprom_set_config(image, EEPROM_BYTES_2711, config, 4096 - 23, &error), -E2BIG);
    assert_non_null(strstr(error.text, "does not fit"));
}

static void what_is_no_image_is_refused(void **state)
{
    CLEANUP_FREE uint8_t *image = make_image_2711(OWN);
    struct eeprom_file files[EEPROM_COPIES_MAX];
    struct error error = {0};

    assert_int_equal(eeprom_set_config(image, EEPROM_BYTES_2711 - 1, NEW, strlen(NEW), &error), -EBADMSG);
    memcpy(image + 4, "\xff\xff\xff\xf0", 4); /* a section longer than the image */
    assert_int_equal(eeprom_find(image, EEPROM_BYTES_2711, "bootconf.txt", files), -EBADMSG);
    memcpy(image, "ELF!", 4);
    assert_int_equal(eeprom_find(image, EEPROM_BYTES_2711, "bootconf.txt", files), -EBADMSG);
    memset(image, 0xff, EEPROM_BYTES_2711);
    assert_int_equal(eeprom_find(image, EEPROM_BYTES_2711, "bootconf.txt", files), -EBADMSG);
}

static void a_signed_configuration_stays(void **state)
{
    CLEANUP_FREE uint8_t *image = xcalloc(1, EEPROM_BYTES_2711);
    struct writer w = writer_over(image, EEPROM_BYTES_2711);
    struct error error = {0};

    memset(image, 0xff, EEPROM_BYTES_2711);
    make_section(&w, 0x55aaf00f, "code", 4);
    make_file(&w, "bootconf.sig", "00\nts: 1\nrsa2048: 00\n", 21);
    make_file(&w, "bootconf.txt", OWN, strlen(OWN));
    assert_int_equal(eeprom_set_config(image, EEPROM_BYTES_2711, NEW, strlen(NEW), &error), -EPERM);
    assert_non_null(strstr(error.text, "signed"));
}

static void the_signature_is_digest_time_and_processor(void **state)
{
    CLEANUP_TEXT struct text text = text_with_max(EEPROM_SIGNATURE_MAX_BYTES);
    CLEANUP_FREE uint8_t *image = xcalloc(1, EEPROM_BYTES_2711);

    eeprom_signature(&text, image, EEPROM_BYTES_2711, 1795550000);
    assert_string_equal(text_string(&text), "07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541\n"
                                            "ts: 1795550000\ntarget-soc: 2711\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_found_where_they_are),
        cmocka_unit_test(a_configuration_is_replaced_byte_for_byte),
        cmocka_unit_test(both_copies_of_a_newer_flash_are_changed),
        cmocka_unit_test(what_fits_the_sector_fits_and_no_byte_more),
        cmocka_unit_test(what_is_no_image_is_refused),
        cmocka_unit_test(a_signed_configuration_stays),
        cmocka_unit_test(the_signature_is_digest_time_and_processor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
