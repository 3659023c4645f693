#include "../test.h"

#include "api/journal.h"
#include "base/log.h"

#include <stdio.h>

struct fixture {
    struct loop *loop;
    struct journal *journal;
};

static int begin(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    log_set_level(LOG_LEVEL_ERROR);
    f->loop = loop_new("control");
    f->journal = journal_new(f->loop);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    loop_free(f->loop);
    journal_free(f->journal);
    free(f);
    return 0;
}

static struct mac mac_number(unsigned n)
{
    return (struct mac){{0x02, 0, 0, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static void add(struct journal *journal, uint64_t machine_id, unsigned mac, uint64_t time_ms, enum stage stage)
{
    struct event event = {.time_ms = time_ms, .machine_id = machine_id, .mac = mac_number(mac), .stage = stage,
                          .level = EVENT_INFO, .kind = "test"};

    if (machine_id)
        snprintf(event.machine, sizeof(event.machine), "m%u", mac);
    snprintf(event.text, sizeof(event.text), "at %llu", (unsigned long long)time_ms);
    journal_add(journal, &event);
}

static void events_are_numbered_and_read_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(journal_newest(f->journal), 0);
    assert_null(journal_next(f->journal, 0, NULL));
    add(f->journal, 1, 1, 1000, STAGE_DHCP);
    add(f->journal, 2, 2, 2000, STAGE_DHCP);
    add(f->journal, 1, 1, 3000, STAGE_FIRMWARE);
    assert_int_equal(journal_newest(f->journal), 3);
    assert_int_equal(journal_next(f->journal, 0, NULL)->number, 1);
    assert_int_equal(journal_next(f->journal, 1, "m1")->number, 3);
    assert_null(journal_next(f->journal, 3, NULL));
    assert_null(journal_next(f->journal, UINT64_MAX, NULL));
    assert_null(journal_next(f->journal, 0, "nobody"));
}

static void only_the_newest_are_kept(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 1; i <= JOURNAL_EVENTS_MAX + 10; i++)
        add(f->journal, 1, 1, i, STAGE_DHCP);
    assert_int_equal(journal_next(f->journal, 0, NULL)->number, 11);
    assert_int_equal(journal_next(f->journal, JOURNAL_EVENTS_MAX + 9, NULL)->event.time_ms, JOURNAL_EVENTS_MAX + 10);
}

static void each_address_has_its_boot(void **state)
{
    struct fixture *f = *state;
    struct mac one = mac_number(1), two = mac_number(2), three = mac_number(3);

    add(f->journal, 1, 1, 1000, STAGE_DHCP);
    add(f->journal, 2, 2, 1500, STAGE_DHCP);
    add(f->journal, 1, 1, 2000, STAGE_KERNEL);
    assert_int_equal(journal_boot_of(f->journal, &one)->boot.stage, STAGE_KERNEL);
    assert_int_equal(journal_boot_of(f->journal, &one)->boot.id, 1);
    assert_int_equal(journal_boot_of(f->journal, &two)->boot.id, 2);
    assert_null(journal_boot_of(f->journal, &three));
    assert_int_equal(journal_next(f->journal, 2, NULL)->event.boot_id, 1);
}

static void strangers_are_listed_newest_first_and_forgotten_first(void **state)
{
    struct fixture *f = *state;
    const struct journal_boot *strangers[3];
    struct mac machine = mac_number(1), oldest = mac_number(100);

    add(f->journal, 1, 1, 1, STAGE_DHCP);
    for (unsigned i = 0; i < JOURNAL_BOOTS_MAX; i++)
        add(f->journal, 0, 100 + i, 1000 + i, STAGE_DHCP);
    assert_non_null(journal_boot_of(f->journal, &machine));
    assert_null(journal_boot_of(f->journal, &oldest));
    assert_int_equal(journal_unknown(f->journal, strangers, 3), 3);
    assert_int_equal(strangers[0]->boot.last_ms, 1000 + JOURNAL_BOOTS_MAX - 1);
    assert_int_equal(strangers[2]->boot.last_ms, 1000 + JOURNAL_BOOTS_MAX - 3);
}

static void count_event(void *arg)
{
    ++*(unsigned *)arg;
}

static void threads_post_and_the_loop_takes_in(void **state)
{
    struct fixture *f = *state;
    struct event_sink sink = journal_sink(f->journal);
    struct machine machine = {.id = 7, .name = "pi-01", .mac = mac_number(9)};
    unsigned heard = 0;

    journal_on_event(f->journal, count_event, &heard);
    event_post(&sink, &machine, NULL, STAGE_DHCP, EVENT_INFO, "dhcp.offer", "offered %s", "192.168.20.31");
    assert_int_equal(heard, 0);
    loop_stop(f->loop);
    loop_run(f->loop);
    assert_int_equal(heard, 1);
    const struct journal_entry *entry = journal_next(f->journal, 0, "pi-01");
    assert_non_null(entry);
    assert_string_equal(entry->event.text, "offered 192.168.20.31");
    assert_true(entry->event.time_ms > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_are_numbered_and_read_once, begin, end),
        cmocka_unit_test_setup_teardown(only_the_newest_are_kept, begin, end),
        cmocka_unit_test_setup_teardown(each_address_has_its_boot, begin, end),
        cmocka_unit_test_setup_teardown(strangers_are_listed_newest_first_and_forgotten_first, begin, end),
        cmocka_unit_test_setup_teardown(threads_post_and_the_loop_takes_in, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
