/*
 * The statements about machines. The writer thread's.
 */
#pragma once

#include "catalog/database.h"
#include "fleet/machine.h"

/* All of them by name, with the names of their images and groups and with their disks, but without their settings; the
 * caller frees the array. */
int machines_load(sqlite3 *db, struct machine **machines, size_t *count);
/* With its own settings. `id` is filled, and those of its disks. Its volumes are pending no more. */
int machines_insert(sqlite3 *db, struct machine *machine);
/* Without its disks. -ENOENT when there is none of that id. */
int machines_update(sqlite3 *db, const struct machine *machine);
/* Its `chap`, by `id`. -EBUSY when there is no such machine. */
int machines_set_chap(sqlite3 *db, const struct machine *machine);
int machines_delete(sqlite3 *db, uint64_t id); /* its volumes become pending */
