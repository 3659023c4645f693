#include "disk/fat_volume.h"

#include "base/bytes.h"

enum {
    BOOT_SECTOR_BYTES = 512,
    DIRECTORY_ENTRY_BYTES = 32,
    FAT12_CLUSTERS_MAX = 4084,
    FAT16_CLUSTERS_MAX = 65524,
    FAT32_CLUSTERS_MAX = 0x0ffffff5,
    FAT32_FLAG_NOT_MIRRORED = 0x80,
    FAT32_ACTIVE_MASK = 0x0f,
    EXTENDED_BOOT_SIGNATURE = 0x29,
};

/* The boot sector's words (BPB), as they are on the disk. */
struct boot_sector {
    uint16_t sector_bytes;
    uint8_t sectors_per_cluster;
    uint16_t reserved_sectors;
    uint8_t tables;
    uint16_t root_entries;
    uint32_t sectors;
    uint8_t media;
    uint32_t table_sectors;
    bool is_fat32;
    uint16_t flags;
    uint32_t root_cluster;
    uint32_t volume_id;
    uint8_t label[FAT_LABEL_BYTES];
};

static bool is_power_of_two(uint32_t value)
{
    return value && !(value & (value - 1));
}

static void read_fat32_words(struct reader *r, struct boot_sector *boot)
{
    boot->table_sectors = reader_le32(r);
    boot->flags = reader_le16(r);
    reader_skip(r, 2); /* version */
    boot->root_cluster = reader_le32(r);
    reader_skip(r, 16); /* FSInfo, backup boot sector, reserved */
}

static void read_identity(struct reader *r, struct boot_sector *boot)
{
    reader_skip(r, 2); /* drive number, reserved */
    if (reader_u8(r) != EXTENDED_BOOT_SIGNATURE)
        return;
    boot->volume_id = reader_le32(r);
    reader_copy(r, boot->label, sizeof(boot->label));
}

static struct boot_sector read_boot_sector(const uint8_t bytes[BOOT_SECTOR_BYTES])
{
    struct reader r = reader_over(bytes, BOOT_SECTOR_BYTES);
    struct boot_sector boot = {0};

    reader_skip(&r, 11); /* jump, OEM name */
    boot.sector_bytes = reader_le16(&r);
    boot.sectors_per_cluster = reader_u8(&r);
    boot.reserved_sectors = reader_le16(&r);
    boot.tables = reader_u8(&r);
    boot.root_entries = reader_le16(&r);
    boot.sectors = reader_le16(&r);
    boot.media = reader_u8(&r);
    boot.table_sectors = reader_le16(&r);
    reader_skip(&r, 8); /* sectors per track, heads, hidden sectors */
    uint32_t large_sectors = reader_le32(&r);
    if (!boot.sectors)
        boot.sectors = large_sectors;
    boot.is_fat32 = !boot.table_sectors;
    if (boot.is_fat32)
        read_fat32_words(&r, &boot);
    read_identity(&r, &boot);
    return boot;
}

static bool is_plausible(const struct boot_sector *boot)
{
    return is_power_of_two(boot->sector_bytes) && boot->sector_bytes >= 512 && boot->sector_bytes <= 4096 &&
           is_power_of_two(boot->sectors_per_cluster) && boot->reserved_sectors && boot->tables &&
           (boot->media == 0xf0 || boot->media >= 0xf8) && boot->table_sectors && boot->sectors &&
           (boot->is_fat32 || boot->root_entries);
}

/* FAT32 may keep one of its tables current and leave the others behind. */
static unsigned active_table(const struct boot_sector *boot)
{
    unsigned active = boot->flags & FAT32_ACTIVE_MASK;

    return (boot->flags & FAT32_FLAG_NOT_MIRRORED) && active < boot->tables ? active : 0;
}

/* Small FAT32 file systems exist (some image builders make them), so 32 bits are told by the boot sector and
 * only 12 from 16 by the number of clusters, as Linux does. */
static unsigned bits_for(const struct boot_sector *boot, uint64_t clusters)
{
    if (boot->is_fat32)
        return 32;
    return clusters <= FAT12_CLUSTERS_MAX ? 12 : 16;
}

static uint64_t clusters_max(unsigned bits)
{
    return bits == 32 ? FAT32_CLUSTERS_MAX : bits == 16 ? FAT16_CLUSTERS_MAX : FAT12_CLUSTERS_MAX;
}

/* Clusters that the file system counts, its table has entries for, and the source can hold. */
static uint64_t usable_clusters(const struct fat *fat, uint64_t counted)
{
    uint64_t entries = fat->table_bytes * 8 / fat->bits;
    uint64_t held = (fat->source.size_bytes - fat->data_start) / fat->cluster_bytes;

    entries -= MIN(entries, (uint64_t)FAT_FIRST_CLUSTER);
    uint64_t limit = MIN(counted, clusters_max(fat->bits));
    limit = MIN(limit, entries);
    return MIN(limit, held);
}

