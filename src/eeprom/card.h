/*
 * A card that sets a board's bootloader: a small disk image with one FAT16 partition and a few files in it.
 *
 * Pure: files in, bytes out. Write it to a card, start the board from it, and it is done.
 */
#pragma once

#include "base/base.h"

enum { EEPROM_CARD_BYTES = 16 * 1024 * 1024, EEPROM_CARD_FILES_MAX = 8, EEPROM_CARD_FILE_MAX_BYTES = 2 * 1024 * 1024 };

struct eeprom_card_file {
    const char *name; /* "recovery.bin": at most 8 and 3 characters */
    const void *bytes;
    size_t length_bytes;
};

/* Fills EEPROM_CARD_BYTES at `to`. -E2BIG for an empty file and one above EEPROM_CARD_FILE_MAX_BYTES. */
int eeprom_card(uint8_t *to, const struct eeprom_card_file *files, size_t count);
