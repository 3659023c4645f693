#include "catalog/disk_states.h"

#include "catalog/volumes.h"

static int drop(sqlite3 *db, const char *volume)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement =
        database_prepare(db, "DELETE FROM disk_state WHERE volume = ?1");

    bind_text(statement, 1, volume);
    return database_run(statement);
}

int disk_states_put(sqlite3 *db, const char *volume, const void *bytes, size_t length_bytes)
{
    if (!length_bytes)
        return drop(db, volume);
    CLEANUP_STATEMENT sqlite3_stmt *statement =
        database_prepare(db, "INSERT INTO disk_state (volume, state) VALUES (?1, ?2)"
                             " ON CONFLICT (volume) DO UPDATE SET state = excluded.state");

    bind_text(statement, 1, volume);
    CHECK(sqlite3_bind_blob(statement, 2, bytes, (int)length_bytes, SQLITE_TRANSIENT) == SQLITE_OK);
    return database_run(statement);
}

int disk_states_load(sqlite3 *db, const char *volume, uint8_t **bytes, size_t *length_bytes)
{
    CLEANUP_STATEMENT sqlite3_stmt *row =
        database_prepare(db, "SELECT state FROM disk_state WHERE volume = ?1");

    *bytes = NULL;
    *length_bytes = 0;
    bind_text(row, 1, volume);
    int step = sqlite3_step(row);
    if (step != SQLITE_ROW)
        return step == SQLITE_DONE ? 0 : -EIO;
    *length_bytes = (size_t)sqlite3_column_bytes(row, 0);
    *bytes = xcalloc(1, MAX(*length_bytes, (size_t)1));
    if (*length_bytes)
        memcpy(*bytes, sqlite3_column_blob(row, 0), *length_bytes);
    return 0;
}

int disk_states_list(sqlite3 *db, struct pending_volume **volumes, size_t *count)
{
    return volumes_load_names(db, "SELECT volume FROM disk_state ORDER BY volume", volumes, count);
}
