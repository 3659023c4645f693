#include "store/schema.h"

#include "base/base.h"

static const char first_step[] =
    "CREATE TABLE store ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  uuid BLOB NOT NULL CHECK (length(uuid) = 16),"
    "  created_seconds INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE layer ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT," /* an id never comes back */
    "  parent INTEGER REFERENCES layer (id),"
    "  owner INTEGER REFERENCES volume (id) ON DELETE SET NULL,"
    "  blocks INTEGER NOT NULL CHECK (blocks >= 0),"
    "  has_map INTEGER NOT NULL CHECK (has_map IN (0, 1)),"
    "  state TEXT NOT NULL CHECK (state IN ('creating', 'top', 'frozen', 'dying')),"
    "  created_seconds INTEGER NOT NULL,"
    "  CHECK (has_map = 1 OR parent IS NULL)" /* a root hides what would be below */
    ") STRICT;"
    "CREATE INDEX layer_by_parent ON layer (parent);"
    "CREATE INDEX layer_by_owner ON layer (owner);"
    "CREATE TABLE volume ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  name TEXT NOT NULL UNIQUE,"
    "  uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),"
    "  layer INTEGER NOT NULL REFERENCES layer (id),"
    "  read_only INTEGER NOT NULL CHECK (read_only IN (0, 1)),"
    "  generation INTEGER NOT NULL,"
    "  created_seconds INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX volume_by_layer ON volume (layer);"
    "CREATE UNIQUE INDEX volume_by_top ON volume (layer) WHERE read_only = 0;" /* nobody shares a top */
    "CREATE TABLE snapshot ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  volume INTEGER NOT NULL REFERENCES volume (id) ON DELETE CASCADE,"
    "  name TEXT NOT NULL,"
    "  comment TEXT NOT NULL,"
    "  layer INTEGER NOT NULL REFERENCES layer (id),"
    "  created_seconds INTEGER NOT NULL,"
    "  UNIQUE (volume, name)"
    ") STRICT;"
    "CREATE INDEX snapshot_by_layer ON snapshot (layer);"
    "INSERT INTO store (id, uuid, created_seconds) VALUES (1, randomblob(16), CAST(strftime('%s', 'now') AS "
    "INTEGER));";

/* Where the background verification stands, and what it found. */
static const char verify_step[] =
    "CREATE TABLE verify ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  layer INTEGER NOT NULL,"   /* those up to it are done */
    "  unit INTEGER NOT NULL,"    /* of the next one, those before it are done */
    "  finished_seconds INTEGER NOT NULL" /* when all were done last; 0: never */
    ") STRICT;"
    "INSERT INTO verify (id, layer, unit, finished_seconds) VALUES (1, 0, 0, 0);"
    "CREATE TABLE damage ("
    "  layer INTEGER NOT NULL REFERENCES layer (id) ON DELETE CASCADE,"
    "  unit INTEGER NOT NULL,"
    "  offset_bytes INTEGER NOT NULL,"
    "  length_bytes INTEGER NOT NULL,"
    "  found_seconds INTEGER NOT NULL,"
    "  PRIMARY KEY (layer, unit)"
    ") STRICT, WITHOUT ROWID;";

const char *const schema_steps[] = {first_step, verify_step};
const int schema_step_count = ARRAY_SIZE(schema_steps);
