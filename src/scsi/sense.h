/*
 * Sense data: why a command did not end with GOOD, in the words of SPC-4 section 4.5.
 *
 * Plain values and their two encodings. It decides nothing.
 */
#pragma once

#include "base/base.h"

enum sense_key {
    SENSE_NONE = 0x0,
    SENSE_NOT_READY = 0x2,
    SENSE_MEDIUM_ERROR = 0x3,
    SENSE_HARDWARE_ERROR = 0x4,
    SENSE_ILLEGAL_REQUEST = 0x5,
    SENSE_UNIT_ATTENTION = 0x6,
    SENSE_DATA_PROTECT = 0x7,
    SENSE_COPY_ABORTED = 0xa,
    SENSE_ABORTED_COMMAND = 0xb,
    SENSE_MISCOMPARE = 0xe,
};

/* Additional sense code and qualifier, as ASC << 8 | ASCQ. */
enum sense_code {
    SENSE_CODE_NONE = 0x0000,
    SENSE_CODE_OPERATION_IN_PROGRESS = 0x0016,
    SENSE_CODE_SANITIZE_IN_PROGRESS = 0x041b,
    SENSE_CODE_UNREACHABLE_COPY_TARGET = 0x0804,
    SENSE_CODE_WRITE_ERROR = 0x0c00,
    SENSE_CODE_UNEXPECTED_DATA = 0x0c0c,
    SENSE_CODE_WRONG_DATA_LENGTH = 0x0c0d,
    SENSE_CODE_THIRD_PARTY_FAILURE = 0x0d01,
    SENSE_CODE_COPY_TARGET_NOT_REACHABLE = 0x0d02,
    SENSE_CODE_INCORRECT_COPY_TARGET = 0x0d03,
    SENSE_CODE_READ_ERROR = 0x1100,
    SENSE_CODE_PARAMETER_LIST_LENGTH = 0x1a00,
    SENSE_CODE_MISCOMPARE = 0x1d00,
    SENSE_CODE_INVALID_OPCODE = 0x2000,
    SENSE_CODE_LBA_OUT_OF_RANGE = 0x2100,
    SENSE_CODE_INVALID_FIELD_IN_CDB = 0x2400,
    SENSE_CODE_LUN_NOT_SUPPORTED = 0x2500,
    SENSE_CODE_INVALID_FIELD_IN_PARAMETERS = 0x2600,
    SENSE_CODE_INVALID_RELEASE = 0x2604,
    SENSE_CODE_TOO_MANY_TARGET_DESCRIPTORS = 0x2606,
    SENSE_CODE_UNSUPPORTED_TARGET_DESCRIPTOR = 0x2607,
    SENSE_CODE_TOO_MANY_SEGMENT_DESCRIPTORS = 0x2608,
    SENSE_CODE_UNSUPPORTED_SEGMENT_DESCRIPTOR = 0x2609,
    SENSE_CODE_INLINE_DATA_TOO_LONG = 0x260b,
    SENSE_CODE_WRITE_PROTECTED = 0x2700,
    SENSE_CODE_NO_SPACE = 0x2707,
    SENSE_CODE_POWER_ON = 0x2900,
    SENSE_CODE_DEVICE_RESET = 0x2903,
    SENSE_CODE_NEXUS_LOSS = 0x2907,
    SENSE_CODE_MODE_CHANGED = 0x2a01,
    SENSE_CODE_RESERVATIONS_PREEMPTED = 0x2a03,
    SENSE_CODE_RESERVATIONS_RELEASED = 0x2a04,
    SENSE_CODE_REGISTRATIONS_PREEMPTED = 0x2a05,
    SENSE_CODE_CAPACITY_CHANGED = 0x2a09,
    SENSE_CODE_SANITIZE_FAILED = 0x3103,
    SENSE_CODE_SAVING_NOT_SUPPORTED = 0x3900,
    SENSE_CODE_LUNS_CHANGED = 0x3f0e,
    SENSE_CODE_INTERNAL_FAILURE = 0x4400,
    SENSE_CODE_CRC_ERROR = 0x4705,
    SENSE_CODE_INSUFFICIENT_RESOURCES = 0x5503,
    SENSE_CODE_INSUFFICIENT_REGISTRATION_RESOURCES = 0x5504,
};

struct sense {
    enum sense_key key;
    enum sense_code code;
    bool has_information;
    uint64_t information;
    bool has_field; /* `field` is the offset of the byte that was refused */
    bool field_in_cdb;
    uint16_t field;
    bool has_progress; /* of an operation that is not at its end, in parts of 65536 */
    uint16_t progress;
};

enum { SENSE_MAX_BYTES = 28, SENSE_FIXED_BYTES = 18 };

/* Encodes in fixed or descriptor format (SPC-4 4.5.3, 4.5.2); gives the length. */
size_t sense_encode(const struct sense *sense, bool descriptor, uint8_t to[SENSE_MAX_BYTES]);
