#include "catalog/volumes.h"

#include "catalog/disk_states.h"

int volumes_put_pending(sqlite3 *db, const char *name)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement =
        database_prepare(db, "INSERT OR IGNORE INTO pending_volume (name) VALUES (?1)");

    bind_text(statement, 1, name);
    return database_run(statement);
}

int volumes_drop_pending(sqlite3 *db, const char *name)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(db, "DELETE FROM pending_volume WHERE name = ?1");

    bind_text(statement, 1, name);
    int r = database_run(statement);
    /* A volume that is gone, or that has just been made, knows nothing from before. */
    return r < 0 ? r : disk_states_put(db, name, NULL, 0);
}

int volumes_load_names(sqlite3 *db, const char *sql, struct pending_volume **volumes, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *row = database_prepare(db, sql);
    int step;

    *volumes = NULL;
    *count = 0;
    while ((step = sqlite3_step(row)) == SQLITE_ROW) {
        *volumes = xrealloc(*volumes, *count + 1, sizeof(**volumes));
        COPY_STRING((*volumes)[(*count)++].name, column_text(row, 0));
    }
    return step == SQLITE_DONE ? 0 : -EIO;
}

int volumes_load_pending(sqlite3 *db, struct pending_volume **volumes, size_t *count)
{
    return volumes_load_names(db, "SELECT name FROM pending_volume ORDER BY name DESC", volumes, count);
}
