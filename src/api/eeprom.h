/*
 * A bootloader image with the machines' own configuration, on its way to them.
 */
#pragma once

#include "api/call.h"

struct eeprom_push {
    const struct api_options *options;
    int fd;           /* the image; the caller closes */
    const char *file; /* what it is called, for sentences */
    uint64_t *ids;    /* of machines, the first to get it in front */
    size_t count;
};

/* Finds the machines that `names`, a list of machines and groups, means; the caller frees `push->ids`. Negative errno
 * with the sentence. */
int eeprom_push_find(struct eeprom_push *push, const struct catalog_snapshot *snapshot, const json_t *names,
                     struct error *error);
/* Reads the image, makes one for each configuration, and offers them. Blocks. */
int eeprom_push_run(const struct eeprom_push *push, json_t **result, struct error *error);
