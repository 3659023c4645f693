#include "disk/partition.h"

#include "base/bytes.h"
#include "disk/fat_name.h"

#include <stdio.h>
#include <zlib.h>

enum {
    MBR_BYTES = 512,
    MBR_DISK_ID_OFFSET = 440,
    MBR_ENTRIES_OFFSET = 446,
    MBR_ENTRIES = 4,
    MBR_TYPE_PROTECTIVE = 0xee,
    LOGICAL_FIRST_NUMBER = 5,
    GPT_HEADER_MIN_BYTES = 92,
    GPT_ENTRY_MIN_BYTES = 128,
    GPT_ENTRY_MAX_BYTES = 4096,
    GPT_ENTRIES_MAX = 1024,
    GPT_TABLE_MAX_BYTES = 1 << 20,
    GPT_NAME_UNITS = 36,
};

static const uint8_t efi_system_partition[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                                 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};

struct mbr_entry {
    uint8_t status;
    uint8_t type;
    uint32_t start;
    uint32_t length;
};

struct mbr {
    uint32_t disk_id;
    struct mbr_entry entries[MBR_ENTRIES];
};

/* Adds the partition, cut to the disk; one that begins beyond the end, or one too many, is left out. */
static struct partition *add_partition(struct partition_list *list, const struct disk_source *source,
                                       unsigned number, uint64_t start, uint64_t sectors)
{
    uint64_t start_bytes;
    uint64_t length_bytes;

    if (__builtin_mul_overflow(start, (uint64_t)list->sector_bytes, &start_bytes) ||
        __builtin_mul_overflow(sectors, (uint64_t)list->sector_bytes, &length_bytes) ||
        start_bytes >= source->size_bytes || !length_bytes || list->count == PARTITIONS_MAX)
        return NULL;
    struct partition *partition = &list->partitions[list->count++];
    uint64_t left = source->size_bytes - start_bytes;
    *partition = (struct partition){.number = number,
                                    .start_bytes = start_bytes,
                                    .length_bytes = MIN(length_bytes, left),
                                    .is_cut = length_bytes > left};
    return partition;
}

/* ---- MBR ---- */

static bool read_mbr(const uint8_t bytes[MBR_BYTES], struct mbr *mbr)
{
    struct reader r = reader_over(bytes, MBR_BYTES);

    reader_skip(&r, MBR_DISK_ID_OFFSET);
    mbr->disk_id = reader_le32(&r);
    reader_seek(&r, MBR_ENTRIES_OFFSET);
    for (size_t i = 0; i < MBR_ENTRIES; i++) {
        struct mbr_entry *entry = &mbr->entries[i];
        entry->status = reader_u8(&r);
        reader_skip(&r, 3); /* cylinder, head, sector */
        entry->type = reader_u8(&r);
        reader_skip(&r, 3);
        entry->start = reader_le32(&r);
        entry->length = reader_le32(&r);
    }
    return reader_le16(&r) == 0xaa55;
}

static bool is_extended(uint8_t type)
{
    return type == 0x05 || type == 0x0f || type == 0x85;
}

static bool is_used(const struct mbr_entry *entry)
{
    return entry->type && entry->length;
}

/* A boot sector of a file system ends with the same two bytes: only a table has four sane status bytes and at
 * least one partition that begins inside the disk. */
static bool is_partition_table(const struct mbr *mbr, const struct disk_source *source)
{
    bool any = false;

    for (size_t i = 0; i < MBR_ENTRIES; i++) {
        const struct mbr_entry *entry = &mbr->entries[i];
        if (entry->status != 0x00 && entry->status != 0x80)
            return false;
        if (is_used(entry))
            any = any || (uint64_t)entry->start * MBR_BYTES < source->size_bytes;
    }
    return any;
}

static bool is_protective(const struct mbr *mbr)
{
    for (size_t i = 0; i < MBR_ENTRIES; i++) {
        if (mbr->entries[i].type == MBR_TYPE_PROTECTIVE)
            return true;
    }
    return false;
}

static void add_mbr_partition(struct partition_list *list, const struct disk_source *source, unsigned number,
                              const struct mbr_entry *entry, uint64_t base)
{
    struct partition *partition = add_partition(list, source, number, base + entry->start, entry->length);

    if (!partition)
        return;
    partition->type = entry->type;
    partition->is_active = entry->status == 0x80;
}

/* Each link of the chain holds one logical partition, placed from the link, and the next link, placed from
 * the chain's beginning. Links must go forward, and there are no more of them than partitions that could be
 * listed. */
