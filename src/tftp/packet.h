/*
 * TFTP packets: bytes to struct and back (RFC 1350, 2347, 2348, 2349, 7440).
 *
 * Knows lengths and spellings, not what a file or a transfer is. A server's half only: it reads requests, ACK
 * and ERROR, and writes DATA, OACK and ERROR.
 */
#pragma once

#include "base/bytes.h"
#include "base/text.h"

enum {
    TFTP_PORT = 69,
    /* RFC 2347 allows a request 512 bytes; clients with long paths exceed it. */
    TFTP_REQUEST_MAX_BYTES = 1024,
    TFTP_PATH_SIZE = 512,
    /* Options after this many are not looked at. */
    TFTP_OPTIONS_MAX = 16,
    TFTP_DATA_HEADER_BYTES = 4,
    TFTP_OACK_MAX_BYTES = 128,
    TFTP_ERROR_MAX_BYTES = 128,
};

enum tftp_opcode {
    TFTP_OPCODE_RRQ = 1,
    TFTP_OPCODE_WRQ = 2,
    TFTP_OPCODE_DATA = 3,
    TFTP_OPCODE_ACK = 4,
    TFTP_OPCODE_ERROR = 5,
    TFTP_OPCODE_OACK = 6,
};

/* RFC 1350, "Error Codes"; 8 is RFC 2347's. */
enum tftp_error_code {
    TFTP_ERROR_UNDEFINED = 0,
    TFTP_ERROR_NOT_FOUND = 1,
    TFTP_ERROR_ACCESS = 2,
    TFTP_ERROR_ILLEGAL = 4,
    TFTP_ERROR_OPTION = 8,
};

enum tftp_mode { TFTP_MODE_OCTET, TFTP_MODE_NETASCII };

/* As asked for in a request, or as granted in an OACK. */
struct tftp_options {
    bool has_blksize;
    bool has_tsize;
    bool has_timeout;
    bool has_windowsize;
    uint32_t blksize;
    uint64_t tsize;
    uint32_t timeout; /* seconds */
    uint32_t windowsize;
};

struct tftp_request {
    char path[TFTP_PATH_SIZE]; /* as it came, but for a stray last 0xFF */
    enum tftp_mode mode;
    struct tftp_options options;
    size_t length_bytes; /* of the packet that asked */
};

enum tftp_request_kind {
    TFTP_REQUEST_READ,
    TFTP_REQUEST_WRITE,
    TFTP_REQUEST_MALFORMED, /* a request that deserves ERROR 4 */
    TFTP_REQUEST_NONE,      /* no request at all: to be met with silence */
};

/* What arrived at the well-known port. `request` is filled for READ only. Options that are unknown, without a
 * value or not a number are as if absent. */
enum tftp_request_kind tftp_decode_request(const void *bytes, size_t length_bytes,
                                           struct tftp_request *request);

enum tftp_reply_kind { TFTP_REPLY_ACK, TFTP_REPLY_ERROR, TFTP_REPLY_NONE };

struct tftp_reply {
    uint16_t block;   /* ACK */
    uint16_t code;    /* ERROR */
    const char *text; /* ERROR: inside the packet, not terminated, not to be trusted */
    size_t text_length_bytes;
};

/* What arrived at a transfer's own port. */
enum tftp_reply_kind tftp_decode_reply(const void *bytes, size_t length_bytes, struct tftp_reply *reply);

void tftp_encode_data_header(uint8_t to[TFTP_DATA_HEADER_BYTES], uint16_t block);
/* Only the options whose `has_` is set. Gives the length. */
size_t tftp_encode_oack(uint8_t to[TFTP_OACK_MAX_BYTES], const struct tftp_options *options);
/* `text` is cut if too long. Gives the length. */
size_t tftp_encode_error(uint8_t to[TFTP_ERROR_MAX_BYTES], enum tftp_error_code code, const char *text);

/* Appends `bytes` as netascii (RFC 764): a line end becomes CR LF, a CR becomes CR NUL. */
void tftp_append_netascii(struct text *to, const char *bytes, size_t length_bytes);
