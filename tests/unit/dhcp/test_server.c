#include "conversation.h"

#define SCENE CLEANUP(drop_scene) struct scene *s = scene_new(DHCP_MODE_SERVER)

static void drop_scene(struct scene **s)
{
    scene_free(*s);
}

static void four_packets_make_a_lease(void **state)
{
    SCENE;
    uint32_t address = lease(s, 7);

    assert_in_range(address, FIRST, LAST);
    const struct dhcp_message *ack = &s->answer.reply;
    assert_int_equal(dhcp_type(ack), DHCP_ACK);
    assert_int_equal(dhcp_get_u32(ack, DHCP_OPTION_SERVER_ID, 0), SERVER);
    assert_int_equal(dhcp_get_u32(ack, DHCP_OPTION_SUBNET_MASK, 0), 0xffffff00);
    assert_int_equal(dhcp_get_u32(ack, DHCP_OPTION_ROUTER, 0), ROUTER);
    assert_int_equal(dhcp_get_u32(ack, DHCP_OPTION_DNS, 0), ROUTER);
    assert_int_equal(dhcp_get_u32(ack, DHCP_OPTION_LEASE_TIME, 0), 3600);
    assert_int_equal(dhcp_get_u32(ack, DHCP_OPTION_RENEWAL_TIME, 0), 1800);
    assert_int_equal(dhcp_get_u32(ack, DHCP_OPTION_REBINDING_TIME, 0), 3150);
    expect_text(ack, DHCP_OPTION_DOMAIN, "lab");
    assert_int_equal(s->answer.binding.state, ADDRESS_BOUND);
    assert_int_equal(s->answer.binding.expires_seconds, NOW + 3600);
    assert_int_equal(dhcp_route(&s->request, &s->answer), DHCP_ROUTE_HARDWARE);
}

static void an_offer_is_held_for_its_client(void **state)
{
    SCENE;
    uint32_t address = discover(s, 7);

    assert_int_equal(s->answer.binding.state, ADDRESS_OFFERED);
    assert_int_equal(discover(s, 7), address);
    assert_int_equal(reboot_with(s, 8, address), DHCP_OUTCOME_NAK);
}

static void an_offer_does_not_shorten_a_lease(void **state)
{
    SCENE;
    uint32_t address = lease(s, 7);
    struct mac mac = dhcp_mac(&s->request);

    assert_int_equal(discover(s, 7), address);
    assert_int_equal(address_of_mac(s->context.addresses, &mac)->state, ADDRESS_BOUND);
    assert_int_equal(address_of_mac(s->context.addresses, &mac)->expires_seconds, NOW + 3600);
}

static void every_stage_of_a_boot_has_one_address(void **state)
{
    SCENE;
    struct dhcp_message *m;

    as_pi4(says(s, 0, DHCP_DISCOVER));
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    uint32_t address = s->answer.reply.yiaddr;
    m = says(s, 0, DHCP_REQUEST);
    as_pi4(m);
    dhcp_put_u32(m, DHCP_OPTION_REQUESTED_ADDRESS, address);
    dhcp_put_u32(m, DHCP_OPTION_SERVER_ID, SERVER);
    assert_int_equal(hear(s), DHCP_OUTCOME_ACK);

    m = says(s, 0, DHCP_DISCOVER);
    as_ipxe(m);
    dhcp_put(m, DHCP_OPTION_CLIENT_ID, "\1\xdc\xa6\x32\1\2\3", 7);
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    assert_int_equal(s->answer.reply.yiaddr, address);
    assert_false(dhcp_has(&s->answer.reply, DHCP_OPTION_CLIENT_ID));

    m = says(s, 0, DHCP_DISCOVER);
    dhcp_put(m, DHCP_OPTION_CLIENT_ID, "\xff\1\2\3\4\0\2\0\0", 9);
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    assert_int_equal(s->answer.reply.yiaddr, address);
    assert_true(dhcp_has(&s->answer.reply, DHCP_OPTION_CLIENT_ID)); /* RFC 6842 */
}

static void a_reservation_is_the_machines_alone(void **state)
{
    SCENE;

    s->machine.address = RESERVED;
    assert_int_equal(discover(s, 0), RESERVED);
    s->machine.address = FIRST + 5;
    for (unsigned client = 1; client < 99; client++)
        assert_int_not_equal(lease(s, client), FIRST + 5);
    assert_int_equal(discover(s, 0), FIRST + 5);
    assert_int_equal(reboot_with(s, 1, FIRST + 5), DHCP_OUTCOME_NAK);
}