static int add_logical_partitions(struct partition_list *list, const struct disk_source *source,
                                  uint64_t first, enum volume_wait wait)
{
    uint64_t link = first;

    for (unsigned number = LOGICAL_FIRST_NUMBER; number < LOGICAL_FIRST_NUMBER + PARTITIONS_MAX; number++) {
        uint8_t bytes[MBR_BYTES];
        struct mbr mbr;
        if (link * MBR_BYTES + MBR_BYTES > source->size_bytes)
            return 0;
        int r = disk_source_read(source, bytes, sizeof(bytes), link * MBR_BYTES, wait);
        if (r < 0)
            return r;
        if (!read_mbr(bytes, &mbr))
            return 0;
        if (is_used(&mbr.entries[0]))
            add_mbr_partition(list, source, number, &mbr.entries[0], link);
        uint64_t next = first + mbr.entries[1].start;
        if (!is_extended(mbr.entries[1].type) || next <= link)
            return 0;
        link = next;
    }
    return 0;
}

static int add_mbr_partitions(struct partition_list *list, const struct disk_source *source,
                              const struct mbr *mbr, enum volume_wait wait)
{
    list->table = PARTITION_TABLE_MBR;
    list->disk_id = mbr->disk_id;
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        if (is_used(&mbr->entries[i]))
            add_mbr_partition(list, source, i + 1, &mbr->entries[i], 0);
    }
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        if (is_used(&mbr->entries[i]) && is_extended(mbr->entries[i].type))
            return add_logical_partitions(list, source, mbr->entries[i].start, wait);
    }
    return 0;
}

/* ---- GPT ---- */

struct gpt_header {
    uint32_t header_bytes;
    uint32_t header_crc;
    uint64_t own_place;
    uint8_t disk_guid[16];
    uint64_t entries_place;
    uint32_t entries;
    uint32_t entry_bytes;
    uint32_t entries_crc;
};

static bool decode_gpt_header(const uint8_t *bytes, size_t length_bytes, struct gpt_header *header)
{
    struct reader r = reader_over(bytes, length_bytes);
    const uint8_t *signature = reader_bytes(&r, 8);

    if (!signature || memcmp(signature, "EFI PART", 8) != 0)
        return false;
    reader_skip(&r, 4); /* revision */
    header->header_bytes = reader_le32(&r);
    header->header_crc = reader_le32(&r);
    reader_skip(&r, 4);
    header->own_place = reader_le64(&r);
    reader_skip(&r, 24); /* the other header, first and last usable sector */
    reader_copy(&r, header->disk_guid, sizeof(header->disk_guid));
    header->entries_place = reader_le64(&r);
    header->entries = reader_le32(&r);
    header->entry_bytes = reader_le32(&r);
    header->entries_crc = reader_le32(&r);
    return reader_ok(&r) && header->header_bytes >= GPT_HEADER_MIN_BYTES &&
           header->header_bytes <= length_bytes;
}

/* The checksum is taken over the header with the checksum's own field as zeros. */
static bool header_checksum_holds(uint8_t *bytes, const struct gpt_header *header)
{
    memset(bytes + 16, 0, 4);
    return crc32(0, bytes, header->header_bytes) == header->header_crc;
}

static bool gpt_is_bounded(const struct gpt_header *header)
{
    return header->entry_bytes >= GPT_ENTRY_MIN_BYTES && header->entry_bytes <= GPT_ENTRY_MAX_BYTES &&
           header->entries && header->entries <= GPT_ENTRIES_MAX &&
           (uint64_t)header->entries * header->entry_bytes <= GPT_TABLE_MAX_BYTES;
}

static void add_gpt_partition(struct partition_list *list, const struct disk_source *source, unsigned number,
                              const uint8_t *bytes, size_t length_bytes)
{
    static const uint8_t unused[16];
    struct reader r = reader_over(bytes, length_bytes);
    struct partition read = {0};

    reader_copy(&r, read.type_guid, sizeof(read.type_guid));
    reader_copy(&r, read.guid, sizeof(read.guid));
    uint64_t first = reader_le64(&r);
    uint64_t last = reader_le64(&r);
    uint64_t attributes = reader_le64(&r);
    if (memcmp(read.type_guid, unused, sizeof(unused)) == 0 || last < first || last == UINT64_MAX)
        return;
    struct partition *partition = add_partition(list, source, number, first, last - first + 1);
    if (!partition)
        return;
    memcpy(partition->type_guid, read.type_guid, sizeof(read.type_guid));
    memcpy(partition->guid, read.guid, sizeof(read.guid));
    partition->is_active = attributes >> 2 & 1; /* legacy BIOS bootable */
    utf16_string(partition->name, sizeof(partition->name), reader_bytes(&r, GPT_NAME_UNITS * 2),
                 GPT_NAME_UNITS);
}

/* 1 if a sound header with sound entries stands at sector `place`, 0 if not. */
static int read_gpt(const struct disk_source *source, uint64_t place, enum volume_wait wait,
                    struct partition_list *list)
{
    uint8_t bytes[MBR_BYTES];
    struct gpt_header header;
    uint64_t at = place * list->sector_bytes;

