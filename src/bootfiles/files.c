#include "bootfiles/files.h"

#include "bootfiles/boot_folder.h"

static int open_folder_file(struct folder *folder, const char *path, struct folder_file **file)
{
    struct folder_attributes found;
    int r = boot_folder_find(folder, path, &found);

    if (r < 0)
        return r;
    if (found.kind != FOLDER_FILE)
        return found.kind == FOLDER_DIRECTORY ? -EISDIR : -ENOENT;
    return folder_file_open(folder, found.object, file);
}

bool files_has(const struct files *files, const char *path)
{
    struct folder_attributes found;
    struct fat_entry entry;

    if (files->folder)
        return boot_folder_find(files->folder, path, &found) == 0 && found.kind == FOLDER_FILE;
    return fat_lookup(files->fat, path, VOLUME_MAY_WAIT, &entry) == 0 && !entry.is_directory;
}

int files_read(const struct files *files, const char *path, size_t max_bytes, char **content, size_t *length_bytes)
{
    CLEANUP(cleanup_folder_file) struct folder_file *file = NULL;
    uint64_t size = 0;

    if (!files->folder)
        return fat_read_file(files->fat, path, max_bytes, VOLUME_MAY_WAIT, content, length_bytes);
    int r = open_folder_file(files->folder, path, &file);
    if (r == 0)
        r = folder_file_size(file, &size);
    if (r < 0)
        return r;
    if (size > max_bytes)
        return -EFBIG;
    CLEANUP_FREE char *whole = xcalloc(1, (size_t)size + 1);
    ssize_t got = folder_file_read(file, whole, (size_t)size, 0);
    if (got < 0)
        return (int)got;
    whole[got] = '\0';
    *length_bytes = (size_t)got;
    *content = TAKE_PTR(whole);
    return 0;
}

int files_open(const struct files *files, const char *path, struct fat_file **fat_file,
               struct folder_file **folder_file)
{
    return files->folder ? open_folder_file(files->folder, path, folder_file)
                         : fat_file_open(files->fat, path, VOLUME_MAY_WAIT, fat_file);
}
