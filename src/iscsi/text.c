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
