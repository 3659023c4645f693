#include "eeprom/image.h"

#include "base/bytes.h"
#include "eeprom/config.h"

/* A section is a magic and the length of what follows, big-endian; the next one begins at a multiple of 8. */
enum {
    MAGIC_MASK = (int)0xfffff00f,
    MAGIC = 0x55aaf00f,
    MAGIC_FILE = 0x55aaf11f,
    MAGIC_PADDING = 0x55aafeef,
    HEADER_BYTES = 8,
    NAME_BYTES = 12,
    FILE_HEADER_BYTES = NAME_BYTES + 4, /* part of the section's length */
    ALIGNMENT = 8,
    SECTOR_BYTES = 4096, /* the last one belongs to the bootloader */
    /* Since 2026 a 2712's flash holds two whole bootloaders behind a part that stays. */
    COPY_1_OFFSET = 0x10000,
    COPY_2_OFFSET = 0x107000,
    COPY_BYTES = COPY_2_OFFSET - COPY_1_OFFSET,
};

struct section {
    uint32_t magic;
    size_t offset;
    size_t length_bytes; /* behind its header */
    size_t next_offset;
};

static uint32_t be32_at(const uint8_t *image, size_t length_bytes, size_t offset)
{
    struct reader r = reader_over(image, length_bytes);

    reader_seek(&r, offset);
    return reader_be32(&r);
}

/* 1, 0 at the end of the sections, -EBADMSG. */
static int read_section(const uint8_t *image, size_t end, size_t offset, struct section *section)
{
    if (offset + HEADER_BYTES > end)
        return 0;
    *section = (struct section){.magic = be32_at(image, end, offset),
                                .offset = offset,
                                .length_bytes = be32_at(image, end, offset + 4)};
    if (section->magic == 0 || section->magic == UINT32_MAX)
        return 0;
    if ((section->magic & (uint32_t)MAGIC_MASK) != MAGIC || section->length_bytes > end - offset - HEADER_BYTES)
        return -EBADMSG;
    section->next_offset = (offset + HEADER_BYTES + section->length_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return 1;
}

static bool is_file_named(const uint8_t *image, const struct section *section, const char *name)
{
    char padded[NAME_BYTES] = "";

    CHECK(strlen(name) <= NAME_BYTES);
    memcpy(padded, name, strlen(name));
    return section->magic == MAGIC_FILE && section->length_bytes >= FILE_HEADER_BYTES &&
           memcmp(image + section->offset + HEADER_BYTES, padded, NAME_BYTES) == 0;
}

/* Padding behind a file is room to grow; behind the last one there is room to the end. */
static int find_end(const uint8_t *image, size_t end, size_t offset, size_t *found)
{
    struct section section;
    int r;

    while ((r = read_section(image, end, offset, &section)) > 0 && section.magic == MAGIC_PADDING)
        offset = section.next_offset;
    *found = r > 0 ? offset : end;
    return r < 0 ? r : 0;
}

/* Looks through the sections from `offset` on. 1 when found, 0 when not; `*stopped` is where the sections end. */
static int find_between(const uint8_t *image, size_t offset, size_t end, const char *name, struct eeprom_file *file,
                        size_t *stopped)
{
    struct section section;
    int found = 0;
    int r;

    while ((r = read_section(image, end, offset, &section)) > 0) {
        if (!found && is_file_named(image, &section, name)) {
            *file = (struct eeprom_file){.header_offset = offset,
                                         .content_offset = offset + HEADER_BYTES + FILE_HEADER_BYTES,
                                         .content_bytes = section.length_bytes - FILE_HEADER_BYTES};
            r = find_end(image, end, section.next_offset, &file->end_offset);
            found = 1;
        }
        if (r < 0)
            return r;
        offset = section.next_offset;
    }
    *stopped = offset;
    return r < 0 ? r : found;
}

unsigned eeprom_processor(size_t length_bytes)
{
    return length_bytes == EEPROM_BYTES_2711 ? 2711 : length_bytes == EEPROM_BYTES_2712 ? 2712 : 0;
}

static bool has_two_copies(const uint8_t *image, size_t length_bytes, size_t stopped)
{
    return length_bytes == EEPROM_BYTES_2712 && stopped <= COPY_1_OFFSET &&
           (be32_at(image, length_bytes, COPY_1_OFFSET) & (uint32_t)MAGIC_MASK) == MAGIC;
}

int eeprom_find(const uint8_t *image, size_t length_bytes, const char *name, struct eeprom_file files[EEPROM_COPIES_MAX])
{
    static const size_t copies[] = {COPY_1_OFFSET, COPY_2_OFFSET};
    size_t stopped;

    if (!eeprom_processor(length_bytes) || (be32_at(image, length_bytes, 0) & (uint32_t)MAGIC_MASK) != MAGIC)
        return -EBADMSG;
    size_t end = length_bytes - SECTOR_BYTES;
    int count = find_between(image, 0, end, name, &files[0], &stopped);
    if (count != 0 || !has_two_copies(image, length_bytes, stopped))
        return count;
    for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
        int r = find_between(image, copies[i], copies[i] + COPY_BYTES, name, &files[count], &stopped);
        if (r < 0)
            return r;
        count += r;
    }
    return count;
}

