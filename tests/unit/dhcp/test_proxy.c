#include "conversation.h"

#define SCENE CLEANUP(drop_scene) struct scene *s = scene_new(DHCP_MODE_PROXY)

static void drop_scene(struct scene **s)
{
    scene_free(*s);
}

static void expect_no_address(const struct dhcp_message *m)
{
    static const uint8_t of_a_lease[] = {DHCP_OPTION_SUBNET_MASK, DHCP_OPTION_ROUTER, DHCP_OPTION_DNS,
                                         DHCP_OPTION_LEASE_TIME, DHCP_OPTION_RENEWAL_TIME};

    assert_int_equal(m->yiaddr, 0);
    for (size_t i = 0; i < ARRAY_SIZE(of_a_lease); i++)
        assert_false(dhcp_has(m, of_a_lease[i]));
}

static void a_pi_is_told_where_to_boot(void **state)
{
    SCENE;

    as_pi4(says(s, 0, DHCP_DISCOVER));
    assert_int_equal(hear(s), DHCP_OUTCOME_PROXY_OFFER);
    const struct dhcp_message *offer = &s->answer.reply;
    expect_no_address(offer);
    assert_int_equal(dhcp_type(offer), DHCP_OFFER);
    assert_int_equal(offer->siaddr, SERVER);
    assert_int_equal(dhcp_get_u32(offer, DHCP_OPTION_SERVER_ID, 0), SERVER);
    expect_text(offer, DHCP_OPTION_VENDOR_CLASS, "PXEClient");
    expect_text(offer, DHCP_OPTION_TFTP_SERVER, "192.168.20.1");
    assert_true(dhcp_has(offer, DHCP_OPTION_VENDOR_SPECIFIC));
    assert_true(dhcp_has(offer, DHCP_OPTION_UUID));
    assert_int_equal(dhcp_route(&s->request, &s->answer), DHCP_ROUTE_BROADCAST);
}

static void unknown_machines_get_no_answer(void **state)
{
    SCENE;

    as_pi4(says(s, 7, DHCP_DISCOVER));
    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
    assert_int_equal(s->answer.why, DHCP_WHY_UNKNOWN);
}

static void plain_clients_are_the_routers(void **state)
{
    SCENE;
    struct dhcp_message *m = says(s, 0, DHCP_DISCOVER);

    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
    assert_int_equal(s->answer.why, DHCP_WHY_WANTS_ADDRESS);
    m = says(s, 0, DHCP_DISCOVER); /* klibc */
    dhcp_put(m, DHCP_OPTION_PARAMETERS, "\x01\x03\x06\x0c\x0f\x11\x1a\x1c\x28\x77\x79", 11);
    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
    dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_VENDOR_CLASS, "udhcp 1.35.0");
    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
}

static void nothing_else_is_answered(void **state)
{
    static const enum dhcp_message_type types[] = {DHCP_DECLINE, DHCP_RELEASE, DHCP_INFORM, DHCP_OFFER, DHCP_ACK};
    SCENE;

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        as_pi4(says(s, 0, types[i]));
        assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
    }
}

static void a_request_tells_where_the_machine_will_be(void **state)
{
    SCENE;

    assert_int_equal(select_offer(s, 0, 0xc0a81432, ROUTER), DHCP_OUTCOME_OTHER_SERVER);
    assert_int_equal(s->answer.other_server, ROUTER);
    assert_int_equal(s->answer.binding.address, 0xc0a81432);
    assert_true(mac_equal(&s->answer.binding.mac, &s->machine.mac));
    assert_int_equal(renew(s, 0, 0xc0a81432, false), DHCP_OUTCOME_OTHER_SERVER);
    assert_int_equal(s->answer.other_server, 0);
    assert_int_equal(s->answer.binding.address, 0xc0a81432);
}

static void ipxe_is_told_what_to_run(void **state)
{
    SCENE;

    as_ipxe(says(s, 0, DHCP_DISCOVER));
    assert_int_equal(hear(s), DHCP_OUTCOME_PROXY_OFFER);
    expect_no_address(&s->answer.reply);
    assert_string_equal(s->answer.reply.file, "boot.ipxe");
    expect_text(&s->answer.reply, DHCP_OPTION_VENDOR_CLASS, "PXEClient");
    /* It must go on waiting for us when the router's offer came first. */
    assert_false(dhcp_has(&s->answer.reply, DHCP_OPTION_IPXE));
}

