CREATE TABLE machine_group (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- What the defaults (owner 0), a group or a machine say. Where there is no row, what is inherited holds.
CREATE TABLE setting (
    scope TEXT NOT NULL,
    owner INTEGER NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (scope, owner, key)
) STRICT;

ALTER TABLE machine ADD COLUMN group_id INTEGER REFERENCES machine_group (id);

INSERT INTO setting SELECT 'machine', id, 'boot', boot FROM machine WHERE boot <> 'disk';
ALTER TABLE machine DROP COLUMN boot;
