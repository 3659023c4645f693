/*
 * Takes files out of an ext2, ext3 or ext4 file system inside a volume, through libext2fs, without mounting it.
 *
 * Only on a file system that was left clean, in a volume that nobody else has open: there is no replay of a journal
 * here. What is written is on the volume when `ext4_edit_close` gave 0, and then the file system is clean again. One
 * thread at a time; may block.
 *
 * Besides a volume's errors: -EMEDIUMTYPE (not ext), -EUCLEAN (damaged), -EOPNOTSUPP (a feature that libext2fs or this
 * cannot keep right).
 */
#pragma once

#include "disk/source.h"

struct ext4_edit;

/* Why a file system is not edited. */
enum ext4_edit_refusal {
    EXT4_EDIT_CLEAN,   /* it is */
    EXT4_EDIT_JOURNAL, /* its journal holds changes that were not replayed */
    EXT4_EDIT_UNCLEAN, /* not unmounted, or known to be damaged */
    EXT4_EDIT_QUOTA,   /* it counts what its users have */
};

/* `length_bytes` from `start_bytes` of the volume. 0 with `edit`, which the caller closes; 0 and no `edit` with the
 * refusal; or an error. */
int ext4_edit_open(struct volume *volume, uint64_t start_bytes, uint64_t length_bytes, enum ext4_edit_refusal *refusal,
                   struct ext4_edit **edit);
/* Writes what changed. */
int ext4_edit_close(struct ext4_edit *edit);

/* Absolute paths; the last part is not followed if it is a link. */
bool ext4_edit_exists(struct ext4_edit *edit, const char *path);
/* A file becomes empty; links are left alone. -ENOENT. */
int ext4_edit_empty(struct ext4_edit *edit, const char *path);
/* Calls `wanted` with each name in a folder and removes those for which it is true, folders with all that is in them.
 * -ENOENT if there is no such folder. Adds to `removed` how many names went. */
int ext4_edit_remove_from(struct ext4_edit *edit, const char *folder, bool (*wanted)(void *context, const char *name),
                          void *context, unsigned *removed);
