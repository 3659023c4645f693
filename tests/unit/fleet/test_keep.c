/* When automatic snapshots are due and when they are over, whatever the clock does. */
#include "../test.h"

#include "fleet/keep.h"

#include <stdio.h>
#include <time.h>

enum { HOUR = 3600, DAY = 24 * HOUR };

#define LIST_MAX 32

struct list {
    char names[LIST_MAX][KEEP_NAME_SIZE];
    struct keep_snapshot snapshots[LIST_MAX];
    size_t count;
};

static void add(struct list *list, enum keep_kind kind, uint64_t seconds)
{
    keep_name(list->names[list->count], kind, seconds, 1);
    list->snapshots[list->count] = (struct keep_snapshot){list->names[list->count], seconds};
    list->count++;
}

static void add_named(struct list *list, const char *name, uint64_t seconds)
{
    COPY_STRING(list->names[list->count], name);
    list->snapshots[list->count] = (struct keep_snapshot){list->names[list->count], seconds};
    list->count++;
}

static bool is_due(const struct list *list, enum keep_kind kind, uint64_t now)
{
    const struct keep_rules rules = {.keep = {[KEEP_HOURLY] = 3, [KEEP_DAILY] = 2}};

    return keep_is_due(&rules, kind, list->snapshots, list->count, now);
}

static void use_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static uint64_t local(int year, int month, int day, int hour)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_isdst = -1};

    return (uint64_t)mktime(&tm);
}

static void names_tell_what_is_automatic(void **state)
{
    static const char *const others[] = {"pristine", "hourly", "hourly-", "hourly-2026", "hourly-20261124_090000",
                                         "hourly-20261124-090000x", "hourly-20261124-090000-", "my-hourly-20261124-090000"};
    char name[KEEP_NAME_SIZE];
    enum keep_kind kind;

    use_zone("UTC");
    for (int k = 0; k < KEEP_KINDS; k++) {
        assert_true(keep_kind_of(keep_name(name, (enum keep_kind)k, 1795510800, 1), &kind));
        assert_int_equal(kind, k);
        assert_true(keep_kind_of(keep_name(name, (enum keep_kind)k, 1795510800, 12), &kind));
        assert_int_equal(kind, k);
    }
    assert_string_equal(keep_name(name, KEEP_HOURLY, 1795510800, 1), "hourly-20261124-090000");
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_false(keep_kind_of(others[i], &kind));
}

static void one_is_due_in_every_hour_and_on_every_day(void **state)
{
    struct list list = {0};

    use_zone("UTC");
    assert_true(is_due(&list, KEEP_HOURLY, 100 * DAY));
    add(&list, KEEP_HOURLY, 100 * DAY + 60);
    add(&list, KEEP_DAILY, 100 * DAY + 60);
    assert_false(is_due(&list, KEEP_HOURLY, 100 * DAY + HOUR - 1));
    assert_true(is_due(&list, KEEP_HOURLY, 100 * DAY + HOUR));
    assert_false(is_due(&list, KEEP_DAILY, 101 * DAY - 1));
    assert_true(is_due(&list, KEEP_DAILY, 101 * DAY));
    add_named(&list, "by-hand", 101 * DAY);
    assert_true(is_due(&list, KEEP_DAILY, 101 * DAY));
}

static void nothing_is_due_without_a_rule(void **state)
{
    const struct keep_rules none = {0};

    assert_false(keep_is_due(&none, KEEP_HOURLY, NULL, 0, 100 * DAY));
}

static void a_clock_that_jumps_makes_one_due_and_no_storm(void **state)
{
    struct list list = {0};

    use_zone("UTC");
    add(&list, KEEP_HOURLY, 100 * DAY);
    assert_true(is_due(&list, KEEP_HOURLY, 90 * DAY));
    add(&list, KEEP_HOURLY, 90 * DAY);
    assert_false(is_due(&list, KEEP_HOURLY, 90 * DAY + 60)); /* although one of a later time is there */
    assert_true(is_due(&list, KEEP_HOURLY, 200 * DAY));
    add(&list, KEEP_HOURLY, 200 * DAY);
    assert_false(is_due(&list, KEEP_HOURLY, 200 * DAY + 60));
}

static void days_are_the_calendars_when_clocks_change(void **state)
{
    struct list list = {0};

    use_zone("Europe/Berlin");
    add(&list, KEEP_DAILY, local(2026, 10, 24, 23)); /* the 25th has 25 hours */
    assert_true(is_due(&list, KEEP_DAILY, local(2026, 10, 25, 0)));
    add(&list, KEEP_DAILY, local(2026, 10, 25, 0));
    for (unsigned hour = 0; hour < 25; hour++)
        assert_false(is_due(&list, KEEP_DAILY, local(2026, 10, 25, 0) + hour * HOUR));
    assert_true(is_due(&list, KEEP_DAILY, local(2026, 10, 25, 0) + 25 * HOUR));
    add(&list, KEEP_DAILY, local(2027, 3, 28, 0)); /* and this one 23 */
    assert_false(is_due(&list, KEEP_DAILY, local(2027, 3, 28, 0) + 23 * HOUR - 1));
    assert_true(is_due(&list, KEEP_DAILY, local(2027, 3, 28, 0) + 23 * HOUR));
    /* The hour that comes twice is two hours. */
    add(&list, KEEP_HOURLY, local(2026, 10, 25, 0) + 2 * HOUR);
    assert_true(is_due(&list, KEEP_HOURLY, local(2026, 10, 25, 0) + 3 * HOUR));
    use_zone("UTC");
}

static void the_oldest_of_each_kind_go(void **state)
{
    const struct keep_rules rules = {.keep = {[KEEP_HOURLY] = 2, [KEEP_DAILY] = 1, [KEEP_ROLLBACK] = KEEP_ALL}};
    struct list list = {0};
    size_t over[LIST_MAX];

    add_named(&list, "pristine", 1);
    add(&list, KEEP_HOURLY, 500 * DAY); /* 1: the clock was wrong then */
    add(&list, KEEP_DAILY, 100 * DAY);  /* 2 */
    add(&list, KEEP_HOURLY, 100 * DAY); /* 3 */
    add_named(&list, "by-hand", 100 * DAY);
    add(&list, KEEP_ROLLBACK, 100 * DAY);
    add(&list, KEEP_HOURLY, 101 * DAY);
    add(&list, KEEP_DAILY, 101 * DAY);
    add(&list, KEEP_HOURLY, 102 * DAY);
    add(&list, KEEP_BOOT, 102 * DAY); /* 9: the rule was taken away */
    assert_int_equal(keep_over(&rules, list.snapshots, list.count, over), 4);
    assert_int_equal(over[0], 1);
    assert_int_equal(over[1], 2);
    assert_int_equal(over[2], 3);
    assert_int_equal(over[3], 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_tell_what_is_automatic),
        cmocka_unit_test(one_is_due_in_every_hour_and_on_every_day),
        cmocka_unit_test(nothing_is_due_without_a_rule),
        cmocka_unit_test(a_clock_that_jumps_makes_one_due_and_no_storm),
        cmocka_unit_test(days_are_the_calendars_when_clocks_change),
        cmocka_unit_test(the_oldest_of_each_kind_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
