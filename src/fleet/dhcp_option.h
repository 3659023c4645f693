/*
 * DHCP options by number, as an administrator writes them for machines that need something farboot knows nothing of:
 * "150=ip:192.0.2.1 209=text:menu.cfg 43=hex:0104ff".
 *
 * Pure. What the protocol itself lives on cannot be said this way.
 */
#pragma once

#include "base/error.h"

enum { DHCP_EXTRA_MAX = 16, DHCP_EXTRA_BYTES_MAX = 255 };

struct dhcp_extra {
    uint8_t code;
    size_t length_bytes;
    uint8_t bytes[DHCP_EXTRA_BYTES_MAX];
};

/* -EINVAL with the sentence unless `text` is words CODE=TYPE:VALUE between blanks; types are ip (several with commas
 * between), text, hex, u8, u16 and u32. */
int dhcp_extra_check(const char *text, struct error *error);
/* The next one of a text that was checked; false at the end. `*at` moves on. */
bool dhcp_extra_next(const char **at, struct dhcp_extra *extra);
