/*
 * Ethernet addresses.
 */
#pragma once

#include "base/base.h"

enum { MAC_BYTES = 6, MAC_TEXT_SIZE = 18 };

struct mac {
    uint8_t bytes[MAC_BYTES];
};

/* "dc:a6:32:01:02:03" or with dashes, either case. False if it is anything else, or a group address, or all zero. */
bool mac_parse(const char *text, struct mac *mac);
/* Lower case with `separator` between the bytes; gives `to`. */
const char *mac_format(char to[MAC_TEXT_SIZE], const struct mac *mac, char separator);
bool mac_equal(const struct mac *a, const struct mac *b);
bool mac_is_zero(const struct mac *mac);
