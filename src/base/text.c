#include "base/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

enum { TEXT_FIRST_CAPACITY = 128, NAME_MAX_BYTES = 63 };

struct text text_with_max(size_t max_bytes)
{
    return (struct text){.max_bytes = max_bytes};
}

void text_free(struct text *t)
{
    free(t->data);
    *t = (struct text){0};
}

/* Room for `more` bytes and a NUL, or the sticky failure. */
static bool text_reserve(struct text *t, size_t more)
{
    if (t->failed || more > t->max_bytes || t->length_bytes > t->max_bytes - more) {
        t->failed = true;
        return false;
    }
    size_t needed = t->length_bytes + more + 1;
    if (needed > t->capacity_bytes) {
        size_t doubled = MAX(t->capacity_bytes * 2, (size_t)TEXT_FIRST_CAPACITY);
        t->capacity_bytes = MAX(needed, doubled);
        t->data = xrealloc(t->data, t->capacity_bytes, 1);
    }
    return true;
}

void text_append_bytes(struct text *t, const void *bytes, size_t length_bytes)
{
    if (!text_reserve(t, length_bytes))
        return;
    if (length_bytes)
        memcpy(t->data + t->length_bytes, bytes, length_bytes);
    t->length_bytes += length_bytes;
    t->data[t->length_bytes] = '\0';
}

void text_append(struct text *t, const char *s)
{
    text_append_bytes(t, s, strlen(s));
}

void text_appendf(struct text *t, const char *format, ...)
{
    CLEANUP_FREE char *s = NULL;
    va_list ap;

    va_start(ap, format);
    int length = vasprintf(&s, format, ap);
    va_end(ap);
    CHECK(length >= 0);
    text_append_bytes(t, s, (size_t)length);
}

static size_t quote_byte(char escaped[5], uint8_t c)
{
    if (c == '"' || c == '\\')
        return (size_t)snprintf(escaped, 5, "\\%c", c);
    if (c >= 0x20 && c < 0x7f)
        return (size_t)snprintf(escaped, 5, "%c", c);
    return (size_t)snprintf(escaped, 5, "\\x%02x", c);
}

void text_append_quoted(struct text *t, const void *bytes, size_t length_bytes)
{
    const uint8_t *from = bytes;

    for (size_t i = 0; i < length_bytes; i++) {
        char escaped[5];
        text_append_bytes(t, escaped, quote_byte(escaped, from[i]));
    }
}

const char *quote_into(char *to, size_t to_size, const void *bytes, size_t length_bytes)
{
    const uint8_t *from = bytes;
    size_t used = 0;

    CHECK(to_size > 0);
    for (size_t i = 0; i < length_bytes; i++) {
        char escaped[5];
        size_t width = quote_byte(escaped, from[i]);
        if (used + width >= to_size)
            break;
        memcpy(to + used, escaped, width);
        used += width;
    }
    to[used] = '\0';
    return to;
}

const char *text_string(const struct text *t)
{
    return t->data ? t->data : "";
}

char *text_take(struct text *t)
{
    char *s = t->data ? t->data : xstrdup("");

    t->data = NULL;
    t->length_bytes = t->capacity_bytes = 0;
    return s;
}

bool string_equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

bool string_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool string_ends_with(const char *s, const char *suffix)
{
    size_t length = strlen(s);
    size_t suffix_length = strlen(suffix);

    return length >= suffix_length && memcmp(s + length - suffix_length, suffix, suffix_length) == 0;
}

bool parse_u64(const char *s, uint64_t max, uint64_t *value)
{
    uint64_t total = 0;

    if (!*s)
        return false;
    for (; *s; s++) {
        if (!isdigit((unsigned char)*s) || __builtin_mul_overflow(total, 10, &total) ||
            __builtin_add_overflow(total, (uint64_t)(*s - '0'), &total))
            return false;
    }
    if (total > max)
        return false;
    *value = total;
    return true;
}

bool parse_size(const char *s, uint64_t *size_bytes)
{
    static const char units[] = "KMGTP";
    char digits[24];
    size_t count = strspn(s, "0123456789");
    const char *suffix = s + count;
    unsigned shift = 0;
    uint64_t number;

    if (count >= sizeof(digits))
        return false;
    memcpy(digits, s, count);
    digits[count] = '\0';
    if (*suffix) {
        const char *unit = strchr(units, toupper((unsigned char)*suffix));
        if (!unit || (suffix[1] && strcmp(suffix + 1, "iB") != 0 && strcmp(suffix + 1, "B") != 0))
            return false;
        shift = 10 * (unsigned)(unit - units + 1);
    }
    if (!parse_u64(digits, UINT64_MAX >> shift, &number))
        return false;
    *size_bytes = number << shift;
    return true;
}

const char *format_size(char *to, size_t to_size, uint64_t size_bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    double value = (double)size_bytes;

    for (; value >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
        value /= 1024;
    snprintf(to, to_size, unit && value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return to;
}

bool is_valid_name(const char *s)
{
    size_t length = strlen(s);

    if (length == 0 || length > NAME_MAX_BYTES || !isalnum((unsigned char)s[0]))
        return false;
    for (; *s; s++) {
        if (!isalnum((unsigned char)*s) && !strchr("-_.", *s))
            return false;
    }
    return true;
}
