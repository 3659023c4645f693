#include "catalog/images.h"

#include "catalog/volumes.h"

static void read_image(sqlite3_stmt *row, struct image *image)
{
    image->id = column_u64(row, 0);
    COPY_STRING(image->name, column_text(row, 1));
    image->version = (uint32_t)column_u64(row, 2);
    COPY_STRING(image->comment, column_text(row, 3));
    COPY_STRING(image->volume, column_text(row, 4));
    image->size_bytes = column_u64(row, 5);
    image->created_seconds = column_u64(row, 6);
    COPY_STRING(image->source_sha256, column_text(row, 7));
    COPY_STRING(image->sha256, column_text(row, 8));
    image->report = xstrdup(column_text(row, 9));
    COPY_STRING(image->cloud_init, column_text(row, 10));
}

int images_load(sqlite3 *db, struct image **images, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *row =
        database_prepare(db, "SELECT id, name, version, comment, volume, size_bytes, created_seconds, source_sha256, sha256,"
                             " report, json_extract(report, '$.cloud_init') FROM image ORDER BY name, version");
    int step;

    *images = NULL;
    *count = 0;
    while ((step = sqlite3_step(row)) == SQLITE_ROW) {
        *images = xrealloc(*images, *count + 1, sizeof(**images));
        (*images)[*count] = (struct image){0};
        read_image(row, &(*images)[(*count)++]);
    }
    return step == SQLITE_DONE ? 0 : -EIO;
}

static uint32_t next_version(sqlite3 *db, const char *name)
{
    CLEANUP_STATEMENT sqlite3_stmt *row =
        database_prepare(db, "SELECT coalesce(max(version), 0) + 1 FROM image WHERE name = ?1");

    bind_text(row, 1, name);
    return sqlite3_step(row) == SQLITE_ROW ? (uint32_t)column_u64(row, 0) : 0;
}

int images_insert(sqlite3 *db, struct image *image)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(
        db, "INSERT INTO image (name, version, comment, volume, size_bytes, created_seconds, source_sha256, sha256,"
            " report) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");

    if (image->version == 0)
        image->version = next_version(db, image->name);
    bind_text(statement, 1, image->name);
    bind_u64(statement, 2, image->version);
    bind_text(statement, 3, image->comment);
    bind_text(statement, 4, image->volume);
    bind_u64(statement, 5, image->size_bytes);
    bind_u64(statement, 6, image->created_seconds);
    bind_text(statement, 7, image->source_sha256);
    bind_text(statement, 8, image->sha256);
    bind_text(statement, 9, image->report);
    int r = database_run(statement);
    if (r < 0)
        return r;
    image->id = (uint64_t)sqlite3_last_insert_rowid(db);
    return volumes_drop_pending(db, image->volume);
}

/* The volume that the record named is nobody's from now on. */
static int leave_volume(sqlite3 *db, uint64_t id)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(
        db, "INSERT OR IGNORE INTO pending_volume (name) SELECT volume FROM image WHERE id = ?1");

    bind_u64(statement, 1, id);
    return database_run(statement);
}

int images_delete(sqlite3 *db, uint64_t id)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(db, "DELETE FROM image WHERE id = ?1");
    int r = leave_volume(db, id);

    if (r < 0)
        return r;
    bind_u64(statement, 1, id);
    r = database_run(statement);
    return r < 0 ? r : sqlite3_changes(db) ? 0 : -ENOENT;
}
