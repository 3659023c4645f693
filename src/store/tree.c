#include "store/tree.h"

#include "base/clock.h"
#include "store/schema.h"

#include <sqlite3.h>
#include <stdio.h>

struct tree {
    sqlite3 *db;
    bool in_doubt; /* a commit failed in a way that may or may not have reached the disk */
};

static const char *const state_names[] = {
    [TREE_LAYER_CREATING] = "creating",
    [TREE_LAYER_TOP] = "top",
    [TREE_LAYER_FROZEN] = "frozen",
    [TREE_LAYER_DYING] = "dying",
};

/* ---- statements ---- */

static int errno_of(int sqlite_rc)
{
    switch (sqlite_rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return -EACCES;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    default:
        return -EIO;
    }
}

static void cleanup_statement(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}
#define CLEANUP_STATEMENT CLEANUP(cleanup_statement)

static void bind_id(sqlite3_stmt *statement, int at, uint64_t id)
{
    if (id == 0)
        sqlite3_bind_null(statement, at);
    else
        sqlite3_bind_int64(statement, at, (sqlite3_int64)id);
}

/* Binds what `types` says, one letter each: i uint64_t, n the same with 0 for NULL, t text, u 16 bytes. */
static void bind_all(sqlite3_stmt *statement, const char *types, va_list values)
{
    for (int at = 1; *types; types++, at++)
        switch (*types) {
        case 'i':
            sqlite3_bind_int64(statement, at, (sqlite3_int64)va_arg(values, uint64_t));
            break;
        case 'n':
            bind_id(statement, at, va_arg(values, uint64_t));
            break;
        case 't':
            sqlite3_bind_text(statement, at, va_arg(values, const char *), -1, SQLITE_TRANSIENT);
            break;
        case 'u':
            sqlite3_bind_blob(statement, at, va_arg(values, const uint8_t *), 16, SQLITE_TRANSIENT);
            break;
        default:
            CHECK(!"a type that bind_all knows");
        }
}

static int prepare(struct tree *tree, sqlite3_stmt **statement, const char *sql, const char *types,
                   va_list values)
{
    int rc = errno_of(sqlite3_prepare_v2(tree->db, sql, -1, statement, NULL));

    if (!rc)
        bind_all(*statement, types, values);
    return rc;
}

/* A statement that gives rows: the caller steps it and finalizes it. */
static int query(struct tree *tree, sqlite3_stmt **statement, const char *sql, const char *types, ...)
{
    va_list values;

    va_start(values, types);
    int rc = prepare(tree, statement, sql, types, values);
    va_end(values);
    return rc;
}

/* A statement that gives none. */
static int run(struct tree *tree, const char *sql, const char *types, ...)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    va_list values;

    va_start(values, types);
    int rc = prepare(tree, &statement, sql, types, values);
    va_end(values);
    return rc ?: errno_of(sqlite3_step(statement));
}

/* 0 when there is a row, -ENOENT when there is none. */
static int first_row(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);

    return rc == SQLITE_DONE ? -ENOENT : errno_of(rc);
}

static uint64_t column_u64(sqlite3_stmt *row, int at)
{
    return (uint64_t)sqlite3_column_int64(row, at);
}

static void column_text(sqlite3_stmt *row, int at, char *to, size_t to_size)
{
    const char *text = (const char *)sqlite3_column_text(row, at);

    copy_string(to, to_size, text ? text : "");
}

/* Steps through all rows and has each one turned into an item of the array, which the caller frees. */
static int list(sqlite3_stmt *statement, size_t item_bytes, void (*read)(sqlite3_stmt *row, void *item),
                void **items, size_t *count)
{
    CLEANUP_FREE char *found = NULL;
    size_t capacity = 0;
    int rc;

    *count = 0;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (*count == capacity) {
            capacity = MAX(capacity * 2, (size_t)16);
            found = xrealloc(found, capacity, item_bytes);
        }
        memset(found + *count * item_bytes, 0, item_bytes);
        read(statement, found + (*count)++ * item_bytes);
    }
    *items = TAKE_PTR(found);
    return errno_of(rc);
}

/* ---- open ---- */

static int user_version(struct tree *tree, int *version)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc = query(tree, &statement, "PRAGMA user_version", "");

    rc = rc ?: first_row(statement);
    if (!rc)
        *version = sqlite3_column_int(statement, 0);
    return rc;
}