static void a_reservation_that_somebody_has_is_told(void **state)
{
    SCENE;
    uint32_t address = lease(s, 7);

    s->machine.address = address;
    assert_int_not_equal(discover(s, 0), address);
    assert_true(s->answer.reservation_is_taken);
    /* It comes free when the other one renews. */
    assert_int_equal(renew(s, 7, address, true), DHCP_OUTCOME_NAK);
}

static void a_pi3_owns_its_address_from_the_offer_on(void **state)
{
    SCENE;

    as_pi3(says(s, 0, DHCP_DISCOVER));
    assert_int_equal(hear(s), DHCP_OUTCOME_DURABLE_OFFER);
    assert_int_equal(s->answer.binding.state, ADDRESS_BOUND);
    assert_int_equal(s->answer.binding.expires_seconds, NOW + 3600);
    assert_int_equal(s->answer.delay_ms, 1000);
    assert_true(s->answer.announce_self);
    assert_int_equal(dhcp_route(&s->request, &s->answer), DHCP_ROUTE_BROADCAST);
    /* One that we do not know goes on to its next boot device and needs nothing. */
    as_pi3(says(s, 7, DHCP_DISCOVER));
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    assert_false(dhcp_has(&s->answer.reply, DHCP_OPTION_VENDOR_SPECIFIC));
}

static void another_servers_client_is_let_go(void **state)
{
    SCENE;
    uint32_t address = discover(s, 7);

    assert_int_equal(select_offer(s, 7, 0xc0a814fa, ROUTER), DHCP_OUTCOME_OTHER_SERVER);
    assert_int_equal(s->answer.other_server, ROUTER);
    assert_null(address_at(s->context.addresses, address));
}

static void an_offer_that_a_restart_forgot_is_kept(void **state)
{
    SCENE;

    assert_int_equal(select_offer(s, 7, FIRST + 3, SERVER), DHCP_OUTCOME_ACK);
    assert_int_equal(select_offer(s, 8, FIRST + 3, SERVER), DHCP_OUTCOME_NAK);
    assert_int_equal(select_offer(s, 8, 0x0a000001, SERVER), DHCP_OUTCOME_NAK);
}

static void init_reboot(void **state)
{
    SCENE;
    uint32_t address = lease(s, 7);

    assert_int_equal(reboot_with(s, 7, address), DHCP_OUTCOME_ACK);
    assert_int_equal(reboot_with(s, 7, address == LAST ? FIRST : address + 1), DHCP_OUTCOME_NAK);
    assert_int_equal(dhcp_route(&s->request, &s->answer), DHCP_ROUTE_BROADCAST);
    assert_int_equal(reboot_with(s, 8, 0x0a0a0a0a), DHCP_OUTCOME_NAK);
    assert_false(dhcp_has(&s->answer.reply, DHCP_OPTION_LEASE_TIME));
    assert_int_equal(s->answer.reply.yiaddr, 0);

    s->config.authoritative = false;
    assert_int_equal(reboot_with(s, 8, 0x0a0a0a0a), DHCP_OUTCOME_IGNORE);
    assert_int_equal(s->answer.why, DHCP_WHY_NOT_OURS);
    assert_int_equal(reboot_with(s, 7, 0x0a0a0a0a), DHCP_OUTCOME_NAK);
}

static void renewing_and_rebinding(void **state)
{
    SCENE;
    uint32_t address = lease(s, 7);

    s->context.now_seconds += 1800;
    assert_int_equal(renew(s, 7, address, true), DHCP_OUTCOME_ACK);
    assert_int_equal(s->answer.binding.expires_seconds, NOW + 1800 + 3600);
    assert_int_equal(s->answer.reply.ciaddr, address);
    assert_int_equal(dhcp_route(&s->request, &s->answer), DHCP_ROUTE_ADDRESS);
    s->context.now_seconds += 3200;
    assert_int_equal(renew(s, 7, address, false), DHCP_OUTCOME_ACK);
    assert_int_equal(renew(s, 8, address, false), DHCP_OUTCOME_NAK);
    s->config.authoritative = false;
    assert_int_equal(renew(s, 9, LAST, true), DHCP_OUTCOME_IGNORE);
}

