/*
 * The few words of SQLite that the catalog's files of statements are written in.
 *
 * Belongs to the catalog's writer thread; nothing here is shared.
 */
#pragma once

#include "base/error.h"
#include "base/mac.h"

#include <sqlite3.h>

/* Opens with WAL and full durability, and brings the schema to the newest version. */
int database_open(const char *path, sqlite3 **db, struct error *error);

/* A prepared statement; a mistake in the SQL is a programmer's mistake. */
sqlite3_stmt *database_prepare(sqlite3 *db, const char *sql);
static inline void cleanup_statement(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}
#define CLEANUP_STATEMENT CLEANUP(cleanup_statement)

/* Runs a statement that gives no rows: 0, -EEXIST for a broken uniqueness, -EBUSY for a broken reference, -EIO. */
int database_run(sqlite3_stmt *statement);
/* The same for SQL without parameters. */
int database_execute(sqlite3 *db, const char *sql);

void bind_text(sqlite3_stmt *statement, int index, const char *value);
void bind_u64(sqlite3_stmt *statement, int index, uint64_t value);
void bind_mac(sqlite3_stmt *statement, int index, const struct mac *mac);

uint64_t column_u64(sqlite3_stmt *statement, int index);
/* Never NULL; valid until the next step. */
const char *column_text(sqlite3_stmt *statement, int index);
struct mac column_mac(sqlite3_stmt *statement, int index);
