/*
 * An image and what was seen inside it, for people.
 */
#pragma once

#include <jansson.h>

/* Its operating system in a few words, or "". */
const char *report_system(const json_t *image);
/* What import says at its end: a few lines. */
void report_print_short(const json_t *image);
/* What show says: everything. */
void report_print(const json_t *image);
