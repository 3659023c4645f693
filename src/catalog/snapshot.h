/*
 * An immutable picture of the catalog, counted by reference, with an index for each question that a packet asks.
 */
#pragma once

#include "catalog/catalog.h"
#include "catalog/database.h"

/* Reads everything; the writer thread's. The caller owns the reference. */
int snapshot_load(sqlite3 *db, const struct catalog_snapshot **snapshot);
const struct catalog_snapshot *snapshot_ref(const struct catalog_snapshot *snapshot);
