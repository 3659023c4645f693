/*
 * A bootloader image as a Raspberry Pi 4 or 5 keeps it in its flash memory: sections, of which one is bootconf.txt.
 *
 * Pure, and written from the outside: the image is somebody else's file, and everything in it is checked before it is
 * followed. Nothing but bootconf.txt is ever changed.
 */
#pragma once

#include "base/error.h"

enum {
    EEPROM_BYTES_2711 = 512 * 1024,
    EEPROM_BYTES_2712 = 2 * 1024 * 1024,
    EEPROM_BYTES_MAX = EEPROM_BYTES_2712,
    EEPROM_COPIES_MAX = 2, /* images of 2026 and later hold each file twice */
};

/* A file inside. */
struct eeprom_file {
    size_t header_offset;
    size_t content_offset;
    size_t content_bytes;
    size_t end_offset; /* of what it may grow into: where the next section that is no padding begins */
};

/* The board's processor, by the image's size: 2711 or 2712. 0: no such size. */
unsigned eeprom_processor(size_t length_bytes);

/* Finds a file by its name in each copy; gives the number of copies. -EBADMSG for what is no bootloader image. */
int eeprom_find(const uint8_t *image, size_t length_bytes, const char *name, struct eeprom_file files[EEPROM_COPIES_MAX]);

/* Puts `config` into every bootconf.txt of the image, in the place of what is there, and fills the rest of its room
 * with padding. Refuses an image whose configuration is signed: it would not be believed any more. Negative errno with
 * the sentence. */
int eeprom_set_config(uint8_t *image, size_t length_bytes, const char *config, size_t config_bytes,
                      struct error *error);

/* The image with `config`, words KEY=VALUE, for all boards: what its own configuration says beside that, stays.
 * Refuses a configuration that eeprom_config_check refuses. Negative errno with the sentence. */
int eeprom_configure(uint8_t *image, size_t length_bytes, const char *config, struct error *error);
