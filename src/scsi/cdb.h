/*
 * Command descriptor blocks: where each command keeps its numbers (SPC-4, SBC-3).
 *
 * Reads fields and nothing else: which command has which field, the table in scsi/table.c says.
 */
#pragma once

#include "base/base.h"

enum { CDB_BYTES = 16 };

enum opcode {
    OPCODE_TEST_UNIT_READY = 0x00,
    OPCODE_REQUEST_SENSE = 0x03,
    OPCODE_READ_6 = 0x08,
    OPCODE_WRITE_6 = 0x0a,
    OPCODE_INQUIRY = 0x12,
    OPCODE_MODE_SELECT_6 = 0x15,
    OPCODE_RESERVE_6 = 0x16,
    OPCODE_RELEASE_6 = 0x17,
    OPCODE_MODE_SENSE_6 = 0x1a,
    OPCODE_START_STOP_UNIT = 0x1b,
    OPCODE_PREVENT_ALLOW = 0x1e,
    OPCODE_READ_CAPACITY_10 = 0x25,
    OPCODE_READ_10 = 0x28,
    OPCODE_WRITE_10 = 0x2a,
    OPCODE_WRITE_VERIFY_10 = 0x2e,
    OPCODE_VERIFY_10 = 0x2f,
    OPCODE_PREFETCH_10 = 0x34,
    OPCODE_SYNCHRONIZE_CACHE_10 = 0x35,
    OPCODE_READ_DEFECT_DATA_10 = 0x37,
    OPCODE_WRITE_SAME_10 = 0x41,
    OPCODE_UNMAP = 0x42,
    OPCODE_SANITIZE = 0x48,
    OPCODE_MODE_SELECT_10 = 0x55,
    OPCODE_MODE_SENSE_10 = 0x5a,
    OPCODE_PERSISTENT_RESERVE_IN = 0x5e,
    OPCODE_PERSISTENT_RESERVE_OUT = 0x5f,
    OPCODE_EXTENDED_COPY = 0x83,
    OPCODE_RECEIVE_COPY_RESULTS = 0x84,
    OPCODE_READ_16 = 0x88,
    OPCODE_COMPARE_AND_WRITE = 0x89,
    OPCODE_WRITE_16 = 0x8a,
    OPCODE_ORWRITE_16 = 0x8b,
    OPCODE_WRITE_VERIFY_16 = 0x8e,
    OPCODE_VERIFY_16 = 0x8f,
    OPCODE_PREFETCH_16 = 0x90,
    OPCODE_SYNCHRONIZE_CACHE_16 = 0x91,
    OPCODE_WRITE_SAME_16 = 0x93,
    OPCODE_WRITE_ATOMIC_16 = 0x9c,
    OPCODE_SERVICE_ACTION_IN_16 = 0x9e,
    OPCODE_REPORT_LUNS = 0xa0,
    OPCODE_MAINTENANCE_IN = 0xa3,
    OPCODE_READ_12 = 0xa8,
    OPCODE_WRITE_12 = 0xaa,
    OPCODE_WRITE_VERIFY_12 = 0xae,
    OPCODE_VERIFY_12 = 0xaf,
    OPCODE_READ_DEFECT_DATA_12 = 0xb7,
};

enum service_action {
    ACTION_READ_CAPACITY_16 = 0x10,
    ACTION_GET_LBA_STATUS = 0x12,
    ACTION_BLOCK_ERASE = 0x02,
    ACTION_EXIT_FAILURE_MODE = 0x1f,
    ACTION_EXTENDED_COPY = 0x00,
    ACTION_COPY_STATUS = 0x00,
    ACTION_COPY_PARAMETERS = 0x03,
    ACTION_COPY_FAILURE = 0x04,
    ACTION_REPORT_TARGET_PORT_GROUPS = 0x0a,
    ACTION_REPORT_SUPPORTED_OPCODES = 0x0c,
    ACTION_REPORT_SUPPORTED_TMFS = 0x0d,
};

/* Bits of byte 1 (and 13 of nothing): named once, used by the commands that have them. */
enum {
    CDB1_EVPD = 0x01,
    CDB1_BYTCHK = 0x06,
    CDB1_FUA = 0x08,
    CDB1_DPO = 0x10,
    CDB1_PROTECT = 0xe0,
    CDB1_NDOB = 0x01,
    CDB1_UNMAP = 0x08,
    CDB1_ANCHOR = 0x10,
    CDB1_DBD = 0x08,
    CDB1_LLBAA = 0x10,
    CDB1_SP = 0x01,
    CDB1_PF = 0x10,
    CDB1_DESC = 0x01,
    CDB1_SERVICE_ACTION = 0x1f,
};

/* Where a number lies in a CDB; `width` 0: the command has no such number. */
struct cdb_field {
    uint8_t at;
    uint8_t width;
};

/* The big-endian number; 0 when there is none. */
uint64_t cdb_number(const uint8_t cdb[CDB_BYTES], struct cdb_field field);
/* How long a CDB with this operation code is (SPC-4 4.3.5); 0 for codes whose length is not fixed by the
 * group. */
size_t cdb_length_bytes(uint8_t opcode);
