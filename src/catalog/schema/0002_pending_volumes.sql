-- Volumes of the store that are being made or deleted: no record names them now, and after a crash they may go.
CREATE TABLE pending_volume (
    name TEXT PRIMARY KEY
) STRICT;