static void who_comes_back_late_gets_what_is_still_free(void **state)
{
    SCENE;
    uint32_t address = lease(s, 7);

    s->context.now_seconds += 100000;
    assert_int_equal(renew(s, 7, address, true), DHCP_OUTCOME_ACK);
}

static void decline_keeps_an_address_back(void **state)
{
    SCENE;
    uint32_t address = lease(s, 7);
    struct dhcp_message *m = says(s, 8, DHCP_DECLINE);

    dhcp_put_u32(m, DHCP_OPTION_REQUESTED_ADDRESS, address);
    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
    assert_int_equal(s->answer.why, DHCP_WHY_KEPT_BY_OTHER);

    m = says(s, 7, DHCP_DECLINE);
    dhcp_put_u32(m, DHCP_OPTION_REQUESTED_ADDRESS, address);
    dhcp_put_u32(m, DHCP_OPTION_SERVER_ID, SERVER);
    assert_int_equal(hear(s), DHCP_OUTCOME_DECLINED);
    assert_int_equal(s->answer.binding.state, ADDRESS_DECLINED);
    uint32_t next = discover(s, 7);
    assert_int_not_equal(next, address);
    assert_int_not_equal(next, 0);
}

static void release_keeps_an_address_for_its_client(void **state)
{
    SCENE;
    uint32_t address = lease(s, 7);

    says(s, 8, DHCP_RELEASE)->ciaddr = address;
    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
    says(s, 7, DHCP_RELEASE)->ciaddr = address;
    assert_int_equal(hear(s), DHCP_OUTCOME_RELEASED);
    s->context.now_seconds += 50000;
    assert_int_equal(discover(s, 7), address);
}

static void inform_gets_no_lease(void **state)
{
    SCENE;

    says(s, 7, DHCP_INFORM)->ciaddr = 0xc0a81409;
    assert_int_equal(hear(s), DHCP_OUTCOME_INFORM);
    const struct dhcp_message *ack = &s->answer.reply;
    assert_int_equal(dhcp_type(ack), DHCP_ACK);
    assert_int_equal(ack->yiaddr, 0);
    assert_int_equal(ack->ciaddr, 0xc0a81409);
    assert_false(dhcp_has(ack, DHCP_OPTION_LEASE_TIME));
    assert_false(dhcp_has(ack, DHCP_OPTION_RENEWAL_TIME));
    assert_int_equal(dhcp_get_u32(ack, DHCP_OPTION_ROUTER, 0), ROUTER);
    assert_int_equal(dhcp_route(&s->request, &s->answer), DHCP_ROUTE_ADDRESS);
    assert_int_equal(address_count(s->context.addresses), 0);
}

static void a_relay_says_where_the_client_is(void **state)
{
    SCENE;
    struct dhcp_message *m = says(s, 7, DHCP_DISCOVER);

    m->giaddr = FAR_RELAY;
    m->hops = 1;
    dhcp_put(m, DHCP_OPTION_RELAY_INFORMATION, "\1\4port", 6);
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    assert_in_range(s->answer.reply.yiaddr, 0x0a090032, 0x0a09003c);
    assert_int_equal(s->answer.reply.giaddr, FAR_RELAY);
    assert_int_equal(s->answer.reply.hops, 0);
    expect_text(&s->answer.reply, DHCP_OPTION_RELAY_INFORMATION, "\1\4port");
    assert_int_equal(dhcp_route(&s->request, &s->answer), DHCP_ROUTE_RELAY);
    uint32_t address = s->answer.reply.yiaddr;

    /* A NAK must be broadcast by the relay. */
    m = says(s, 8, DHCP_REQUEST);
    m->giaddr = FAR_RELAY;
    dhcp_put_u32(m, DHCP_OPTION_REQUESTED_ADDRESS, FIRST);
    assert_int_equal(hear(s), DHCP_OUTCOME_NAK);
    assert_int_equal(dhcp_route(&s->request, &s->answer), DHCP_ROUTE_RELAY);
    assert_int_equal(s->answer.reply.flags, DHCP_FLAG_BROADCAST);

    /* A renewal comes through the router, without the relay. */
    m = says(s, 7, DHCP_REQUEST);
    m->giaddr = FAR_RELAY;
    dhcp_put_u32(m, DHCP_OPTION_REQUESTED_ADDRESS, address);
    dhcp_put_u32(m, DHCP_OPTION_SERVER_ID, SERVER);
    assert_int_equal(hear(s), DHCP_OUTCOME_ACK);
    assert_int_equal(renew(s, 7, address, true), DHCP_OUTCOME_ACK);
    assert_int_equal(s->answer.binding.expires_seconds, NOW + 600);
    /* The same address broadcast on our own wire is wrong there. */
    assert_int_equal(renew(s, 7, address, false), DHCP_OUTCOME_NAK);

    says(s, 7, DHCP_DISCOVER)->giaddr = 0x0a0a0a01;
    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
    assert_int_equal(s->answer.why, DHCP_WHY_NO_SUBNET);
}

