-- What a disk must know again after the program or the power was gone: see scsi/keep.h, whose bytes these are.
-- No row: nothing. Rows go with their volume.
CREATE TABLE disk_state (
    volume TEXT PRIMARY KEY,
    state BLOB NOT NULL
) STRICT;
