-- An image has versions: rows of one name, numbered from 1. Machines name the row that their disk began from. SQLite
-- cannot take a uniqueness away from a table, so the table is written anew, under the eyes of nobody.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE image_before AS SELECT * FROM image;
DROP TABLE image;
CREATE TABLE image (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL,
    version         INTEGER NOT NULL,
    comment         TEXT NOT NULL,
    volume          TEXT NOT NULL UNIQUE,
    size_bytes      INTEGER NOT NULL,
    created_seconds INTEGER NOT NULL,
    source_sha256   TEXT NOT NULL,
    sha256          TEXT NOT NULL,
    report          TEXT NOT NULL,
    UNIQUE (name, version)
) STRICT;
INSERT INTO image SELECT id, name, 1, '', volume, size_bytes, created_seconds, source_sha256, sha256, report
    FROM image_before;
DROP TABLE image_before;
