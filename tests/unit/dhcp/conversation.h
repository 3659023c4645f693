/*
 * Clients and a server's surroundings for tests of the engines: what a client says in one line, and what it got.
 */
#pragma once

#include "../test.h"

#include "dhcp/proxy.h"
#include "dhcp/server.h"

#define SERVER 0xc0a81401u  /* 192.168.20.1, us */
#define ROUTER 0xc0a814feu
#define FIRST 0xc0a81464u   /* .100 */
#define LAST 0xc0a814c7u    /* .199 */
#define RESERVED 0xc0a8141fu
#define FAR_RELAY 0x0a090001u /* 10.9.0.1 */
#define NOW 100000u

struct scene {
    struct dhcp_config config;
    struct dhcp_context context;
    struct machine machine; /* pi-01 */
    struct dhcp_message request;
    struct dhcp_answer answer;
};

static inline bool scene_is_reserved(const void *arg, uint32_t address, const struct machine *machine)
{
    const struct scene *scene = arg;

    return address == scene->machine.address && machine != &scene->machine;
}

static inline struct scene *scene_new(enum dhcp_mode mode)
{
    struct scene *s = xcalloc(1, sizeof(*s));

    s->config = (struct dhcp_config){.mode = mode, .authoritative = true, .subnet_count = 2};
    s->config.subnets[0] = (struct dhcp_subnet){.network = {0xc0a81400, 24}, .range_first = FIRST, .range_last = LAST,
                                                .router = ROUTER, .dns = {ROUTER}, .dns_count = 1, .domain = "lab",
                                                .lease_seconds = 3600};
    s->config.subnets[1] = (struct dhcp_subnet){.network = {0x0a090000, 24}, .range_first = 0x0a090032,
                                                .range_last = 0x0a09003c, .router = FAR_RELAY, .lease_seconds = 600};
    s->machine = (struct machine){.id = 1, .name = "pi-01", .mac = {{0xdc, 0xa6, 0x32, 1, 2, 3}}};
    s->context = (struct dhcp_context){.config = &s->config,
                                       .server_address = SERVER,
                                       .now_seconds = NOW,
                                       .iqn_prefix = "iqn.2026-11.internal.farboot",
                                       .iscsi_port = 3260,
                                       .http_port = 80,
                                       .addresses = address_table_new(),
                                       .is_reserved = scene_is_reserved,
                                       .is_reserved_arg = s};
    return s;
}

static inline void scene_free(struct scene *s)
{
    address_table_free(s->context.addresses);
    free(s);
}

/* Begins a message. `client` 0 is the machine pi-01; others are strangers. */
static inline struct dhcp_message *says(struct scene *s, unsigned client, enum dhcp_message_type type)
{
    struct dhcp_message *m = &s->request;

    *m = (struct dhcp_message){.op = DHCP_OP_REQUEST, .hardware_type = 1, .hardware_length_bytes = 6, .xid = 42};
    memcpy(m->chaddr, client ? "\x02\0\0\0\0" : (const char *)s->machine.mac.bytes, 6);
    if (client)
        m->chaddr[5] = (uint8_t)client;
    if (type)
        dhcp_put_u8(m, DHCP_OPTION_MESSAGE_TYPE, (uint8_t)type);
    s->context.machine = client ? NULL : &s->machine;
    return m;
}

static inline void as_pi4(struct dhcp_message *m)
{
    dhcp_put(m, DHCP_OPTION_PARAMETERS, "\x01\x03\x2b\x3c\x42\x43\x80\x81\x82\x83\x84\x85\x86\x87", 14);
    dhcp_put(m, DHCP_OPTION_ARCHITECTURE, "\0\0", 2);
    dhcp_put(m, DHCP_OPTION_INTERFACE_ID, "\1\2\1", 3);
    dhcp_put(m, DHCP_OPTION_UUID, "\0RPi4\x11\x31\xc0\0\x32\1\2\3\xcd\xab\x34\x12", 17);
    dhcp_put_text(m, DHCP_OPTION_VENDOR_CLASS, "PXEClient:Arch:00000:UNDI:002001");
}