static void the_broadcast_bit_is_honoured(void **state)
{
    SCENE;

    says(s, 7, DHCP_DISCOVER)->flags = DHCP_FLAG_BROADCAST;
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    assert_int_equal(s->answer.reply.flags, DHCP_FLAG_BROADCAST);
    assert_int_equal(dhcp_route(&s->request, &s->answer), DHCP_ROUTE_BROADCAST);
}

static void strangers_get_nothing_when_told_so(void **state)
{
    SCENE;

    s->config.known_only = true;
    assert_int_equal(discover(s, 7), 0);
    assert_int_equal(s->answer.why, DHCP_WHY_UNKNOWN);
    assert_int_equal(reboot_with(s, 7, 0x0a0a0a0a), DHCP_OUTCOME_IGNORE);
    assert_int_not_equal(discover(s, 0), 0);
}

static void a_subnet_without_range_serves_reservations(void **state)
{
    SCENE;

    s->config.subnets[0].range_first = s->config.subnets[0].range_last = 0;
    assert_int_equal(discover(s, 7), 0);
    assert_int_equal(s->answer.why, DHCP_WHY_NO_ADDRESS);
    s->machine.address = RESERVED;
    assert_int_equal(lease(s, 0), RESERVED);
}

static void ipxe_is_told_what_to_run(void **state)
{
    SCENE;

    as_ipxe(says(s, 0, DHCP_DISCOVER));
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    assert_string_equal(s->answer.reply.file, "boot.ipxe");
    assert_int_equal(s->answer.reply.siaddr, SERVER);
    expect_text(&s->answer.reply, DHCP_OPTION_IPXE, "\xb0\1\1");
    assert_false(dhcp_has(&s->answer.reply, DHCP_OPTION_ROOT_PATH));

    s->machine.boot = MACHINE_BOOT_SAN;
    as_ipxe(says(s, 0, DHCP_DISCOVER));
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    assert_string_equal(s->answer.reply.file, "");
    expect_text(&s->answer.reply, DHCP_OPTION_ROOT_PATH,
                "iscsi:192.168.20.1:::0:iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03");
    expect_text(&s->answer.reply, DHCP_OPTION_ISCSI_INITIATOR,
                "iqn.2026-11.internal.farboot:machine:dc-a6-32-01-02-03");
    s->context.iscsi_port = 860;
    as_ipxe(says(s, 0, DHCP_DISCOVER));
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    expect_text(&s->answer.reply, DHCP_OPTION_ROOT_PATH,
                "iscsi:192.168.20.1::860:0:iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03");
}

static void a_pc_is_given_ipxe_for_its_processor(void **state)
{
    static const struct {
        const char *vendor_class;
        const char *file;
    } rows[] = {
        {"PXEClient", "ipxe/undionly.kpxe"},
        {"PXEClient:Arch:00000:UNDI:002001", "ipxe/undionly.kpxe"},
        {"PXEClient:Arch:00007:UNDI:003000", "ipxe/snponly.efi"},
        {"PXEClient:Arch:00011:UNDI:003000", "ipxe/snponly-arm64.efi"},
    };
    SCENE;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_VENDOR_CLASS, rows[i].vendor_class);
        assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
        assert_null(s->answer.no_boot_reason);
        assert_string_equal(s->answer.reply.file, rows[i].file);
        assert_int_equal(s->answer.reply.siaddr, SERVER);
        assert_false(s->answer.may_overload);
    }
}

