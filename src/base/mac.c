#include "base/mac.h"

#include <ctype.h>
#include <stdio.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mac_parse(const char *text, struct mac *mac)
{
    struct mac parsed;

    if (strlen(text) != MAC_TEXT_SIZE - 1)
        return false;
    for (size_t i = 0; i < MAC_BYTES; i++) {
        int high = hex_digit(text[i * 3]);
        int low = hex_digit(text[i * 3 + 1]);
        char separator = text[i * 3 + 2];
        if (high < 0 || low < 0 || (i + 1 < MAC_BYTES && separator != ':' && separator != '-'))
            return false;
        parsed.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (parsed.bytes[0] & 1 || mac_is_zero(&parsed))
        return false;
    *mac = parsed;
    return true;
}

const char *mac_format(char to[MAC_TEXT_SIZE], const struct mac *mac, char separator)
{
    const uint8_t *b = mac->bytes;
    char s = separator;

    snprintf(to, MAC_TEXT_SIZE, "%02x%c%02x%c%02x%c%02x%c%02x%c%02x", b[0], s, b[1], s, b[2], s, b[3], s, b[4], s,
             b[5]);
    return to;
}

bool mac_equal(const struct mac *a, const struct mac *b)
{
    return memcmp(a->bytes, b->bytes, MAC_BYTES) == 0;
}

bool mac_is_zero(const struct mac *mac)
{
    static const struct mac zero;

    return mac_equal(mac, &zero);
}
