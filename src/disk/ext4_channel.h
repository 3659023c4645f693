/*
 * How libext2fs reads and writes what is no file: an io_manager over a source, or over a part of a volume.
 *
 * For ext4.c, which only reads, and ext4_edit.c.
 */
#pragma once

#include "disk/ext4.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

/* Opens with the flags of ext2fs_open2. `writable` is the volume that `source` is over, if it shall be written to. */
int ext4_channel_open(const struct disk_source *source, struct volume *writable, int flags, ext2_filsys *fs);
/* The negative errno for what libext2fs gives: errno values and its own. */
int ext4_errno(errcode_t r);