static int migrate_step(struct tree *tree, int step)
{
    char set_version[64];

    snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %d", step);
    int rc = tree_begin(tree);
    if (rc)
        return rc;
    rc = errno_of(sqlite3_exec(tree->db, schema_steps[step - 1], NULL, NULL, NULL));
    rc = rc ?: run(tree, set_version, "");
    return tree_end(tree, rc);
}

static int migrate(struct tree *tree, const char *path, struct error *error)
{
    int version = 0;
    int rc = user_version(tree, &version);

    if (!rc && version > schema_step_count)
        return error_set(error, -EPROTONOSUPPORT,
                         "%s was written by a newer farboot (schema %d, this one knows %d)", path, version,
                         schema_step_count);
    while (!rc && version < schema_step_count)
        rc = migrate_step(tree, ++version);
    return rc ? error_set(error, rc, "%s: %s", path, sqlite3_errmsg(tree->db)) : 0;
}

static int set_modes(struct tree *tree, const char *path, struct error *error)
{
    static const char modes[] =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
        "PRAGMA busy_timeout = 5000;";
    int rc = errno_of(sqlite3_exec(tree->db, modes, NULL, NULL, NULL));

    return rc ? error_set(error, rc, "%s: %s", path, sqlite3_errmsg(tree->db)) : 0;
}

int tree_open(const char *path, const char *vfs, struct tree **opened, struct error *error)
{
    struct tree *tree = xcalloc(1, sizeof(*tree));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = errno_of(sqlite3_open_v2(path, &tree->db, flags, vfs));

    if (rc)
        error_set(error, rc, "%s: %s", path, sqlite3_errmsg(tree->db));
    rc = rc ?: set_modes(tree, path, error);
    rc = rc ?: migrate(tree, path, error);
    if (rc) {
        tree_close(tree);
        return rc;
    }
    *opened = tree;
    return 0;
}

void tree_close(struct tree *tree)
{
    if (!tree)
        return;
    CHECK(sqlite3_close(tree->db) == SQLITE_OK);
    free(tree);
}

/* ---- transactions ---- */

int tree_begin(struct tree *tree)
{
    return tree->in_doubt ? -EIO : run(tree, "BEGIN IMMEDIATE", "");
}

int tree_end(struct tree *tree, int rc)
{
    if (!rc) {
        rc = run(tree, "COMMIT", "");
        tree->in_doubt = rc == -EIO;
    }
    if (rc && !sqlite3_get_autocommit(tree->db))
        run(tree, "ROLLBACK", "");
    return rc;
}

bool tree_is_in_doubt(const struct tree *tree)
{
    return tree->in_doubt;
}

/* ---- layers ---- */

#define LAYER_COLUMNS "id, parent, owner, blocks, has_map, state"

static void read_layer(sqlite3_stmt *row, void *item)
{
    struct tree_layer *layer = item;
    const char *state = (const char *)sqlite3_column_text(row, 5);

    *layer = (struct tree_layer){
        .id = column_u64(row, 0),
        .parent = column_u64(row, 1),
        .owner = column_u64(row, 2),
        .blocks = column_u64(row, 3),
        .root = column_u64(row, 4) == 0,
    };
    for (size_t i = 0; i < ARRAY_SIZE(state_names); i++)
        if (state && strcmp(state, state_names[i]) == 0)
            layer->state = (enum tree_layer_state)i;
}

int tree_layer_get(struct tree *tree, uint64_t id, struct tree_layer *layer)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc = query(tree, &statement, "SELECT " LAYER_COLUMNS " FROM layer WHERE id = ?", "i", id);

    rc = rc ?: first_row(statement);
    if (!rc)
        read_layer(statement, layer);
    return rc;
}

int tree_layer_insert(struct tree *tree, const struct tree_layer *layer)
{
    return run(tree,
               "INSERT INTO layer (id, parent, owner, blocks, has_map, state, created_seconds)"
               " VALUES (?, ?, ?, ?, ?, ?, ?)",
               "inniiti", layer->id, layer->parent, layer->owner, layer->blocks, (uint64_t)!layer->root,
               state_names[layer->state], clock_wall_seconds());
}

int tree_layer_update(struct tree *tree, const struct tree_layer *layer)
{
    return run(tree, "UPDATE layer SET parent = ?, owner = ?, blocks = ?, state = ? WHERE id = ?", "nniti",
               layer->parent, layer->owner, layer->blocks, state_names[layer->state], layer->id);
}

int tree_layer_delete(struct tree *tree, uint64_t id)
{
    return run(tree, "DELETE FROM layer WHERE id = ?", "i", id);
}

