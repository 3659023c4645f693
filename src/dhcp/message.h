/*
 * DHCP messages: bytes to struct and back (RFC 2131 section 2, RFC 2132, RFC 3396).
 *
 * The codec knows where options may hide (the overloaded `file` and `sname` fields) and how long ones are split and
 * joined. It never knows what an option means.
 */
#pragma once

#include "base/mac.h"
#include "dhcp/options.h"

enum {
    DHCP_MESSAGE_MAX_BYTES = 2048, /* what we read; our own replies stay below an Ethernet frame */
    DHCP_REPLY_MAX_BYTES = 1472,
    DHCP_REPLY_MIN_BYTES = 300, /* BOOTP's size: old relays and ROMs drop what is shorter */
    DHCP_MESSAGE_SIZE_MIN = 576, /* every client takes an IP datagram of this size (RFC 2131 section 2) */
    DHCP_CHADDR_BYTES = 16,
    DHCP_SNAME_BYTES = 64,
    DHCP_FILE_BYTES = 128,
    DHCP_FLAG_BROADCAST = 0x8000,
};

enum dhcp_op { DHCP_OP_REQUEST = 1, DHCP_OP_REPLY = 2 };

/* Option 53. */
enum dhcp_message_type {
    DHCP_DISCOVER = 1,
    DHCP_OFFER = 2,
    DHCP_REQUEST = 3,
    DHCP_DECLINE = 4,
    DHCP_ACK = 5,
    DHCP_NAK = 6,
    DHCP_RELEASE = 7,
    DHCP_INFORM = 8,
    DHCP_MESSAGE_TYPES
};

/* The options of one message, each code once, in the order of their first appearance. */
struct dhcp_options {
    uint8_t bytes[DHCP_MESSAGE_MAX_BYTES];
    uint16_t used_bytes;
    bool overflowed; /* something was put that had no room: the message cannot be encoded */
    uint8_t count;
    uint8_t order[254];
    struct {
        bool present;
        uint16_t offset;
        uint16_t length_bytes;
    } at[256];
};

struct dhcp_message {
    enum dhcp_op op;
    uint8_t hardware_type;
    uint8_t hardware_length_bytes;
    uint8_t hops;
    uint32_t xid;
    uint16_t secs;
    uint16_t flags;
    uint32_t ciaddr;
    uint32_t yiaddr;
    uint32_t siaddr;
    uint32_t giaddr;
    uint8_t chaddr[DHCP_CHADDR_BYTES];
    char sname[DHCP_SNAME_BYTES + 1];
    char file[DHCP_FILE_BYTES + 1];
    struct dhcp_options options;
};

/* 0, or -EBADMSG for anything that is not one whole DHCP message. */
int dhcp_message_decode(struct dhcp_message *message, const void *bytes, size_t length_bytes);

/* How a reply may be laid out. */
struct dhcp_layout {
    size_t max_bytes;    /* what the client and the wire take, of the UDP payload */
    bool may_overload;   /* whether `file` and `sname`, when empty, may carry options if there is no room elsewhere */
};

/* Options are written in their order, option 82 last, then END, then padding to DHCP_REPLY_MIN_BYTES: never a pad
 * between options, which early Pi 4 firmware took for the end. What fits nowhere is left out and counted in
 * `left_out`. `to` holds DHCP_REPLY_MAX_BYTES. Gives the length, or -EMSGSIZE if the message holds too much at all. */
ssize_t dhcp_message_encode(const struct dhcp_message *message, const struct dhcp_layout *layout, uint8_t *to,
                            unsigned *left_out);

/* Option 57 as a payload size; what is absent or below the minimum counts as the minimum. */
size_t dhcp_message_size_limit(const struct dhcp_message *message);

/* ---- options of a message ---- */

bool dhcp_has(const struct dhcp_message *message, uint8_t code);
/* NULL and 0 when absent. Not NULL for an option of length 0. */
const uint8_t *dhcp_get(const struct dhcp_message *message, uint8_t code, size_t *length_bytes);
uint8_t dhcp_get_u8(const struct dhcp_message *message, uint8_t code, uint8_t when_absent);
uint16_t dhcp_get_u16(const struct dhcp_message *message, uint8_t code, uint16_t when_absent);
uint32_t dhcp_get_u32(const struct dhcp_message *message, uint8_t code, uint32_t when_absent);
bool dhcp_starts_with(const struct dhcp_message *message, uint8_t code, const char *prefix);
/* Whether option 55 asks for `code`. */
bool dhcp_asks_for(const struct dhcp_message *message, uint8_t code);

/* Each code at most once per message. */
void dhcp_put(struct dhcp_message *message, uint8_t code, const void *bytes, size_t length_bytes);
/* The same, in the place of one that is there. */
void dhcp_set(struct dhcp_message *message, uint8_t code, const void *bytes, size_t length_bytes);
void dhcp_put_u8(struct dhcp_message *message, uint8_t code, uint8_t value);
void dhcp_put_u32(struct dhcp_message *message, uint8_t code, uint32_t value);
void dhcp_put_addresses(struct dhcp_message *message, uint8_t code, const uint32_t *addresses, size_t count);
/* Without a trailing NUL: a Pi takes one for part of the name. Nothing at all for an empty text. */
void dhcp_put_text(struct dhcp_message *message, uint8_t code, const char *text);
/* As it stands in another message; nothing when it has none. */
void dhcp_copy_option(struct dhcp_message *message, const struct dhcp_message *from, uint8_t code);

/* ---- what every message has ---- */

/* 0 when absent. */
enum dhcp_message_type dhcp_type(const struct dhcp_message *message);
struct mac dhcp_mac(const struct dhcp_message *message);
