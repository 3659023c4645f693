/*
 * The store's import calls over memory, so that a test sees what was written and can make a write fail.
 *
 * The test program defines these functions itself, so the linker never takes the store's own.
 */
#pragma once

#include "../test.h"

#include "store/store.h"

struct fake_store {
    char taken[STORE_NAME_SIZE]; /* a name that exists */
    uint64_t fail_at_bytes;      /* writing beyond gives `fail_with`; 0: never */
    int fail_with;

    unsigned begun;
    unsigned committed;
    unsigned aborted;
    uint8_t *bytes; /* of the last image */
    size_t length_bytes;
};

extern struct fake_store fake_store;

void fake_store_reset(void);