int tree_layer_list(struct tree *tree, struct tree_layer **layers, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc = query(tree, &statement, "SELECT " LAYER_COLUMNS " FROM layer ORDER BY id", "");

    return rc ?: list(statement, sizeof(**layers), read_layer, (void **)layers, count);
}

int tree_layer_last_id(struct tree *tree, uint64_t *id)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc = query(tree, &statement, "SELECT seq FROM sqlite_sequence WHERE name = 'layer'", "");

    *id = 0;
    rc = rc ?: first_row(statement);
    if (!rc)
        *id = column_u64(statement, 0);
    return rc == -ENOENT ? 0 : rc;
}

int tree_layer_mark_dying(struct tree *tree, bool creating)
{
    int rc = 0;

    if (creating)
        rc = run(tree, "UPDATE layer SET state = 'dying' WHERE state = 'creating'", "");
    return rc
               ?: run(tree,
                      "WITH RECURSIVE reached (id) AS ("
                      " SELECT layer FROM volume UNION SELECT layer FROM snapshot"
                      " UNION SELECT layer.parent FROM layer JOIN reached ON layer.id = reached.id"
                      "  WHERE layer.parent IS NOT NULL)"
                      " UPDATE layer SET state = 'dying', parent = NULL"
                      " WHERE state <> 'creating' AND id NOT IN (SELECT id FROM reached)",
                      "");
}

/* A root decides all blocks, so nothing can be merged into what lies on it without becoming a root itself. */
#define HIDDEN                                                                                                         \
    " below.state = 'frozen' AND below.has_map = 1"                                                                    \
    " AND below.id NOT IN (SELECT layer FROM volume)"                                                                  \
    " AND below.id NOT IN (SELECT layer FROM snapshot)"                                                                \
    " GROUP BY below.id HAVING count(*) = 1"

int tree_layer_list_settled(struct tree *tree, struct tree_layer **layers, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc = query(tree, &statement,
                   "WITH hidden (id) AS (SELECT below.id FROM layer AS below"
                   " JOIN layer AS above ON above.parent = below.id WHERE" HIDDEN ")"
                   " SELECT " LAYER_COLUMNS " FROM layer WHERE state = 'frozen'"
                   " AND id NOT IN (SELECT id FROM hidden)"
                   " AND coalesce(parent, 0) NOT IN (SELECT id FROM hidden) ORDER BY id",
                   "");

    return rc ?: list(statement, sizeof(**layers), read_layer, (void **)layers, count);
}

int tree_hidden_get(struct tree *tree, struct tree_hidden *hidden, uint64_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc = query(tree, &statement,
                   "SELECT below.id, max(above.id), max(volume.name), count(*) OVER () FROM layer AS below"
                   " JOIN layer AS above ON above.parent = below.id"
                   " LEFT JOIN volume ON volume.layer = above.id AND volume.read_only = 0"
                   " WHERE" HIDDEN " ORDER BY below.id DESC LIMIT 1",
                   "");

    rc = rc ?: first_row(statement);
    if (rc)
        return rc;
    *hidden = (struct tree_hidden){.layer = column_u64(statement, 0), .child = column_u64(statement, 1)};
    column_text(statement, 2, hidden->volume, sizeof(hidden->volume));
    *count = column_u64(statement, 3);
    return 0;
}

/* ---- volumes ---- */

#define VOLUME_COLUMNS "id, name, uuid, layer, read_only, generation, created_seconds"

static void read_volume(sqlite3_stmt *row, void *item)
{
    struct tree_volume *volume = item;
    const void *uuid = sqlite3_column_blob(row, 2);

    volume->id = column_u64(row, 0);
    column_text(row, 1, volume->name, sizeof(volume->name));
    if (uuid && sqlite3_column_bytes(row, 2) == sizeof(volume->uuid))
        memcpy(volume->uuid, uuid, sizeof(volume->uuid));
    volume->layer = column_u64(row, 3);
    volume->read_only = column_u64(row, 4) != 0;
    volume->generation = column_u64(row, 5);
    volume->created_seconds = column_u64(row, 6);
}

int tree_volume_get(struct tree *tree, const char *name, struct tree_volume *volume)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc = query(tree, &statement, "SELECT " VOLUME_COLUMNS " FROM volume WHERE name = ?", "t", name);

    rc = rc ?: first_row(statement);
    if (!rc)
        read_volume(statement, volume);
    return rc;
}

