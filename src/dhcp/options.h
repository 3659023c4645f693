/*
 * The DHCP options by number, name and type (RFC 2132 and its successors).
 *
 * The table says which lengths are possible; an option of an impossible length counts as absent.
 */
#pragma once

#include "base/base.h"

enum dhcp_option_code {
    DHCP_OPTION_PAD = 0,
    DHCP_OPTION_SUBNET_MASK = 1,
    DHCP_OPTION_ROUTER = 3,
    DHCP_OPTION_DNS = 6,
    DHCP_OPTION_HOST_NAME = 12,
    DHCP_OPTION_DOMAIN = 15,
    DHCP_OPTION_ROOT_PATH = 17,
    DHCP_OPTION_BROADCAST = 28,
    DHCP_OPTION_NTP = 42,
    DHCP_OPTION_VENDOR_SPECIFIC = 43,
    DHCP_OPTION_REQUESTED_ADDRESS = 50,
    DHCP_OPTION_LEASE_TIME = 51,
    DHCP_OPTION_OVERLOAD = 52,
    DHCP_OPTION_MESSAGE_TYPE = 53,
    DHCP_OPTION_SERVER_ID = 54,
    DHCP_OPTION_PARAMETERS = 55,
    DHCP_OPTION_MESSAGE = 56,
    DHCP_OPTION_MESSAGE_SIZE = 57,
    DHCP_OPTION_RENEWAL_TIME = 58,
    DHCP_OPTION_REBINDING_TIME = 59,
    DHCP_OPTION_VENDOR_CLASS = 60,
    DHCP_OPTION_CLIENT_ID = 61,
    DHCP_OPTION_TFTP_SERVER = 66,
    DHCP_OPTION_BOOT_FILE = 67,
    DHCP_OPTION_USER_CLASS = 77,
    DHCP_OPTION_RELAY_INFORMATION = 82,
    DHCP_OPTION_ARCHITECTURE = 93,
    DHCP_OPTION_INTERFACE_ID = 94,
    DHCP_OPTION_UUID = 97,
    DHCP_OPTION_IPXE = 175,
    DHCP_OPTION_ISCSI_INITIATOR = 203,
    DHCP_OPTION_END = 255,
};

enum dhcp_option_type {
    DHCP_TYPE_BYTES,
    DHCP_TYPE_TEXT,
    DHCP_TYPE_U8,
    DHCP_TYPE_U16,
    DHCP_TYPE_U32,
    DHCP_TYPE_ADDRESS,
    DHCP_TYPE_ADDRESSES,
};

struct dhcp_option_info {
    uint8_t code;
    const char *name;
    enum dhcp_option_type type;
};

/* NULL for an option we have no use for. */
const struct dhcp_option_info *dhcp_option_info(uint8_t code);
/* Options that are not in the table may have any length. */
bool dhcp_option_length_is_possible(uint8_t code, size_t length_bytes);
