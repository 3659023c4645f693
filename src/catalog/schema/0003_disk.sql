-- Further disks. LUN 0 is the machine's own disk, in its row. Without a volume of its own a disk is its image's volume,
-- which all machines with such a disk share.
CREATE TABLE disk (
    id              INTEGER PRIMARY KEY,
    machine_id      INTEGER NOT NULL REFERENCES machine (id),
    lun             INTEGER NOT NULL CHECK (lun BETWEEN 1 AND 7),
    name            TEXT NOT NULL,
    volume          TEXT UNIQUE,
    image_id        INTEGER REFERENCES image (id),
    size_bytes      INTEGER NOT NULL,
    read_only       INTEGER NOT NULL CHECK (read_only IN (0, 1)),
    created_seconds INTEGER NOT NULL,
    UNIQUE (machine_id, lun),
    UNIQUE (machine_id, name),
    CHECK (volume IS NOT NULL OR (image_id IS NOT NULL AND read_only = 1))
) STRICT;

CREATE INDEX disk_image ON disk (image_id);

-- What a machine had once: for whoever goes back to a time when it had it.
CREATE TABLE removed_disk (
    machine_id      INTEGER NOT NULL REFERENCES machine (id),
    name            TEXT NOT NULL,
    created_seconds INTEGER NOT NULL,
    removed_seconds INTEGER NOT NULL
) STRICT;

CREATE INDEX removed_disk_machine ON removed_disk (machine_id);
