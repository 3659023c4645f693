/*
 * Files that are part of the program itself: database schemas, pages of the dashboard. Made by tools/embed.
 */
#pragma once

#include "base/base.h"

/* A table of these ends with a NULL name. `data` is followed by a NUL that `size_bytes` does not count. */
struct embedded_file {
    const char *name;
    const unsigned char *data;
    size_t size_bytes;
};