    if (at + sizeof(bytes) > source->size_bytes)
        return 0;
    int r = disk_source_read(source, bytes, sizeof(bytes), at, wait);
    if (r < 0)
        return r;
    if (!decode_gpt_header(bytes, sizeof(bytes), &header) || !header_checksum_holds(bytes, &header) ||
        header.own_place != place || !gpt_is_bounded(&header))
        return 0;

    size_t length = (size_t)header.entries * header.entry_bytes;
    if (header.entries_place > (source->size_bytes - 1) / list->sector_bytes ||
        length > source->size_bytes - header.entries_place * list->sector_bytes)
        return 0;
    CLEANUP_FREE uint8_t *entries = xcalloc(length, 1);
    r = disk_source_read(source, entries, length, header.entries_place * list->sector_bytes, wait);
    if (r < 0)
        return r;
    if (crc32(0, entries, (unsigned)length) != header.entries_crc)
        return 0;
    list->table = PARTITION_TABLE_GPT;
    memcpy(list->disk_guid, header.disk_guid, sizeof(list->disk_guid));
    for (unsigned i = 0; i < header.entries; i++)
        add_gpt_partition(list, source, i + 1, entries + (size_t)i * header.entry_bytes, header.entry_bytes);
    return 1;
}

/* Disks with 512-byte sectors first, then those with 4096. The backup is the disk's last sector. */
static int find_gpt(const struct disk_source *source, enum volume_wait wait, struct partition_list *list)
{
    static const uint32_t sector_sizes[] = {512, 4096};

    for (size_t i = 0; i < ARRAY_SIZE(sector_sizes); i++) {
        list->sector_bytes = sector_sizes[i];
        int r = read_gpt(source, 1, wait, list);
        if (r != 0)
            return r;
    }
    for (size_t i = 0; i < ARRAY_SIZE(sector_sizes); i++) {
        uint64_t sectors = source->size_bytes / sector_sizes[i];
        list->sector_bytes = sector_sizes[i];
        int r = sectors > 2 ? read_gpt(source, sectors - 1, wait, list) : 0;
        if (r != 0) {
            list->from_backup = r > 0;
            return r;
        }
    }
    list->sector_bytes = MBR_BYTES;
    return 0;
}

int partition_list_read(const struct disk_source *source, enum volume_wait wait, struct partition_list *list)
{
    uint8_t bytes[MBR_BYTES];
    struct mbr mbr;

    *list = (struct partition_list){.sector_bytes = MBR_BYTES};
    if (source->size_bytes < sizeof(bytes))
        return 0;
    int r = disk_source_read(source, bytes, sizeof(bytes), 0, wait);
    if (r < 0)
        return r;
    bool has_mbr = read_mbr(bytes, &mbr) && is_partition_table(&mbr, source);
    if (!has_mbr || is_protective(&mbr)) {
        r = find_gpt(source, wait, list);
        if (r != 0)
            return MIN(r, 0);
    }
    return has_mbr ? add_mbr_partitions(list, source, &mbr, wait) : 0;
}

struct disk_source partition_source(const struct disk_source *disk, const struct partition *partition)
{
    return disk_source_part(disk, partition->start_bytes, partition->length_bytes);
}

const char *partition_table_name(enum partition_table table)
{
    switch (table) {
    case PARTITION_TABLE_NONE:
        return "none";
    case PARTITION_TABLE_MBR:
        return "mbr";
    case PARTITION_TABLE_GPT:
        return "gpt";
    }
    CHECK(false);
}

const char *guid_text(char to[GUID_TEXT_SIZE], const uint8_t guid[16])
{
    struct reader r = reader_over(guid, 16);
    uint32_t first = reader_le32(&r);
    uint16_t second = reader_le16(&r);
    uint16_t third = reader_le16(&r);
    uint16_t fourth = reader_be16(&r);

    snprintf(to, GUID_TEXT_SIZE, "%08x-%04x-%04x-%04x-%02x%02x%02x%02x%02x%02x", first, second, third, fourth,
             guid[10], guid[11], guid[12], guid[13], guid[14], guid[15]);
    return to;
}

const char *partition_type_text(char to[GUID_TEXT_SIZE], enum partition_table table,
                                const struct partition *partition)
{
    if (table == PARTITION_TABLE_GPT)
        return guid_text(to, partition->type_guid);
    snprintf(to, GUID_TEXT_SIZE, "0x%02x", partition->type);
    return to;
}

bool partition_is_for_firmware(enum partition_table table, const struct partition *partition)
{
    static const uint8_t fat_types[] = {0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e, 0xef};

    if (table == PARTITION_TABLE_GPT)
        return memcmp(partition->type_guid, efi_system_partition, sizeof(efi_system_partition)) == 0;
    return memchr(fat_types, partition->type, sizeof(fat_types)) != NULL;
}
