/*
 * Boot folders: a machine's boot files as a directory tree on the server, for machines that mount it back over NFS.
 *
 * A folder is made from the boot partition of the machine's disk, whole or not at all, and lives its own life from then
 * on: nothing is ever copied back. It stands at `STORE/folders/boot-ID`, where the NFS server finds it. All calls may
 * block; any thread.
 */
#pragma once

#include "fleet/machine.h"
#include "folder/folder.h"
#include "store/store.h"

struct boot_folders;

enum { BOOT_FOLDER_ENTRIES_MAX = 1 << 16 };
#define BOOT_FOLDER_MAX_BYTES (4ull << 30) /* a FAT whose files share clusters says more than it holds */

/* `store` outlives it. What a crash left half made is removed. */
struct boot_folders *boot_folders_new(struct store *store, const char *store_path);
/* NULL is fine. */
void boot_folders_free(struct boot_folders *folders);

bool boot_folder_exists(struct boot_folders *folders, const struct machine *machine);
/* Makes it unless it is there. -ENODATA if the disk has no boot partition, with a sentence as ever. */
int boot_folder_make(struct boot_folders *folders, const struct machine *machine, struct error *error);
/* Makes it if need be; the caller owns the reference. */
int boot_folder_open(struct boot_folders *folders, const struct machine *machine, struct folder **folder,
                     struct error *error);
/* Removes it; nothing to do if there is none. */
int boot_folder_remove(struct boot_folders *folders, uint64_t machine_id, struct error *error);

/* The object at `path`, whose names are compared without case, as in the partition that it came from. -ENOENT. */
int boot_folder_find(struct folder *folder, const char *path, struct folder_attributes *found);

struct boot_folder_difference {
    unsigned files; /* that are in one of the two only, or are not the same in both */
    char example[256]; /* one of them */
    uint64_t changed_seconds; /* when the newest file of the folder was changed */
};

/* How the folder differs from the boot partition of the machine's disk. Reads both. */
int boot_folder_compare(struct boot_folders *folders, const struct machine *machine,
                        struct boot_folder_difference *difference, struct error *error);