static void uefi_http_boot_is_given_an_absolute_uri(void **state)
{
    static const struct {
        const char *vendor_class;
        uint16_t port;
        const char *uri;
    } rows[] = {
        {"HTTPClient:Arch:00015:UNDI:003000", 80, "http://192.168.20.1/ipxe/snponly-i386.efi"},
        {"HTTPClient:Arch:00016:UNDI:003000", 80, "http://192.168.20.1/ipxe/snponly.efi"},
        {"HTTPClient:Arch:00019:UNDI:003000", 8080, "http://192.168.20.1:8080/ipxe/snponly-arm64.efi"},
    };
    SCENE;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        s->context.http_port = rows[i].port;
        dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_VENDOR_CLASS, rows[i].vendor_class);
        assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
        assert_null(s->answer.no_boot_reason);
        expect_text(&s->answer.reply, DHCP_OPTION_VENDOR_CLASS, "HTTPClient");
        expect_text(&s->answer.reply, DHCP_OPTION_BOOT_FILE, rows[i].uri);
        assert_string_equal(s->answer.reply.file, rows[i].uri);
        assert_false(s->answer.may_overload);
    }
    s->context.http_port = 0;
    dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_VENDOR_CLASS, rows[1].vendor_class);
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    assert_non_null(s->answer.no_boot_reason);
    assert_false(dhcp_has(&s->answer.reply, DHCP_OPTION_BOOT_FILE));
}

static void an_administrators_options_go_before_ours(void **state)
{
    struct settings settings;
    SCENE;

    settings_begin(&settings);
    settings.values[SETTING_DHCP_OPTION] = "150=ip:192.0.2.1,192.0.2.2 3=ip:192.168.20.9 224=hex:00fF 225=text:x=1 226=u16:258";
    settings.values[SETTING_BOOT_SERVER] = "192.168.20.7";
    settings.values[SETTING_BOOT_FILE] = "grub/x.efi";
    s->machine.settings = &settings;
    dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_VENDOR_CLASS, "PXEClient:Arch:00007:UNDI:003000");
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    const struct dhcp_message *offer = &s->answer.reply;
    expect_option(offer, 150, "\xc0\0\2\1\xc0\0\2\2", 8);
    expect_option(offer, DHCP_OPTION_ROUTER, "\xc0\xa8\x14\x09", 4);
    expect_option(offer, 224, "\0\xff", 2);
    expect_text(offer, 225, "x=1");
    expect_option(offer, 226, "\1\2", 2);
    expect_text(offer, DHCP_OPTION_TFTP_SERVER, "192.168.20.7");
    expect_text(offer, DHCP_OPTION_BOOT_FILE, "grub/x.efi");
    assert_string_equal(offer->file, "grub/x.efi");
    assert_string_equal(offer->sname, "192.168.20.7");
    assert_int_equal(offer->siaddr, 0xc0a81407);

    dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_HOST_NAME, "pi-01"); /* its system: options, no boot server */
    hear(s);
    assert_true(dhcp_has(&s->answer.reply, 150));
    assert_int_equal(s->answer.reply.siaddr, 0);
    discover(s, 1);
    assert_false(dhcp_has(&s->answer.reply, 150));
}

static void u_boot_is_told_the_server(void **state)
{
    SCENE;

    dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_VENDOR_CLASS, "U-Boot.armv8");
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    assert_null(s->answer.no_boot_reason);
    assert_int_equal(s->answer.reply.siaddr, SERVER);
}

static void who_cannot_boot_is_told_of(void **state)
{
    SCENE;

    dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_VENDOR_CLASS, "PXEClient:Arch:00027:UNDI:003000");
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    assert_non_null(s->answer.no_boot_reason);
    s->machine.boot = MACHINE_BOOT_SAN;
    as_pi4(says(s, 0, DHCP_DISCOVER));
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    assert_non_null(s->answer.no_boot_reason);
    assert_false(dhcp_has(&s->answer.reply, DHCP_OPTION_VENDOR_SPECIFIC));
}

static void whoever_asks_is_told_the_tftp_server(void **state)
{
    SCENE;

    dhcp_put(says(s, 7, DHCP_DISCOVER), DHCP_OPTION_PARAMETERS, "\1\3\x42", 3);
    assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
    expect_text(&s->answer.reply, DHCP_OPTION_TFTP_SERVER, "192.168.20.1");
    assert_int_equal(discover(s, 8) != 0, true);
    assert_false(dhcp_has(&s->answer.reply, DHCP_OPTION_TFTP_SERVER));
}