int tree_volume_insert(struct tree *tree, struct tree_volume *volume)
{
    int rc = run(tree,
                 "INSERT INTO volume (name, uuid, layer, read_only, generation, created_seconds)"
                 " VALUES (?, ?, ?, ?, ?, ?)",
                 "tuiiii", volume->name, volume->uuid, volume->layer, (uint64_t)volume->read_only,
                 volume->generation, volume->created_seconds);

    volume->id = (uint64_t)sqlite3_last_insert_rowid(tree->db);
    return rc;
}

int tree_volume_update(struct tree *tree, const struct tree_volume *volume)
{
    return run(tree, "UPDATE volume SET name = ?, layer = ?, generation = generation + 1 WHERE id = ?", "tii",
               volume->name, volume->layer, volume->id);
}

int tree_volume_seal(struct tree *tree, uint64_t id)
{
    return run(tree, "UPDATE volume SET read_only = 1, generation = generation + 1 WHERE id = ?", "i", id);
}

int tree_volume_delete(struct tree *tree, uint64_t id)
{
    return run(tree, "DELETE FROM volume WHERE id = ?", "i", id);
}

int tree_volume_list(struct tree *tree, struct tree_volume **volumes, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc = query(tree, &statement, "SELECT " VOLUME_COLUMNS " FROM volume ORDER BY name", "");

    return rc ?: list(statement, sizeof(**volumes), read_volume, (void **)volumes, count);
}

int tree_volume_list_above(struct tree *tree, uint64_t layer, uint64_t but, struct tree_volume **volumes,
                           size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc = query(tree, &statement,
                   "WITH RECURSIVE above (id) AS ("
                   " SELECT ?1 UNION SELECT layer.id FROM layer JOIN above ON layer.parent = above.id)"
                   " SELECT " VOLUME_COLUMNS " FROM volume WHERE id <> ?2 AND (layer IN (SELECT id FROM above)"
                   " OR id IN (SELECT volume FROM snapshot WHERE layer IN (SELECT id FROM above))) ORDER BY name",
                   "ii", layer, but);

    return rc ?: list(statement, sizeof(**volumes), read_volume, (void **)volumes, count);
}

/* ---- snapshots ---- */

#define SNAPSHOT_COLUMNS "id, volume, layer, name, comment, created_seconds"

static void read_snapshot(sqlite3_stmt *row, void *item)
{
    struct tree_snapshot *snapshot = item;

    snapshot->id = column_u64(row, 0);
    snapshot->volume = column_u64(row, 1);
    snapshot->layer = column_u64(row, 2);
    column_text(row, 3, snapshot->name, sizeof(snapshot->name));
    column_text(row, 4, snapshot->comment, sizeof(snapshot->comment));
    snapshot->created_seconds = column_u64(row, 5);
}

int tree_snapshot_get(struct tree *tree, uint64_t volume, const char *name, struct tree_snapshot *snapshot)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc =
        query(tree, &statement, "SELECT " SNAPSHOT_COLUMNS " FROM snapshot WHERE volume = ? AND name = ?",
              "it", volume, name);

    rc = rc ?: first_row(statement);
    if (!rc)
        read_snapshot(statement, snapshot);
    return rc;
}

int tree_snapshot_insert(struct tree *tree, const struct tree_snapshot *snapshot)
{
    return run(tree,
               "INSERT INTO snapshot (volume, name, comment, layer, created_seconds) VALUES (?, ?, ?, ?, ?)",
               "ittii", snapshot->volume, snapshot->name, snapshot->comment, snapshot->layer,
               snapshot->created_seconds);
}

int tree_snapshot_rename(struct tree *tree, uint64_t id, const char *name)
{
    return run(tree, "UPDATE snapshot SET name = ? WHERE id = ?", "ti", name, id);
}

int tree_snapshot_delete(struct tree *tree, uint64_t id)
{
    return run(tree, "DELETE FROM snapshot WHERE id = ?", "i", id);
}

int tree_snapshot_list(struct tree *tree, uint64_t volume, struct tree_snapshot **snapshots, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc =
        query(tree, &statement,
              "SELECT " SNAPSHOT_COLUMNS " FROM snapshot WHERE ?1 = 0 OR volume = ?1 ORDER BY volume, id",
              "i", volume);

    return rc ?: list(statement, sizeof(**snapshots), read_snapshot, (void **)snapshots, count);
}

/* ---- what verification remembers ---- */

int tree_verify_get(struct tree *tree, struct tree_verify *verify)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc = query(tree, &statement, "SELECT layer, unit, finished_seconds FROM verify", "");

    rc = rc ?: first_row(statement);
    if (!rc)
        *verify = (struct tree_verify){column_u64(statement, 0), column_u64(statement, 1), column_u64(statement, 2)};
    return rc;
}

