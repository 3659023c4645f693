/*
 * Partition tables: MBR with its extended chain, and GPT with its backup.
 *
 * Only reads. Whatever the disk says, the list is bounded and every partition in it lies inside the disk (one
 * that reaches beyond the end is cut and marked). Numbers are the kernel's: extended MBR partitions begin
 * at 5. MBR: the layout every BIOS reads. GPT: UEFI specification 2.10, chapter 5.
 */
#pragma once

#include "disk/source.h"

enum { PARTITIONS_MAX = 128, PARTITION_NAME_SIZE = 36 * 3 + 1, GUID_TEXT_SIZE = 37 };

enum partition_table {
    PARTITION_TABLE_NONE,
    PARTITION_TABLE_MBR,
    PARTITION_TABLE_GPT,
};

struct partition {
    unsigned number;
    uint64_t start_bytes;
    uint64_t length_bytes;
    bool is_cut; /* the table says it is longer than the disk */
    bool is_active;
    uint8_t type;          /* MBR */
    uint8_t type_guid[16]; /* GPT, in the disk's byte order */
    uint8_t guid[16];
    char name[PARTITION_NAME_SIZE]; /* GPT, UTF-8 */
};

struct partition_list {
    enum partition_table table;
    bool from_backup; /* GPT: the primary was damaged */
    uint32_t disk_id; /* MBR */
    uint8_t disk_guid[16];
    uint32_t sector_bytes;
    unsigned count;
    struct partition partitions[PARTITIONS_MAX];
};

/* PARTITION_TABLE_NONE and no error if there is no table; otherwise errors of the source only. */
int partition_list_read(const struct disk_source *source, enum volume_wait wait, struct partition_list *list);
struct disk_source partition_source(const struct disk_source *disk, const struct partition *partition);

const char *partition_table_name(enum partition_table table);
/* "0x0c", or the GUID as it is written. Gives `to`. */
const char *partition_type_text(char to[GUID_TEXT_SIZE], enum partition_table table,
                                const struct partition *partition);
/* `xxxxxxxx-xxxx-…` from the disk's mixed byte order. Gives `to`. */
const char *guid_text(char to[GUID_TEXT_SIZE], const uint8_t guid[16]);
/* Whether its type says FAT for firmware: MBR 0x0c, 0x0e, 0xef and the other FAT types, or an EFI system
 * partition. */
bool partition_is_for_firmware(enum partition_table table, const struct partition *partition);
