/*
 * What is printed, and how it looks on a terminal.
 *
 * Colours only on a terminal and never with NO_COLOR set (no-color.org). Text that came from the daemon may hold what
 * a peer sent: it is printed with control characters escaped.
 */
#pragma once

#include "base/base.h"

#include <jansson.h>
#include <stdio.h>

enum colour { COLOUR_NONE, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_RED, COLOUR_FAINT };

/* The terminal's width, 80 when there is none. At least 40. */
unsigned terminal_columns(FILE *to);
bool terminal_is(FILE *to);
/* What begins and ends a colour on `to`; "" where colours are not wanted. */
const char *colour_begin(FILE *to, enum colour colour);
const char *colour_end(FILE *to);

void print_safe(FILE *to, const char *text);
/* `text` with a hanging indent, broken between words at the terminal's width. `used` columns of the first line are
 * taken already. Ends the line. */
void print_wrapped(FILE *to, const char *text, unsigned used, unsigned indent);
/* One JSON value, indented for people or on one line for pipes, and a newline. */
void print_json(const json_t *value, bool one_line);

/* A member that may be absent or null, as text; "" then. Numbers are not text. */
const char *json_member_text(const json_t *object, const char *key);
uint64_t json_member_u64(const json_t *object, const char *key);

/* "3 min ago" for a moment in seconds since 1970. Gives `to`. */
const char *format_ago(char *to, size_t to_size, uint64_t now_seconds, uint64_t then_seconds);
/* "3 d 4 h", "12 min", "8 s". Gives `to`. */
const char *format_duration(char *to, size_t to_size, uint64_t seconds);
