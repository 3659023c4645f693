#include "disk/fat_name.h"
#include "disk/fat_volume.h"

#include "base/bytes.h"

enum {
    ENTRY_BYTES = 32,
    PIECE_MAX_BYTES = 4096,
    LONG_UNITS_PER_ENTRY = 13,
    LONG_ENTRIES_MAX = 20,
    LONG_LAST = 0x40, /* in the number of the entry that holds the name's end, which comes first */
    ENTRY_DELETED = 0xe5,
    ATTRIBUTE_LABEL = 0x08,
    ATTRIBUTE_FOLDER = 0x10,
    ATTRIBUTE_LONG = 0x0f,
    ATTRIBUTE_MASK = 0x3f,
};

/* Walks the 32-byte entries of one folder, a piece at a time. */
struct walk {
    struct fat *fat;
    enum volume_wait wait;
    uint32_t cluster;    /* FAT_CHAIN_END: the fixed root folder */
    uint32_t piece_left; /* bytes of this cluster (or the fixed root folder) that were not read yet */
    uint64_t position;   /* of what is read next */
    uint32_t entries;
    size_t piece_bytes;
    size_t piece_at;
    uint8_t piece[PIECE_MAX_BYTES];
};

/* A long name on its way, collected from its end to its beginning. */
struct long_name {
    uint16_t units[LONG_ENTRIES_MAX * LONG_UNITS_PER_ENTRY];
    unsigned entries;
    unsigned expected; /* number of the next entry; 0 once all are there */
    uint8_t checksum;
};

static void walk_cluster(struct walk *walk, uint32_t cluster)
{
    walk->cluster = cluster;
    walk->position = fat_cluster_offset(walk->fat, cluster);
    walk->piece_left = walk->fat->cluster_bytes;
}

/* `first_cluster` 0: the root folder. */
static int walk_start(struct walk *walk, struct fat *fat, uint32_t first_cluster, enum volume_wait wait)
{
    uint32_t cluster = first_cluster ? first_cluster : fat->root_cluster;

    walk->fat = fat;
    walk->wait = wait;
    walk->entries = 0;
    walk->piece_bytes = walk->piece_at = 0;
    if (!first_cluster && fat->bits != 32) {
        walk->cluster = FAT_CHAIN_END;
        walk->position = fat->root_start;
        walk->piece_left = fat->root_bytes;
        return 0;
    }
    if (!fat_is_cluster(fat, cluster))
        return -EUCLEAN;
    walk_cluster(walk, cluster);
    return 0;
}

/* 1 if there is another piece, 0 at the folder's end. */
static int walk_next_piece(struct walk *walk)
{
    if (!walk->piece_left && walk->cluster != FAT_CHAIN_END) {
        uint32_t next;
        int r = fat_next_cluster(walk->fat, walk->cluster, walk->wait, &next);
        if (r < 0)
            return r;
        if (next == FAT_CHAIN_END)
            return 0;
        walk_cluster(walk, next);
    }
    size_t length = MIN(walk->piece_left, (uint32_t)PIECE_MAX_BYTES);
    if (!length)
        return 0;
    int r = disk_source_read(&walk->fat->source, walk->piece, length, walk->position, walk->wait);
    if (r < 0)
        return r == -EINVAL ? -EUCLEAN : r;
    walk->position += length;
    walk->piece_left -= (uint32_t)length;
    walk->piece_bytes = length;
    walk->piece_at = 0;
    return 1;
}

/* The next raw entry, or NULL at the end. The number of entries bounds a chain that bites its own tail. */
static int walk_next(struct walk *walk, const uint8_t **entry)
{
    *entry = NULL;
    if (walk->piece_at == walk->piece_bytes) {
        int r = walk_next_piece(walk);
        if (r <= 0)
            return r;
    }
    if (++walk->entries > FAT_DIRECTORY_ENTRIES_MAX)
        return -EUCLEAN;
    const uint8_t *at = walk->piece + walk->piece_at;
    walk->piece_at += ENTRY_BYTES;
    if (at[0] != 0)
        *entry = at;
    return 0;
}

static void read_long_units(uint16_t units[LONG_UNITS_PER_ENTRY], const uint8_t *raw)
{
    static const uint8_t places[LONG_UNITS_PER_ENTRY] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};

    for (size_t i = 0; i < LONG_UNITS_PER_ENTRY; i++)
        units[i] = (uint16_t)(raw[places[i]] | raw[places[i] + 1] << 8);
}

static void long_name_forget(struct long_name *name)
{
    name->entries = name->expected = 0;
}

static void long_name_add(struct long_name *name, const uint8_t *raw)
{
    unsigned number = raw[0] & ~LONG_LAST;

    if (raw[0] & LONG_LAST) {
        name->entries = name->expected = number;
        name->checksum = raw[13];
    }
    if (!number || number > LONG_ENTRIES_MAX || number != name->expected || raw[13] != name->checksum) {
        long_name_forget(name);
        return;
    }
    read_long_units(name->units + (number - 1) * LONG_UNITS_PER_ENTRY, raw);
    name->expected--;
}

