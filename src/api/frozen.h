/*
 * A machine's disk at one moment, as a volume of its own that nobody writes to: what is exported and captured.
 *
 * It is a clone, made in milliseconds and noted in the catalog as being in between, so that a crash leaves nothing.
 */
#pragma once

#include "api/api.h"

/* What an export or a capture is made from, as the command line says it. */
struct frozen_source {
    struct machine machine; /* its id is 0: the image */
    char snapshot[STORE_NAME_SIZE]; /* of the machine; empty: as it is now, and it is off */
    struct image image; /* its report is not there */
    char text[2 * NAME_SIZE]; /* for sentences */
};

/* "pi-01", "pi-01@before-upgrade", "ubuntu", "ubuntu:3". -EINVAL or -ENOENT with the sentence. */
int frozen_source_find(const struct api *api, const char *text, struct frozen_source *source, struct error *error);
/* -EBUSY with the sentence if it is a machine as it is now, and that uses its disk. On the control loop. */
int frozen_source_check_off(struct api *api, const struct frozen_source *source, struct error *error);

/* A writable clone of a machine's source, called `name`, a new store name. Blocks. */
int frozen_copy_make(const struct api_options *options, const struct frozen_source *source, char name[NAME_SIZE],
                     const char *kind, struct error *error);
/* Takes it away again. */
void frozen_copy_drop(const struct api_options *options, const char *name);
