/*
 * WRITE ATOMIC(16) (SBC-4 4.29, 5.47): all of its blocks or none, whatever happens, and no READ sees a
 * mixture.
 *
 * The store promises that of a sector alone. For more, the blocks are first saved beside it by the disk's
 * keeper, then written and flushed, then forgotten; what was not forgotten when the power went is written
 * again before the disk is used. Meanwhile nothing else is written, so that the record is never older than
 * the disk (docs/decisions/0007).
 */
#pragma once

#include "base/base.h"

#include <stdatomic.h>

enum {
    ATOMIC_MAX_BLOCKS = 256,
    ATOMIC_MAX_BYTES = ATOMIC_MAX_BLOCKS * 512,
    ATOMIC_UNIT_BLOCKS = 8,  /* alignment and granularity: what the store keeps together */
    ATOMIC_RANGES_KEPT = 16, /* a READ that more than these have overtaken is taken for one that they met */
};

struct scsi_command;
struct scsi_disk;

struct atomic_range {
    uint64_t lba, blocks;
};

/* Guarded by the disk's lock; the atomic members may be looked at without it. */
struct scsi_atomic {
    atomic_bool busy;     /* nobody else writes */
    bool stuck;           /* busy with a record that could not be taken back: the next writer tries again */
    atomic_uint sequence; /* odd while blocks change */
    struct atomic_range ranges[ATOMIC_RANGES_KEPT]; /* by half the sequence */
    const uint8_t *data;                            /* what is to be saved; NULL: nothing */
    uint64_t offset;
    uint32_t length_bytes;
};

/* Until no atomic write is under way. False if nothing may be written: a record cannot be taken back. */
bool scsi_atomic_wait(struct scsi_disk *disk);
/* A READ is about to read from `offset` of its data, or has done so since `sequence` was given: 0, with the
 * sequence; -EAGAIN: it must wait, but may not; -EIO: what it has read already no longer fits, and it has
 * failed. */
int scsi_atomic_let_read(struct scsi_command *command, uint64_t offset, bool may_wait, unsigned *sequence);
/* What was saved and not forgotten is written again. */
void scsi_atomic_replay(struct scsi_disk *disk, const uint8_t *data, uint64_t offset, uint32_t length_bytes);
