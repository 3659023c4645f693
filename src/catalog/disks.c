#include "catalog/disks.h"

#include "catalog/volumes.h"

static void read_disk(sqlite3_stmt *row, struct machine_disk *disk)
{
    *disk = (struct machine_disk){
        .id = column_u64(row, 1),
        .lun = (unsigned)column_u64(row, 2),
        .shared = column_u64(row, 4) != 0,
        .image_id = column_u64(row, 6),
        .size_bytes = column_u64(row, 8),
        .read_only = column_u64(row, 9) != 0,
        .created_seconds = column_u64(row, 10),
        .image_version = (uint32_t)column_u64(row, 11),
    };
    COPY_STRING(disk->name, column_text(row, 3));
    COPY_STRING(disk->volume, column_text(row, 5));
    COPY_STRING(disk->image, column_text(row, 7));
}

int disks_load(sqlite3 *db, struct machine *machines, size_t count)
{
    CLEANUP_STATEMENT sqlite3_stmt *row = database_prepare(
        db, "SELECT d.machine_id, d.id, d.lun, d.name, d.volume IS NULL, coalesce(d.volume, i.volume),"
            " d.image_id, i.name, d.size_bytes, d.read_only, d.created_seconds, i.version FROM disk d JOIN "
            "machine m ON m.id = d.machine_id"
            " LEFT JOIN image i ON i.id = d.image_id ORDER BY m.name, d.lun");
    size_t at = 0;
    int step;

    while ((step = sqlite3_step(row)) == SQLITE_ROW) {
        while (at < count && machines[at].id != column_u64(row, 0))
            at++;
        CHECK(at < count && machines[at].disk_count < MACHINE_DISKS_MAX);
        read_disk(row, &machines[at].disks[machines[at].disk_count++]);
    }
    return step == SQLITE_DONE ? 0 : -EIO;
}

int disks_insert(sqlite3 *db, uint64_t machine_id, struct machine_disk *disk)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(
        db,
        "INSERT INTO disk (machine_id, lun, name, volume, image_id, size_bytes, read_only, created_seconds)"
        " VALUES (?1, ?2, ?3, nullif(?4, ''), nullif(?5, 0), ?6, ?7, ?8)");

    bind_u64(statement, 1, machine_id);
    bind_u64(statement, 2, disk->lun);
    bind_text(statement, 3, disk->name);
    bind_text(statement, 4, disk->shared ? "" : disk->volume);
    bind_u64(statement, 5, disk->image_id);
    bind_u64(statement, 6, disk->size_bytes);
    bind_u64(statement, 7, disk->read_only);
    bind_u64(statement, 8, disk->created_seconds);
    int r = database_run(statement);
    if (r < 0)
        return r;
    disk->id = (uint64_t)sqlite3_last_insert_rowid(db);
    return disk->shared ? 0 : volumes_drop_pending(db, disk->volume);
}

int disks_update(sqlite3 *db, const struct machine_disk *disk)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement =
        database_prepare(db, "UPDATE disk SET name = ?1, size_bytes = ?2, read_only = ?3 WHERE id = ?4");

    bind_text(statement, 1, disk->name);
    bind_u64(statement, 2, disk->size_bytes);
    bind_u64(statement, 3, disk->read_only);
    bind_u64(statement, 4, disk->id);
    int r = database_run(statement);
    return r < 0 ? r : sqlite3_changes(db) ? 0 : -ENOENT;
}

/* A statement whose one parameter is an id. */
static int run_with_id(sqlite3 *db, const char *sql, uint64_t id)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(db, sql);

    bind_u64(statement, 1, id);
    return database_run(statement);
}

static int remember(sqlite3 *db, uint64_t id, uint64_t now_seconds)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement =
        database_prepare(db, "INSERT INTO removed_disk (machine_id, name, created_seconds, removed_seconds)"
                             " SELECT machine_id, name, created_seconds, ?2 FROM disk WHERE id = ?1");

    bind_u64(statement, 1, id);
    bind_u64(statement, 2, now_seconds);
    int r = database_run(statement);
    return r < 0 ? r : sqlite3_changes(db) ? 0 : -ENOENT;
}

int disks_delete(sqlite3 *db, uint64_t id, uint64_t now_seconds)
{
    int r = remember(db, id, now_seconds);

    r = r
            ?: run_with_id(db,
                           "INSERT OR IGNORE INTO pending_volume (name)"
                           " SELECT volume FROM disk WHERE id = ?1 AND volume IS NOT NULL",
                           id);
    return r ?: run_with_id(db, "DELETE FROM disk WHERE id = ?1", id);
}

int disks_delete_all(sqlite3 *db, uint64_t machine_id)
{
    int r = run_with_id(db,
                        "INSERT OR IGNORE INTO pending_volume (name)"
                        " SELECT volume FROM disk WHERE machine_id = ?1 AND volume IS NOT NULL",
                        machine_id);

    r = r ?: run_with_id(db, "DELETE FROM removed_disk WHERE machine_id = ?1", machine_id);
    return r ?: run_with_id(db, "DELETE FROM disk WHERE machine_id = ?1", machine_id);
}

int disks_load_removed(sqlite3 *db, uint64_t machine_id, struct removed_disk **disks, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *row =
        database_prepare(db, "SELECT name, created_seconds, removed_seconds FROM removed_disk WHERE "
                             "machine_id = ?1 ORDER BY rowid");
    int step;

    bind_u64(row, 1, machine_id);
    *disks = NULL;
    *count = 0;
    while ((step = sqlite3_step(row)) == SQLITE_ROW) {
        *disks = xrealloc(*disks, *count + 1, sizeof(**disks));
        struct removed_disk *disk = &(*disks)[(*count)++];
        *disk = (struct removed_disk){.created_seconds = column_u64(row, 1),
                                      .removed_seconds = column_u64(row, 2)};
        COPY_STRING(disk->name, column_text(row, 0));
    }
    return step == SQLITE_DONE ? 0 : -EIO;
}
