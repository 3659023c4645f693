/*
 * Reads files out of an ext2, ext3 or ext4 file system through libext2fs, without mounting it.
 *
 * Never writes; the journal is not replayed, so after an unclean stop a file may be some seconds old, or fail
 * to read
 * (`ext4_needs_recovery` says so). What one open file system may read in all is bounded, because a hostile
 * one can send any walk in circles. One thread at a time. May block: it always reads with VOLUME_MAY_WAIT.
 *
 * Besides a source's errors: -EMEDIUMTYPE (not ext), -EUCLEAN (damaged), -EOPNOTSUPP (a feature libext2fs has
 * not).
 */
#pragma once

#include "disk/source.h"

#include <sys/types.h>

enum { EXT4_NAME_SIZE = 256 };

/* What may be read from the disk between open and close. */
#define EXT4_READ_MAX_BYTES (UINT64_C(1) << 30)

struct ext4;
struct ext4_file;

struct ext4_entry {
    char name[EXT4_NAME_SIZE];
    bool is_directory; /* as the folder's entry says, without following links */
    bool is_link;
};

/* Copies `source`, not what it reads from. The caller closes, after all its files. */
int ext4_open(const struct disk_source *source, struct ext4 **ext4);
void ext4_close(struct ext4 *ext4);
DEFINE_CLEANUP(ext4, struct ext4 *, ext4_close)

bool ext4_needs_recovery(const struct ext4 *ext4);

/* Absolute path; symbolic links are followed inside the file system, a few deep. -ENOENT, -ENOTDIR, -ELOOP,
 * -EISDIR (or -ENOTDIR for list). */
int ext4_list(struct ext4 *ext4, const char *path,
              bool (*each)(void *context, const struct ext4_entry *entry), void *context);
int ext4_file_open(struct ext4 *ext4, const char *path, struct ext4_file **file);
void ext4_file_close(struct ext4_file *file);
DEFINE_CLEANUP(ext4_file, struct ext4_file *, ext4_file_close)

uint64_t ext4_file_size_bytes(const struct ext4_file *file);
/* The file as a source, good as long as `file` is open. */
struct disk_source ext4_file_source(struct ext4_file *file);
/* The whole file with a NUL behind it; -EFBIG beyond `max_bytes`. The caller frees. */
int ext4_read_file(struct ext4 *ext4, const char *path, size_t max_bytes, char **content,
                   size_t *length_bytes);
