/*
 * The statements about settings. The writer thread's.
 */
#pragma once

#include "catalog/database.h"
#include "fleet/setting.h"

struct setting_row {
    enum setting_source scope;
    uint64_t owner; /* the id of a machine or group; 0 for the defaults */
    enum setting key;
    char *value;
};

/* All of them; keys and values that this version does not know are left out. The caller frees each value and the
 * array. */
int settings_load(sqlite3 *db, struct setting_row **rows, size_t *count);
/* Keeps those whose source is `scope` as the owner's own, and no others. `settings` may be NULL: none. */
int settings_store(sqlite3 *db, enum setting_source scope, uint64_t owner, const struct settings *settings);
