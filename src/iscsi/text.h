/*
 * The text of login and text PDUs: `key=value` pairs, each ended by a NUL (RFC 7143 section 6).
 *
 * Walks and writes pairs inside memory that its caller bounded. It knows no key.
 */
#pragma once

#include "base/bytes.h"
#include "base/text.h"

enum {
    ISCSI_KEY_MAX_BYTES = 63, /* RFC 7143 6.1 */
    ISCSI_VALUE_MAX_BYTES = 8192,
    ISCSI_TEXT_MAX_BYTES = 16384, /* one request, over all its PDUs */
    ISCSI_PAIRS_MAX = 128,
};

enum text_next { TEXT_PAIR, TEXT_END, TEXT_MALFORMED };

/* The next pair. `key` and `value` point into the reader's memory, which is changed: '=' becomes NUL. */
enum text_next iscsi_text_next(struct reader *r, const char **key, const char **value);
/* Appends `key=value` and its NUL. */
void iscsi_text_put(struct text *text, const char *key, const char *value);
void iscsi_text_put_number(struct text *text, const char *key, uint64_t value);
/* Decimal or 0x hexadecimal, as RFC 7143 6.1 allows, at most `max`. */
bool iscsi_text_number(const char *value, uint64_t max, uint64_t *number);
/* A binary value (RFC 7143 6.1): `0x` and whole bytes in hexadecimal, or `0b` and base64 with its padding.
 * False if it is anything else, empty, or longer than `max_bytes`. */
bool iscsi_text_bytes(const char *value, uint8_t *to, size_t max_bytes, size_t *length_bytes);
/* In hexadecimal, which everybody reads. */
void iscsi_text_put_bytes(struct text *text, const char *key, const uint8_t *bytes, size_t length_bytes);
/* Whether a comma-separated list holds `word`. */
bool iscsi_text_list_has(const char *list, const char *word);
