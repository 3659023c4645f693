/* Work that opens a disk waits while the disk is taken back. */
#include "../test.h"

#include "catalog/disk_gate.h"

#include <stdatomic.h>
#include <unistd.h>

static atomic_int ran;

static void run(struct work *work)
{
    atomic_fetch_add(&ran, 1);
}

static void let_time_pass(void)
{
    usleep(20 * 1000);
}

static void work_waits_until_its_gate_opens(void **state)
{
    struct workers *workers = workers_new(1, 8);
    struct disk_gate *gate = disk_gate_new(workers);
    struct work waiting[2] = {{.run = run}, {.run = run}}, other = {.run = run}, after = {.run = run};

    ran = 0;
    assert_true(disk_gate_close(gate, 7));
    assert_false(disk_gate_close(gate, 7));
    assert_true(disk_gate_submit(gate, 7, &waiting[0]));
    assert_true(disk_gate_submit(gate, 7, &waiting[1]));
    let_time_pass();
    assert_int_equal(ran, 0);
    assert_true(disk_gate_submit(gate, 8, &other));
    for (int i = 0; i < 500 && ran == 0; i++)
        let_time_pass();
    assert_int_equal(ran, 1);
    disk_gate_open(gate, 7);
    disk_gate_open(gate, 7); /* nothing happens */
    assert_true(disk_gate_submit(gate, 7, &after));
    workers_free(workers);
    assert_int_equal(ran, 4);
    disk_gate_free(gate);
}

static void what_was_accepted_runs_even_when_the_workers_are_full(void **state)
{
    struct workers *workers = workers_new(1, 0);
    struct disk_gate *gate = disk_gate_new(workers);
    struct work waiting = {.run = run}, refused = {.run = run};

    ran = 0;
    assert_true(disk_gate_close(gate, 7));
    assert_true(disk_gate_submit(gate, 7, &waiting));
    disk_gate_open(gate, 7);
    assert_int_equal(ran, 1);
    assert_false(disk_gate_submit(gate, 7, &refused));
    workers_free(workers);
    disk_gate_free(gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_waits_until_its_gate_opens),
        cmocka_unit_test(what_was_accepted_runs_even_when_the_workers_are_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
