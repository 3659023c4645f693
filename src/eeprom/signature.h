/*
 * pieeprom.sig: what a bootloader reads first, to see whether the image beside it is newer than its own and whole.
 */
#pragma once

#include "base/text.h"

enum { EEPROM_SIGNATURE_MAX_BYTES = 160 };

/* Appends the text for an image: its SHA-256, `time_seconds` (newer than the last update's, or it is passed over), and
 * the processor, so that no board takes another kind's. */
void eeprom_signature(struct text *to, const uint8_t *image, size_t length_bytes, uint64_t time_seconds);
