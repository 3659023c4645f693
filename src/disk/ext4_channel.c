#include "disk/ext4_channel.h"

/* libext2fs's view of a source. */
struct channel {
    struct disk_source source;
    struct volume *writable; /* NULL: only read */
    uint64_t budget_bytes;
};

/* ---- the io_manager: how libext2fs reads ---- */

/* libext2fs opens by name and hands nothing else through: what is opened, on its way to `channel_open`. */
static _Thread_local const struct channel *opening;

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

/* Whole sectors, which is all that libext2fs writes: blocks, and superblocks of 1,024 bytes. */
static errcode_t channel_write64(io_channel io, unsigned long long block, int count, const void *data)
{
    struct channel *channel = io->private_data;
    size_t length = count < 0 ? (size_t) - (int64_t)count : (size_t)count * (size_t)io->block_size;
    const struct iovec vec = {.iov_base = (void *)data, .iov_len = length};
    uint64_t offset;

    if (!channel->writable)
        return EROFS;
    if (__builtin_mul_overflow(block, (uint64_t)io->block_size, &offset) || offset > channel->source.size_bytes ||
        length > channel->source.size_bytes - offset || length % VOLUME_SECTOR_BYTES)
        return EXT2_ET_SHORT_WRITE;
    return -volume_write(channel->writable, &vec, 1, channel->source.start_bytes + offset, false,
                         VOLUME_MAY_WAIT);
}

static errcode_t channel_write(io_channel io, unsigned long block, int count, const void *data)
{
    return channel_write64(io, block, count, data);
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

    *channel = *opening;
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

int ext4_errno(errcode_t r)
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

int ext4_channel_open(const struct disk_source *source, struct volume *writable, int flags, ext2_filsys *fs)
{
    const struct channel channel = {
        .source = *source, .writable = writable, .budget_bytes = EXT4_READ_MAX_BYTES};

    opening = &channel;
    errcode_t r = ext2fs_open2("disk", NULL, flags, 0, 0, &source_io_manager, fs);
    opening = NULL;
    if (r)
        *fs = NULL;
    return r == EXT2_ET_SHORT_READ ? -EMEDIUMTYPE : ext4_errno(r);
}
