/*
 * Looks inside a disk, without mounting it, for what a person wants to know before machines boot from it.
 *
 * Partitions and file systems, the system and its kernels, and above all: can its initramfs log in to iSCSI,
 * and if not, what must be done. Only reads; may block for seconds (a compressed initramfs is unpacked). What
 * cannot be read is left empty in the report.
 *
 * The report as JSON. Every key is always there:
 *   size_bytes          integer
 *   table               "mbr" | "gpt" | "none"
 *   table_from_backup   true if the first copy of a GPT was damaged
 *   disk_id             "cafe1234" (MBR), a GUID (GPT), or ""
 *   partitions          array of
 *     number            0 for a disk without a table
 *     start_bytes, length_bytes
 *     type              "0x0c" or a GUID, "" without a table
 *     name              of a GPT partition, or ""
 *     filesystem        "vfat", "ext4", … or ""
 *     label, uuid       of the file system, or ""
 *     active            the table's boot flag
 *     boot              firmware loads from it
 *     root              the system is on it
 *     needs_recovery    its journal was not replayed: the disk was not shut down cleanly
 *   os                  object: name ("Debian GNU/Linux 12 (bookworm)"), id ("debian"), version ("12"); or ""
 * each cloud_init          its version ("22.4.2"), "unknown", or "" if the system has none
 * architecture        "arm64" | "armhf" | "amd64" | "i386" | "riscv64" | "": of its kernels kernels
 * array of: partition, path, size_bytes, architecture, models (array of "Pi 4", …) models              array
 * of "Pi 3", "Pi 4", "Pi 5": which it can boot from its boot partition initramfs           array of:
 * partition, path, size_bytes, compression, can_login ("yes" | "no" | "unknown") iscsi               "yes" |
 * "no" | "unknown": can the machine find its disk command_line        what cmdline.txt holds, or "" root the
 * value of its last root=, or "" advice              one sentence saying what the user must do, or ""
 */
#pragma once

#include "disk/filesystem.h"
#include "disk/initramfs.h"
#include "disk/kernel_image.h"
#include "disk/partition.h"
#include "disk/pi_config.h"

#include <jansson.h>

enum {
    REPORT_KERNELS_MAX = 16,
    REPORT_INITRAMFS_MAX = 8,
    REPORT_PATH_SIZE = 256,
    REPORT_COMMAND_LINE_SIZE = 2048,
};

struct report_partition {
    struct partition partition;
    struct filesystem filesystem;
    bool is_boot;
    bool is_root;
};

struct report_kernel {
    unsigned partition;
    char path[REPORT_PATH_SIZE];
    uint64_t size_bytes;
    const char *architecture;
    bool models[PI_MODELS];
};

struct report_initramfs {
    unsigned partition;
    char path[REPORT_PATH_SIZE];
    uint64_t size_bytes;
    struct initramfs_report found;
};

struct disk_report {
    uint64_t size_bytes;
    enum partition_table table;
    bool table_from_backup;
    char disk_id[GUID_TEXT_SIZE];
    unsigned partition_count;
    struct report_partition partitions[PARTITIONS_MAX];

    char os_name[128];
    char os_id[64];
    char os_version[64];
    char cloud_init[16]; /* its version; "unknown", or "" when there is none */
    const char *architecture;
    unsigned kernel_count;
    struct report_kernel kernels[REPORT_KERNELS_MAX];
    bool models[PI_MODELS];
    unsigned initramfs_count;
    struct report_initramfs initramfs[REPORT_INITRAMFS_MAX];
    enum initramfs_answer can_login;
    bool has_config; /* the boot partition has a config.txt */
    char command_line[REPORT_COMMAND_LINE_SIZE];
    char root[REPORT_PATH_SIZE];
    char advice[512];
};

/* -EIO and its like only if the disk itself cannot be read. The report is large: keep it on the heap. */
int inspect_disk(const struct disk_source *disk, struct disk_report *report);
/* The caller owns the reference. */
json_t *disk_report_json(const struct disk_report *report);
