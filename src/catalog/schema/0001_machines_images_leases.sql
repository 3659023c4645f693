CREATE TABLE image (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    volume          TEXT NOT NULL UNIQUE,
    size_bytes      INTEGER NOT NULL,
    created_seconds INTEGER NOT NULL,
    source_sha256   TEXT NOT NULL,
    sha256          TEXT NOT NULL,
    report          TEXT NOT NULL
) STRICT;

-- An address or serial of 0 means "not known" and may stand in many rows.
CREATE TABLE machine (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    mac             TEXT NOT NULL UNIQUE,
    serial          INTEGER NOT NULL,
    address         INTEGER NOT NULL,
    boot            TEXT NOT NULL,
    image_id        INTEGER NOT NULL REFERENCES image (id),
    volume          TEXT NOT NULL UNIQUE,
    size_bytes      INTEGER NOT NULL,
    created_seconds INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX machine_address ON machine (address) WHERE address <> 0;
CREATE UNIQUE INDEX machine_serial ON machine (serial) WHERE serial <> 0;
CREATE INDEX machine_image ON machine (image_id);

CREATE TABLE lease (
    address         INTEGER PRIMARY KEY,
    mac             TEXT NOT NULL,
    state           INTEGER NOT NULL,
    expires_seconds INTEGER NOT NULL,
    host_name       TEXT NOT NULL
) STRICT;