/* Whether the collected name is whole and belongs to the short entry `raw`. */
static bool long_name_take(struct long_name *name, const uint8_t *raw, char *to, size_t to_size)
{
    size_t count = 0;
    size_t room = (size_t)name->entries * LONG_UNITS_PER_ENTRY;
    bool whole = name->entries && !name->expected && name->checksum == fat_short_name_checksum(raw);

    while (count < room && name->units[count])
        count++;
    long_name_forget(name);
    return whole && count <= FAT_NAME_UNITS_MAX && fat_long_name(to, to_size, name->units, count);
}

static void read_short_entry(const struct fat *fat, const uint8_t *raw, struct fat_entry *entry)
{
    struct reader r = reader_over(raw, ENTRY_BYTES);

    fat_short_name(entry->short_name, sizeof(entry->short_name), raw, raw[12]);
    entry->is_directory = raw[11] & ATTRIBUTE_FOLDER;
    reader_skip(&r, 20);
    uint32_t high = reader_le16(&r);
    reader_skip(&r, 4); /* time and date of the last write */
    entry->first_cluster = reader_le16(&r);
    if (fat->bits == 32)
        entry->first_cluster |= high << 16;
    entry->size_bytes = reader_le32(&r);
}

static bool is_own_or_parent(const struct fat_entry *entry)
{
    return strcmp(entry->short_name, ".") == 0 || strcmp(entry->short_name, "..") == 0;
}

/* Gives 1 with the next file or folder, 0 at the end. */
static int next_entry(struct walk *walk, struct long_name *name, struct fat_entry *entry)
{
    const uint8_t *raw;
    int r;

    while ((r = walk_next(walk, &raw)) == 0 && raw) {
        unsigned attributes = raw[11] & ATTRIBUTE_MASK;
        if (raw[0] == ENTRY_DELETED) {
            long_name_forget(name);
        } else if (attributes == ATTRIBUTE_LONG) {
            long_name_add(name, raw);
        } else if (attributes & ATTRIBUTE_LABEL) {
            long_name_forget(name);
        } else {
            read_short_entry(walk->fat, raw, entry);
            if (!long_name_take(name, raw, entry->name, sizeof(entry->name)))
                COPY_STRING(entry->name, entry->short_name);
            if (!is_own_or_parent(entry))
                return 1;
        }
    }
    return r;
}

static int find_in(struct fat *fat, uint32_t directory, const char *name, size_t length,
                   enum volume_wait wait, struct fat_entry *entry)
{
    struct walk walk;
    struct long_name long_name = {0};
    int r = walk_start(&walk, fat, directory, wait);

    if (r < 0)
        return r;
    while ((r = next_entry(&walk, &long_name, entry)) > 0) {
        if (fat_name_equal(entry->name, name, length) || fat_name_equal(entry->short_name, name, length))
            return 0;
    }
    return r < 0 ? r : -ENOENT;
}

int fat_lookup(struct fat *fat, const char *path, enum volume_wait wait, struct fat_entry *entry)
{
    unsigned depth = 0;

    fat_forget_window(fat);
    *entry = (struct fat_entry){.is_directory = true};
    for (;;) {
        path += strspn(path, "/");
        size_t length = strcspn(path, "/");
        if (!length)
            return 0;
        if (!entry->is_directory)
            return -ENOTDIR;
        /* Below the root folder a folder without clusters is damage; 0 would mean the root again. */
        if (depth && !entry->first_cluster)
            return -EUCLEAN;
        if (++depth > FAT_PATH_DEPTH_MAX)
            return -ENOENT;
        int r = find_in(fat, entry->first_cluster, path, length, wait, entry);
        if (r < 0)
            return r;
        path += length;
    }
}

int fat_list(struct fat *fat, const char *path, enum volume_wait wait,
             bool (*each)(void *context, const struct fat_entry *entry), void *context)
{
    struct fat_entry entry;
    struct long_name long_name = {0};
    struct walk walk;
    int r = fat_lookup(fat, path, wait, &entry);

    if (r < 0)
        return r;
    if (!entry.is_directory)
        return -ENOTDIR;
    if (entry.name[0] && !entry.first_cluster)
        return -EUCLEAN;
    r = walk_start(&walk, fat, entry.first_cluster, wait);
    if (r < 0)
        return r;
    while ((r = next_entry(&walk, &long_name, &entry)) > 0) {
        if (!each(context, &entry))
            return 0;
    }
    return r;
}

int fat_label(struct fat *fat, enum volume_wait wait, char label[FAT_NAME_SIZE])
{
    struct walk walk;
    const uint8_t *raw;
    uint8_t found[FAT_LABEL_BYTES];

    fat_forget_window(fat);
    int r = walk_start(&walk, fat, 0, wait);
    memcpy(found, fat->label, sizeof(found));
    while (r == 0 && (r = walk_next(&walk, &raw)) == 0 && raw) {
        if (raw[0] != ENTRY_DELETED && (raw[11] & (ATTRIBUTE_LABEL | ATTRIBUTE_FOLDER)) == ATTRIBUTE_LABEL &&
            (raw[11] & ATTRIBUTE_MASK) != ATTRIBUTE_LONG) {
            memcpy(found, raw, sizeof(found));
            break;
        }
    }
    if (r < 0)
        return r;
    fat_label_text(label, FAT_NAME_SIZE, found);
    if (strcmp(label, "NO NAME") == 0)
        label[0] = '\0';
    return 0;
}
