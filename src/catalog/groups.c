#include "catalog/groups.h"

#include "catalog/settings.h"

int groups_load(sqlite3 *db, struct machine_group **groups, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *row = database_prepare(db, "SELECT id, name FROM machine_group ORDER BY name");
    int step;

    *groups = NULL;
    *count = 0;
    while ((step = sqlite3_step(row)) == SQLITE_ROW) {
        *groups = xrealloc(*groups, *count + 1, sizeof(**groups));
        struct machine_group *group = &(*groups)[(*count)++];
        *group = (struct machine_group){.id = column_u64(row, 0)};
        COPY_STRING(group->name, column_text(row, 1));
    }
    return step == SQLITE_DONE ? 0 : -EIO;
}

int groups_insert(sqlite3 *db, struct machine_group *group)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement =
        database_prepare(db, "INSERT INTO machine_group (name) VALUES (?1)");

    bind_text(statement, 1, group->name);
    int r = database_run(statement);
    if (r < 0)
        return r;
    group->id = (uint64_t)sqlite3_last_insert_rowid(db);
    return settings_store(db, SETTING_FROM_GROUP, group->id, group->settings);
}

int groups_update(sqlite3 *db, const struct machine_group *group)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement =
        database_prepare(db, "UPDATE machine_group SET name = ?1 WHERE id = ?2");

    bind_text(statement, 1, group->name);
    bind_u64(statement, 2, group->id);
    int r = database_run(statement);
    if (r < 0)
        return r;
    return sqlite3_changes(db) ? settings_store(db, SETTING_FROM_GROUP, group->id, group->settings) : -ENOENT;
}

int groups_delete(sqlite3 *db, uint64_t id)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(db, "DELETE FROM machine_group WHERE id = ?1");

    bind_u64(statement, 1, id);
    int r = database_run(statement);
    if (r < 0)
        return r;
    return sqlite3_changes(db) ? settings_store(db, SETTING_FROM_GROUP, id, NULL) : -ENOENT;
}
