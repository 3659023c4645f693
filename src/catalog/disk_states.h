/*
 * Statements about what disks must know again after a restart.
 */
#pragma once

#include "catalog/catalog.h"
#include "catalog/database.h"

/* Of no bytes: none is kept. */
int disk_states_put(sqlite3 *db, const char *volume, const void *bytes, size_t length_bytes);
int disk_states_list(sqlite3 *db, struct pending_volume **volumes, size_t *count);
/* NULL and 0 if there is none; the caller frees. */
int disk_states_load(sqlite3 *db, const char *volume, uint8_t **bytes, size_t *length_bytes);
