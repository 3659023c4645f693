#include "disk/fat_volume.h"

/* A run of clusters that lie behind each other on the disk. */
struct extent {
    uint32_t index;   /* number of its first cluster in the file */
    uint32_t cluster; /* where that is on the disk */
};

struct fat_file {
    struct disk_source source;
    uint64_t data_start;
    uint32_t cluster_bytes;
    uint32_t size_bytes;
    uint32_t extent_count;
    uint32_t extent_room;
    struct extent *extents;
};

static int add_cluster(struct fat_file *file, uint32_t index, uint32_t cluster)
{
    const struct extent *last = file->extent_count ? &file->extents[file->extent_count - 1] : NULL;

    if (last && cluster == last->cluster + (index - last->index))
        return 0;
    if (file->extent_count == FAT_EXTENTS_MAX)
        return -EFBIG;
    if (file->extent_count == file->extent_room) {
        file->extent_room = MAX(file->extent_room * 2, 16u);
        file->extents = xrealloc(file->extents, file->extent_room, sizeof(*file->extents));
    }
    file->extents[file->extent_count++] = (struct extent){.index = index, .cluster = cluster};
    return 0;
}

/* Follows the chain for as many clusters as the size needs. A chain that ends early or meets itself again
 * (Brent's check: the mark moves at every power of two) belongs to a file in the middle of a change, or to no
 * file. */
static int find_extents(struct fat *fat, struct fat_file *file, uint32_t cluster, enum volume_wait wait)
{
    uint32_t needed =
        (uint32_t)(((uint64_t)file->size_bytes + file->cluster_bytes - 1) / file->cluster_bytes);
    uint32_t mark = FAT_CHAIN_END;

    if (needed > fat->cluster_end - FAT_FIRST_CLUSTER)
        return -EUCLEAN;
    for (uint32_t index = 0; index < needed; index++) {
        if (!fat_is_cluster(fat, cluster) || cluster == mark)
            return -EUCLEAN;
        if (!(index & (index - 1)))
            mark = cluster;
        int r = add_cluster(file, index, cluster);
        if (r == 0 && index + 1 < needed)
            r = fat_next_cluster(fat, cluster, wait, &cluster);
        if (r < 0)
            return r;
    }
    return 0;
}

int fat_file_open(struct fat *fat, const char *path, enum volume_wait wait, struct fat_file **result)
{
    struct fat_entry entry;
    int r = fat_lookup(fat, path, wait, &entry);

    if (r < 0)
        return r;
    if (entry.is_directory)
        return -EISDIR;
    CLEANUP(cleanup_fat_file) struct fat_file *file = xcalloc(1, sizeof(*file));
    file->source = fat->source;
    file->data_start = fat->data_start;
    file->cluster_bytes = fat->cluster_bytes;
    file->size_bytes = entry.size_bytes;
    r = find_extents(fat, file, entry.first_cluster, wait);
    if (r < 0)
        return r;
    *result = TAKE_PTR(file);
    return 0;
}

void fat_file_close(struct fat_file *file)
{
    if (!file)
        return;
    free(file->extents);
    free(file);
}

uint32_t fat_file_size_bytes(const struct fat_file *file)
{
    return file->size_bytes;
}

/* The extent that holds cluster `index` of the file. */
static uint32_t extent_of(const struct fat_file *file, uint32_t index)
{
    uint32_t low = 0;
    uint32_t high = file->extent_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (file->extents[middle].index <= index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* What lies in one piece on the disk from `offset` on, at most `limit_bytes`. */
static size_t contiguous(const struct fat_file *file, uint64_t offset, size_t limit_bytes, uint64_t *position)
{
    uint32_t at = extent_of(file, (uint32_t)(offset / file->cluster_bytes));
    const struct extent *extent = &file->extents[at];
    uint64_t into = offset - (uint64_t)extent->index * file->cluster_bytes;
    uint64_t end =
        at + 1 < file->extent_count ? (uint64_t)extent[1].index * file->cluster_bytes : file->size_bytes;

    *position =
        file->data_start + (uint64_t)(extent->cluster - FAT_FIRST_CLUSTER) * file->cluster_bytes + into;
    return (size_t)MIN((uint64_t)limit_bytes, end - offset);
}

ssize_t fat_file_read(const struct fat_file *file, void *buffer, size_t length_bytes, uint64_t offset,
                      enum volume_wait wait)
{
    uint8_t *to = buffer;
    size_t done = 0;

    if (offset >= file->size_bytes)
        return 0;
    length_bytes = (size_t)MIN((uint64_t)length_bytes, file->size_bytes - offset);
    while (done < length_bytes) {
        uint64_t position;
        size_t piece = contiguous(file, offset + done, length_bytes - done, &position);
        int r = disk_source_read(&file->source, to + done, piece, position, wait);
        if (r < 0)
            return r;
        done += piece;
    }
    return (ssize_t)done;
}

static int read_as_source(const struct disk_source *source, void *buffer, size_t length_bytes,
                          uint64_t offset, enum volume_wait wait)
{
    ssize_t got = fat_file_read(source->context, buffer, length_bytes, source->start_bytes + offset, wait);

    return got < 0 ? (int)got : 0;
}

struct disk_source fat_file_source(struct fat_file *file)
{
    return (struct disk_source){.size_bytes = file->size_bytes, .read = read_as_source, .context = file};
}

int fat_read_file(struct fat *fat, const char *path, size_t max_bytes, enum volume_wait wait, char **content,
                  size_t *length_bytes)
{
    CLEANUP(cleanup_fat_file) struct fat_file *file = NULL;
    int r = fat_file_open(fat, path, wait, &file);

    if (r < 0)
        return r;
    if (file->size_bytes > max_bytes)
        return -EFBIG;
    CLEANUP_FREE char *bytes = xcalloc((size_t)file->size_bytes + 1, 1);
    ssize_t got = fat_file_read(file, bytes, file->size_bytes, 0, wait);
    if (got < 0)
        return (int)got;
    *length_bytes = (size_t)got;
    *content = TAKE_PTR(bytes);
    return 0;
}