static bool lay_out(struct fat *fat, const struct boot_sector *boot)
{
    uint64_t sector = boot->sector_bytes;
    uint64_t tables_start = boot->reserved_sectors * sector;

    fat->cluster_bytes = (uint32_t)(sector * boot->sectors_per_cluster);
    fat->table_bytes = boot->table_sectors * sector;
    fat->table_start = tables_start + active_table(boot) * fat->table_bytes;
    fat->root_start = tables_start + boot->tables * fat->table_bytes;
    fat->root_bytes = (uint32_t)boot->root_entries * DIRECTORY_ENTRY_BYTES;
    fat->data_start = fat->root_start + (fat->root_bytes + sector - 1) / sector * sector;
    fat->root_cluster = boot->root_cluster;

    uint64_t total_bytes = boot->sectors * sector;
    if (fat->data_start >= total_bytes || fat->data_start >= fat->source.size_bytes)
        return false;
    uint64_t counted = (total_bytes - fat->data_start) / fat->cluster_bytes;
    fat->bits = bits_for(boot, counted);
    fat->cluster_end = (uint32_t)(FAT_FIRST_CLUSTER + usable_clusters(fat, counted));
    return fat->cluster_end > FAT_FIRST_CLUSTER;
}

int fat_open(const struct disk_source *source, enum volume_wait wait, struct fat **result)
{
    uint8_t bytes[BOOT_SECTOR_BYTES];

    if (source->size_bytes < sizeof(bytes))
        return -EMEDIUMTYPE;
    int r = disk_source_read(source, bytes, sizeof(bytes), 0, wait);
    if (r < 0)
        return r;
    struct boot_sector boot = read_boot_sector(bytes);
    if (!is_plausible(&boot))
        return -EMEDIUMTYPE;

    CLEANUP(cleanup_fat) struct fat *fat = xcalloc(1, sizeof(*fat));
    fat->source = *source;
    fat->volume_id = boot.volume_id;
    memcpy(fat->label, boot.label, sizeof(fat->label));
    if (!lay_out(fat, &boot))
        return -EMEDIUMTYPE;
    *result = TAKE_PTR(fat);
    return 0;
}

void fat_close(struct fat *fat)
{
    free(fat);
}

unsigned fat_bits(const struct fat *fat)
{
    return fat->bits;
}

uint32_t fat_volume_id(const struct fat *fat)
{
    return fat->volume_id;
}

void fat_forget_window(struct fat *fat)
{
    fat->window_bytes = 0;
}

/* The table's bytes at `offset`, through the window. */
static int table_bytes(struct fat *fat, uint64_t offset, size_t count, enum volume_wait wait,
                       const uint8_t **bytes)
{
    if (offset + count > fat->table_bytes)
        return -EUCLEAN;
    if (offset < fat->window_start || offset + count > fat->window_start + fat->window_bytes) {
        fat->window_start = offset / BOOT_SECTOR_BYTES * BOOT_SECTOR_BYTES;
        fat->window_bytes = 0;
        size_t length = (size_t)MIN((uint64_t)FAT_WINDOW_BYTES, fat->table_bytes - fat->window_start);
        int r =
            disk_source_read(&fat->source, fat->window, length, fat->table_start + fat->window_start, wait);
        if (r < 0)
            return r;
        fat->window_bytes = length;
    }
    *bytes = fat->window + (offset - fat->window_start);
    return 0;
}

/* Of a FAT32 entry only 28 bits count. */
static uint32_t entry_mask(unsigned bits)
{
    return (UINT32_C(1) << MIN(bits, 28u)) - 1;
}

/* The entry of `cluster`, with the bits that do not count taken away. */
static int table_entry(struct fat *fat, uint32_t cluster, enum volume_wait wait, uint32_t *entry)
{
    const uint8_t *at;
    size_t width = fat->bits == 32 ? 4 : 2;
    uint64_t offset = fat->bits == 12 ? cluster + cluster / 2 : (uint64_t)cluster * width;
    int r = table_bytes(fat, offset, width, wait, &at);

    if (r < 0)
        return r;
    struct reader bytes = reader_over(at, width);
    if (fat->bits == 32)
        *entry = reader_le32(&bytes) & entry_mask(32);
    else if (fat->bits == 16)
        *entry = reader_le16(&bytes);
    else
        *entry = reader_le16(&bytes) >> (cluster & 1 ? 4 : 0) & entry_mask(12);
    return 0;
}

int fat_next_cluster(struct fat *fat, uint32_t cluster, enum volume_wait wait, uint32_t *next)
{
    uint32_t entry;
    int r = table_entry(fat, cluster, wait, &entry);

    if (r < 0)
        return r;
    if (entry >= entry_mask(fat->bits) - 7) { /* the eight highest values all end a chain */
        *next = FAT_CHAIN_END;
        return 0;
    }
    if (!fat_is_cluster(fat, entry))
        return -EUCLEAN;
    *next = entry;
    return 0;
}
