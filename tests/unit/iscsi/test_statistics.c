#include "../test.h"

#include "iscsi/statistics.h"

#define SECOND 1000000000ull

static void durations_fall_into_powers_of_two(void **state)
{
    static const struct {
        uint64_t duration_ns;
        unsigned bucket;
    } rows[] = {
        {0, 0},           {999, 0},         {1000, 1},          {1999, 1},   {2000, 2},
        {3999, 2},        {4000, 3},        {127999, 7},        {128000, 8}, {SECOND, 20},
        {8 * SECOND, 23}, {9 * SECOND, 24}, {100 * SECOND, 24},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct statistics statistics = {0};
        struct statistics_view view;
        statistics_count(&statistics, STATISTICS_WRITE, 5 * SECOND, 5 * SECOND + rows[i].duration_ns);
        statistics_view(&statistics, 0, &view);
        for (unsigned kind = 0; kind < STATISTICS_KINDS; kind++) {
            for (unsigned bucket = 0; bucket < STATISTICS_BUCKETS; bucket++)
                assert_int_equal(view.latency[kind][bucket],
                                 kind == STATISTICS_WRITE && bucket == rows[i].bucket);
        }
    }
}

static void a_rate_is_that_of_the_last_whole_seconds(void **state)
{
    struct statistics statistics = {0};
    struct statistics_view view;

    for (uint64_t second = 100; second < 120; second++) {
        for (unsigned i = 0; i < second; i++)
            statistics_count(&statistics, STATISTICS_READ, second * SECOND, second * SECOND + i);
    }
    statistics_view(&statistics, 119 * SECOND + 1, &view); /* 114 to 118; 119 is not over */
    assert_int_equal(view.operations_per_second, 116);
    statistics_view(&statistics, 120 * SECOND, &view);
    assert_int_equal(view.operations_per_second, 117);
    statistics_view(&statistics, 123 * SECOND, &view); /* 118 and 119, and three of silence */
    assert_int_equal(view.operations_per_second, 47);
    statistics_view(&statistics, 200 * SECOND, &view);
    assert_int_equal(view.operations_per_second, 0);
}

static void the_deepest_queue_is_kept(void **state)
{
    static const unsigned depths[] = {1, 2, 7, 3, 0};
    struct statistics statistics = {0};
    struct statistics_view view;

    for (size_t i = 0; i < ARRAY_SIZE(depths); i++)
        statistics_set_depth(&statistics, depths[i]);
    statistics_view(&statistics, 0, &view);
    assert_int_equal(view.depth, 0);
    assert_int_equal(view.depth_max, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_fall_into_powers_of_two),
        cmocka_unit_test(a_rate_is_that_of_the_last_whole_seconds),
        cmocka_unit_test(the_deepest_queue_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
