#include "disk/decoder.h"

struct foreign_format {
    const char *name;
    const char *magic;
    size_t length;
    size_t offset;
};

/* Containers of a disk that would otherwise pass for the disk itself. */
static const struct foreign_format foreign_formats[] = {
    {"a VMware disk (vmdk)", "KDMV", 4, 0},
    {"a VMware disk (vmdk)", "# Disk DescriptorFile", 21, 0},
    {"a Hyper-V disk (vhdx)", "vhdxfile", 8, 0},
    {"a Virtual PC disk (vhd)", "conectix", 8, 0},
    {"a VirtualBox disk (vdi)", "\x7f\x10\xda\xbe", 4, 64},
    {"an Android sparse image", "\x3a\xff\x26\xed", 4, 0},
    {"a 7-Zip archive", "7z\xbc\xaf\x27\x1c", 6, 0},
    {"a RAR archive", "Rar!\x1a\x07", 6, 0},
    {"an lz4 file", "\x04\x22\x4d\x18", 4, 0},
    {"a tar archive", "ustar", 5, 257},
};

static const struct decoder *const decoders[] = {
    &decoder_qcow2, &decoder_xz, &decoder_gzip, &decoder_zstd, &decoder_bzip2, &decoder_zip,
};

static bool is_foreign(const struct foreign_format *format, const uint8_t *head, size_t length_bytes)
{
    return length_bytes >= format->offset + format->length &&
           memcmp(head + format->offset, format->magic, format->length) == 0;
}

const struct decoder *decoder_for(const uint8_t *head, size_t length_bytes, struct error *error)
{
    for (size_t i = 0; i < ARRAY_SIZE(foreign_formats); i++) {
        if (is_foreign(&foreign_formats[i], head, length_bytes)) {
            error_set(error, -EOPNOTSUPP,
                      "is %s, which is not read here: unpack or convert it to a raw disk first",
                      foreign_formats[i].name);
            return NULL;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(decoders); i++) {
        if (decoders[i]->recognises(head, length_bytes))
            return decoders[i];
    }
    return &decoder_raw;
}

const char *decoder_name_of(const uint8_t *head, size_t length_bytes)
{
    for (size_t i = 0; i < ARRAY_SIZE(decoders); i++) {
        if (decoders[i]->recognises(head, length_bytes))
            return decoders[i]->name;
    }
    for (size_t i = 0; i < ARRAY_SIZE(foreign_formats); i++) {
        if (is_foreign(&foreign_formats[i], head, length_bytes))
            return foreign_formats[i].name;
    }
    return NULL;
}

/* ---- raw: the bytes themselves ---- */

static bool recognises_nothing(const uint8_t *head, size_t length_bytes)
{
    return false;
}

static int raw_open(struct import_input *input, uint64_t limit_bytes, void **state, struct error *error)
{
    *state = input;
    return 0;
}

static ssize_t raw_read(void *state, void *buffer, size_t capacity_bytes, struct error *error)
{
    struct import_input *input = state;
    int r = import_input_fill(input);

    if (r < 0)
        return error_set_errno(error, r, "cannot be read");
    size_t length = MIN(capacity_bytes, import_input_left(input));
    memcpy(buffer, import_input_data(input), length);
    input->at += length;
    return (ssize_t)length;
}

static void raw_close(void *state)
{
}

const struct decoder decoder_raw = {
    .name = "raw", .recognises = recognises_nothing, .open = raw_open, .read = raw_read, .close = raw_close};
