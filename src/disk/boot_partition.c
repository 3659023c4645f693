#include "disk/boot_partition.h"

enum score { SCORE_NOT_FAT, SCORE_FAT, SCORE_TYPE, SCORE_EFI, SCORE_CONFIG };

/* 1 if `path` is there, 0 if not. */
static int has_path(struct fat *fat, const char *path, enum volume_wait wait)
{
    struct fat_entry entry;
    int r = fat_lookup(fat, path, wait, &entry);

    if (r == 0)
        return 1;
    return r == -EAGAIN || r == -EIO ? r : 0;
}

/* How likely firmware loads from here: an enum score, or -EAGAIN and -EIO, which say nothing about it. */
static int score_source(const struct disk_source *source, bool type_says_so, enum volume_wait wait)
{
    CLEANUP(cleanup_fat) struct fat *fat = NULL;
    int r = fat_open(source, wait, &fat);

    if (r == -EAGAIN || r == -EIO)
        return r;
    if (r < 0)
        return SCORE_NOT_FAT;
    r = has_path(fat, "config.txt", wait);
    if (r != 0)
        return r < 0 ? r : SCORE_CONFIG;
    r = has_path(fat, "EFI", wait);
    if (r != 0)
        return r < 0 ? r : SCORE_EFI;
    return type_says_so ? SCORE_TYPE : SCORE_FAT;
}

int boot_partition_choose(const struct disk_source *disk, const struct partition_list *list,
                          enum volume_wait wait, struct disk_source *boot, unsigned *number)
{
    int best = SCORE_NOT_FAT;

    if (list->table == PARTITION_TABLE_NONE) {
        best = score_source(disk, false, wait);
        *boot = *disk;
        *number = 0;
    }
    for (unsigned i = 0; i < list->count && best >= 0 && best < SCORE_CONFIG; i++) {
        const struct partition *partition = &list->partitions[i];
        struct disk_source source = partition_source(disk, partition);
        int score = score_source(&source, partition_is_for_firmware(list->table, partition), wait);
        if (score < 0)
            return score;
        if (score > best) {
            best = score;
            *boot = source;
            *number = partition->number;
        }
    }
    return best < 0 ? best : best == SCORE_NOT_FAT ? -ENOENT : 0;
}

int boot_partition_find(const struct disk_source *disk, enum volume_wait wait, struct disk_source *boot,
                        unsigned *number)
{
    CLEANUP_FREE struct partition_list *list = xcalloc(1, sizeof(*list));
    int r = partition_list_read(disk, wait, list);

    return r < 0 ? r : boot_partition_choose(disk, list, wait, boot, number);
}