int tree_verify_set(struct tree *tree, const struct tree_verify *verify)
{
    return run(tree, "UPDATE verify SET layer = ?, unit = ?, finished_seconds = ?", "iii", verify->layer, verify->unit,
               verify->finished_seconds);
}

int tree_damage_put(struct tree *tree, const struct tree_damage *damage)
{
    return run(tree,
               "INSERT INTO damage (layer, unit, offset_bytes, length_bytes, found_seconds) VALUES (?, ?, ?, ?, ?)"
               " ON CONFLICT DO UPDATE SET offset_bytes = excluded.offset_bytes, length_bytes = excluded.length_bytes",
               "iiiii", damage->layer, damage->unit, damage->offset_bytes, damage->length_bytes,
               damage->found_seconds);
}

int tree_damage_delete(struct tree *tree, uint64_t layer, uint64_t unit)
{
    return run(tree, "DELETE FROM damage WHERE layer = ? AND unit = ?", "ii", layer, unit);
}

static void read_damage(sqlite3_stmt *row, void *item)
{
    struct tree_damage *damage = item;

    *damage = (struct tree_damage){column_u64(row, 0), column_u64(row, 1), column_u64(row, 2), column_u64(row, 3),
                                   column_u64(row, 4)};
}

int tree_damage_list(struct tree *tree, struct tree_damage **damages, size_t *count)
{
    CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
    int rc = query(tree, &statement,
                   "SELECT layer, unit, offset_bytes, length_bytes, found_seconds FROM damage ORDER BY layer, unit", "");

    return rc ?: list(statement, sizeof(**damages), read_damage, (void **)damages, count);
}

/* ---- whether the rules hold ---- */

/* Each gives a row, a sentence, for everything that is wrong. */
static const char *const checks[] = {
    "SELECT 'meta.db: ' || integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
    "SELECT 'a row of ' || \"table\" || ' names a ' || parent || ' that there is not' FROM pragma_foreign_key_check",
    "SELECT 'layer ' || id || ' is written to by no volume' FROM layer WHERE state = 'top'"
    " AND id NOT IN (SELECT layer FROM volume WHERE read_only = 0)",
    "SELECT volume.name || ' writes to layer ' || layer.id || ', which is ' || layer.state FROM volume"
    " JOIN layer ON layer.id = volume.layer WHERE volume.read_only = 0 AND layer.state <> 'top'",
    "SELECT 'the image ' || volume.name || ' shows layer ' || layer.id || ', which is ' || layer.state FROM volume"
    " JOIN layer ON layer.id = volume.layer WHERE volume.read_only = 1 AND layer.state <> 'frozen'",
    "SELECT 'the snapshot ' || snapshot.name || ' of ' || volume.name || ' keeps layer ' || layer.id || ', which is '"
    " || layer.state FROM snapshot JOIN layer ON layer.id = snapshot.layer JOIN volume ON volume.id = snapshot.volume"
    " WHERE layer.state <> 'frozen'",
    "SELECT 'layer ' || above.id || ' lies on layer ' || below.id || ', which is ' || below.state FROM layer AS above"
    " JOIN layer AS below ON below.id = above.parent WHERE below.state <> 'frozen'",
    "SELECT 'layer ' || above.id || ' is shorter than layer ' || below.id || ', on which it lies' FROM layer AS above"
    " JOIN layer AS below ON below.id = above.parent WHERE above.blocks < below.blocks",
    "WITH RECURSIVE below (top, id, depth) AS (SELECT id, parent, 1 FROM layer UNION ALL"
    " SELECT below.top, layer.parent, below.depth + 1 FROM below JOIN layer ON layer.id = below.id"
    " WHERE below.depth < 1000)"
    " SELECT 'layer ' || top || ' lies on itself' FROM below WHERE depth = 1000",
};

int tree_check(struct tree *tree, void (*wrong)(void *arg, const char *sentence), void *arg)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < ARRAY_SIZE(checks); i++) {
        CLEANUP_STATEMENT sqlite3_stmt *statement = NULL;
        int step = SQLITE_DONE;
        rc = query(tree, &statement, checks[i], "");
        while (!rc && (step = sqlite3_step(statement)) == SQLITE_ROW)
            wrong(arg, (const char *)sqlite3_column_text(statement, 0));
        rc = rc ?: errno_of(step);
    }
    return rc;
}
