#include "disk/kernel_image.h"

#include "base/bytes.h"

#include <zlib.h>

enum {
    ARM_MAGIC_OFFSET = 0x24,
    ARM64_MAGIC_OFFSET = 0x38,
    PE_POINTER_OFFSET = 0x3c,
    X86_MAGIC_OFFSET = 0x202,
    X86_LOAD_FLAGS_OFFSET = 0x236,
    X86_LOAD_64BIT = 1,
    ELF_MACHINE_OFFSET = 18,
};

struct machine_number {
    uint16_t number;
    const char *architecture;
};

static const struct machine_number elf_machines[] = {
    {183, "arm64"}, {40, "armhf"}, {62, "amd64"}, {3, "i386"}, {243, "riscv64"}};
static const struct machine_number pe_machines[] = {{0xaa64, "arm64"},  {0x1c0, "armhf"},  {0x1c2, "armhf"},
                                                    {0x1c4, "armhf"},   {0x8664, "amd64"}, {0x14c, "i386"},
                                                    {0x5064, "riscv64"}};

static const char *find_machine(const struct machine_number *machines, size_t count, uint16_t number)
{
    for (size_t i = 0; i < count; i++) {
        if (machines[i].number == number)
            return machines[i].architecture;
    }
    return "";
}

static bool has_bytes(const uint8_t *head, size_t length, size_t offset, const char *bytes, size_t count)
{
    return length >= offset + count && memcmp(head + offset, bytes, count) == 0;
}

static uint16_t le16_at(const uint8_t *head, size_t length, size_t offset)
{
    struct reader r = reader_over(head, length);

    reader_seek(&r, offset);
    return reader_le16(&r);
}

static const char *pe_architecture(const uint8_t *head, size_t length)
{
    struct reader r = reader_over(head, length);

    reader_seek(&r, PE_POINTER_OFFSET);
    uint32_t at = reader_le32(&r);
    if (at > length || !has_bytes(head, length, at, "PE\0\0", 4))
        return "";
    return find_machine(pe_machines, ARRAY_SIZE(pe_machines), le16_at(head, length, at + 4));
}

static const char *plain_architecture(const uint8_t *head, size_t length)
{
    if (has_bytes(head, length, ARM64_MAGIC_OFFSET, "ARM\x64", 4))
        return "arm64";
    if (has_bytes(head, length, ARM64_MAGIC_OFFSET, "RSC\x05", 4))
        return "riscv64";
    if (has_bytes(head, length, ARM_MAGIC_OFFSET, "\x18\x28\x6f\x01", 4))
        return "armhf";
    if (has_bytes(head, length, X86_MAGIC_OFFSET, "HdrS", 4))
        return le16_at(head, length, X86_LOAD_FLAGS_OFFSET) & X86_LOAD_64BIT ? "amd64" : "i386";
    if (has_bytes(head, length, 0,
                  "\x7f"
                  "ELF",
                  4))
        return find_machine(elf_machines, ARRAY_SIZE(elf_machines),
                            le16_at(head, length, ELF_MACHINE_OFFSET));
    if (has_bytes(head, length, 0, "MZ", 2))
        return pe_architecture(head, length);
    return "";
}

/* The first bytes of what is compressed, as many as the head gives. */
static size_t unpack_head(const uint8_t *head, size_t length, uint8_t unpacked[KERNEL_HEAD_BYTES])
{
    z_stream z = {.next_in = (uint8_t *)head,
                  .avail_in = (unsigned)length,
                  .next_out = unpacked,
                  .avail_out = KERNEL_HEAD_BYTES};

    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return 0;
    inflate(&z, Z_SYNC_FLUSH);
    inflateEnd(&z);
    return KERNEL_HEAD_BYTES - z.avail_out;
}

const char *kernel_architecture(const uint8_t *head, size_t length_bytes)
{
    uint8_t unpacked[KERNEL_HEAD_BYTES];

    if (!has_bytes(head, length_bytes, 0, "\x1f\x8b\x08", 3))
        return plain_architecture(head, length_bytes);
    return plain_architecture(unpacked, unpack_head(head, length_bytes, unpacked));
}
