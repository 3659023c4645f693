/*
 * The boot files of a machine, whichever way they are kept: in the boot partition of its disk, or in its boot folder.
 * All calls block.
 */
#pragma once

#include "disk/fat.h"
#include "folder/folder.h"

/* One of the two is set. */
struct files {
    struct fat *fat;
    struct folder *folder;
};

/* Names are compared without case. -ENOENT, -ENOTDIR, -EISDIR, -EFBIG. */
bool files_has(const struct files *files, const char *path);
/* The whole file with a NUL behind it. The caller frees. */
int files_read(const struct files *files, const char *path, size_t max_bytes, char **content, size_t *length_bytes);
/* One of `fat_file` and `folder_file` is set; the caller closes it. */
int files_open(const struct files *files, const char *path, struct fat_file **fat_file,
               struct folder_file **folder_file);