static inline void as_pi3(struct dhcp_message *m)
{
    m->xid = 0x26f30339;
    dhcp_put(m, DHCP_OPTION_PARAMETERS, "\x2b\x3c\x43\x80\x81\x82\x83\x84\x85\x86\x87\x42", 12);
    dhcp_put(m, DHCP_OPTION_ARCHITECTURE, "\0\0", 2);
    dhcp_put(m, DHCP_OPTION_INTERFACE_ID, "\1\2\1", 3);
    dhcp_put(m, DHCP_OPTION_UUID, "\0DDDDDDDDDDDDDDDD", 17);
    dhcp_put_text(m, DHCP_OPTION_VENDOR_CLASS, "PXEClient:Arch:00000:UNDI:002001");
}

static inline void as_ipxe(struct dhcp_message *m)
{
    dhcp_put_text(m, DHCP_OPTION_VENDOR_CLASS, "PXEClient:Arch:00000:UNDI:002001");
    dhcp_put_text(m, DHCP_OPTION_USER_CLASS, "iPXE");
    dhcp_put(m, DHCP_OPTION_MESSAGE_SIZE, "\x05\xc0", 2);
    dhcp_put(m, DHCP_OPTION_IPXE, "\xb1\1\1", 3);
}

static inline enum dhcp_outcome hear(struct scene *s)
{
    s->context.client = dhcp_recognise(&s->request);
    if (s->config.mode == DHCP_MODE_SERVER)
        dhcp_server_answer(&s->context, &s->request, &s->answer);
    else
        dhcp_proxy_answer(&s->context, &s->request, &s->answer);
    return s->answer.outcome;
}

/* ---- whole steps ---- */

static inline uint32_t discover(struct scene *s, unsigned client)
{
    says(s, client, DHCP_DISCOVER);
    return hear(s) == DHCP_OUTCOME_OFFER ? s->answer.reply.yiaddr : 0;
}

static inline enum dhcp_outcome select_offer(struct scene *s, unsigned client, uint32_t address, uint32_t server)
{
    struct dhcp_message *m = says(s, client, DHCP_REQUEST);

    dhcp_put_u32(m, DHCP_OPTION_REQUESTED_ADDRESS, address);
    dhcp_put_u32(m, DHCP_OPTION_SERVER_ID, server);
    return hear(s);
}

static inline enum dhcp_outcome reboot_with(struct scene *s, unsigned client, uint32_t address)
{
    dhcp_put_u32(says(s, client, DHCP_REQUEST), DHCP_OPTION_REQUESTED_ADDRESS, address);
    return hear(s);
}

static inline enum dhcp_outcome renew(struct scene *s, unsigned client, uint32_t address, bool to_us)
{
    says(s, client, DHCP_REQUEST)->ciaddr = address;
    s->context.sent_to_us = to_us;
    enum dhcp_outcome outcome = hear(s);
    s->context.sent_to_us = false;
    return outcome;
}

static inline uint32_t lease(struct scene *s, unsigned client)
{
    uint32_t address = discover(s, client);

    assert_int_not_equal(address, 0);
    assert_int_equal(select_offer(s, client, address, SERVER), DHCP_OUTCOME_ACK);
    assert_int_equal(s->answer.reply.yiaddr, address);
    return address;
}

static inline void expect_option(const struct dhcp_message *m, uint8_t code, const void *expected, size_t expected_bytes)
{
    size_t length_bytes;
    const uint8_t *bytes = dhcp_get(m, code, &length_bytes);

    assert_non_null(bytes);
    assert_int_equal(length_bytes, expected_bytes);
    assert_memory_equal(bytes, expected, length_bytes);
}

static inline void expect_text(const struct dhcp_message *m, uint8_t code, const char *text)
{
    expect_option(m, code, text, strlen(text));
}
