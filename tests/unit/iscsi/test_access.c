#include "../test.h"

#include "iscsi/access.h"
#include "iscsi/registry.h"

#define PREFIX "iqn.2026-11.internal.farboot"
#define OWN PREFIX ":machine:dc-a6-32-00-00-01"
#define OTHER PREFIX ":machine:dc-a6-32-00-00-02"
#define IPXE "iqn.2010-04.org.ipxe:pi-01"

enum address { UNKNOWN_ADDRESS, OWN_ADDRESS, OTHER_ADDRESS };

static void who_may_log_in(void **state)
{
    static const struct {
        const char *initiator;
        enum address address;
        bool target_exists;
        enum access expected;
    } rows[] = {
        {OWN, OWN_ADDRESS, true, ACCESS_GRANTED},
        {OWN, UNKNOWN_ADDRESS, true, ACCESS_GRANTED},
        {OWN, OTHER_ADDRESS, true, ACCESS_OTHER_ADDRESS},
        {PREFIX ":MACHINE:DC-A6-32-00-00-01", OWN_ADDRESS, true, ACCESS_GRANTED},
        {OTHER, OWN_ADDRESS, true, ACCESS_OTHER_MACHINE},
        {OTHER, UNKNOWN_ADDRESS, true, ACCESS_OTHER_MACHINE},
        {"iqn.1993-08.org.debian:01:abc", OWN_ADDRESS, true, ACCESS_OTHER_MACHINE},
        {"", OWN_ADDRESS, true, ACCESS_OTHER_MACHINE},
        {IPXE, OWN_ADDRESS, true, ACCESS_GRANTED},
        {IPXE, OTHER_ADDRESS, true, ACCESS_OTHER_ADDRESS},
        {IPXE, UNKNOWN_ADDRESS, true, ACCESS_UNKNOWN_ADDRESS},
        {OWN, OWN_ADDRESS, false, ACCESS_NO_SUCH_TARGET},
    };
    const struct machine machine = {.id = 1, .mac = {{0xdc, 0xa6, 0x32, 0, 0, 1}}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct access_request request = {.iqn_prefix = PREFIX,
                                         .initiator_name = rows[i].initiator,
                                         .machine = rows[i].target_exists ? &machine : NULL,
                                         .knows_mac = rows[i].address != UNKNOWN_ADDRESS,
                                         .mac = machine.mac};
        if (rows[i].address == OTHER_ADDRESS)
            request.mac.bytes[5] = 2;
        if (access_decide(&request) != rows[i].expected)
            fail_msg("row %zu (%s): %d", i, rows[i].initiator, access_decide(&request));
    }
}

static void refusals_have_their_own_status(void **state)
{
    assert_int_equal(access_status(ACCESS_GRANTED), LOGIN_SUCCESS);
    assert_int_equal(access_status(ACCESS_NO_SUCH_TARGET), LOGIN_NOT_FOUND);
    assert_int_equal(access_status(ACCESS_OTHER_ADDRESS), LOGIN_FORBIDDEN);
}

/* ---- sessions that replace one another ---- */

static unsigned closed, retried;

static void count_close(struct registry_entry *entry)
{
    closed++;
}

static void count_retry(struct registry_entry *entry)
{
    retried++;
}

static unsigned pinged;

static void count_ping(struct registry_entry *entry)
{
    pinged++;
}

static struct registry_entry *new_entry(struct registry *registry, const char *initiator, uint8_t qualifier)
{
    struct registry_entry *entry = xcalloc(1, sizeof(*entry));

    entry->close = count_close;
    entry->retry = count_retry;
    entry->ping = count_ping;
    COPY_STRING(entry->initiator_name, initiator);
    COPY_STRING(entry->target_name, "iqn.target");
    entry->isid[5] = qualifier;
    entry->machine_id = 1;
    assert_true(registry_add(registry, entry));
    return entry;
}

static bool enters(struct registry *registry, struct registry_entry *entry)
{
    struct registry_predecessor predecessor = {0};
    enum registry_answer answer = registry_enter(registry, entry, 1000, &predecessor);

    assert_true(answer == REGISTRY_ENTERED || answer == REGISTRY_WAIT);
    return answer == REGISTRY_ENTERED;
}

static void drop(struct registry *registry, struct registry_entry *entry)
{
    registry_remove(registry, entry);
    free(entry);
}

static void a_login_waits_for_the_session_it_replaces(void **state)
{
    struct registry registry;

    registry_init(&registry);
    closed = retried = 0;
    struct registry_entry *old = new_entry(&registry, "iqn.a", 1);
    assert_true(enters(&registry, old));
    assert_true(old->tsih != 0);
    struct registry_entry *renewed = new_entry(&registry, "IQN.A", 1);
    assert_false(enters(&registry, renewed));
    assert_int_equal(closed, 1);
    struct registry_entry *third = new_entry(&registry, "iqn.a", 1);
    assert_false(enters(&registry, third)); /* and closes the one that waits */
    assert_int_equal(closed, 2);
    drop(&registry, old);
    drop(&registry, renewed);
    assert_true(retried >= 1);
    assert_true(enters(&registry, third));
    drop(&registry, third);
    registry_end(&registry);
}

