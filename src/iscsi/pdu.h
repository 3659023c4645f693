/*
 * iSCSI protocol data units: the 48-byte header to and from a struct, padding and digests (RFC 7143 section
 * 11).
 *
 * Bytes and bounds only. What a PDU means, login and session say.
 */
#pragma once

#include "base/base.h"

enum {
    PDU_HEADER_BYTES = 48,
    PDU_AHS_MAX_BYTES = 255 * 4,
    PDU_DIGEST_BYTES = 4,
    PDU_CDB_BYTES = 16,
    /* The largest data segment that we declare, accept and send in one PDU. */
    PDU_DATA_MAX_BYTES = 262144,
};

#define PDU_NO_TAG UINT32_C(0xffffffff)

enum pdu_opcode {
    PDU_NOP_OUT = 0x00,
    PDU_SCSI_COMMAND = 0x01,
    PDU_TASK_REQUEST = 0x02,
    PDU_LOGIN_REQUEST = 0x03,
    PDU_TEXT_REQUEST = 0x04,
    PDU_DATA_OUT = 0x05,
    PDU_LOGOUT_REQUEST = 0x06,
    PDU_SNACK_REQUEST = 0x10,
    PDU_NOP_IN = 0x20,
    PDU_SCSI_RESPONSE = 0x21,
    PDU_TASK_RESPONSE = 0x22,
    PDU_LOGIN_RESPONSE = 0x23,
    PDU_TEXT_RESPONSE = 0x24,
    PDU_DATA_IN = 0x25,
    PDU_LOGOUT_RESPONSE = 0x26,
    PDU_R2T = 0x31,
    PDU_ASYNC_MESSAGE = 0x32,
    PDU_REJECT = 0x3f,
};

/* Byte 1. */
enum {
    PDU_FINAL = 0x80,
    PDU_CONTINUE = 0x40,   /* text and login */
    PDU_TRANSIT = 0x80,    /* login */
    PDU_READ = 0x40,       /* SCSI command */
    PDU_WRITE = 0x20,      /* SCSI command */
    PDU_ATTRIBUTES = 0x07, /* SCSI command */
    PDU_OVERFLOW = 0x04,   /* SCSI response, Data-In */
    PDU_UNDERFLOW = 0x02,  /* SCSI response, Data-In */
    PDU_STATUS = 0x01,     /* Data-In carries the status */
    PDU_FUNCTION = 0x7f,   /* task management, logout */
};

/* The 32-bit words from byte 20 on; one place has several names, by opcode. */
enum pdu_word {
    WORD_TRANSFER_TAG = 0,
    WORD_REFERENCED_TAG = 0,
    WORD_EXPECTED_LENGTH = 0,
    WORD_CID = 0, /* upper half */
    WORD_CMD_SN = 1,
    WORD_STAT_SN = 1,
    WORD_EXP_STAT_SN = 2,
    WORD_EXP_CMD_SN = 2,
    WORD_MAX_CMD_SN = 3,
    WORD_REF_CMD_SN = 3,
    WORD_DATA_SN = 4, /* also R2TSN, ExpDataSN, and login status in the upper half */
    WORD_BUFFER_OFFSET = 5,
    WORD_TIMES = 5, /* logout: Time2Wait and Time2Retain */
    WORD_RESIDUAL = 6,
    WORD_DESIRED_LENGTH = 6,
    PDU_WORDS = 7,
};

struct pdu {
    uint8_t opcode; /* enum pdu_opcode, or what nobody knows */
    bool immediate;
    uint8_t flags;
    uint8_t detail[2]; /* bytes 2 and 3: response and status, or versions, or a reason */
    uint16_t ahs_bytes;
    uint32_t data_bytes; /* without padding */
    uint8_t lun[8];      /* login: ISID and TSIH */
    uint32_t task_tag;
    uint32_t words[PDU_WORDS];
    uint8_t cdb[PDU_CDB_BYTES]; /* SCSI command: bytes 32 to 47 */
};

/* Which digests a connection uses. */
struct pdu_digests {
    bool header;
    bool data;
};

/* Never fails: any 48 bytes are a header of something. */
struct pdu pdu_decode(const uint8_t bytes[PDU_HEADER_BYTES]);
void pdu_encode(const struct pdu *pdu, uint8_t to[PDU_HEADER_BYTES]);

/* Header, AHS and header digest. */
size_t pdu_header_bytes(const struct pdu *pdu, struct pdu_digests digests);
/* What follows the data segment: padding and data digest; 0 without data. */
size_t pdu_trailer_bytes(const struct pdu *pdu, struct pdu_digests digests);
size_t pdu_padding_bytes(size_t data_bytes);

/* `header` holds `pdu_header_bytes`. True if its digest is right or there is none. */
bool pdu_header_digest_ok(const struct pdu *pdu, const uint8_t *header, struct pdu_digests digests);
/* The same for the data segment and its `trailer`. */
bool pdu_data_digest_ok(const struct pdu *pdu, const uint8_t *data, const uint8_t *trailer,
                        struct pdu_digests digests);
/* Writes the header and its digest at `to`; gives their length: the data segment follows there. */
size_t pdu_write_header(const struct pdu *pdu, struct pdu_digests digests, uint8_t *to);
/* Writes padding and digest behind the data segment at `data`; gives their length. */
size_t pdu_write_trailer(const struct pdu *pdu, struct pdu_digests digests, uint8_t *data);
