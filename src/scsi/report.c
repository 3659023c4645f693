/*
 * REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS (SPC-4 6.35, 6.36), out of the table.
 */
#include "scsi/table.h"

#include "base/bytes.h"

enum {
    RCTD = 0x80,
    OPTIONS = 0x07,
    OPTION_ALL = 0,
    OPTION_OPCODE = 1,
    OPTION_OPCODE_AND_ACTION = 2,
    OPTION_EITHER = 3,
    SUPPORT_NONE = 1,
    SUPPORT_STANDARD = 3,
    CTDP_ALL = 0x02,
    CTDP_ONE = 0x80,
    SERVACTV = 0x01,
    TIMEOUTS_BYTES = 12,
};

/* No limits worth naming: a length, and zeros for "not given". */
static void write_timeouts(struct writer *w)
{
    writer_be16(w, TIMEOUTS_BYTES - 2);
    writer_fill(w, 0, TIMEOUTS_BYTES - 2);
}

static void write_command(struct writer *w, const struct scsi_entry *entry, bool timeouts)
{
    bool has_action = entry->service_action != SERVICE_ACTION_NONE;

    writer_u8(w, entry->opcode);
    writer_u8(w, 0);
    writer_be16(w, has_action ? (uint16_t)entry->service_action : 0);
    writer_u8(w, 0);
    writer_u8(w, (has_action ? SERVACTV : 0) | (timeouts ? CTDP_ALL : 0));
    writer_be16(w, (uint16_t)cdb_length_bytes(entry->opcode));
    if (timeouts)
        write_timeouts(w);
}

static void answer_all(struct scsi_command *command, bool timeouts)
{
    size_t count;
    const struct scsi_entry *entries = scsi_table(&count);
    uint8_t answer[SCSI_ANSWER_MAX_BYTES];
    struct writer w = writer_over(answer, sizeof(answer));

    writer_be32(&w, (uint32_t)(count * (8 + (timeouts ? TIMEOUTS_BYTES : 0))));
    for (size_t i = 0; i < count; i++)
        write_command(&w, &entries[i], timeouts);
    CHECK(writer_ok(&w));
    scsi_answer(command, answer, w.offset);
}

static void answer_one(struct scsi_command *command, const struct scsi_entry *entry, bool timeouts)
{
    size_t length = entry ? cdb_length_bytes(entry->opcode) : 0;
    uint8_t answer[4 + CDB_BYTES + TIMEOUTS_BYTES];
    struct writer w = writer_over(answer, sizeof(answer));

    timeouts = timeouts && entry;
    writer_u8(&w, 0);
    writer_u8(&w, (uint8_t)((entry ? SUPPORT_STANDARD : SUPPORT_NONE) | (timeouts ? CTDP_ONE : 0)));
    writer_be16(&w, (uint16_t)length);
    if (entry)
        writer_bytes(&w, entry->usage, length);
    if (timeouts)
        write_timeouts(&w);
    CHECK(writer_ok(&w));
    scsi_answer(command, answer, w.offset);
}

int scsi_run_report_opcodes(struct scsi_command *command, enum volume_wait wait)
{
    unsigned option = command->cdb[2] & OPTIONS;
    bool timeouts = command->cdb[2] & RCTD;
    /* The asked command, as far as a lookup needs it: service actions of more than five bits are nobody's. */
    uint8_t asked[CDB_BYTES] = {command->cdb[3], command->cdb[5] & CDB1_SERVICE_ACTION};
    bool action_fits = command->cdb[4] == 0 && command->cdb[5] <= CDB1_SERVICE_ACTION;
    bool has_actions = false;
    bool known = scsi_table_has_opcode(asked[0], &has_actions);
    const struct scsi_entry *entry = scsi_table_find(asked);

    if (option == OPTION_ALL)
        answer_all(command, timeouts);
    else if (option == OPTION_OPCODE && !(known && has_actions))
        answer_one(command, entry, timeouts);
    else if (option == OPTION_OPCODE_AND_ACTION && !(known && !has_actions))
        answer_one(command, action_fits ? entry : NULL, timeouts);
    else if (option == OPTION_EITHER)
        answer_one(command, has_actions || asked[1] == 0 ? (action_fits ? entry : NULL) : NULL, timeouts);
    else
        scsi_fail_cdb(command, 2);
    return 0;
}

/* One group of one port, always active and optimized; nobody can set it otherwise (SPC-4 6.37). */
int scsi_run_report_port_groups(struct scsi_command *command, enum volume_wait wait)
{
    enum {
        FORMAT = 0xe0,
        FORMAT_EXTENDED = 0x20,
        HEADER_EXTENDED = 0x10,
        ACTIVE_OPTIMIZED = 0,
        SUPPORTED = 0x01
    };
    unsigned format = command->cdb[1] & FORMAT;
    uint8_t answer[8 + 8 + 4];
    struct writer w = writer_over(answer, sizeof(answer));

    if (format != 0 && format != FORMAT_EXTENDED) {
        scsi_fail_cdb(command, 1);
        return 0;
    }
    writer_be32(&w, 0);
    if (format == FORMAT_EXTENDED)
        writer_be32(&w, (uint32_t)HEADER_EXTENDED << 24);
    writer_u8(&w, ACTIVE_OPTIMIZED);
    writer_u8(&w, SUPPORTED);
    writer_be16(&w, command->nexus->portal_group);
    writer_fill(&w, 0, 3);
    writer_u8(&w, 1);
    writer_be32(&w, 1); /* the relative port, as page 83h has it */
    CHECK(writer_ok(&w));
    struct writer length = writer_over(answer, 4);
    writer_be32(&length, (uint32_t)(w.offset - 4));
    scsi_answer(command, answer, w.offset);
    return 0;
}

int scsi_run_report_tmfs(struct scsi_command *command, enum volume_wait wait)
{
    enum { REPD = 0x80, ATS = 0x80, ATSS = 0x40, CTSS = 0x10, LURS = 0x08, TRS = 0x02 };
    bool extended = command->cdb[2] & REPD;
    uint8_t answer[16] = {ATS | ATSS | CTSS | LURS | TRS};

    if (extended)
        answer[3] = sizeof(answer) - 4;
    scsi_answer(command, answer, extended ? sizeof(answer) : 4);
    return 0;
}