static void what_no_client_sends_is_ignored(void **state)
{
    SCENE;

    for (int type = 0; type < 20; type++) {
        says(s, 7, (enum dhcp_message_type)type);
        bool known = type == DHCP_DISCOVER || type == DHCP_REQUEST || type == DHCP_DECLINE || type == DHCP_RELEASE ||
                     type == DHCP_INFORM;
        enum dhcp_outcome outcome = hear(s);
        if (!known)
            assert_int_equal(outcome, DHCP_OUTCOME_IGNORE);
    }
    says(s, 7, DHCP_DISCOVER)->op = DHCP_OP_REPLY;
    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
    says(s, 7, DHCP_DISCOVER)->hardware_type = 32;
    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
    says(s, 7, DHCP_DISCOVER)->chaddr[0] = 1;
    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
    memset(says(s, 7, DHCP_DISCOVER)->chaddr, 0, 6);
    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
}

static void a_thousand_machines_have_a_thousand_addresses(void **state)
{
    SCENE;
    struct dhcp_subnet *subnet = &s->config.subnets[0];

    subnet->network = (struct inet_network){0xc0a80000, 16};
    subnet->range_first = 0xc0a81e00;
    subnet->range_last = 0xc0a8ff00;
    for (unsigned i = 1; i <= 1200; i++) {
        for (int stage = 0; stage < 3; stage++) {
            says(s, 1, DHCP_DISCOVER)->chaddr[3] = (uint8_t)(i >> 8);
            s->request.chaddr[4] = (uint8_t)i;
            assert_int_equal(hear(s), DHCP_OUTCOME_OFFER);
            uint32_t address = s->answer.reply.yiaddr;
            dhcp_put_u32(&s->request, DHCP_OPTION_REQUESTED_ADDRESS, address);
            dhcp_put_u32(&s->request, DHCP_OPTION_SERVER_ID, SERVER);
            s->request.options.bytes[0] = DHCP_REQUEST;
            assert_int_equal(hear(s), DHCP_OUTCOME_ACK);
            assert_int_equal(s->answer.reply.yiaddr, address);
        }
    }
    assert_int_equal(address_count(s->context.addresses), 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_packets_make_a_lease),
        cmocka_unit_test(an_offer_is_held_for_its_client),
        cmocka_unit_test(an_offer_does_not_shorten_a_lease),
        cmocka_unit_test(every_stage_of_a_boot_has_one_address),
        cmocka_unit_test(a_reservation_is_the_machines_alone),
        cmocka_unit_test(a_reservation_that_somebody_has_is_told),
        cmocka_unit_test(a_pi3_owns_its_address_from_the_offer_on),
        cmocka_unit_test(another_servers_client_is_let_go),
        cmocka_unit_test(an_offer_that_a_restart_forgot_is_kept),
        cmocka_unit_test(init_reboot),
        cmocka_unit_test(renewing_and_rebinding),
        cmocka_unit_test(who_comes_back_late_gets_what_is_still_free),
        cmocka_unit_test(decline_keeps_an_address_back),
        cmocka_unit_test(release_keeps_an_address_for_its_client),
        cmocka_unit_test(inform_gets_no_lease),
        cmocka_unit_test(a_relay_says_where_the_client_is),
        cmocka_unit_test(the_broadcast_bit_is_honoured),
        cmocka_unit_test(strangers_get_nothing_when_told_so),
        cmocka_unit_test(a_subnet_without_range_serves_reservations),
        cmocka_unit_test(ipxe_is_told_what_to_run),
        cmocka_unit_test(a_pc_is_given_ipxe_for_its_processor),
        cmocka_unit_test(uefi_http_boot_is_given_an_absolute_uri),
        cmocka_unit_test(an_administrators_options_go_before_ours),
        cmocka_unit_test(u_boot_is_told_the_server),
        cmocka_unit_test(who_cannot_boot_is_told_of),
        cmocka_unit_test(whoever_asks_is_told_the_tftp_server),
        cmocka_unit_test(what_no_client_sends_is_ignored),
        cmocka_unit_test(a_thousand_machines_have_a_thousand_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
