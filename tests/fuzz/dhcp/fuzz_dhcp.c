/*
 * One packet through everything that sees it: frame, message, recognition, both engines, and the reply's encoding.
 *
 * The first byte chooses the circumstances (mode, known or not, by unicast or not), the rest is the UDP payload.
 */
#include "dhcp/frame.h"
#include "dhcp/proxy.h"
#include "dhcp/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PROXY = 1, UNKNOWN = 2, TO_US = 4, SAN = 8, BOOT_PORT = 16, CAUTIOUS = 32 };

static const struct dhcp_subnet subnet = {.network = {0xc0a81400, 24}, .range_first = 0xc0a81464,
                                          .range_last = 0xc0a814c7, .router = 0xc0a814fe, .lease_seconds = 3600};

static void encode(const struct dhcp_message *request, const struct dhcp_answer *answer)
{
    struct dhcp_layout layout = {dhcp_message_size_limit(request), answer->may_overload};
    struct dhcp_message again;
    uint8_t bytes[DHCP_REPLY_MAX_BYTES];
    unsigned left_out;
    ssize_t length = dhcp_message_encode(&answer->reply, &layout, bytes, &left_out);

    /* Whatever we send, we can read. */
    if (length >= 0)
        CHECK(length >= DHCP_REPLY_MIN_BYTES && dhcp_message_decode(&again, bytes, (size_t)length) == 0);
    dhcp_route(request, answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dhcp_config config = {.subnet_count = 1};
    struct machine machine = {.id = 1, .name = "pi-01", .address = 0xc0a8141f};
    struct dhcp_message request;
    struct dhcp_answer answer;
    struct dhcp_frame frame;

    dhcp_frame_decode(&frame, data, size);
    if (size == 0 || dhcp_message_decode(&request, data + 1, size - 1) < 0)
        return 0;
    uint8_t choice = data[0];
    config.mode = choice & PROXY ? DHCP_MODE_PROXY : DHCP_MODE_SERVER;
    config.authoritative = !(choice & CAUTIOUS);
    config.subnets[0] = subnet;
    machine.boot = choice & SAN ? MACHINE_BOOT_SAN : MACHINE_BOOT_DISK;
    machine.mac = dhcp_mac(&request);
    const struct dhcp_context context = {
        .config = &config,
        .server_address = 0xc0a81401,
        .sent_to_us = choice & TO_US,
        .machine = choice & UNKNOWN ? NULL : &machine,
        .client = dhcp_recognise(&request),
        .now_seconds = 1000,
        .iqn_prefix = "iqn.2026-11.internal.farboot",
        .iscsi_port = 3260,
        .addresses = address_table_new(),
    };
    if (choice & BOOT_PORT)
        dhcp_proxy_answer_boot(&context, &request, &answer);
    else if (choice & PROXY)
        dhcp_proxy_answer(&context, &request, &answer);
    else
        dhcp_server_answer(&context, &request, &answer);
    encode(&request, &answer);
    address_table_free(context.addresses);
    return 0;
}
