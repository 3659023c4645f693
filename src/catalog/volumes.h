/*
 * The statements about volumes that are between store and catalog. The writer thread's.
 */
#pragma once

#include "catalog/catalog.h"
#include "catalog/database.h"

int volumes_put_pending(sqlite3 *db, const char *name);
/* No error when it was not there. */
int volumes_drop_pending(sqlite3 *db, const char *name);
/* The caller frees. */
/* The names that `sql` gives in its first column. */
int volumes_load_names(sqlite3 *db, const char *sql, struct pending_volume **volumes, size_t *count);
int volumes_load_pending(sqlite3 *db, struct pending_volume **volumes, size_t *count);
