/*
 * Reads FAT12, FAT16 and FAT32 file systems: finds a path, lists a folder, reads a file.
 *
 * It never writes. The machine that owns the disk may be writing it meanwhile: a file keeps the clusters that
 * were found when it was opened, nothing is remembered from one call to the next, and whatever the disk says,
 * every walk has an end. Not for several threads at once on one `struct fat`; a `struct fat_file` stands
 * alone and outlives it.
 *
 * Layout: Microsoft "FAT: General Overview of On-Disk Format" 1.03; what that leaves open, as Linux's vfat
 * reads it.
 *
 * Besides a source's errors: -EMEDIUMTYPE (not a FAT), -EUCLEAN (a FAT that contradicts itself).
 */
#pragma once

#include "disk/source.h"

#include <sys/types.h>

enum {
    FAT_NAME_UNITS_MAX = 255,                   /* UTF-16 units in a long name */
    FAT_NAME_SIZE = FAT_NAME_UNITS_MAX * 3 + 1, /* the same in UTF-8 */
    FAT_PATH_DEPTH_MAX = 32,                    /* folders in a path */
    FAT_DIRECTORY_ENTRIES_MAX = 65536,          /* 32-byte entries in a folder; the format's own limit */
    FAT_EXTENTS_MAX = 1 << 18,                  /* runs of clusters in a file; beyond, -EFBIG */
    FAT_CLUSTER_MAX_BYTES = 1 << 19,
};

struct fat;
struct fat_file;

struct fat_entry {
    char name[FAT_NAME_SIZE]; /* UTF-8: the long name, or the short one */
    char short_name[40];      /* UTF-8 of at most 8.3 characters */
    bool is_directory;
    uint32_t size_bytes;
    uint32_t first_cluster;
};

/* Copies `source`, not what it reads from. The caller closes. */
int fat_open(const struct disk_source *source, enum volume_wait wait, struct fat **fat);
void fat_close(struct fat *fat);
DEFINE_CLEANUP(fat, struct fat *, fat_close)

/* 12, 16 or 32. */
unsigned fat_bits(const struct fat *fat);
uint32_t fat_volume_id(const struct fat *fat);
/* The label of the root folder, else of the boot sector; "" if there is none. */
int fat_label(struct fat *fat, enum volume_wait wait, char label[FAT_NAME_SIZE]);

/* `path` is UTF-8, '/' between names, compared without case against long and short names. "" and "/" are the
 * root folder. `.` and `..` are never found. -ENOENT, -ENOTDIR. */
int fat_lookup(struct fat *fat, const char *path, enum volume_wait wait, struct fat_entry *entry);
/* Calls `each` per entry in the disk's order, until it gives false. -ENOTDIR. */
int fat_list(struct fat *fat, const char *path, enum volume_wait wait,
             bool (*each)(void *context, const struct fat_entry *entry), void *context);

/* -ENOENT, -EISDIR, -EFBIG. The caller closes. */
int fat_file_open(struct fat *fat, const char *path, enum volume_wait wait, struct fat_file **file);
void fat_file_close(struct fat_file *file);
DEFINE_CLEANUP(fat_file, struct fat_file *, fat_file_close)

uint32_t fat_file_size_bytes(const struct fat_file *file);
/* Gives the number of bytes read, less than asked for only at the file's end; or a negative errno. Any
 * thread, several at once. */
ssize_t fat_file_read(const struct fat_file *file, void *buffer, size_t length_bytes, uint64_t offset,
                      enum volume_wait wait);
/* The file as a source, good as long as `file` stays open. */
struct disk_source fat_file_source(struct fat_file *file);
/* The whole file with a NUL behind it; -EFBIG beyond `max_bytes`. The caller frees. */
int fat_read_file(struct fat *fat, const char *path, size_t max_bytes, enum volume_wait wait, char **content,
                  size_t *length_bytes);
