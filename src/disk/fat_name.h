/*
 * Names as FAT stores them: 8.3 names in code page 437 and long names in UTF-16, both given as UTF-8.
 *
 * Pure; reads no disk. Unpaired surrogates become U+FFFD.
 */
#pragma once

#include "base/base.h"

enum { FAT_SHORT_NAME_BYTES = 11 };

/* `raw`: 8 bytes of name and 3 of extension. `case_bits`: byte 12 of the entry (0x08 name and 0x10 extension
 * are lower case, as Windows NT writes it). */
void fat_short_name(char *to, size_t to_size, const uint8_t raw[FAT_SHORT_NAME_BYTES], uint8_t case_bits);
/* The 11 bytes of a volume label, spaces inside it kept. */
void fat_label_text(char *to, size_t to_size, const uint8_t raw[FAT_SHORT_NAME_BYTES]);
/* What ties long-name entries to their short entry. */
uint8_t fat_short_name_checksum(const uint8_t raw[FAT_SHORT_NAME_BYTES]);
/* `count` UTF-16 units. False if the name did not fit, is empty, or holds NUL or '/'. */
bool fat_long_name(char *to, size_t to_size, const uint16_t *units, size_t count);
/* Without case for ASCII, Latin-1, Greek and Cyrillic letters. `b` has `b_length` bytes. */
bool fat_name_equal(const char *a, const char *b, size_t b_length);
/* UTF-16LE up to the first NUL or `max_units`, as UTF-8: partition names. */
void utf16_string(char *to, size_t to_size, const uint8_t *bytes, size_t max_units);
