/*
 * The statements about leases. The writer thread's.
 */
#pragma once

#include "catalog/catalog.h"
#include "catalog/database.h"

/* Replaces what was known of the address. */
int leases_put(sqlite3 *db, const struct lease *lease);
int leases_load(sqlite3 *db, struct lease **leases, size_t *count);
