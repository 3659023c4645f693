/*
 * A virtual disk, whatever keeps it: the one interface between protocols and stores.
 *
 * Every call may block unless it is told not to; the caller decides on which thread it runs. A volume is
 * shared by all who opened it, counted by reference, and safe to use from several threads at once. It knows
 * nothing of machines, SCSI or networks.
 *
 * What every backend promises:
 *  - a write that returned and was then flushed (`volume_flush`, or `fua`) survives a power cut at any later
 * instant; an unflushed 512-byte sector holds its old or its new value, never a third;
 *  - discarded and zeroed ranges read as zeros;
 *  - a full disk fails new writes with -ENOSPC and harms nothing written before.
 */
#pragma once

#include "base/base.h"

#include <sys/uio.h>

struct volume;

enum {
    VOLUME_SECTOR_BYTES = 512, /* what a write may be a multiple of, and what is never torn */
    VOLUME_BLOCK_BYTES = 4096, /* what sharing and discarding work in */
};

/* What to do when the answer is not in memory. */
enum volume_wait {
    VOLUME_NO_WAIT,  /* give -EAGAIN; nothing was done */
    VOLUME_MAY_WAIT, /* wait for the disk */
};

struct volume *volume_ref(struct volume *volume);
void volume_unref(struct volume *volume);
DEFINE_CLEANUP(volume, struct volume *, volume_unref)

uint64_t volume_size_bytes(const struct volume *volume);
bool volume_is_read_only(const struct volume *volume);
/* Stable for the volume's life and unique in the store: what SCSI serial numbers are made from. 16 bytes. */
const uint8_t *volume_uuid(const struct volume *volume);

/*
 * All of these give 0 or a negative errno: -EINVAL outside the volume's size or not a multiple of a sector,
 * -EIO for a failed disk (the volume then stays stopped), -EROFS, -ENOSPC. `count` is at most IOV_MAX.
 */
int volume_read(struct volume *volume, const struct iovec *vec, int count, uint64_t offset,
                enum volume_wait wait);
/* With VOLUME_NO_WAIT only what is sure to be quick is done: whole blocks that the volume has already, into memory,
 * while nobody else changes them and the disk keeps up. */
int volume_write(struct volume *volume, const struct iovec *vec, int count, uint64_t offset, bool fua,
                 enum volume_wait wait);
/* All writes that returned before this call are durable when it gives 0. Calls that overlap share one round.
 */
int volume_flush(struct volume *volume);
/* Reads as zeros afterwards and gives whole blocks back to the file system. Durable after the next flush. */
int volume_discard(struct volume *volume, uint64_t offset, uint64_t length_bytes);
/* Reads as zeros afterwards. */
int volume_write_zeroes(struct volume *volume, uint64_t offset, uint64_t length_bytes);

/* The run of equal state that begins at `offset`: `mapped` says whether its blocks may hold something but
 * zeros. `length_bytes` of the run is at least one block (or what is left of the volume) and at most
 * `limit_bytes`. */
int volume_extent(struct volume *volume, uint64_t offset, uint64_t limit_bytes, uint64_t *length_bytes,
                  bool *mapped);

/* Reads `expected->length` bytes, compares, and writes `update` only if all were equal, with no other write
 * in between (COMPARE AND WRITE, SBC-3 5.2). -EILSEQ with `mismatch_offset` set when they differ. */
int volume_compare_and_write(struct volume *volume, const void *expected, const void *update,
                             size_t length_bytes, uint64_t offset, size_t *mismatch_offset);
