#include "catalog/database.h"

#include "base/embedded.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

extern const struct embedded_file catalog_schema[];

enum { BUSY_TIMEOUT_MS = 5000 };

sqlite3_stmt *database_prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    CHECK(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
    return statement;
}

static int errno_of(sqlite3 *db)
{
    switch (sqlite3_extended_errcode(db)) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
        return -EEXIST;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return -EBUSY;
    case SQLITE_FULL:
        return -ENOSPC;
    default:
        log_error("catalog: %s", sqlite3_errmsg(db));
        return -EIO;
    }
}

int database_run(sqlite3_stmt *statement)
{
    int r = sqlite3_step(statement) == SQLITE_DONE ? 0 : errno_of(sqlite3_db_handle(statement));

    sqlite3_reset(statement);
    return r;
}

int database_execute(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : errno_of(db);
}

static uint64_t schema_version(sqlite3 *db)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = database_prepare(db, "PRAGMA user_version");

    return sqlite3_step(statement) == SQLITE_ROW ? column_u64(statement, 0) : 0;
}

/* One migration and the number of its version, in one transaction: a crash leaves the old or the new schema. */
static int migrate_to(sqlite3 *db, uint64_t version, const char *sql)
{
    char set_version[64];

    snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %llu", (unsigned long long)version);
    int r = database_execute(db, "BEGIN IMMEDIATE");
    if (r == 0)
        r = database_execute(db, sql);
    if (r == 0)
        r = database_execute(db, set_version);
    if (r == 0)
        r = database_execute(db, "COMMIT");
    return r;
}

static int migrate(sqlite3 *db, const char *path, struct error *error)
{
    uint64_t version = schema_version(db);
    uint64_t newest = 0;

    while (catalog_schema[newest].name)
        newest++;
    if (version > newest)
        return error_set(error, -EINVAL, "%s was written by a newer farboot (schema %llu, this one knows %llu)", path,
                         (unsigned long long)version, (unsigned long long)newest);
    for (; version < newest; version++) {
        int r = migrate_to(db, version + 1, (const char *)catalog_schema[version].data);
        if (r < 0)
            return error_set(error, r, "%s: cannot bring the schema to version %llu: %s", path,
                             (unsigned long long)version + 1, sqlite3_errmsg(db));
    }
    return 0;
}

/* Makes the file if there is none, before anybody could open it, and takes rights away that an older farboot left.
 * SQLite gives the files beside it (-wal, -shm) the rights of this one when it makes them. */
static int make_private(const char *path, int flags)
{
    CLEANUP_FD int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    struct stat st;

    if (fd < 0)
        return errno == ENOENT && !flags ? 0 : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    return st.st_mode & 0077 && fchmod(fd, 0600) < 0 ? -errno : 0;
}

static int make_all_private(const char *path)
{
    CLEANUP_FREE char *wal = xasprintf("%s-wal", path);
    CLEANUP_FREE char *shm = xasprintf("%s-shm", path);
    int r = make_private(path, O_CREAT);

    if (r == 0)
        r = make_private(wal, 0);
    return r < 0 ? r : make_private(shm, 0);
}

int database_open(const char *path, sqlite3 **db, struct error *error)
{
    sqlite3 *opened = NULL;
    int made = make_all_private(path);

    if (made < 0)
        return error_set_errno(error, made, "%s: cannot be made unreadable to others", path);
    if (sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
        int r = error_set(error, -EIO, "%s: %s", path, sqlite3_errmsg(opened));
        sqlite3_close(opened);
        return r;
    }
    sqlite3_extended_result_codes(opened, 1);
    sqlite3_busy_timeout(opened, BUSY_TIMEOUT_MS);
    /* Savepoints of more than a few pages use a temporary file, and we may write to no folder for them. */
    int r = database_execute(opened, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                                    " PRAGMA temp_store = MEMORY");
    if (r < 0)
        error_set(error, r, "%s: %s", path, sqlite3_errmsg(opened));
    else
        r = migrate(opened, path, error);
    if (r < 0) {
        sqlite3_close(opened);
        return r;
    }
    *db = opened;
    return 0;
}

void bind_text(sqlite3_stmt *statement, int index, const char *value)
{
    CHECK(sqlite3_bind_text(statement, index, value, -1, SQLITE_TRANSIENT) == SQLITE_OK);
}

void bind_u64(sqlite3_stmt *statement, int index, uint64_t value)
{
    CHECK(value <= INT64_MAX);
    CHECK(sqlite3_bind_int64(statement, index, (sqlite3_int64)value) == SQLITE_OK);
}

void bind_mac(sqlite3_stmt *statement, int index, const struct mac *mac)
{
    char text[MAC_TEXT_SIZE];

    bind_text(statement, index, mac_format(text, mac, ':'));
}

uint64_t column_u64(sqlite3_stmt *statement, int index)
{
    return (uint64_t)sqlite3_column_int64(statement, index);
}

const char *column_text(sqlite3_stmt *statement, int index)
{
    const char *text = (const char *)sqlite3_column_text(statement, index);

    return text ? text : "";
}

struct mac column_mac(sqlite3_stmt *statement, int index)
{
    struct mac mac = {0};

    mac_parse(column_text(statement, index), &mac);
    return mac;
}
