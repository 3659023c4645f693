#include "catalog/leases.h"

int leases_put(sqlite3 *db, const struct lease *lease)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement =
        database_prepare(db, "INSERT OR REPLACE INTO lease (address, mac, state, expires_seconds, host_name)"
                             " VALUES (?1, ?2, ?3, ?4, ?5)");

    bind_u64(statement, 1, lease->address);
    bind_mac(statement, 2, &lease->mac);
    bind_u64(statement, 3, lease->state);
    bind_u64(statement, 4, lease->expires_seconds);
    bind_text(statement, 5, lease->host_name);
    return database_run(statement);
}

static bool read_lease(sqlite3_stmt *row, struct lease *lease)
{
    uint64_t state = column_u64(row, 2);

    lease->address = (uint32_t)column_u64(row, 0);
    lease->mac = column_mac(row, 1);
    lease->state = (enum lease_state)state;
    lease->expires_seconds = column_u64(row, 3);
    COPY_STRING(lease->host_name, column_text(row, 4));
    return state <= LEASE_DECLINED;
}

int leases_load(sqlite3 *db, struct lease **leases, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *row =
        database_prepare(db, "SELECT address, mac, state, expires_seconds, host_name FROM lease ORDER BY address");
    int step;

    *leases = NULL;
    *count = 0;
    while ((step = sqlite3_step(row)) == SQLITE_ROW) {
        if ((*count & (*count - 1)) == 0)
            *leases = xrealloc(*leases, MAX(*count * 2, (size_t)1), sizeof(**leases));
        (*leases)[*count] = (struct lease){0};
        *count += read_lease(row, &(*leases)[*count]);
    }
    return step == SQLITE_DONE ? 0 : -EIO;
}
