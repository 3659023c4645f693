-- How a machine authenticates itself to its disk. A machine without a row never had a secret; one whose mode is off keeps
-- it for the next time.
CREATE TABLE chap (
    machine_id    INTEGER PRIMARY KEY REFERENCES machine (id) ON DELETE CASCADE,
    mode          TEXT NOT NULL,
    secret        TEXT NOT NULL,
    target_secret TEXT NOT NULL
) STRICT;
