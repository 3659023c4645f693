/*
 * The statements about further disks of machines. The writer thread's.
 */
#pragma once

#include "catalog/catalog.h"
#include "catalog/database.h"

/* Into their machines, which are ordered by name. */
int disks_load(sqlite3 *db, struct machine *machines, size_t count);
/* `id` is filled. A volume of its own is pending no more. */
int disks_insert(sqlite3 *db, uint64_t machine_id, struct machine_disk *disk);
/* Name, size and read-only; -ENOENT when there is none of that id. */
int disks_update(sqlite3 *db, const struct machine_disk *disk);
/* A volume of its own becomes pending, and the machine is remembered to have had it. */
int disks_delete(sqlite3 *db, uint64_t id, uint64_t now_seconds);
/* Those of a machine that is deleted: their volumes become pending, nothing is remembered. */
int disks_delete_all(sqlite3 *db, uint64_t machine_id);
/* What a machine had; the caller frees. */
int disks_load_removed(sqlite3 *db, uint64_t machine_id, struct removed_disk **disks, size_t *count);
