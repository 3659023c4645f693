#include "catalog/settings.h"

#include "base/log.h"

static bool read_row(sqlite3_stmt *from, struct setting_row *row)
{
    struct error error = {0};

    if (!setting_source_from_name(column_text(from, 0), &row->scope) ||
        !setting_from_name(column_text(from, 2), &row->key))
        return false;
    row->owner = column_u64(from, 1);
    if (setting_check(row->key, row->scope, column_text(from, 3), &error) < 0) {
        log_warning("catalog: a setting is not heard: %s", error.text);
        return false;
    }
    row->value = xstrdup(column_text(from, 3));
    return true;
}

int settings_load(sqlite3 *db, struct setting_row **rows, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *from = database_prepare(db, "SELECT scope, owner, key, value FROM setting");
    size_t capacity = 0;
    int step;

    *rows = NULL;
    *count = 0;
    while ((step = sqlite3_step(from)) == SQLITE_ROW) {
        if (*count == capacity) {
            capacity = MAX(capacity * 2, (size_t)16);
            *rows = xrealloc(*rows, capacity, sizeof(**rows));
        }
        if (read_row(from, &(*rows)[*count]))
            ++*count;
    }
    return step == SQLITE_DONE ? 0 : -EIO;
}

static void bind_place(sqlite3_stmt *statement, enum setting_source scope, uint64_t owner, enum setting key)
{
    bind_text(statement, 1, setting_source_name(scope));
    bind_u64(statement, 2, owner);
    bind_text(statement, 3, setting_name(key));
}

int settings_store(sqlite3 *db, enum setting_source scope, uint64_t owner, const struct settings *settings)
{
    CLEANUP_STATEMENT sqlite3_stmt *keep = database_prepare(
        db, "INSERT OR REPLACE INTO setting (scope, owner, key, value) VALUES (?1, ?2, ?3, ?4)");
    CLEANUP_STATEMENT sqlite3_stmt *drop =
        database_prepare(db, "DELETE FROM setting WHERE scope = ?1 AND owner = ?2 AND key = ?3");
    int r = 0;

    for (enum setting key = 0; r == 0 && key < SETTING_COUNT; key++) {
        bool own = settings && settings->sources[key] == scope;
        sqlite3_stmt *statement = own ? keep : drop;
        bind_place(statement, scope, owner, key);
        if (own)
            bind_text(statement, 4, settings->values[key]);
        r = database_run(statement);
    }
    return r;
}
