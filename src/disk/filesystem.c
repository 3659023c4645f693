#include "disk/filesystem.h"

#include "base/bytes.h"
#include "disk/fat.h"

#include <stdio.h>

enum {
    MAGIC_MAX_BYTES = 12,
    EXT_SUPERBLOCK_OFFSET = 1024,
    EXT_SUPERBLOCK_BYTES = 1024,
    EXT_MAGIC = 0xef53,
    EXT_COMPAT_JOURNAL = 0x4,
    EXT_INCOMPAT_RECOVER = 0x4,
    EXT_INCOMPAT_EXT4 = 0x40 | 0x80 | 0x200, /* extents, 64bit, flex_bg */
};

struct magic {
    const char *type;
    uint64_t offset;
    const char *bytes;
    size_t length;
};

#define MAGIC(type, offset, bytes)                                                                           \
    {                                                                                                        \
        type, offset, bytes, sizeof(bytes) - 1                                                               \
    }

static const struct magic magics[] = {
    MAGIC("crypto_LUKS", 0, "LUKS\xba\xbe"),
    MAGIC("xfs", 0, "XFSB"),
    MAGIC("squashfs", 0, "hsqs"),
    MAGIC("ntfs", 3, "NTFS    "),
    MAGIC("exfat", 3, "EXFAT   "),
    MAGIC("LVM2_member", 536, "LVM2 001"),
    MAGIC("f2fs", 1024, "\x10\x20\xf5\xf2"),
    MAGIC("erofs", 1024, "\xe2\xe1\xf5\xe0"),
    MAGIC("swap", 4086, "SWAPSPACE2"),
    MAGIC("bcachefs", 4120, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca"),
    MAGIC("iso9660", 32769, "CD001"),
    MAGIC("btrfs", 65600, "_BHRfS_M"),
};

static int probe_magics(const struct disk_source *source, enum volume_wait wait,
                        struct filesystem *filesystem)
{
    for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
        uint8_t bytes[MAGIC_MAX_BYTES];
        int r = disk_source_read(source, bytes, magics[i].length, magics[i].offset, wait);
        if (r < 0 && r != -EINVAL)
            return r;
        if (r == 0 && memcmp(bytes, magics[i].bytes, magics[i].length) == 0) {
            COPY_STRING(filesystem->type, magics[i].type);
            return 0;
        }
    }
    return 0;
}

static void uuid_text(char to[GUID_TEXT_SIZE], const uint8_t uuid[16])
{
    size_t used = 0;

    for (size_t i = 0; i < 16; i++) {
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        used += (size_t)snprintf(to + used, GUID_TEXT_SIZE - used, "%s%02x", dash, uuid[i]);
    }
}

static const char *ext_version(uint32_t compat, uint32_t incompat)
{
    if (incompat & EXT_INCOMPAT_EXT4)
        return "ext4";
    return compat & EXT_COMPAT_JOURNAL ? "ext3" : "ext2";
}

/* 1 if it is one of the ext family. */
static int probe_ext(const struct disk_source *source, enum volume_wait wait, struct filesystem *filesystem)
{
    uint8_t bytes[EXT_SUPERBLOCK_BYTES];
    int r = disk_source_read(source, bytes, sizeof(bytes), EXT_SUPERBLOCK_OFFSET, wait);

    if (r < 0)
        return r == -EINVAL ? 0 : r;
    struct reader words = reader_over(bytes, sizeof(bytes));
    reader_seek(&words, 56);
    if (reader_le16(&words) != EXT_MAGIC)
        return 0;
    reader_seek(&words, 92);
    uint32_t compat = reader_le32(&words);
    uint32_t incompat = reader_le32(&words);
    reader_skip(&words, 4);
    COPY_STRING(filesystem->type, ext_version(compat, incompat));
    uuid_text(filesystem->uuid, reader_bytes(&words, 16));
    reader_copy(&words, filesystem->label, 16);
    filesystem->label[16] = '\0';
    filesystem->needs_recovery = incompat & EXT_INCOMPAT_RECOVER;
    return 1;
}

/* 1 if it is a FAT. */
static int probe_fat(const struct disk_source *source, enum volume_wait wait, struct filesystem *filesystem)
{
    CLEANUP(cleanup_fat) struct fat *fat = NULL;
    char label[FAT_NAME_SIZE];
    int r = fat_open(source, wait, &fat);

    if (r < 0)
        return r == -EMEDIUMTYPE ? 0 : r;
    COPY_STRING(filesystem->type, "vfat");
    snprintf(filesystem->uuid, sizeof(filesystem->uuid), "%04X-%04X", fat_volume_id(fat) >> 16,
             fat_volume_id(fat) & 0xffff);
    r = fat_label(fat, wait, label);
    if (r == 0)
        COPY_STRING(filesystem->label, label);
    return r == -EAGAIN || r == -EIO ? r : 1;
}

int filesystem_probe(const struct disk_source *source, enum volume_wait wait, struct filesystem *filesystem)
{
    *filesystem = (struct filesystem){0};
    int r = probe_magics(source, wait, filesystem);
    if (r == 0 && !filesystem->type[0])
        r = probe_ext(source, wait, filesystem);
    if (r == 0 && !filesystem->type[0])
        r = probe_fat(source, wait, filesystem);
    return MIN(r, 0);
}

/* ---- a beginning without its rest ---- */

struct head {
    const uint8_t *bytes;
    size_t length_bytes;
};

static int read_head(const struct disk_source *source, void *buffer, size_t length_bytes, uint64_t offset,
                     enum volume_wait wait)
{
    const struct head *head = source->context;
    uint64_t at = source->start_bytes + offset;
    size_t known = at < head->length_bytes ? (size_t)MIN((uint64_t)length_bytes, head->length_bytes - at) : 0;

    memcpy(buffer, head->bytes + (known ? at : 0), known);
    memset((uint8_t *)buffer + known, 0, length_bytes - known);
    return 0;
}

/* Reads as zeros behind the head, and is as large as any disk a table can name. */
static struct disk_source head_source(struct head *head)
{
    return (struct disk_source){.size_bytes = INT64_MAX, .read = read_head, .context = head};
}

bool is_head_of_disk(const void *head_bytes, size_t length_bytes)
{
    struct head head = {.bytes = head_bytes, .length_bytes = length_bytes};
    struct disk_source source = head_source(&head);
    struct filesystem filesystem;

    filesystem_probe(&source, VOLUME_MAY_WAIT, &filesystem);
    return filesystem.type[0] || end_of_partitions(head_bytes, length_bytes) > 0;
}

uint64_t end_of_partitions(const void *head_bytes, size_t length_bytes)
{
    struct head head = {.bytes = head_bytes, .length_bytes = length_bytes};
    struct disk_source source = head_source(&head);
    CLEANUP_FREE struct partition_list *list = xcalloc(1, sizeof(*list));
    uint64_t end = 0;

    partition_list_read(&source, VOLUME_MAY_WAIT, list);
    for (unsigned i = 0; i < list->count; i++)
        end = MAX(end, list->partitions[i].start_bytes + list->partitions[i].length_bytes);
    return end;
}
