#include "disk/ext4.h"

#include "base/text.h"
#include "disk/ext4_channel.h"

enum { DIRECTORY_ENTRIES_MAX = 100000 };

struct ext4 {
    ext2_filsys fs;
};

struct ext4_file {
    struct ext4 *ext4;
    ext2_file_t file;
    uint64_t size_bytes;
};

int ext4_open(const struct disk_source *source, struct ext4 **result)
{
    CLEANUP(cleanup_ext4) struct ext4 *ext4 = xcalloc(1, sizeof(*ext4));

    int r = ext4_channel_open(source, NULL, EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, &ext4->fs);
    if (r < 0)
        return r;
    *result = TAKE_PTR(ext4);
    return 0;
}

void ext4_close(struct ext4 *ext4)
{
    if (!ext4)
        return;
    if (ext4->fs)
        ext2fs_free(ext4->fs);
    free(ext4);
}

bool ext4_needs_recovery(const struct ext4 *ext4)
{
    return ext2fs_has_feature_journal_needs_recovery(ext4->fs->super);
}

static int find_inode(struct ext4 *ext4, const char *path, ext2_ino_t *number, struct ext2_inode *inode)
{
    errcode_t r = ext2fs_namei_follow(ext4->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, number);

    if (!r)
        r = ext2fs_read_inode(ext4->fs, *number, inode);
    return ext4_errno(r);
}

/* ---- folders ---- */

struct listing {
    ext2_filsys fs;
    bool (*each)(void *context, const struct ext4_entry *entry);
    void *context;
    unsigned entries;
};

/* Old file systems, and some tools on new ones, leave the type out of the folder's entry. */
static int entry_type(ext2_filsys fs, struct ext2_dir_entry *raw)
{
    struct ext2_inode inode;
    int type = ext2fs_dirent_file_type(raw);

    if (type != EXT2_FT_UNKNOWN || ext2fs_read_inode(fs, raw->inode, &inode))
        return type;
    if (LINUX_S_ISDIR(inode.i_mode))
        return EXT2_FT_DIR;
    return LINUX_S_ISLNK(inode.i_mode) ? EXT2_FT_SYMLINK : EXT2_FT_UNKNOWN;
}

/* Told by name: for folders kept inside their inode libext2fs does not mark them by `place`. */
static bool is_own_or_parent(const char *name)
{
    return string_equal(name, ".") || string_equal(name, "..");
}

static int list_one(ext2_ino_t directory, int place, struct ext2_dir_entry *raw, int offset, int block_size,
                    char *block, void *context)
{
    struct listing *listing = context;
    struct ext4_entry entry = {0};
    size_t length = MIN((size_t)ext2fs_dirent_name_len(raw), sizeof(entry.name) - 1);

    if (++listing->entries > DIRECTORY_ENTRIES_MAX)
        return DIRENT_ABORT;
    memcpy(entry.name, raw->name, length);
    if (place == DIRENT_DELETED_FILE || is_own_or_parent(entry.name) || !entry.name[0] ||
        strchr(entry.name, '/'))
        return 0;
    int type = entry_type(listing->fs, raw);
    entry.is_directory = type == EXT2_FT_DIR;
    entry.is_link = type == EXT2_FT_SYMLINK;
    return listing->each(listing->context, &entry) ? 0 : DIRENT_ABORT;
}

int ext4_list(struct ext4 *ext4, const char *path,
              bool (*each)(void *context, const struct ext4_entry *entry), void *context)
{
    struct listing listing = {.fs = ext4->fs, .each = each, .context = context};
    struct ext2_inode inode;
    ext2_ino_t number;
    int r = find_inode(ext4, path, &number, &inode);

    if (r < 0)
        return r;
    if (!LINUX_S_ISDIR(inode.i_mode))
        return -ENOTDIR;
    return ext4_errno(ext2fs_dir_iterate2(ext4->fs, number, 0, NULL, list_one, &listing));
}

/* ---- files ---- */

int ext4_file_open(struct ext4 *ext4, const char *path, struct ext4_file **result)
{
    struct ext2_inode inode;
    ext2_ino_t number;
    ext2_file_t handle;
    int r = find_inode(ext4, path, &number, &inode);

    if (r < 0)
        return r;
    if (!LINUX_S_ISREG(inode.i_mode))
        return LINUX_S_ISDIR(inode.i_mode) ? -EISDIR : -ENOENT;
    errcode_t opened = ext2fs_file_open(ext4->fs, number, 0, &handle);
    if (opened)
        return ext4_errno(opened);
    struct ext4_file *file = xcalloc(1, sizeof(*file));
    file->ext4 = ext4;
    file->file = handle;
    file->size_bytes = EXT2_I_SIZE(&inode);
    *result = file;
    return 0;
}

void ext4_file_close(struct ext4_file *file)
{
    if (!file)
        return;
    ext2fs_file_close(file->file);
    free(file);
}

uint64_t ext4_file_size_bytes(const struct ext4_file *file)
{
    return file->size_bytes;
}

static int read_as_source(const struct disk_source *source, void *buffer, size_t length_bytes,
                          uint64_t offset, enum volume_wait wait)
{
    struct ext4_file *file = source->context;
    uint8_t *to = buffer;
    errcode_t r = ext2fs_file_llseek(file->file, source->start_bytes + offset, EXT2_SEEK_SET, NULL);

    while (!r && length_bytes) {
        unsigned got = 0;
        r = ext2fs_file_read(file->file, to, (unsigned)MIN(length_bytes, (size_t)1 << 20), &got);
        if (!r && !got)
            return -EUCLEAN;
        to += got;
        length_bytes -= got;
    }
    return ext4_errno(r);
}

struct disk_source ext4_file_source(struct ext4_file *file)
{
    return (struct disk_source){.size_bytes = file->size_bytes, .read = read_as_source, .context = file};
}

int ext4_read_file(struct ext4 *ext4, const char *path, size_t max_bytes, char **content,
                   size_t *length_bytes)
{
    CLEANUP(cleanup_ext4_file) struct ext4_file *file = NULL;
    int r = ext4_file_open(ext4, path, &file);

    if (r < 0)
        return r;
    if (file->size_bytes > max_bytes)
        return -EFBIG;
    CLEANUP_FREE char *bytes = xcalloc((size_t)file->size_bytes + 1, 1);
    struct disk_source source = ext4_file_source(file);
    r = disk_source_read(&source, bytes, (size_t)file->size_bytes, 0, VOLUME_MAY_WAIT);
    if (r < 0)
        return r;
    *length_bytes = (size_t)file->size_bytes;
    *content = TAKE_PTR(bytes);
    return 0;
}