/* ---- changing ---- */

static bool is_signed(const uint8_t *image, size_t length_bytes)
{
    struct eeprom_file files[EEPROM_COPIES_MAX];
    int count = eeprom_find(image, length_bytes, "bootconf.sig", files);

    for (int i = 0; i < count; i++) {
        if (memmem(image + files[i].content_offset, files[i].content_bytes, "rsa2048:", 8))
            return true;
    }
    return false;
}

static void put_config(uint8_t *image, const struct eeprom_file *file, const char *config, size_t config_bytes)
{
    struct writer w = writer_over(image + file->header_offset, file->end_offset - file->header_offset);

    writer_be32(&w, MAGIC_FILE);
    writer_be32(&w, (uint32_t)(config_bytes + FILE_HEADER_BYTES));
    w.offset += FILE_HEADER_BYTES; /* the name stays */
    writer_bytes(&w, config, config_bytes);
    while (w.offset % ALIGNMENT && writer_left(&w))
        writer_u8(&w, 0xff);
    if (writer_left(&w) > HEADER_BYTES) {
        size_t padding_bytes = writer_left(&w) - HEADER_BYTES;
        writer_be32(&w, MAGIC_PADDING);
        writer_be32(&w, (uint32_t)padding_bytes);
    }
    writer_fill(&w, 0xff, writer_left(&w));
    CHECK(writer_ok(&w));
}

/* A file at the end of all sections must not grow beyond its erase sector, unless it did already. */
static void limit_to_sector(struct eeprom_file *file)
{
    size_t sector_end = (file->header_offset / SECTOR_BYTES + 1) * SECTOR_BYTES;
    size_t own_end = (file->content_offset + file->content_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

    file->end_offset = MIN(file->end_offset, MAX(sector_end, own_end));
}

int eeprom_set_config(uint8_t *image, size_t length_bytes, const char *config, size_t config_bytes,
                      struct error *error)
{
    struct eeprom_file files[EEPROM_COPIES_MAX];
    int count = eeprom_find(image, length_bytes, "bootconf.txt", files);

    if (count < 0)
        return error_set(error, -EBADMSG, "is no bootloader image: those are %d bytes (Pi 4) or %d (Pi 5) of sections "
                                          "(pieeprom-….bin)",
                         EEPROM_BYTES_2711, EEPROM_BYTES_2712);
    if (count == 0)
        return error_set(error, -ENODATA, "this bootloader image has no bootconf.txt");
    if (is_signed(image, length_bytes))
        return error_set(error, -EPERM, "this bootloader image's configuration is signed; only its owner's key can change "
                                        "it");
    for (int i = 0; i < count; i++) {
        limit_to_sector(&files[i]);
        if (config_bytes > EEPROM_CONFIG_MAX_BYTES || files[i].content_offset + config_bytes > files[i].end_offset)
            return error_set(error, -E2BIG, "the configuration of %zu bytes does not fit into this bootloader image",
                             config_bytes);
    }
    for (int i = 0; i < count; i++)
        put_config(image, &files[i], config, config_bytes);
    return 0;
}

int eeprom_configure(uint8_t *image, size_t length_bytes, const char *config, struct error *error)
{
    CLEANUP_TEXT struct text merged = text_with_max(EEPROM_CONFIG_MAX_BYTES);
    struct eeprom_file files[EEPROM_COPIES_MAX];
    int r = eeprom_config_check(config, error);

    if (r < 0)
        return r;
    if (eeprom_find(image, length_bytes, "bootconf.txt", files) > 0 &&
        eeprom_config_merge(&merged, (const char *)image + files[0].content_offset, files[0].content_bytes, config) < 0)
        return error_set(error, -E2BIG, "its configuration leaves no room for ours");
    return eeprom_set_config(image, length_bytes, text_string(&merged), merged.length_bytes, error);
}
