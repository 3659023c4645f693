/*
 * INQUIRY: who the disk is (SPC-4 6.6 and 7.8, SBC-3 6.6).
 */
#include "scsi/table.h"

#include "base/bytes.h"

#include <stdio.h>

#define VENDOR "FARBOOT "
#define PRODUCT "NETWORK DISK    "
#define REVISION "0001"

enum {
    NO_DEVICE = 0x7f, /* qualifier 011b, type 1Fh: this LUN can have no device */
    VERSION_SPC_4 = 0x06,
    RESPONSE_FORMAT = 0x12,      /* HISUP, format 2 */
    IMPLICIT_PORT_GROUPS = 0x10, /* TPGS */
    THIRD_PARTY_COPY = 0x08,
    COMMAND_QUEUEING = 0x02,
    PAGE_MAX_BYTES = 1024,
    NAA_VENDOR = 0xfab007, /* a locally administered number: we own no registered one */
    OPTIMAL_BLOCKS = 2048, /* 1 MiB: what Linux makes its largest request */
    PHYSICAL_BLOCKS = VOLUME_BLOCK_BYTES / VOLUME_SECTOR_BYTES,
};

static void write_standard(struct scsi_command *command, struct writer *w)
{
    /* SAM-5, iSCSI, SPC-4, SBC-3, each without a claim to a revision. */
    static const uint16_t standards[] = {0x00a0, 0x0960, 0x0460, 0x04c0};

    writer_u8(w, command->disk ? 0 : NO_DEVICE);
    writer_u8(w, 0);
    writer_u8(w, VERSION_SPC_4);
    writer_u8(w, RESPONSE_FORMAT);
    writer_u8(w, 96 - 5);
    writer_u8(w, command->disk ? IMPLICIT_PORT_GROUPS | THIRD_PARTY_COPY : 0);
    writer_u8(w, 0);
    writer_u8(w, COMMAND_QUEUEING);
    writer_bytes(w, VENDOR PRODUCT REVISION, 28);
    writer_fill(w, 0, 22);
    for (size_t i = 0; i < ARRAY_SIZE(standards); i++)
        writer_be16(w, standards[i]);
    writer_fill(w, 0, 96 - w->offset);
}

static void write_serial(struct scsi_command *command, struct writer *w)
{
    writer_bytes(w, command->disk->serial, strlen(command->disk->serial));
}

/* ---- page 83h: names ---- */

enum {
    CODE_BINARY = 1,
    CODE_ASCII = 2,
    CODE_UTF8 = 3,
    PROTOCOL_ISCSI = 0x50,
    PIV = 0x80,
    OF_UNIT = 0x00,
    OF_PORT = 0x10,
    OF_DEVICE = 0x20,
    NAME_T10 = 1,
    NAME_NAA = 3,
    NAME_RELATIVE_PORT = 4,
    NAME_PORT_GROUP = 5,
    NAME_SCSI = 8,
    NAA_BYTES = 16,
};

static void write_designator(struct writer *w, unsigned code, unsigned kind, const void *bytes,
                             size_t length_bytes)
{
    bool of_unit = (kind & 0x30) == OF_UNIT;

    writer_u8(w, (uint8_t)(code | (of_unit ? 0 : PROTOCOL_ISCSI)));
    writer_u8(w, (uint8_t)(kind | (of_unit ? 0 : PIV)));
    writer_u8(w, 0);
    writer_u8(w, (uint8_t)length_bytes);
    writer_bytes(w, bytes, length_bytes);
}

static void make_naa(struct scsi_disk *disk, uint8_t naa[NAA_BYTES])
{
    const uint8_t *uuid = volume_uuid(disk->volume);
    struct writer n = writer_over(naa, NAA_BYTES);

    writer_be32(&n, 0x60000000u | NAA_VENDOR << 4 | uuid[15] >> 4);
    writer_bytes(&n, uuid, 12);
}

static void write_naa(struct scsi_command *command, struct writer *w)
{
    uint8_t naa[NAA_BYTES];

    make_naa(command->disk, naa);
    write_designator(w, CODE_BINARY, OF_UNIT | NAME_NAA, naa, sizeof(naa));
}

/* The NAA name alone: the other one does not fit into a copy target. */
bool scsi_disk_has_name(struct scsi_disk *disk, const struct copy_target *name)
{
    uint8_t naa[NAA_BYTES];

    make_naa(disk, naa);
    return name->code_set == CODE_BINARY && name->kind == (OF_UNIT | NAME_NAA) &&
           name->designator_bytes == sizeof(naa) && memcmp(name->designator, naa, sizeof(naa)) == 0;
}

/* A SCSI name string ends with a NUL and is padded to a multiple of four. */
static void write_scsi_name(struct writer *w, unsigned kind, const char *name)
{
    uint8_t padded[256] = {0};
    size_t length = MIN(strlen(name), (size_t)251);

    memcpy(padded, name, length);
    write_designator(w, CODE_UTF8, kind | NAME_SCSI, padded, (length + 4) / 4 * 4);
}

