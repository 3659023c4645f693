#include "conversation.h"

#include "dhcp/report.h"

/* What was told, one line per event. */
static struct {
    unsigned count;
    struct event last;
    char kinds[256];
} heard;

static void post(void *arg, const struct event *event)
{
    heard.count++;
    heard.last = *event;
    strncat(heard.kinds, event->kind, sizeof(heard.kinds) - strlen(heard.kinds) - 2);
    strcat(heard.kinds, " ");
}

static const struct event_sink sink = {post, NULL};

static void tell(struct dhcp_report *report, struct scene *s, uint64_t now_ms)
{
    struct dhcp_subject subject = {
        .is_machine = s->context.machine != NULL, .machine = s->machine, .mac = dhcp_mac(&s->request), .now_ms = now_ms};

    hear(s);
    subject.client = s->context.client;
    dhcp_report_decision(report, &subject, &s->request, &s->answer);
}

static int setup(void **state)
{
    memset(&heard, 0, sizeof(heard));
    *state = xcalloc(1, sizeof(struct dhcp_report));
    ((struct dhcp_report *)*state)->sink = &sink;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void a_machines_boot_is_told(void **state)
{
    struct scene *s = scene_new(DHCP_MODE_PROXY);

    as_pi4(says(s, 0, DHCP_DISCOVER));
    tell(*state, s, 1000);
    assert_string_equal(heard.kinds, "dhcp.discover dhcp.offer ");
    assert_string_equal(heard.last.text, "told to boot from 192.168.20.1");
    assert_string_equal(heard.last.machine, "pi-01");
    assert_int_equal(heard.last.stage, STAGE_DHCP);
    tell(*state, s, 1001); /* the same again at once */
    assert_int_equal(heard.count, 2);
    tell(*state, s, 1000 + DHCP_REPORT_MACHINE_MS);
    assert_int_equal(heard.count, 4);
    scene_free(s);
}

static void an_unknown_machine_is_told_with_what_to_do(void **state)
{
    struct scene *s = scene_new(DHCP_MODE_PROXY);

    as_pi4(says(s, 7, DHCP_DISCOVER));
    tell(*state, s, 1000);
    assert_string_equal(heard.kinds, "dhcp.unknown ");
    assert_string_equal(heard.last.text,
                        "unknown Raspberry Pi 4 (serial 1234abcd) asks to boot; to let it: farboot machine add NAME "
                        "02:00:00:00:00:07 --image IMAGE");
    tell(*state, s, 6000);
    assert_int_equal(heard.count, 1);
    tell(*state, s, 1000 + DHCP_REPORT_STRANGER_MS);
    assert_int_equal(heard.count, 2);
    scene_free(s);
}

static void invented_clients_cannot_flood_the_log(void **state)
{
    struct scene *s = scene_new(DHCP_MODE_PROXY);

    for (unsigned i = 0; i < 5000; i++) {
        as_pi4(says(s, 1, DHCP_DISCOVER));
        s->request.chaddr[3] = (uint8_t)(i >> 8);
        s->request.chaddr[4] = (uint8_t)i;
        tell(*state, s, 1000);
    }
    assert_int_equal(heard.count, DHCP_REPORT_STRANGERS_PER_SECOND);
    scene_free(s);
}

static void why_nothing_boots_is_told(void **state)
{
    struct scene *s = scene_new(DHCP_MODE_PROXY);

    dhcp_put_text(says(s, 0, DHCP_DISCOVER), DHCP_OPTION_VENDOR_CLASS, "PXEClient:Arch:00027");
    tell(*state, s, 1000);
    assert_string_equal(heard.kinds, "dhcp.discover dhcp.noboot ");
    assert_int_equal(heard.last.level, EVENT_WARNING);
    scene_free(s);
}

static void each_outcome_of_the_server_has_its_sentence(void **state)
{
    struct scene *s = scene_new(DHCP_MODE_SERVER);
    struct dhcp_subject subject = {.is_machine = true, .machine = s->machine, .mac = s->machine.mac, .now_ms = 9000};

    says(s, 0, DHCP_DISCOVER);
    tell(*state, s, 1000);
    assert_non_null(strstr(heard.last.text, "offered 192.168.20."));
    dhcp_put_u32(says(s, 0, DHCP_REQUEST), DHCP_OPTION_REQUESTED_ADDRESS, 0x0a000001);
    tell(*state, s, 2000);
    assert_string_equal(heard.last.text, "asked for 10.0.0.1, which is not its own here: refused");
    dhcp_report_ack(*state, &subject, FIRST, false);
    assert_string_equal(heard.last.text, "has 192.168.20.100");
    dhcp_report_not_stored(*state, &subject, FIRST, -ENOSPC);
    assert_int_equal(heard.last.level, EVENT_ERROR);
    assert_string_equal(heard.kinds, "dhcp.discover dhcp.offer dhcp.nak dhcp.ack dhcp.store ");
    scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_machines_boot_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_machine_is_told_with_what_to_do, setup, teardown),
        cmocka_unit_test_setup_teardown(invented_clients_cannot_flood_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(why_nothing_boots_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(each_outcome_of_the_server_has_its_sentence, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
