#include "eeprom/card.h"

#include "base/bytes.h"

#include <ctype.h>

/* The layout, in sectors. With 4 sectors to a cluster there are enough clusters for a FAT of 16 bits to be one. */
enum {
    SECTOR_BYTES = 512,
    PARTITION_START = 2048,
    PARTITION_SECTORS = EEPROM_CARD_BYTES / SECTOR_BYTES - PARTITION_START,
    PARTITION_TYPE = 0x0e, /* FAT16, addressed by sectors */
    CLUSTER_SECTORS = 4,
    CLUSTER_BYTES = CLUSTER_SECTORS * SECTOR_BYTES,
    RESERVED_SECTORS = 1,
    FAT_COUNT = 2,
    FAT_SECTORS = 32,
    ROOT_ENTRIES = 512,
    ENTRY_BYTES = 32,
    ROOT_SECTORS = ROOT_ENTRIES * ENTRY_BYTES / SECTOR_BYTES,
    ROOT_START = RESERVED_SECTORS + FAT_COUNT * FAT_SECTORS,
    DATA_START = ROOT_START + ROOT_SECTORS,
    MEDIA = 0xf8,
    END_OF_CHAIN = 0xffff,
    ATTRIBUTE_LABEL = 0x08,
    DATE_1980 = 0x21, /* the first day that FAT can write: the image is the same whenever it is made */
};

static uint8_t *sector_at(uint8_t *to, size_t sector)
{
    return to + (PARTITION_START + sector) * SECTOR_BYTES;
}

static void put_partition_table(uint8_t *to)
{
    struct writer w = writer_over(to, SECTOR_BYTES);

    writer_fill(&w, 0, 446);
    writer_be32(&w, 0x00feffff); /* not bootable; addresses of cylinders are out of use */
    writer_be32(&w, (uint32_t)PARTITION_TYPE << 24 | 0xfeffff);
    writer_le32(&w, PARTITION_START);
    writer_le32(&w, PARTITION_SECTORS);
    writer_fill(&w, 0, 48);
    writer_be16(&w, 0x55aa);
}

static void put_boot_sector(uint8_t *to)
{
    struct writer w = writer_over(to, SECTOR_BYTES);

    writer_bytes(&w, "\xeb\x3c\x90" "FARBOOT ", 11);
    writer_le16(&w, SECTOR_BYTES);
    writer_u8(&w, CLUSTER_SECTORS);
    writer_le16(&w, RESERVED_SECTORS);
    writer_u8(&w, FAT_COUNT);
    writer_le16(&w, ROOT_ENTRIES);
    writer_le16(&w, PARTITION_SECTORS);
    writer_u8(&w, MEDIA);
    writer_le16(&w, FAT_SECTORS);
    writer_le16(&w, 63);  /* sectors of a track, and heads: for programs that still want some */
    writer_le16(&w, 255);
    writer_le32(&w, PARTITION_START);
    writer_le32(&w, 0);
    writer_bytes(&w, "\x80\x00\x29" "EEPR" "EEPROM     " "FAT16   ", 26);
    writer_fill(&w, 0, SECTOR_BYTES - 2 - w.offset);
    writer_be16(&w, 0x55aa);
}

/* "recovery.bin" as "RECOVERYBIN". */
static void put_name(struct writer *w, const char *name)
{
    const char *dot = strchr(name, '.');
    char padded[11];
    size_t stem = dot ? (size_t)(dot - name) : strlen(name);

    CHECK(stem <= 8 && (!dot || strlen(dot + 1) <= 3));
    memset(padded, ' ', sizeof(padded));
    for (size_t i = 0; i < stem; i++)
        padded[i] = (char)toupper((unsigned char)name[i]);
    for (size_t i = 0; dot && dot[1 + i]; i++)
        padded[8 + i] = (char)toupper((unsigned char)dot[1 + i]);
    writer_bytes(w, padded, sizeof(padded));
}

static void put_entry(struct writer *root, const char *name, uint8_t attributes, uint16_t first_cluster,
                      uint32_t length_bytes)
{
    put_name(root, name);
    writer_u8(root, attributes);
    writer_fill(root, 0, 12);
    writer_le16(root, DATE_1980);
    writer_le16(root, first_cluster);
    writer_le32(root, length_bytes);
}

/* One cluster after the other; gives the next free one. */
static uint16_t put_content(uint8_t *to, struct writer fats[FAT_COUNT], const struct eeprom_card_file *file,
                            uint16_t first_cluster)
{
    uint16_t clusters = (uint16_t)((file->length_bytes + CLUSTER_BYTES - 1) / CLUSTER_BYTES);

    memcpy(sector_at(to, DATA_START + (size_t)(first_cluster - 2) * CLUSTER_SECTORS), file->bytes, file->length_bytes);
    for (uint16_t i = 1; i <= clusters; i++) {
        uint16_t next = i == clusters ? END_OF_CHAIN : (uint16_t)(first_cluster + i);
        for (size_t fat = 0; fat < FAT_COUNT; fat++)
            writer_le16(&fats[fat], next);
    }
    return (uint16_t)(first_cluster + clusters);
}

int eeprom_card(uint8_t *to, const struct eeprom_card_file *files, size_t count)
{
    struct writer root = writer_over(sector_at(to, ROOT_START), ROOT_ENTRIES * ENTRY_BYTES);
    struct writer fats[FAT_COUNT];
    uint16_t cluster = 2;

    CHECK(count <= EEPROM_CARD_FILES_MAX);
    memset(to, 0, EEPROM_CARD_BYTES);
    put_partition_table(to);
    put_boot_sector(sector_at(to, 0));
    for (size_t i = 0; i < FAT_COUNT; i++) {
        fats[i] = writer_over(sector_at(to, RESERVED_SECTORS + i * FAT_SECTORS), FAT_SECTORS * SECTOR_BYTES);
        writer_le16(&fats[i], 0xff00 | MEDIA);
        writer_le16(&fats[i], END_OF_CHAIN);
    }
    put_entry(&root, "EEPROM", ATTRIBUTE_LABEL, 0, 0);
    for (size_t i = 0; i < count; i++) {
        if (files[i].length_bytes == 0 || files[i].length_bytes > EEPROM_CARD_FILE_MAX_BYTES)
            return -E2BIG;
        put_entry(&root, files[i].name, 0, cluster, (uint32_t)files[i].length_bytes);
        cluster = put_content(to, fats, &files[i], cluster);
    }
    return 0;
}
