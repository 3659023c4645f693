#include "disk/ext4.h"

#include "base/text.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

enum { DIRECTORY_ENTRIES_MAX = 100000 };

/* libext2fs's view of a source. */
struct channel {
    struct disk_source source;
    uint64_t budget_bytes;
};

struct ext4 {
    ext2_filsys fs;
};

struct ext4_file {
    struct ext4 *ext4;
    ext2_file_t file;
    uint64_t size_bytes;
};

/* ---- the io_manager: how libext2fs reads ---- */

/* libext2fs opens by name and hands nothing else through: the source on its way to `channel_open`. */
static _Thread_local const struct disk_source *opening;

static errcode_t channel_close(io_channel io)
{
    if (--io->refcount > 0)
        return 0;
    free(io->private_data);
    free(io->name);
    free(io);
    return 0;
}

static errcode_t channel_set_block_size(io_channel io, int block_size)
{
    io->block_size = block_size;
    return 0;
}

/* A negative `count` is bytes, else it is blocks. */
static errcode_t channel_read64(io_channel io, unsigned long long block, int count, void *data)
{
    struct channel *channel = io->private_data;
    size_t length = count < 0 ? (size_t) - (int64_t)count : (size_t)count * (size_t)io->block_size;
    uint64_t offset;

    if (length > channel->budget_bytes || __builtin_mul_overflow(block, (uint64_t)io->block_size, &offset))
        return EXT2_ET_SHORT_READ;
    channel->budget_bytes -= length;
    int r = disk_source_read(&channel->source, data, length, offset, VOLUME_MAY_WAIT);
    return r == -EINVAL ? EXT2_ET_SHORT_READ : -r;
}

static errcode_t channel_read(io_channel io, unsigned long block, int count, void *data)
{
    return channel_read64(io, block, count, data);
}

static errcode_t channel_write64(io_channel io, unsigned long long block, int count, const void *data)
{
    return EROFS;
}

static errcode_t channel_write(io_channel io, unsigned long block, int count, const void *data)
{
    return EROFS;
}

static errcode_t channel_flush(io_channel io)
{
    return 0;
}

static errcode_t channel_open(const char *name, int flags, io_channel *result);

static struct struct_io_manager source_io_manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "disk source",
    .open = channel_open,
    .close = channel_close,
    .set_blksize = channel_set_block_size,
    .read_blk = channel_read,
    .write_blk = channel_write,
    .flush = channel_flush,
    .read_blk64 = channel_read64,
    .write_blk64 = channel_write64,
};

static errcode_t channel_open(const char *name, int flags, io_channel *result)
{
    struct channel *channel = xcalloc(1, sizeof(*channel));
    io_channel io = xcalloc(1, sizeof(*io));

    channel->source = *opening;
    channel->budget_bytes = EXT4_READ_MAX_BYTES;
    io->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    io->manager = &source_io_manager;
    io->name = xstrdup(name);
    io->block_size = 1024;
    io->refcount = 1;
    io->private_data = channel;
    *result = io;
    return 0;
}

/* ---- errors: libext2fs gives errno values and its own ---- */

static int negative_errno(errcode_t r)
{
    switch (r) {
    case 0:
        return 0;
    case EXT2_ET_BAD_MAGIC:
        return -EMEDIUMTYPE;
    case EXT2_ET_UNSUPP_FEATURE:
    case EXT2_ET_RO_UNSUPP_FEATURE:
        return -EOPNOTSUPP;
    case EXT2_ET_FILE_NOT_FOUND:
        return -ENOENT;
    case EXT2_ET_NO_DIRECTORY:
        return -ENOTDIR;
    case EXT2_ET_SYMLINK_LOOP:
        return -ELOOP;
    case EXT2_ET_NO_MEMORY:
        return -ENOMEM;
    default:
        return r > 0 && r < 256 ? -(int)r : -EUCLEAN;
    }
}

int ext4_open(const struct disk_source *source, struct ext4 **result)
{
    CLEANUP(cleanup_ext4) struct ext4 *ext4 = xcalloc(1, sizeof(*ext4));

    opening = source;
    errcode_t r = ext2fs_open2("disk", NULL, EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0, 0,
                               &source_io_manager, &ext4->fs);
    opening = NULL;
    if (r) {
        ext4->fs = NULL;
        return r == EXT2_ET_SHORT_READ ? -EMEDIUMTYPE : negative_errno(r);
    }
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
    return negative_errno(r);
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
    return negative_errno(ext2fs_dir_iterate2(ext4->fs, number, 0, NULL, list_one, &listing));
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
        return negative_errno(opened);
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
    return negative_errno(r);
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
