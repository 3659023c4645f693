/*
 * What volumes are called in the store: a word for what they are and a random number, so that names of machines and
 * images may change or come again.
 */
#pragma once

#include "base/base.h"

#define STORE_NAME_MACHINE "machine-"
#define STORE_NAME_DISK "machine-disk-"
#define STORE_NAME_IMAGE "image-"
#define STORE_NAME_COPY "copy-" /* for as long as something is read */

enum { STORE_VOLUME_NAME_SIZE = 64 };

/* `kind` is one of the above. */
void store_name_new(char to[STORE_VOLUME_NAME_SIZE], const char *kind);
