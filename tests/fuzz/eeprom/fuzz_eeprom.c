/*
 * A bootloader image of any content. The seeds are the beginning of one; the rest of the flash is empty.
 */
#include "eeprom/config.h"
#include "eeprom/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void change(const uint8_t *data, size_t size, size_t image_bytes)
{
    static const char config[] = "[all]\n" EEPROM_CONFIG_DEFAULT "\n";
    CLEANUP_FREE uint8_t *image = xcalloc(1, image_bytes);
    struct eeprom_file files[EEPROM_COPIES_MAX];

    memcpy(image, data, MIN(size, image_bytes));
    int before = eeprom_find(image, image_bytes, "bootconf.txt", files);
    if (eeprom_set_config(image, image_bytes, config, sizeof(config) - 1, NULL) < 0)
        return;
    CHECK(before > 0 && eeprom_find(image, image_bytes, "bootconf.txt", files) == before);
    for (int i = 0; i < before; i++)
        CHECK(memcmp(image + files[i].content_offset, config, sizeof(config) - 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_TEXT struct text text = text_with_max(EEPROM_CONFIG_MAX_BYTES);

    change(data, size, EEPROM_BYTES_2711);
    (void)eeprom_config_merge(&text, (const char *)data, MIN(size, (size_t)EEPROM_CONFIG_MAX_BYTES),
                              EEPROM_CONFIG_DEFAULT);
    return 0;
}
