/*
 * Which part of a disk holds the files a firmware loads.
 *
 * The FAT with a `config.txt` before one with an `EFI` folder, before one whose partition type says so,
 * before any other FAT; of equals the first. A disk that is one FAT without a table counts too.
 */
#pragma once

#include "disk/fat.h"
#include "disk/partition.h"

/* `number` is 0 for a disk without a table. -ENOENT if the disk holds no FAT. */
int boot_partition_find(const struct disk_source *disk, enum volume_wait wait, struct disk_source *boot,
                        unsigned *number);
/* The same among partitions already read. */
int boot_partition_choose(const struct disk_source *disk, const struct partition_list *list,
                          enum volume_wait wait, struct disk_source *boot, unsigned *number);
