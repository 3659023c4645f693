/*
 * The statements about groups of machines. The writer thread's.
 */
#pragma once

#include "catalog/database.h"
#include "fleet/machine.h"

/* All of them by name, without their settings; the caller frees the array. */
int groups_load(sqlite3 *db, struct machine_group **groups, size_t *count);
/* With its own settings. `id` is filled. */
int groups_insert(sqlite3 *db, struct machine_group *group);
/* -ENOENT when there is none of that id. */
int groups_update(sqlite3 *db, const struct machine_group *group);
/* -EBUSY while machines are in it. */
int groups_delete(sqlite3 *db, uint64_t id);