static void write_designators(struct scsi_command *command, struct writer *w)
{
    const struct scsi_nexus *nexus = command->nexus;
    const uint8_t port[4] = {0, 0, 0, 1};
    const uint8_t group[4] = {0, 0, nexus->portal_group >> 8, nexus->portal_group & 0xff};
    char text[256];

    int length = snprintf(text, sizeof(text), VENDOR "%s", command->disk->serial);
    write_designator(w, CODE_ASCII, OF_UNIT | NAME_T10, text, (size_t)length);
    write_naa(command, w);
    write_designator(w, CODE_BINARY, OF_PORT | NAME_RELATIVE_PORT, port, sizeof(port));
    write_designator(w, CODE_BINARY, OF_PORT | NAME_PORT_GROUP, group, sizeof(group));
    snprintf(text, sizeof(text), "%s,t,0x%04x", nexus->target_name, nexus->portal_group);
    write_scsi_name(w, OF_PORT, text);
    write_scsi_name(w, OF_DEVICE, nexus->target_name);
}

/* ---- the other pages ---- */

static void write_extended(struct scsi_command *command, struct writer *w)
{
    enum { HEADSUP = 0x04, ORDSUP = 0x02, SIMPSUP = 0x01, V_SUP = 0x01 };

    writer_u8(w, 0);
    writer_u8(w, HEADSUP | ORDSUP | SIMPSUP);
    writer_u8(w, V_SUP);
    writer_fill(w, 0, 0x3c - 3);
}

static void write_block_limits(struct scsi_command *command, struct writer *w)
{
    enum { UGAVALID = 0x80 };
    bool atomic = command->disk->keeper.save != NULL;

    writer_u8(w, 0); /* WSNZ 0: WRITE SAME of 0 blocks goes to the end */
    writer_u8(w, SCSI_COMPARE_MAX_BLOCKS);
    writer_be16(w, PHYSICAL_BLOCKS);
    writer_be32(w, SCSI_WRITE_MAX_BLOCKS);
    writer_be32(w, OPTIMAL_BLOCKS);
    writer_be32(w, 0);
    writer_be32(w, SCSI_UNMAP_MAX_BLOCKS);
    writer_be32(w, SCSI_UNMAP_MAX_DESCRIPTORS);
    writer_be32(w, PHYSICAL_BLOCKS);
    writer_be32(w, (uint32_t)UGAVALID << 24);
    writer_be64(w, SCSI_WRITE_SAME_MAX_BLOCKS);
    writer_be32(w, atomic ? ATOMIC_MAX_BLOCKS : 0);
    writer_be32(w, atomic ? ATOMIC_UNIT_BLOCKS : 0);
    writer_be32(w, atomic ? ATOMIC_UNIT_BLOCKS : 0);
    writer_fill(w, 0, 8); /* no atomic boundaries */
}

static void write_characteristics(struct scsi_command *command, struct writer *w)
{
    enum { NON_ROTATING = 1, READABLE_AFTER_BLOCK_ERASE = 0x40 /* WABEREQ */ };

    writer_be16(w, NON_ROTATING);
    writer_u8(w, 0);
    writer_u8(w, READABLE_AFTER_BLOCK_ERASE);
    writer_fill(w, 0, 0x3c - 4);
}

static void write_provisioning(struct scsi_command *command, struct writer *w)
{
    enum { LBPU = 0x80, LBPWS = 0x40, LBPWS10 = 0x20, LBPRZ = 0x04, THIN = 2 };

    writer_u8(w, 0);
    writer_u8(w, LBPU | LBPWS | LBPWS10 | LBPRZ);
    writer_u8(w, THIN);
    writer_u8(w, 0);
}

static void write_page_list(struct scsi_command *command, struct writer *w);

/* In ascending order, as page 00h must list them. */
static const struct page {
    uint8_t code;
    void (*write)(struct scsi_command *command, struct writer *w);
} pages[] = {
    {0x00, write_page_list},       {0x80, write_serial},         {0x83, write_designators},
    {0x86, write_extended},        {0x8f, scsi_write_copy_page}, {0xb0, write_block_limits},
    {0xb1, write_characteristics}, {0xb2, write_provisioning},
};

static void write_page_list(struct scsi_command *command, struct writer *w)
{
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
        writer_u8(w, pages[i].code);
}

static const struct page *find_page(uint8_t code)
{
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        if (pages[i].code == code)
            return &pages[i];
    }
    return NULL;
}

static void answer_page(struct scsi_command *command, const struct page *page)
{
    uint8_t answer[PAGE_MAX_BYTES];
    struct writer w = writer_over(answer, sizeof(answer));

    writer_fill(&w, 0, 4);
    page->write(command, &w);
    CHECK(writer_ok(&w));
    answer[1] = page->code;
    answer[2] = (uint8_t)((w.offset - 4) >> 8);
    answer[3] = (uint8_t)(w.offset - 4);
    scsi_answer(command, answer, w.offset);
}

static void answer_standard(struct scsi_command *command)
{
    uint8_t answer[96];
    struct writer w = writer_over(answer, sizeof(answer));

    write_standard(command, &w);
    scsi_answer(command, answer, w.offset);
}

int scsi_run_inquiry(struct scsi_command *command, enum volume_wait wait)
{
    const struct page *page = find_page(command->cdb[2]);
    bool vital = command->cdb[1] & CDB1_EVPD;

    if (!vital && command->cdb[2] == 0)
        answer_standard(command);
    else if (!vital || !page || !command->disk)
        scsi_fail_cdb(command, 2);
    else
        answer_page(command, page);
    return 0;
}
