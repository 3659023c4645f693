#include "disk/fat_name.h"

enum { REPLACEMENT = 0xfffd, CASE_NAME = 0x08, CASE_EXTENSION = 0x10 };

/* Code page 437 from 0x80 on: what a short name means without any other word, here and in Linux. */
static const uint16_t code_page_437[128] = {
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee,
    0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6,
    0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa,
    0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593, 0x2502,
    0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510, 0x2514,
    0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550,
    0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c,
    0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4,
    0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320,
    0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};

/* Appends one character; false if it and a NUL do not fit. */
static bool put_utf8(char *to, size_t to_size, size_t *used, uint32_t c)
{
    char bytes[4];
    size_t count = 0;

    if (c < 0x80) {
        bytes[count++] = (char)c;
    } else if (c < 0x800) {
        bytes[count++] = (char)(0xc0 | c >> 6);
        bytes[count++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        bytes[count++] = (char)(0xe0 | c >> 12);
        bytes[count++] = (char)(0x80 | (c >> 6 & 0x3f));
        bytes[count++] = (char)(0x80 | (c & 0x3f));
    } else {
        bytes[count++] = (char)(0xf0 | c >> 18);
        bytes[count++] = (char)(0x80 | (c >> 12 & 0x3f));
        bytes[count++] = (char)(0x80 | (c >> 6 & 0x3f));
        bytes[count++] = (char)(0x80 | (c & 0x3f));
    }
    if (*used + count >= to_size)
        return false;
    memcpy(to + *used, bytes, count);
    *used += count;
    to[*used] = '\0';
    return true;
}

static bool is_high_surrogate(uint32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low_surrogate(uint32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* The character at `*at`, which moves on. */
static uint32_t next_utf16(const uint16_t *units, size_t count, size_t *at)
{
    uint32_t unit = units[(*at)++];

    if (is_high_surrogate(unit) && *at < count && is_low_surrogate(units[*at]))
        return 0x10000 + ((unit - 0xd800) << 10) + (units[(*at)++] - 0xdc00u);
    return is_high_surrogate(unit) || is_low_surrogate(unit) ? REPLACEMENT : unit;
}

bool fat_long_name(char *to, size_t to_size, const uint16_t *units, size_t count)
{
    size_t used = 0;

    to[0] = '\0';
    for (size_t at = 0; at < count;) {
        uint32_t c = next_utf16(units, count, &at);
        if (c == 0 || c == '/' || !put_utf8(to, to_size, &used, c))
            return false;
    }
    return used > 0;
}

void utf16_string(char *to, size_t to_size, const uint8_t *bytes, size_t max_units)
{
    uint16_t units[64];
    size_t count = 0;
    size_t used = 0;

    CHECK(max_units <= ARRAY_SIZE(units));
    while (count < max_units && (bytes[2 * count] || bytes[2 * count + 1])) {
        units[count] = (uint16_t)(bytes[2 * count] | bytes[2 * count + 1] << 8);
        count++;
    }
    to[0] = '\0';
    for (size_t at = 0; at < count;) {
        if (!put_utf8(to, to_size, &used, next_utf16(units, count, &at)))
            return;
    }
}

static uint32_t lower(uint32_t c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
        (c >= 0x410 && c <= 0x42f))
        return c + 0x20;
    return c >= 0x400 && c <= 0x40f ? c + 0x50 : c;
}

static size_t trimmed(const uint8_t *raw, size_t length)
{
    while (length && raw[length - 1] == ' ')
        length--;
    return length;
}

static void put_short(char *to, size_t to_size, size_t *used, const uint8_t *raw, size_t length,
                      bool lower_case)
{
    for (size_t i = 0; i < length; i++) {
        uint32_t c = raw[i] < 0x80 ? raw[i] : code_page_437[raw[i] - 0x80];
        if (c < 0x20 || c == '/' || c == 0x7f)
            c = '_';
        put_utf8(to, to_size, used, lower_case ? lower(c) : c);
    }
}

void fat_short_name(char *to, size_t to_size, const uint8_t raw[FAT_SHORT_NAME_BYTES], uint8_t case_bits)
{
    uint8_t name[FAT_SHORT_NAME_BYTES];
    size_t used = 0;

    memcpy(name, raw, sizeof(name));
    if (name[0] == 0x05) /* stands for 0xe5, which marks a deleted entry */
        name[0] = 0xe5;
    to[0] = '\0';
    put_short(to, to_size, &used, name, trimmed(name, 8), case_bits & CASE_NAME);
    size_t extension = trimmed(name + 8, 3);
    if (extension) {
        put_utf8(to, to_size, &used, '.');
        put_short(to, to_size, &used, name + 8, extension, case_bits & CASE_EXTENSION);
    }
}

void fat_label_text(char *to, size_t to_size, const uint8_t raw[FAT_SHORT_NAME_BYTES])
{
    size_t used = 0;

    to[0] = '\0';
    put_short(to, to_size, &used, raw, trimmed(raw, FAT_SHORT_NAME_BYTES), false);
}

uint8_t fat_short_name_checksum(const uint8_t raw[FAT_SHORT_NAME_BYTES])
{
    uint8_t sum = 0;

    for (size_t i = 0; i < FAT_SHORT_NAME_BYTES; i++)
        sum = (uint8_t)((sum >> 1 | sum << 7) + raw[i]);
    return sum;
}

/* The next character of valid UTF-8; a byte that is not part of any stands for itself. */
static uint32_t next_utf8(const char *s, size_t length, size_t *at)
{
    uint8_t first = (uint8_t)s[(*at)++];
    size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
    uint32_t c = more ? first & (0x3fu >> more) : first;

    if (more > length - *at)
        return first;
    for (size_t i = 0; i < more; i++)
        c = c << 6 | ((uint8_t)s[(*at)++] & 0x3f);
    return c;
}

bool fat_name_equal(const char *a, const char *b, size_t b_length)
{
    size_t a_length = strlen(a);
    size_t a_at = 0;
    size_t b_at = 0;

    while (a_at < a_length && b_at < b_length) {
        if (lower(next_utf8(a, a_length, &a_at)) != lower(next_utf8(b, b_length, &b_at)))
            return false;
    }
    return a_at == a_length && b_at == b_length;
}
