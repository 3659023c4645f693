/*
 * A sentence for a person, made where the reason is known.
 *
 * Only for answers that a person reads: configuration, the command line, the API, import. It names the thing, the
 * reason and the next step. Everything else passes a negative errno.
 */
#pragma once

#include "base/base.h"

struct error {
    int code; /* negative errno, 0 while nothing went wrong */
    char text[512];
};

/* Fills `e` (which may be NULL) and gives `code` back, so that a failure is one line:
 * `return error_set(e, -ENOSPC, "%s: no space", path);` */
PRINTF_LIKE(3, 4) int error_set(struct error *e, int code, const char *format, ...);
/* The same with ": " and the system's own words for `code` at the end. */
PRINTF_LIKE(3, 4) int error_set_errno(struct error *e, int code, const char *format, ...);
