/*
 * The statements about machines. The writer thread's.
 */
#pragma once

#include "catalog/database.h"
#include "fleet/machine.h"

/* All of them by name, with the names of their images; the caller frees the array. */
int machines_load(sqlite3 *db, struct machine **machines, size_t *count);
/* `id` is filled. Its volume is pending no more. */
int machines_insert(sqlite3 *db, struct machine *machine);
/* -ENOENT when there is none of that id. */
int machines_update(sqlite3 *db, const struct machine *machine);
/* Its `chap`, by `id`. -EBUSY when there is no such machine. */
int machines_set_chap(sqlite3 *db, const struct machine *machine);
int machines_delete(sqlite3 *db, uint64_t id); /* its volume becomes pending */
