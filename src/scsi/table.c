#include "scsi/table.h"

/* What the rows below have in common. */
#define BLOCKS_6 .lba = {1, 3}, .blocks = {4, 1}
#define BLOCKS_10 .lba = {2, 4}, .blocks = {7, 2}
#define BLOCKS_12 .lba = {2, 4}, .blocks = {6, 4}
#define BLOCKS_16 .lba = {2, 8}, .blocks = {10, 4}
#define LENGTH(at, width) .length = {at, width}
#define LBA_4 0xff, 0xff, 0xff, 0xff
#define LBA_8 LBA_4, LBA_4
#define NO_ACTION .service_action = SERVICE_ACTION_NONE

static const struct scsi_entry table[] = {
    {OPCODE_TEST_UNIT_READY, NO_ACTION, .name = "TEST UNIT READY", .access = ACCESS_FREE,
     .usage = {0x00, 0, 0, 0, 0, 0x04}, .run = scsi_run_test_unit_ready},
    {OPCODE_REQUEST_SENSE, NO_ACTION, .name = "REQUEST SENSE", LENGTH(4, 1),
     .flags = ENTRY_WHILE_SANITIZING | ENTRY_ANY_LUN | ENTRY_NO_ATTENTION | ENTRY_THROUGH_RESERVATION,
     .access = ACCESS_FREE, .usage = {0x03, CDB1_DESC, 0, 0, 0xff, 0x04}, .run = scsi_run_request_sense},
    {OPCODE_READ_6, NO_ACTION, .name = "READ(6)", BLOCKS_6, .flags = ENTRY_READS | ENTRY_RANGE,
     .access = ACCESS_READ, .usage = {0x08, 0x1f, 0xff, 0xff, 0xff, 0x04}},
    {OPCODE_WRITE_6, NO_ACTION, .name = "WRITE(6)", BLOCKS_6,
     .flags = ENTRY_WRITES | ENTRY_DATA_OUT_BLOCKS | ENTRY_RANGE,
     .usage = {0x0a, 0x1f, 0xff, 0xff, 0xff, 0x04}, .check = scsi_check_write, .run = scsi_run_write},
    {OPCODE_INQUIRY, NO_ACTION, .name = "INQUIRY", LENGTH(3, 2),
     .flags = ENTRY_WHILE_SANITIZING | ENTRY_ANY_LUN | ENTRY_NO_ATTENTION | ENTRY_THROUGH_RESERVATION,
     .access = ACCESS_FREE, .usage = {0x12, CDB1_EVPD, 0xff, 0xff, 0xff, 0x04}, .run = scsi_run_inquiry},
    {OPCODE_MODE_SELECT_6, NO_ACTION, .name = "MODE SELECT(6)", LENGTH(4, 1), .flags = ENTRY_DATA_OUT_LENGTH,
     .usage = {0x15, CDB1_PF | CDB1_SP, 0, 0, 0xff, 0x04}, .run = scsi_run_mode_select},
    {OPCODE_RESERVE_6, NO_ACTION, .name = "RESERVE(6)", .flags = ENTRY_OLD_RESERVATION, .access = ACCESS_FREE,
     .usage = {0x16, 0, 0, 0, 0, 0x04}, .run = scsi_run_reserve},
    {OPCODE_RELEASE_6, NO_ACTION, .name = "RELEASE(6)",
     .flags = ENTRY_THROUGH_RESERVATION | ENTRY_OLD_RESERVATION, .access = ACCESS_FREE,
     .usage = {0x17, 0, 0, 0, 0, 0x04}, .run = scsi_run_release},
    {OPCODE_MODE_SENSE_6, NO_ACTION, .name = "MODE SENSE(6)", LENGTH(4, 1),
     .usage = {0x1a, CDB1_DBD, 0xff, 0xff, 0xff, 0x04}, .run = scsi_run_mode_sense},
    {OPCODE_START_STOP_UNIT, NO_ACTION, .name = "START STOP UNIT", .flags = ENTRY_BLOCKS,
     .usage = {0x1b, 0x01, 0, 0x0f, 0xf7, 0x04}, .run = scsi_run_start_stop},
    {OPCODE_PREVENT_ALLOW, NO_ACTION, .name = "PREVENT ALLOW MEDIUM REMOVAL",
     .usage = {0x1e, 0, 0, 0, 0x03, 0x04}, .run = scsi_run_prevent_allow},
    {OPCODE_READ_CAPACITY_10, NO_ACTION, .name = "READ CAPACITY(10)", .access = ACCESS_FREE,
     .usage = {0x25, 0, LBA_4, 0, 0, 0x01, 0x04}, .run = scsi_run_capacity_10},
    {OPCODE_READ_10, NO_ACTION, .name = "READ(10)", BLOCKS_10,
     .flags = ENTRY_READS | ENTRY_RANGE | ENTRY_PROTECT, .access = ACCESS_READ,
     .usage = {0x28, 0xf8, LBA_4, 0x1f, 0xff, 0xff, 0x04}, .check = scsi_check_read},
    {OPCODE_WRITE_10, NO_ACTION, .name = "WRITE(10)", BLOCKS_10,
     .flags = ENTRY_WRITES | ENTRY_DATA_OUT_BLOCKS | ENTRY_RANGE | ENTRY_PROTECT,
     .usage = {0x2a, 0xf8, LBA_4, 0x1f, 0xff, 0xff, 0x04}, .check = scsi_check_write, .run = scsi_run_write},
    {OPCODE_WRITE_VERIFY_10, NO_ACTION, .name = "WRITE AND VERIFY(10)", BLOCKS_10,
     .flags = ENTRY_WRITES | ENTRY_DATA_OUT_BLOCKS | ENTRY_RANGE | ENTRY_BLOCKS | ENTRY_PROTECT,
     .usage = {0x2e, 0xf6, LBA_4, 0x1f, 0xff, 0xff, 0x04}, .check = scsi_check_write,
     .run = scsi_run_write_verify},
    {OPCODE_VERIFY_10, NO_ACTION, .name = "VERIFY(10)", BLOCKS_10,
     .flags = ENTRY_RANGE | ENTRY_BLOCKS | ENTRY_PROTECT, .access = ACCESS_READ,
     .usage = {0x2f, 0xf6, LBA_4, 0x1f, 0xff, 0xff, 0x04}, .check = scsi_check_verify,
     .run = scsi_run_verify},
    {OPCODE_PREFETCH_10, NO_ACTION, .name = "PRE-FETCH(10)", BLOCKS_10, .flags = ENTRY_RANGE,
     .access = ACCESS_READ, .usage = {0x34, 0x02, LBA_4, 0x1f, 0xff, 0xff, 0x04}, .run = scsi_run_prefetch},
    {OPCODE_SYNCHRONIZE_CACHE_10, NO_ACTION, .name = "SYNCHRONIZE CACHE(10)", BLOCKS_10,
     .flags = ENTRY_RANGE | ENTRY_BLOCKS, .usage = {0x35, 0x02, LBA_4, 0x1f, 0xff, 0xff, 0x04},
     .run = scsi_run_flush},
    {OPCODE_READ_DEFECT_DATA_10, NO_ACTION, .name = "READ DEFECT DATA(10)", LENGTH(7, 2),
     .access = ACCESS_FREE, .usage = {0x37, 0, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0x04}, .run = scsi_run_defects},
    {OPCODE_WRITE_SAME_10, NO_ACTION, .name = "WRITE SAME(10)", BLOCKS_10,
     .flags = ENTRY_WRITES | ENTRY_RANGE | ENTRY_BLOCKS | ENTRY_PROTECT | ENTRY_EXACT_DATA,
     .usage = {0x41, 0xf8, LBA_4, 0x1f, 0xff, 0xff, 0x04}, .check = scsi_check_write_same,
     .run = scsi_run_write_same},
    {OPCODE_UNMAP, NO_ACTION, .name = "UNMAP", LENGTH(7, 2),
     .flags = ENTRY_WRITES | ENTRY_DATA_OUT_LENGTH | ENTRY_BLOCKS,
     .usage = {0x42, 0x01, 0, 0, 0, 0, 0x1f, 0xff, 0xff, 0x04}, .run = scsi_run_unmap},
    {OPCODE_SANITIZE, ACTION_BLOCK_ERASE, .name = "SANITIZE: BLOCK ERASE", LENGTH(7, 2),
     .flags = ENTRY_WRITES | ENTRY_BLOCKS | ENTRY_STRICT | ENTRY_WAITS_FOR_WRITERS,
     .usage = {0x48, 0xa2, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04}, .check = scsi_check_sanitize,
     .run = scsi_run_block_erase},
    {OPCODE_SANITIZE, ACTION_EXIT_FAILURE_MODE, .name = "SANITIZE: EXIT FAILURE MODE", LENGTH(7, 2),
     .flags = ENTRY_BLOCKS | ENTRY_STRICT | ENTRY_WAITS_FOR_WRITERS,
     .usage = {0x48, 0xbf, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04}, .check = scsi_check_sanitize,
     .run = scsi_run_exit_failure_mode},
    {OPCODE_MODE_SELECT_10, NO_ACTION, .name = "MODE SELECT(10)", LENGTH(7, 2),
     .flags = ENTRY_DATA_OUT_LENGTH, .usage = {0x55, CDB1_PF | CDB1_SP, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     .run = scsi_run_mode_select},
    {OPCODE_MODE_SENSE_10, NO_ACTION, .name = "MODE SENSE(10)", LENGTH(7, 2),
     .usage = {0x5a, CDB1_DBD | CDB1_LLBAA, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0x04},
     .run = scsi_run_mode_sense},
    {OPCODE_PERSISTENT_RESERVE_IN, .service_action = 0, .name = "PERSISTENT RESERVE IN: READ KEYS",
     LENGTH(7, 2), .access = ACCESS_FREE, .usage = {0x5e, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     .run = scsi_run_read_keys},
    {OPCODE_PERSISTENT_RESERVE_IN, .service_action = 1, .name = "PERSISTENT RESERVE IN: READ RESERVATION",
     LENGTH(7, 2), .access = ACCESS_FREE, .usage = {0x5e, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     .run = scsi_run_read_reservation},
    {OPCODE_PERSISTENT_RESERVE_IN, .service_action = 2, .name = "PERSISTENT RESERVE IN: REPORT CAPABILITIES",
     LENGTH(7, 2), .access = ACCESS_FREE, .usage = {0x5e, 2, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     .run = scsi_run_report_capabilities},
    {OPCODE_PERSISTENT_RESERVE_IN, .service_action = 3, .name = "PERSISTENT RESERVE IN: READ FULL STATUS",
     LENGTH(7, 2), .access = ACCESS_FREE, .usage = {0x5e, 3, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     .run = scsi_run_read_full_status},
    {OPCODE_PERSISTENT_RESERVE_OUT, .service_action = 0, .name = "PERSISTENT RESERVE OUT: REGISTER",
     LENGTH(5, 4), .flags = ENTRY_DATA_OUT_LENGTH | ENTRY_BLOCKS, .access = ACCESS_FREE,
     .usage = {0x5f, 0, 0, 0, 0, LBA_4, 0x04}, .check = scsi_check_persistent_out,
     .run = scsi_run_persistent_out},
    {OPCODE_PERSISTENT_RESERVE_OUT, .service_action = 1, .name = "PERSISTENT RESERVE OUT: RESERVE",
     LENGTH(5, 4), .flags = ENTRY_DATA_OUT_LENGTH | ENTRY_BLOCKS, .access = ACCESS_FREE,
     .usage = {0x5f, 1, 0xff, 0, 0, LBA_4, 0x04}, .check = scsi_check_persistent_out,
     .run = scsi_run_persistent_out},
    {OPCODE_PERSISTENT_RESERVE_OUT, .service_action = 2, .name = "PERSISTENT RESERVE OUT: RELEASE",
     LENGTH(5, 4), .flags = ENTRY_DATA_OUT_LENGTH | ENTRY_BLOCKS, .access = ACCESS_FREE,
     .usage = {0x5f, 2, 0xff, 0, 0, LBA_4, 0x04}, .check = scsi_check_persistent_out,
     .run = scsi_run_persistent_out},
    {OPCODE_PERSISTENT_RESERVE_OUT, .service_action = 3, .name = "PERSISTENT RESERVE OUT: CLEAR",
     LENGTH(5, 4), .flags = ENTRY_DATA_OUT_LENGTH | ENTRY_BLOCKS, .access = ACCESS_FREE,
     .usage = {0x5f, 3, 0, 0, 0, LBA_4, 0x04}, .check = scsi_check_persistent_out,
     .run = scsi_run_persistent_out},
    {OPCODE_PERSISTENT_RESERVE_OUT, .service_action = 4, .name = "PERSISTENT RESERVE OUT: PREEMPT",
     LENGTH(5, 4), .flags = ENTRY_DATA_OUT_LENGTH | ENTRY_BLOCKS, .access = ACCESS_FREE,
     .usage = {0x5f, 4, 0xff, 0, 0, LBA_4, 0x04}, .check = scsi_check_persistent_out,
     .run = scsi_run_persistent_out},
    {OPCODE_PERSISTENT_RESERVE_OUT, .service_action = 5, .name = "PERSISTENT RESERVE OUT: PREEMPT AND ABORT",
     LENGTH(5, 4), .flags = ENTRY_DATA_OUT_LENGTH | ENTRY_BLOCKS, .access = ACCESS_FREE,
     .usage = {0x5f, 5, 0xff, 0, 0, LBA_4, 0x04}, .check = scsi_check_persistent_out,
     .run = scsi_run_persistent_out},
    {OPCODE_PERSISTENT_RESERVE_OUT, .service_action = 6,
     .name = "PERSISTENT RESERVE OUT: REGISTER AND IGNORE EXISTING KEY", LENGTH(5, 4),
     .flags = ENTRY_DATA_OUT_LENGTH | ENTRY_BLOCKS, .access = ACCESS_FREE,
     .usage = {0x5f, 6, 0, 0, 0, LBA_4, 0x04}, .check = scsi_check_persistent_out,
     .run = scsi_run_persistent_out},
    {OPCODE_EXTENDED_COPY, ACTION_EXTENDED_COPY, .name = "EXTENDED COPY(LID1)", LENGTH(10, 4),
     .flags = ENTRY_DATA_OUT_LENGTH,
     .usage = {0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, LBA_4, 0, 0x04}, .check = scsi_check_extended_copy,
     .run = scsi_run_extended_copy},
    {OPCODE_RECEIVE_COPY_RESULTS, ACTION_COPY_STATUS, .name = "RECEIVE COPY RESULTS: COPY STATUS(LID1)",
     LENGTH(10, 4), .usage = {0x84, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, LBA_4, 0, 0x04},
     .run = scsi_run_copy_status},
    {OPCODE_RECEIVE_COPY_RESULTS, ACTION_COPY_PARAMETERS,
     .name = "RECEIVE COPY RESULTS: OPERATING PARAMETERS", LENGTH(10, 4),
     .usage = {0x84, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, LBA_4, 0, 0x04}, .run = scsi_run_copy_parameters},
    {OPCODE_RECEIVE_COPY_RESULTS, ACTION_COPY_FAILURE,
     .name = "RECEIVE COPY RESULTS: FAILED SEGMENT DETAILS(LID1)", LENGTH(10, 4),
     .usage = {0x84, 0x04, 0xff, 0, 0, 0, 0, 0, 0, 0, LBA_4, 0, 0x04}, .run = scsi_run_copy_failure},
    {OPCODE_READ_16, NO_ACTION, .name = "READ(16)", BLOCKS_16,
     .flags = ENTRY_READS | ENTRY_RANGE | ENTRY_PROTECT, .access = ACCESS_READ,
     .usage = {0x88, 0xf8, LBA_8, LBA_4, 0x1f, 0x04}, .check = scsi_check_read},
    {OPCODE_COMPARE_AND_WRITE, NO_ACTION, .name = "COMPARE AND WRITE", .lba = {2, 8}, .blocks = {13, 1},
     .flags = ENTRY_WRITES | ENTRY_RANGE | ENTRY_BLOCKS | ENTRY_PROTECT | ENTRY_EXACT_DATA,
     .usage = {0x89, 0xf8, LBA_8, 0, 0, 0, 0xff, 0x1f, 0x04}, .check = scsi_check_compare,
     .run = scsi_run_compare_and_write},
    {OPCODE_WRITE_16, NO_ACTION, .name = "WRITE(16)", BLOCKS_16,
     .flags = ENTRY_WRITES | ENTRY_DATA_OUT_BLOCKS | ENTRY_RANGE | ENTRY_PROTECT,
     .usage = {0x8a, 0xf8, LBA_8, LBA_4, 0x1f, 0x04}, .check = scsi_check_write, .run = scsi_run_write},
    {OPCODE_ORWRITE_16, NO_ACTION, .name = "ORWRITE(16)", BLOCKS_16,
     .flags = ENTRY_WRITES | ENTRY_DATA_OUT_BLOCKS | ENTRY_RANGE | ENTRY_BLOCKS | ENTRY_PROTECT,
     .usage = {0x8b, 0xf8, LBA_8, LBA_4, 0x1f, 0x04}, .check = scsi_check_write, .run = scsi_run_orwrite},
    {OPCODE_WRITE_VERIFY_16, NO_ACTION, .name = "WRITE AND VERIFY(16)", BLOCKS_16,
     .flags = ENTRY_WRITES | ENTRY_DATA_OUT_BLOCKS | ENTRY_RANGE | ENTRY_BLOCKS | ENTRY_PROTECT,
     .usage = {0x8e, 0xf6, LBA_8, LBA_4, 0x1f, 0x04}, .check = scsi_check_write,
     .run = scsi_run_write_verify},
    {OPCODE_VERIFY_16, NO_ACTION, .name = "VERIFY(16)", BLOCKS_16,
     .flags = ENTRY_RANGE | ENTRY_BLOCKS | ENTRY_PROTECT, .access = ACCESS_READ,
     .usage = {0x8f, 0xf6, LBA_8, LBA_4, 0x1f, 0x04}, .check = scsi_check_verify, .run = scsi_run_verify},
    {OPCODE_PREFETCH_16, NO_ACTION, .name = "PRE-FETCH(16)", BLOCKS_16, .flags = ENTRY_RANGE,
     .access = ACCESS_READ, .usage = {0x90, 0x02, LBA_8, LBA_4, 0x1f, 0x04}, .run = scsi_run_prefetch},
    {OPCODE_SYNCHRONIZE_CACHE_16, NO_ACTION, .name = "SYNCHRONIZE CACHE(16)", BLOCKS_16,
     .flags = ENTRY_RANGE | ENTRY_BLOCKS, .usage = {0x91, 0x02, LBA_8, LBA_4, 0x1f, 0x04},
     .run = scsi_run_flush},
    {OPCODE_WRITE_SAME_16, NO_ACTION, .name = "WRITE SAME(16)", BLOCKS_16,
     .flags = ENTRY_WRITES | ENTRY_RANGE | ENTRY_BLOCKS | ENTRY_PROTECT | ENTRY_EXACT_DATA,
     .usage = {0x93, 0xf9, LBA_8, LBA_4, 0x1f, 0x04}, .check = scsi_check_write_same,
     .run = scsi_run_write_same},
    {OPCODE_WRITE_ATOMIC_16, NO_ACTION, .name = "WRITE ATOMIC(16)", .lba = {2, 8}, .blocks = {12, 2},
     .flags = ENTRY_WRITES | ENTRY_DATA_OUT_BLOCKS | ENTRY_RANGE | ENTRY_BLOCKS | ENTRY_PROTECT |
              ENTRY_EXACT_DATA | ENTRY_WAITS_FOR_WRITERS,
     .usage = {0x9c, 0xf8, LBA_8, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04}, .check = scsi_check_write_atomic,
     .run = scsi_run_write_atomic},
    {OPCODE_SERVICE_ACTION_IN_16, ACTION_READ_CAPACITY_16, .name = "READ CAPACITY(16)", LENGTH(10, 4),
     .access = ACCESS_FREE, .usage = {0x9e, 0x10, LBA_8, LBA_4, 0x01, 0x04}, .run = scsi_run_capacity_16},
    {OPCODE_SERVICE_ACTION_IN_16, ACTION_GET_LBA_STATUS, .name = "GET LBA STATUS", .lba = {2, 8},
     LENGTH(10, 4), .flags = ENTRY_BLOCKS, .access = ACCESS_READ,
     .usage = {0x9e, 0x12, LBA_8, LBA_4, 0, 0x04}, .run = scsi_run_lba_status},
    {OPCODE_REPORT_LUNS, NO_ACTION, .name = "REPORT LUNS", LENGTH(6, 4),
     .flags = ENTRY_WHILE_SANITIZING | ENTRY_ANY_LUN | ENTRY_NO_ATTENTION | ENTRY_THROUGH_RESERVATION,
     .access = ACCESS_FREE, .usage = {0xa0, 0, 0xff, 0, 0, 0, LBA_4, 0, 0x04}, .run = scsi_run_report_luns},
    {OPCODE_MAINTENANCE_IN, ACTION_REPORT_TARGET_PORT_GROUPS, .name = "REPORT TARGET PORT GROUPS",
     LENGTH(6, 4), .flags = ENTRY_THROUGH_RESERVATION, .access = ACCESS_FREE,
     .usage = {0xa3, 0xea, 0, 0, 0, 0, LBA_4, 0, 0x04}, .run = scsi_run_report_port_groups},
    {OPCODE_MAINTENANCE_IN, ACTION_REPORT_SUPPORTED_OPCODES, .name = "REPORT SUPPORTED OPERATION CODES",
     LENGTH(6, 4), .flags = ENTRY_WHILE_SANITIZING | ENTRY_THROUGH_RESERVATION,
     .usage = {0xa3, 0x0c, 0x87, 0xff, 0xff, 0xff, LBA_4, 0, 0x04}, .run = scsi_run_report_opcodes},
    {OPCODE_MAINTENANCE_IN, ACTION_REPORT_SUPPORTED_TMFS,
     .name = "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", LENGTH(6, 4),
     .flags = ENTRY_WHILE_SANITIZING | ENTRY_THROUGH_RESERVATION,
     .usage = {0xa3, 0x0d, 0x80, 0, 0, 0, LBA_4, 0, 0x04}, .run = scsi_run_report_tmfs},
    {OPCODE_READ_12, NO_ACTION, .name = "READ(12)", BLOCKS_12,
     .flags = ENTRY_READS | ENTRY_RANGE | ENTRY_PROTECT, .access = ACCESS_READ,
     .usage = {0xa8, 0xf8, LBA_4, LBA_4, 0x1f, 0x04}, .check = scsi_check_read},
    {OPCODE_WRITE_12, NO_ACTION, .name = "WRITE(12)", BLOCKS_12,
     .flags = ENTRY_WRITES | ENTRY_DATA_OUT_BLOCKS | ENTRY_RANGE | ENTRY_PROTECT,
     .usage = {0xaa, 0xf8, LBA_4, LBA_4, 0x1f, 0x04}, .check = scsi_check_write, .run = scsi_run_write},
    {OPCODE_WRITE_VERIFY_12, NO_ACTION, .name = "WRITE AND VERIFY(12)", BLOCKS_12,
     .flags = ENTRY_WRITES | ENTRY_DATA_OUT_BLOCKS | ENTRY_RANGE | ENTRY_BLOCKS | ENTRY_PROTECT,
     .usage = {0xae, 0xf6, LBA_4, LBA_4, 0x1f, 0x04}, .check = scsi_check_write,
     .run = scsi_run_write_verify},
    {OPCODE_VERIFY_12, NO_ACTION, .name = "VERIFY(12)", BLOCKS_12,
     .flags = ENTRY_RANGE | ENTRY_BLOCKS | ENTRY_PROTECT, .access = ACCESS_READ,
     .usage = {0xaf, 0xf6, LBA_4, LBA_4, 0x1f, 0x04}, .check = scsi_check_verify, .run = scsi_run_verify},
    {OPCODE_READ_DEFECT_DATA_12, NO_ACTION, .name = "READ DEFECT DATA(12)", LENGTH(6, 4),
     .access = ACCESS_FREE, .usage = {0xb7, 0x1f, 0, 0, 0, 0, LBA_4, 0, 0x04}, .run = scsi_run_defects},
};

/* The first row of each opcode: a walk over some forty rows would show on the path of every read. Rows of one
 * opcode stand together. */
static const struct scsi_entry *first_rows[256];

__attribute__((constructor)) static void index_table(void)
{
    for (size_t i = ARRAY_SIZE(table); i > 0; i--)
        first_rows[table[i - 1].opcode] = &table[i - 1];
}

static bool matches_action(const struct scsi_entry *entry, const uint8_t cdb[CDB_BYTES])
{
    return entry->service_action == SERVICE_ACTION_NONE ||
           entry->service_action == (cdb[1] & CDB1_SERVICE_ACTION);
}

const struct scsi_entry *scsi_table_find(const uint8_t cdb[CDB_BYTES])
{
    const struct scsi_entry *end = table + ARRAY_SIZE(table);

    for (const struct scsi_entry *e = first_rows[cdb[0]]; e && e < end && e->opcode == cdb[0]; e++) {
        if (matches_action(e, cdb))
            return e;
    }
    return NULL;
}

bool scsi_table_has_opcode(uint8_t opcode, bool *service_actions)
{
    const struct scsi_entry *entry = first_rows[opcode];

    if (entry)
        *service_actions = entry->service_action != SERVICE_ACTION_NONE;
    return entry != NULL;
}

const struct scsi_entry *scsi_table(size_t *count)
{
    *count = ARRAY_SIZE(table);
    return table;
}