static void another_isid_is_another_session(void **state)
{
    struct registry registry;

    registry_init(&registry);
    closed = 0;
    struct registry_entry *a = new_entry(&registry, "iqn.a", 1);
    struct registry_entry *b = new_entry(&registry, "iqn.a", 2);
    assert_true(enters(&registry, a) && enters(&registry, b));
    assert_int_not_equal(a->tsih, b->tsih);
    assert_int_equal(closed, 0);
    drop(&registry, a);
    drop(&registry, b);
    registry_end(&registry);
}

static void an_unknown_tsih_has_no_session(void **state)
{
    struct registry_predecessor predecessor = {0};
    struct registry registry;

    registry_init(&registry);
    struct registry_entry *a = new_entry(&registry, "iqn.a", 1);
    a->tsih = 77;
    assert_int_equal(registry_enter(&registry, a, 0, &predecessor), REGISTRY_NO_SESSION);
    drop(&registry, a);
    registry_end(&registry);
}

static void a_living_session_elsewhere_keeps_its_place(void **state)
{
    struct registry_predecessor predecessor = {0};
    struct registry registry;

    registry_init(&registry);
    closed = pinged = 0;
    struct registry_entry *here = new_entry(&registry, "iqn.a", 1);
    here->address = 1;
    assert_true(enters(&registry, here));
    for (uint64_t attempt = 0; attempt < 3; attempt++) {
        struct registry_entry *other = new_entry(&registry, "iqn.a", 1);
        uint64_t now_ms = 5000 + attempt * 40000;
        other->address = 2;
        assert_int_equal(registry_enter(&registry, other, now_ms, &predecessor), REGISTRY_ASK_AGAIN);
        assert_int_equal(registry_enter(&registry, other, now_ms + 200, &predecessor), REGISTRY_ASK_AGAIN);
        assert_int_equal(pinged, attempt + 1);
        atomic_fetch_add(&here->requests, 1);
        assert_int_equal(registry_enter(&registry, other, now_ms + 400, &predecessor), REGISTRY_KEEPS_OTHER);
        assert_int_equal(predecessor.address, 1);
        assert_int_equal(predecessor.tell, attempt != 1); /* once in a minute */
        drop(&registry, other);
    }
    assert_int_equal(closed, 0);
    drop(&registry, here);
    registry_end(&registry);
}

static void a_dead_session_elsewhere_makes_way(void **state)
{
    struct registry_predecessor predecessor = {0};
    struct registry registry;

    registry_init(&registry);
    closed = 0;
    struct registry_entry *dead = new_entry(&registry, "iqn.a", 1);
    dead->address = 1;
    assert_true(enters(&registry, dead));
    struct registry_entry *fresh = new_entry(&registry, "iqn.a", 1);
    fresh->address = 2;
    assert_int_equal(registry_enter(&registry, fresh, 5000, &predecessor), REGISTRY_ASK_AGAIN);
    assert_int_equal(registry_enter(&registry, fresh, 5000 + REGISTRY_CONTEST_MS - 1, &predecessor),
                     REGISTRY_ASK_AGAIN);
    assert_int_equal(registry_enter(&registry, fresh, 5000 + REGISTRY_CONTEST_MS, &predecessor), REGISTRY_WAIT);
    assert_int_equal(closed, 1);
    drop(&registry, dead);
    assert_int_equal(registry_enter(&registry, fresh, 9000, &predecessor), REGISTRY_ENTERED);
    drop(&registry, fresh);
    registry_end(&registry);
}

static void dead_sessions_make_room(void **state)
{
    struct registry_entry *entries[REGISTRY_MACHINE_SESSIONS_MAX + 1];
    struct registry registry;

    registry_init(&registry);
    closed = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
        entries[i] = new_entry(&registry, "iqn.a", (uint8_t)i);
        atomic_store(&entries[i]->last_active_ms, i == 3 ? 1 : 100);
        assert_true(enters(&registry, entries[i]));
    }
    assert_int_equal(closed, 1);
    assert_true(entries[3]->closing);
    for (unsigned i = 0; i < ARRAY_SIZE(entries); i++)
        drop(&registry, entries[i]);
    registry_end(&registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_log_in),
        cmocka_unit_test(refusals_have_their_own_status),
        cmocka_unit_test(a_login_waits_for_the_session_it_replaces),
        cmocka_unit_test(another_isid_is_another_session),
        cmocka_unit_test(an_unknown_tsih_has_no_session),
        cmocka_unit_test(a_living_session_elsewhere_keeps_its_place),
        cmocka_unit_test(a_dead_session_elsewhere_makes_way),
        cmocka_unit_test(dead_sessions_make_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
