#include "dhcp/answer.h"

static struct signal_bytes bytes_of(const struct dhcp_message *message, uint8_t code)
{
    struct signal_bytes bytes;

    bytes.data = dhcp_get(message, code, &bytes.length_bytes);
    return bytes;
}

struct recognition dhcp_recognise(const struct dhcp_message *message)
{
    const struct boot_signals signals = {
        .mac = dhcp_mac(message),
        .xid = message->xid,
        .parameters = bytes_of(message, DHCP_OPTION_PARAMETERS),
        .vendor_class = bytes_of(message, DHCP_OPTION_VENDOR_CLASS),
        .client_id = bytes_of(message, DHCP_OPTION_CLIENT_ID),
        .user_class = bytes_of(message, DHCP_OPTION_USER_CLASS),
        .architecture = bytes_of(message, DHCP_OPTION_ARCHITECTURE),
        .interface_id = bytes_of(message, DHCP_OPTION_INTERFACE_ID),
        .uuid = bytes_of(message, DHCP_OPTION_UUID),
        .has_host_name = dhcp_has(message, DHCP_OPTION_HOST_NAME),
        .has_message_size = dhcp_has(message, DHCP_OPTION_MESSAGE_SIZE),
        .has_ipxe_options = dhcp_has(message, DHCP_OPTION_IPXE),
    };

    return recognise(&signals);
}

bool dhcp_is_from_client(const struct dhcp_message *message)
{
    enum { ETHERNET = 1, GROUP_BIT = 1 };
    struct mac mac = dhcp_mac(message);

    return message->op == DHCP_OP_REQUEST && message->hardware_type == ETHERNET &&
           message->hardware_length_bytes == MAC_BYTES && dhcp_type(message) && !mac_is_zero(&mac) &&
           !(mac.bytes[0] & GROUP_BIT);
}

void dhcp_begin_reply(struct dhcp_message *reply, const struct dhcp_message *request, enum dhcp_message_type type,
                      uint32_t server_address)
{
    *reply = (struct dhcp_message){
        .op = DHCP_OP_REPLY,
        .hardware_type = request->hardware_type,
        .hardware_length_bytes = request->hardware_length_bytes,
        .xid = request->xid,
        .flags = request->flags,
        .giaddr = request->giaddr,
    };
    memcpy(reply->chaddr, request->chaddr, sizeof(reply->chaddr));
    dhcp_put_u8(reply, DHCP_OPTION_MESSAGE_TYPE, (uint8_t)type);
    dhcp_put_u32(reply, DHCP_OPTION_SERVER_ID, server_address);
    dhcp_copy_option(reply, request, DHCP_OPTION_UUID);
    dhcp_copy_option(reply, request, DHCP_OPTION_RELAY_INFORMATION);
}

enum dhcp_route dhcp_route(const struct dhcp_message *request, const struct dhcp_answer *answer)
{
    if (request->giaddr)
        return DHCP_ROUTE_RELAY;
    /* A client that is refused may believe in an address that is not usable here. */
    if (answer->outcome == DHCP_OUTCOME_NAK)
        return DHCP_ROUTE_BROADCAST;
    if (request->ciaddr)
        return DHCP_ROUTE_ADDRESS;
    if (answer->must_broadcast || request->flags & DHCP_FLAG_BROADCAST || !answer->reply.yiaddr)
        return DHCP_ROUTE_BROADCAST;
    return DHCP_ROUTE_HARDWARE;
}
