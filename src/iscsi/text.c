#include "iscsi/text.h"

#include <ctype.h>

static bool is_key(const char *key, size_t length_bytes)
{
    if (length_bytes == 0 || length_bytes > ISCSI_KEY_MAX_BYTES || !isalpha((unsigned char)key[0]))
        return false;
    for (size_t i = 0; i < length_bytes; i++) {
        if (!isalnum((unsigned char)key[i]) && !strchr(".-+@_/#:", key[i]))
            return false;
    }
    return true;
}

enum text_next iscsi_text_next(struct reader *r, const char **key, const char **value)
{
    /* Some initiators pad with further NULs. */
    while (reader_left(r) && r->data[r->offset] == '\0')
        reader_skip(r, 1);
    if (!reader_left(r))
        return TEXT_END;
    char *pair = (char *)reader_cstring(r);
    char *equals = pair ? strchr(pair, '=') : NULL;
    if (!equals || !is_key(pair, (size_t)(equals - pair)) || strlen(equals + 1) > ISCSI_VALUE_MAX_BYTES)
        return TEXT_MALFORMED;
    *equals = '\0';
    *key = pair;
    *value = equals + 1;
    return TEXT_PAIR;
}

void iscsi_text_put(struct text *text, const char *key, const char *value)
{
    text_append(text, key);
    text_append(text, "=");
    text_append_bytes(text, value, strlen(value) + 1);
}

void iscsi_text_put_number(struct text *text, const char *key, uint64_t value)
{
    text_appendf(text, "%s=%llu", key, (unsigned long long)value);
    text_append_bytes(text, "", 1);
}

static bool parse_hexadecimal(const char *digits, uint64_t max, uint64_t *number)
{
    uint64_t total = 0;

    if (!*digits)
        return false;
    for (; *digits; digits++) {
        if (!isxdigit((unsigned char)*digits) || total > UINT64_MAX >> 4)
            return false;
        unsigned char c = (unsigned char)tolower((unsigned char)*digits);
        total = total << 4 | (uint64_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    *number = total;
    return total <= max;
}

bool iscsi_text_number(const char *value, uint64_t max, uint64_t *number)
{
    if (value[0] == '0' && (value[1] == 'x' || value[1] == 'X'))
        return parse_hexadecimal(value + 2, max, number);
    return parse_u64(value, max, number);
}

static bool has_prefix(const char *value, char letter)
{
    return value[0] == '0' && tolower((unsigned char)value[1]) == letter;
}

static int digit_of(char c, const char *digits)
{
    const char *found = c ? strchr(digits, c) : NULL;

    return found ? (int)(found - digits) : -1;
}

static bool decode_hexadecimal(const char *digits, uint8_t *to, size_t max_bytes, size_t *length_bytes)
{
    static const char hexadecimal[] = "0123456789abcdef";
    size_t count = strlen(digits);

    if (count % 2 || count / 2 > max_bytes)
        return false;
    for (size_t i = 0; i < count; i += 2) {
        int high = digit_of((char)tolower((unsigned char)digits[i]), hexadecimal);
        int low = digit_of((char)tolower((unsigned char)digits[i + 1]), hexadecimal);
        if (high < 0 || low < 0)
            return false;
        to[i / 2] = (uint8_t)(high << 4 | low);
    }
    *length_bytes = count / 2;
    return count > 0;
}

static size_t base64_padding(const char *digits, size_t count)
{
    if (count < 4 || digits[count - 1] != '=')
        return 0;
    return digits[count - 2] == '=' ? 2 : 1;
}

/* Strict (RFC 4648): whole groups of four, padding at the end only, no bit left over. */
static bool decode_base64(const char *digits, uint8_t *to, size_t max_bytes, size_t *length_bytes)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t count = strlen(digits);
    size_t padding = base64_padding(digits, count);
    struct writer w = writer_over(to, max_bytes);
    uint32_t bits = 0;
    unsigned held = 0;

    if (!count || count % 4 || count / 4 * 3 - padding > max_bytes)
        return false;
    for (size_t i = 0; i < count - padding; i++) {
        int digit = digit_of(digits[i], base64);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            writer_u8(&w, (uint8_t)(bits >> held));
            bits &= (1u << held) - 1;
        }
    }
    *length_bytes = w.offset;
    return writer_ok(&w) && bits == 0;
}

bool iscsi_text_bytes(const char *value, uint8_t *to, size_t max_bytes, size_t *length_bytes)
{
    *length_bytes = 0;
    if (has_prefix(value, 'x'))
        return decode_hexadecimal(value + 2, to, max_bytes, length_bytes);
    return has_prefix(value, 'b') && decode_base64(value + 2, to, max_bytes, length_bytes);
}

void iscsi_text_put_bytes(struct text *text, const char *key, const uint8_t *bytes, size_t length_bytes)
{
    text_appendf(text, "%s=0x", key);
    for (size_t i = 0; i < length_bytes; i++)
        text_appendf(text, "%02x", bytes[i]);
    text_append_bytes(text, "", 1);
}

bool iscsi_text_list_has(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; *at;) {
        size_t item = strcspn(at, ",");
        if (item == length && memcmp(at, word, item) == 0)
            return true;
        at += item + (at[item] == ',');
    }
    return false;
}
