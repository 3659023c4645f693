/*
 * The geometry of an open FAT file system and its table of cluster chains; shared by the fat_*.c files alone.
 */
#pragma once

#include "disk/fat.h"

enum {
    FAT_FIRST_CLUSTER = 2,
    FAT_CHAIN_END = 0, /* what fat_next_cluster gives behind the last cluster */
    FAT_WINDOW_BYTES = 4096,
    FAT_LABEL_BYTES = 11,
};

struct fat {
    struct disk_source source;
    unsigned bits;
    uint32_t cluster_bytes;
    uint32_t cluster_end; /* one past the highest cluster number */
    uint64_t table_start; /* of the table in use, bytes */
    uint64_t table_bytes;
    uint64_t root_start; /* FAT12 and FAT16: the root folder's place */
    uint32_t root_bytes;
    uint32_t root_cluster; /* FAT32 */
    uint64_t data_start;   /* where cluster 2 is */
    uint32_t volume_id;
    uint8_t label[FAT_LABEL_BYTES];

    /* A piece of the table, so that following a chain is not one read per cluster. Empty between calls. */
    uint8_t window[FAT_WINDOW_BYTES];
    uint64_t window_start;
    size_t window_bytes;
};

static inline bool fat_is_cluster(const struct fat *fat, uint32_t cluster)
{
    return cluster >= FAT_FIRST_CLUSTER && cluster < fat->cluster_end;
}

static inline uint64_t fat_cluster_offset(const struct fat *fat, uint32_t cluster)
{
    return fat->data_start + (uint64_t)(cluster - FAT_FIRST_CLUSTER) * fat->cluster_bytes;
}

/* Every public call begins with it: the machine may have written the table since the last one. */
void fat_forget_window(struct fat *fat);
/* What follows `cluster`, or FAT_CHAIN_END. -EUCLEAN if the table names no cluster there. */
int fat_next_cluster(struct fat *fat, uint32_t cluster, enum volume_wait wait, uint32_t *next);
