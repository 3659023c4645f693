/*
 * Which file system something holds, by what stands in its first bytes: name, label and identity.
 *
 * Recognises more than this program can read. Never follows anything; a handful of reads.
 */
#pragma once

#include "disk/partition.h"

enum { FILESYSTEM_LABEL_SIZE = 256 };

struct filesystem {
    char type[16]; /* "vfat", "ext4", … as the kernel names it; "" if unknown */
    char label[FILESYSTEM_LABEL_SIZE];
    char uuid[GUID_TEXT_SIZE]; /* as blkid writes it; "" if unknown */
    bool needs_recovery;       /* ext3, ext4: the journal holds changes that were not replayed */
};

/* Errors of the source only. */
int filesystem_probe(const struct disk_source *source, enum volume_wait wait, struct filesystem *filesystem);

/* Whether the beginning of a disk whose rest is not known yet looks like a disk: a partition table or a file
 * system. */
bool is_head_of_disk(const void *head, size_t head_bytes);
/* Where the last partition ends that a table in `head` names; 0 without a table. */
uint64_t end_of_partitions(const void *head, size_t head_bytes);
