#include "dhcp/options.h"

static const struct dhcp_option_info options[] = {
    {DHCP_OPTION_SUBNET_MASK, "subnet mask", DHCP_TYPE_ADDRESS},
    {DHCP_OPTION_ROUTER, "router", DHCP_TYPE_ADDRESSES},
    {DHCP_OPTION_DNS, "domain name server", DHCP_TYPE_ADDRESSES},
    {DHCP_OPTION_HOST_NAME, "host name", DHCP_TYPE_TEXT},
    {DHCP_OPTION_DOMAIN, "domain name", DHCP_TYPE_TEXT},
    {DHCP_OPTION_ROOT_PATH, "root path", DHCP_TYPE_TEXT},
    {DHCP_OPTION_BROADCAST, "broadcast address", DHCP_TYPE_ADDRESS},
    {DHCP_OPTION_NTP, "NTP server", DHCP_TYPE_ADDRESSES},
    {DHCP_OPTION_VENDOR_SPECIFIC, "vendor specific", DHCP_TYPE_BYTES},
    {DHCP_OPTION_REQUESTED_ADDRESS, "requested address", DHCP_TYPE_ADDRESS},
    {DHCP_OPTION_LEASE_TIME, "lease time", DHCP_TYPE_U32},
    {DHCP_OPTION_OVERLOAD, "overload", DHCP_TYPE_U8},
    {DHCP_OPTION_MESSAGE_TYPE, "message type", DHCP_TYPE_U8},
    {DHCP_OPTION_SERVER_ID, "server identifier", DHCP_TYPE_ADDRESS},
    {DHCP_OPTION_PARAMETERS, "parameter request list", DHCP_TYPE_BYTES},
    {DHCP_OPTION_MESSAGE, "message", DHCP_TYPE_TEXT},
    {DHCP_OPTION_MESSAGE_SIZE, "maximum message size", DHCP_TYPE_U16},
    {DHCP_OPTION_RENEWAL_TIME, "renewal time", DHCP_TYPE_U32},
    {DHCP_OPTION_REBINDING_TIME, "rebinding time", DHCP_TYPE_U32},
    {DHCP_OPTION_VENDOR_CLASS, "vendor class", DHCP_TYPE_TEXT},
    {DHCP_OPTION_CLIENT_ID, "client identifier", DHCP_TYPE_BYTES},
    {DHCP_OPTION_TFTP_SERVER, "TFTP server name", DHCP_TYPE_TEXT},
    {DHCP_OPTION_BOOT_FILE, "boot file name", DHCP_TYPE_TEXT},
    {DHCP_OPTION_USER_CLASS, "user class", DHCP_TYPE_BYTES},
    {DHCP_OPTION_RELAY_INFORMATION, "relay agent information", DHCP_TYPE_BYTES},
    {DHCP_OPTION_ARCHITECTURE, "client architecture", DHCP_TYPE_BYTES},
    {DHCP_OPTION_INTERFACE_ID, "client network interface", DHCP_TYPE_BYTES},
    {DHCP_OPTION_UUID, "client machine identifier", DHCP_TYPE_BYTES},
    {DHCP_OPTION_IPXE, "iPXE options", DHCP_TYPE_BYTES},
    {DHCP_OPTION_ISCSI_INITIATOR, "iSCSI initiator name", DHCP_TYPE_TEXT},
};

/* Which lengths a type allows: `first` bytes, then any number of `more` (0: exactly `first`). */
static const struct {
    size_t first;
    size_t more;
} lengths[] = {
    [DHCP_TYPE_BYTES] = {0, 1},   [DHCP_TYPE_TEXT] = {1, 1}, [DHCP_TYPE_U8] = {1, 0},        [DHCP_TYPE_U16] = {2, 0},
    [DHCP_TYPE_U32] = {4, 0},     [DHCP_TYPE_ADDRESS] = {4, 0}, [DHCP_TYPE_ADDRESSES] = {4, 4},
};

const struct dhcp_option_info *dhcp_option_info(uint8_t code)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (options[i].code == code)
            return &options[i];
    }
    return NULL;
}

bool dhcp_option_length_is_possible(uint8_t code, size_t length_bytes)
{
    const struct dhcp_option_info *info = dhcp_option_info(code);

    if (!info)
        return true;
    size_t first = lengths[info->type].first;
    size_t more = lengths[info->type].more;
    if (length_bytes < first)
        return false;
    return more ? (length_bytes - first) % more == 0 : length_bytes == first;
}
