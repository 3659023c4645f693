/*
 * SANITIZE (SBC-3 4.11, 5.33): everything on the disk is erased, and nothing else happens until it is.
 *
 * BLOCK ERASE alone: every block is discarded, reads as zeros, and its space goes back to the file system.
 * What snapshots keep is not the disk's, and stays (docs/decisions/0006). The operation belongs to the disk:
 * it goes on when its command is aborted, its session ends or the program starts again.
 */
#pragma once

#include "base/base.h"

#include <stdatomic.h>

struct scsi_command;
struct scsi_disk;

enum sanitize_state {
    SANITIZE_NONE,
    SANITIZE_RUNNING,
    SANITIZE_FAILED, /* until EXIT FAILURE MODE or another SANITIZE */
};

/* Guarded by the disk's lock; `state` may be looked at without it. */
struct scsi_sanitize {
    atomic_uint state;     /* enum sanitize_state */
    bool may_exit_failure; /* AUSE */
    bool driven;           /* a command, or the keeper, works at it */
    uint64_t done_bytes;
};

/* Ends the command with what SANITIZE in progress, or its failure, means for it; false if nothing is the
 * matter. The disk's lock is held. */
bool scsi_sanitize_refuses(struct scsi_command *command);
/* One piece. False when nothing is left to do. */
bool scsi_sanitize_step(struct scsi_disk *disk);
/* Whoever worked at it does so no more: the keeper takes it over. */
void scsi_sanitize_leave(struct scsi_disk *disk);
