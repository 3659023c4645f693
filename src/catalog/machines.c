#include "catalog/machines.h"

#include "catalog/disks.h"
#include "catalog/settings.h"
#include "catalog/volumes.h"

static void read_machine(sqlite3_stmt *row, struct machine *machine)
{
    machine->id = column_u64(row, 0);
    COPY_STRING(machine->name, column_text(row, 1));
    machine->mac = column_mac(row, 2);
    machine->serial = (uint32_t)column_u64(row, 3);
    machine->address = (uint32_t)column_u64(row, 4);
    machine->group_id = column_u64(row, 5);
    machine->image_id = column_u64(row, 6);
    COPY_STRING(machine->volume, column_text(row, 7));
    machine->size_bytes = column_u64(row, 8);
    machine->created_seconds = column_u64(row, 9);
    COPY_STRING(machine->image, column_text(row, 10));
    if (!machine_chap_mode_from_name(column_text(row, 11), &machine->chap.mode))
        machine->chap.mode = MACHINE_CHAP_OFF;
    COPY_STRING(machine->chap.secret, column_text(row, 12));
    COPY_STRING(machine->chap.target_secret, column_text(row, 13));
    COPY_STRING(machine->group, column_text(row, 14));
    machine->image_version = (uint32_t)column_u64(row, 15);
}

int machines_load(sqlite3 *db, struct machine **machines, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *row = database_prepare(
        db, "SELECT m.id, m.name, m.mac, m.serial, m.address, m.group_id, m.image_id, m.volume, m.size_bytes,"
            " m.created_seconds, i.name, c.mode, c.secret, c.target_secret, g.name, i.version"
            " FROM machine m"
            " JOIN image i ON i.id = m.image_id LEFT JOIN chap c ON c.machine_id = m.id"
            " LEFT JOIN machine_group g ON g.id = m.group_id ORDER BY m.name");
    int step;

    *machines = NULL;
    *count = 0;
    while ((step = sqlite3_step(row)) == SQLITE_ROW) {
        if ((*count & (*count - 1)) == 0)
            *machines = xrealloc(*machines, MAX(*count * 2, (size_t)1), sizeof(**machines));
        (*machines)[*count] = (struct machine){0};
        read_machine(row, &(*machines)[(*count)++]);
    }
    return step == SQLITE_DONE ? disks_load(db, *machines, *count) : -EIO;
}

/* Parameters 1 to 9, as both statements number them. */
static void bind_machine(sqlite3_stmt *statement, const struct machine *machine)
{
    bind_text(statement, 1, machine->name);
    bind_mac(statement, 2, &machine->mac);
    bind_u64(statement, 3, machine->serial);
    bind_u64(statement, 4, machine->address);
    bind_u64(statement, 5, machine->group_id);
    bind_u64(statement, 6, machine->image_id);
    bind_text(statement, 7, machine->volume);
    bind_u64(statement, 8, machine->size_bytes);
    bind_u64(statement, 9, machine->created_seconds);
}

int machines_set_chap(sqlite3 *db, const struct machine *machine)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(
        db, "INSERT INTO chap (machine_id, mode, secret, target_secret) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (machine_id) DO UPDATE SET mode = ?2, secret = ?3, target_secret = ?4");

    bind_u64(statement, 1, machine->id);
    bind_text(statement, 2, machine_chap_mode_name(machine->chap.mode));
    bind_text(statement, 3, machine->chap.secret);
    bind_text(statement, 4, machine->chap.target_secret);
    return database_run(statement);
}

static int store_settings(sqlite3 *db, const struct machine *machine)
{
    return settings_store(db, SETTING_FROM_MACHINE, machine->id, machine->settings);
}

int machines_insert(sqlite3 *db, struct machine *machine)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(
        db, "INSERT INTO machine (name, mac, serial, address, group_id, image_id, volume, size_bytes, created_seconds)"
            " VALUES (?1, ?2, ?3, ?4, NULLIF(?5, 0), ?6, ?7, ?8, ?9)");

    bind_machine(statement, machine);
    int r = database_run(statement);
    if (r < 0)
        return r;
    machine->id = (uint64_t)sqlite3_last_insert_rowid(db);
    r = store_settings(db, machine);
    for (unsigned i = 0; r == 0 && i < machine->disk_count; i++)
        r = disks_insert(db, machine->id, &machine->disks[i]);
    if (r == 0 && machine->chap.secret[0])
        r = machines_set_chap(db, machine);
    return r < 0 ? r : volumes_drop_pending(db, machine->volume);
}

int machines_update(sqlite3 *db, const struct machine *machine)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(
        db, "UPDATE machine SET name = ?1, mac = ?2, serial = ?3, address = ?4, group_id = NULLIF(?5, 0), image_id = ?6,"
            " volume = ?7, size_bytes = ?8, created_seconds = ?9 WHERE id = ?10");

    bind_machine(statement, machine);
    bind_u64(statement, 10, machine->id);
    int r = database_run(statement);
    if (r < 0)
        return r;
    return sqlite3_changes(db) ? store_settings(db, machine) : -ENOENT;
}

/* The volume that the record named is nobody's from now on. */
static int leave_volume(sqlite3 *db, uint64_t id)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(
        db, "INSERT OR IGNORE INTO pending_volume (name) SELECT volume FROM machine WHERE id = ?1");

    bind_u64(statement, 1, id);
    return database_run(statement);
}

int machines_delete(sqlite3 *db, uint64_t id)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(db, "DELETE FROM machine WHERE id = ?1");
    int r = leave_volume(db, id);

    r = r ?: disks_delete_all(db, id);
    if (r < 0)
        return r;
    bind_u64(statement, 1, id);
    r = database_run(statement);
    if (r < 0)
        return r;
    return sqlite3_changes(db) ? settings_store(db, SETTING_FROM_MACHINE, id, NULL) : -ENOENT;
}
