/*
 * The configuration of a Raspberry Pi's bootloader (bootconf.txt): which keys there are, what they may say, and what
 * must not be said because the board would not find back to its server.
 *
 * Pure, text to text. A board with a bad configuration is repaired with a card in hand, so that what is not known to be
 * good is refused.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum {
    EEPROM_CONFIG_MAX_BYTES = 4076, /* it lives in one erase sector */
    EEPROM_KEYS_MAX = 64,           /* of a configuration that is kept */
};

/* What machines get that say nothing else: card, then network, then again; and their files below their MAC address. */
#define EEPROM_CONFIG_DEFAULT "BOOT_ORDER=0xf21 TFTP_PREFIX=2"

/* -EINVAL with the sentence unless `config`, words KEY=VALUE between blanks, has only keys and values that are known, and a
 * BOOT_ORDER that comes to the network. */
int eeprom_config_check(const char *config, struct error *error);

/* Appends `config` with `assignment`, "KEY=VALUE", in it; without the key when the value is empty. -EINVAL with the
 * sentence. The result is to be checked. */
int eeprom_config_set(struct text *to, const char *config, const char *assignment, struct error *error);

/* Appends it as the bootloader wants it: a line for each key. */
void eeprom_config_lines(struct text *to, const char *config);

/* Appends what a bootloader image's bootconf.txt becomes: its own lines without our keys, then `config` for all boards.
 * -E2BIG if that is more than EEPROM_CONFIG_MAX_BYTES. */
int eeprom_config_merge(struct text *to, const char *own, size_t own_bytes, const char *config);