static void a_pc_is_told_to_start_ipxe(void **state)
{
    SCENE;

    dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_VENDOR_CLASS, "PXEClient:Arch:00007:UNDI:003000");
    assert_int_equal(hear(s), DHCP_OUTCOME_PROXY_OFFER);
    const struct dhcp_message *offer = &s->answer.reply;
    expect_no_address(offer);
    expect_text(offer, DHCP_OPTION_VENDOR_CLASS, "PXEClient");
    assert_string_equal(offer->file, "ipxe/snponly.efi");
    /* Discovery control, bit 3: the file at once, and no menu. */
    expect_option(offer, DHCP_OPTION_VENDOR_SPECIFIC, "\x06\x01\x08\xff", 4);
}

static void uefi_is_given_ipxe_by_http(void **state)
{
    SCENE;

    dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_VENDOR_CLASS, "HTTPClient:Arch:00016:UNDI:003000");
    assert_int_equal(hear(s), DHCP_OUTCOME_PROXY_OFFER);
    expect_no_address(&s->answer.reply);
    expect_text(&s->answer.reply, DHCP_OPTION_VENDOR_CLASS, "HTTPClient");
    expect_text(&s->answer.reply, DHCP_OPTION_BOOT_FILE, "http://192.168.20.1/ipxe/snponly.efi");
}

static void firmware_without_a_loader_gets_no_answer(void **state)
{
    SCENE;

    dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_VENDOR_CLASS, "HTTPClient:Arch:00018:UNDI:003000");
    assert_int_equal(hear(s), DHCP_OUTCOME_IGNORE);
    assert_int_equal(s->answer.why, DHCP_WHY_NO_LOADER);
    assert_non_null(s->answer.no_boot_reason);
}

static void port_4011_repeats_it(void **state)
{
    SCENE;
    struct dhcp_message *m = says(s, 0, DHCP_REQUEST);

    m->ciaddr = 0xc0a81432;
    as_pi3(m);
    s->context.client = dhcp_recognise(m);
    dhcp_proxy_answer_boot(&s->context, m, &s->answer);
    assert_int_equal(s->answer.outcome, DHCP_OUTCOME_PROXY_ACK);
    assert_int_equal(dhcp_type(&s->answer.reply), DHCP_ACK);
    assert_int_equal(s->answer.reply.ciaddr, 0xc0a81432);
    assert_int_equal(s->answer.delay_ms, 0);
    expect_no_address(&s->answer.reply);

    m = says(s, 0, DHCP_DISCOVER);
    as_pi4(m);
    s->context.client = dhcp_recognise(m);
    dhcp_proxy_answer_boot(&s->context, m, &s->answer);
    assert_int_equal(s->answer.outcome, DHCP_OUTCOME_IGNORE);
}

static void ipxe_gets_a_root_path_at_port_4011(void **state)
{
    SCENE;

    s->machine.boot = MACHINE_BOOT_SAN;
    as_ipxe(says(s, 0, DHCP_DISCOVER));
    assert_int_equal(hear(s), DHCP_OUTCOME_PROXY_OFFER);
    assert_string_equal(s->answer.reply.file, "");
    expect_text(&s->answer.reply, DHCP_OPTION_VENDOR_CLASS, "PXEClient");
    assert_false(dhcp_has(&s->answer.reply, DHCP_OPTION_VENDOR_SPECIFIC));

    as_ipxe(says(s, 0, DHCP_REQUEST));
    s->context.client = dhcp_recognise(&s->request);
    dhcp_proxy_answer_boot(&s->context, &s->request, &s->answer);
    assert_int_equal(s->answer.outcome, DHCP_OUTCOME_PROXY_ACK);
    assert_true(dhcp_has(&s->answer.reply, DHCP_OPTION_ROOT_PATH));
    assert_true(dhcp_has(&s->answer.reply, DHCP_OPTION_VENDOR_SPECIFIC));
    assert_false(dhcp_has(&s->answer.reply, DHCP_OPTION_VENDOR_CLASS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pi_is_told_where_to_boot),
        cmocka_unit_test(unknown_machines_get_no_answer),
        cmocka_unit_test(plain_clients_are_the_routers),
        cmocka_unit_test(nothing_else_is_answered),
        cmocka_unit_test(a_request_tells_where_the_machine_will_be),
        cmocka_unit_test(ipxe_is_told_what_to_run),
        cmocka_unit_test(a_pc_is_told_to_start_ipxe),
        cmocka_unit_test(uefi_is_given_ipxe_by_http),
        cmocka_unit_test(firmware_without_a_loader_gets_no_answer),
        cmocka_unit_test(port_4011_repeats_it),
        cmocka_unit_test(ipxe_gets_a_root_path_at_port_4011),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
