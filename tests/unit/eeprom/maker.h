/*
 * Bootloader images of our own making, by the description of their format; nobody's code is in them.
 */
#pragma once

#include "eeprom/image.h"

#include "base/bytes.h"

static inline void make_section(struct writer *w, uint32_t magic, const void *bytes, size_t length_bytes)
{
    writer_be32(w, magic);
    writer_be32(w, (uint32_t)length_bytes);
    writer_bytes(w, bytes, length_bytes);
    while (w->offset % 8)
        writer_u8(w, 0xff);
}

static inline void make_file(struct writer *w, const char *name, const void *bytes, size_t length_bytes)
{
    writer_be32(w, 0x55aaf11f);
    writer_be32(w, (uint32_t)length_bytes + 16);
    writer_bytes(w, name, strlen(name));
    writer_fill(w, 0, 16 - strlen(name));
    writer_bytes(w, bytes, length_bytes);
    while (w->offset % 8)
        writer_u8(w, 0xff);
}

/* Padding up to `offset`. */
static inline void make_padding(struct writer *w, size_t offset)
{
    size_t length_bytes = offset - w->offset - 8;

    writer_be32(w, 0x55aafeef);
    writer_be32(w, (uint32_t)length_bytes);
    writer_fill(w, 0xff, length_bytes);
}

/* Code, a public key, a configuration in the sector at `config_offset`, and a file behind it. */
static inline void make_bootloader(struct writer *w, const char *config, size_t config_offset)
{
    uint8_t code[3001];

    memset(code, 0x5a, sizeof(code));
    make_section(w, 0x55aaf00f, code, sizeof(code));
    make_section(w, 0x55aaf33f, code, 777);
    make_file(w, "pubkey.bin", code, 264);
    make_padding(w, config_offset);
    make_file(w, "bootconf.txt", config, strlen(config));
    make_padding(w, config_offset + 4096);
    make_file(w, "cacert.der", code, 100);
    make_section(w, 0x55aaf44f, code, 123);
}

static inline uint8_t *make_image_2711(const char *config)
{
    uint8_t *image = xcalloc(1, EEPROM_BYTES_2711);
    struct writer w = writer_over(image, EEPROM_BYTES_2711);

    memset(image, 0xff, EEPROM_BYTES_2711);
    make_bootloader(&w, config, 0x10000);
    CHECK(writer_ok(&w));
    return image;
}

/* A part that stays, and two bootloaders behind it. */
static inline uint8_t *make_image_2712(const char *config)
{
    static const size_t copies[] = {0x10000, 0x107000};
    uint8_t *image = xcalloc(1, EEPROM_BYTES_2712);
    struct writer first = writer_over(image, 0x10000);

    memset(image, 0xff, EEPROM_BYTES_2712);
    make_section(&first, 0x55aaf00f, "first stage", 11);
    for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
        struct writer w = writer_over(image + copies[i], 0xf7000);
        make_bootloader(&w, config, 0x10000);
        CHECK(writer_ok(&w));
    }
    return image;
}
