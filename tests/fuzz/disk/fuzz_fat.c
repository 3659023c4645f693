/*
 * A FAT of any content: every folder is walked and every file read, a few levels deep.
 */
#include "disk/fat.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEPTH_MAX = 3, FILES_MAX = 64, READ_BYTES = 3000 };

struct visit {
    struct fat *fat;
    const char *path;
    unsigned depth;
    unsigned *files;
};

static void read_file(struct fat *fat, const char *path)
{
    CLEANUP(cleanup_fat_file) struct fat_file *file = NULL;
    uint8_t buffer[READ_BYTES];

    if (fat_file_open(fat, path, VOLUME_MAY_WAIT, &file) < 0)
        return;
    uint64_t size = fat_file_size_bytes(file);
    fat_file_read(file, buffer, sizeof(buffer), 0, VOLUME_MAY_WAIT);
    fat_file_read(file, buffer, sizeof(buffer), size / 2, VOLUME_MAY_WAIT);
    fat_file_read(file, buffer, sizeof(buffer), size ? size - 1 : 0, VOLUME_MAY_WAIT);
}

static bool visit_entry(void *context, const struct fat_entry *entry)
{
    struct visit *visit = context;
    CLEANUP_FREE char *path = xasprintf("%s/%s", visit->path, entry->name);
    struct visit below = {.fat = visit->fat, .path = path, .depth = visit->depth + 1, .files = visit->files};

    CHECK(entry->name[0] && strlen(entry->name) < FAT_NAME_SIZE && !strchr(entry->name, '/'));
    if (++*visit->files > FILES_MAX)
        return false;
    if (entry->is_directory && visit->depth < DEPTH_MAX)
        fat_list(visit->fat, path, VOLUME_MAY_WAIT, visit_entry, &below);
    else
        read_file(visit->fat, path);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct disk_source source = disk_source_over_memory(data, size);
    CLEANUP(cleanup_fat) struct fat *fat = NULL;
    unsigned files = 0;
    char label[FAT_NAME_SIZE];

    if (fat_open(&source, VOLUME_MAY_WAIT, &fat) < 0)
        return 0;
    fat_label(fat, VOLUME_MAY_WAIT, label);
    struct visit root = {.fat = fat, .path = "", .files = &files};
    fat_list(fat, "", VOLUME_MAY_WAIT, visit_entry, &root);
    return 0;
}
