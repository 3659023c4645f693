/*
 * A secret that a person can type and every initiator takes.
 *
 * Sixteen characters, since some initiators want at least twelve and at most sixteen; of an alphabet of 65,
 * which makes 96 bits; none that a shell, a kernel's command line, an iPXE script or a URL takes for
 * something else.
 */
#pragma once

#include "base/base.h"

enum { SECRET_SIZE = 17 };

/* Fills `to` with a new one. `random` gives bytes nobody can guess. */
void secret_make(char to[SECRET_SIZE], void (*random)(void *to, size_t length_bytes));
