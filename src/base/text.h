/*
 * Growing text with a maximum, and small questions about strings.
 *
 * A text is created with the size at which it refuses to grow; after a refusal it stays as it was and `failed` is
 * set, so that a peer can never make us build an endless string.
 */
#pragma once

#include "base/base.h"

struct text {
    char *data; /* always NUL-terminated once anything was appended; NULL before */
    size_t length_bytes;
    size_t capacity_bytes;
    size_t max_bytes;
    bool failed;
};

struct text text_with_max(size_t max_bytes);
void text_free(struct text *t);
#define CLEANUP_TEXT CLEANUP(text_free)

void text_append(struct text *t, const char *s);
void text_append_bytes(struct text *t, const void *bytes, size_t length_bytes);
PRINTF_LIKE(2, 3) void text_appendf(struct text *t, const char *format, ...);
/* What a peer sent, made safe to print: control and non-ASCII bytes, `"` and `\` become escapes, so that a file or
 * host name cannot draw on somebody's terminal or forge a log line. */
void text_append_quoted(struct text *t, const void *bytes, size_t length_bytes);
/* The string, never NULL. */
const char *text_string(const struct text *t);
/* Hands the string to the caller, who frees it. Never NULL. */
char *text_take(struct text *t);

/* The same escapes into a fixed array, cut if too long; gives `to`. */
const char *quote_into(char *to, size_t to_size, const void *bytes, size_t length_bytes);

bool string_equal(const char *a, const char *b);
bool string_starts_with(const char *s, const char *prefix);
bool string_ends_with(const char *s, const char *suffix);
/* Decimal without sign or spaces; false if it is anything else or above `max`. */
bool parse_u64(const char *s, uint64_t max, uint64_t *value);
/* "64G", "512MiB", "1000000": bytes, in powers of 1024. False if it is anything else or overflows. */
bool parse_size(const char *s, uint64_t *size_bytes);
/* "2.8 GiB" into a fixed array; gives `to`. */
const char *format_size(char *to, size_t to_size, uint64_t size_bytes);
/* Letters, digits, '-', '_' and '.', beginning with a letter or digit, at most 63 bytes: names of machines, images and
 * snapshots, which end up in file names, URLs and host names. */
bool is_valid_name(const char *s);
