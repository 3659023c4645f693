#include "../test.h"

#include "loop/workers.h"

#include <stdatomic.h>

struct job {
    struct work work;
    int ran;
    unsigned *finished;
    struct loop *loop;
    bool home_thread;
};

enum { JOBS = 1000 };

static void run_job(struct work *work)
{
    CONTAINER_OF(work, struct job, work)->ran++;
}

static void job_done(struct work *work)
{
    struct job *job = CONTAINER_OF(work, struct job, work);

    job->home_thread = loop_is_current(job->loop);
    if (++*job->finished == JOBS)
        loop_stop(job->loop);
}

static void work_runs_once_and_comes_home(void **state)
{
    struct loop *loop = loop_new("test");
    struct workers *workers = workers_new(4, JOBS);
    struct job *jobs = xcalloc(JOBS, sizeof(*jobs));
    unsigned finished = 0;

    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.work = {.run = run_job, .done = job_done, .home = loop}, .finished = &finished, .loop = loop};
        assert_true(workers_submit(workers, &jobs[i].work));
    }
    loop_run(loop);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].ran, 1);
        assert_true(jobs[i].home_thread);
    }
    workers_free(workers);
    loop_free(loop);
    free(jobs);
}

static atomic_bool released;

static void wait_for_release(struct work *work)
{
    while (!atomic_load(&released))
        usleep(100);
}

static void a_full_queue_says_so(void **state)
{
    struct workers *workers = workers_new(1, 2);
    struct work work[8];
    unsigned accepted = 0;

    atomic_store(&released, false);
    for (size_t i = 0; i < ARRAY_SIZE(work); i++) {
        work[i] = (struct work){.run = wait_for_release};
        accepted += workers_submit(workers, &work[i]);
    }
    assert_in_range(accepted, 2, 3); /* one may have been taken up already */
    atomic_store(&released, true);
    workers_free(workers);
}

struct order {
    int seen[3];
    int count;
    struct loop *loop;
};

static void first_call(void *arg)
{
    struct order *order = arg;

    order->seen[order->count++] = 1;
}

static void second_call(void *arg)
{
    struct order *order = arg;

    order->seen[order->count++] = 2;
}

static void on_timer(void *arg)
{
    struct order *order = arg;

    order->seen[order->count++] = 3;
    loop_stop(order->loop);
}

static void calls_keep_their_order(void **state)
{
    struct loop *loop = loop_new("test");
    struct order order = {.loop = loop};
    struct loop_timer *timer = loop_timer_new(loop, on_timer, &order);

    loop_timer_set(timer, 5);
    loop_call(loop, first_call, &order);
    loop_call(loop, second_call, &order);
    loop_run(loop);
    assert_int_equal(order.count, 3);
    assert_int_equal(order.seen[0], 1);
    assert_int_equal(order.seen[1], 2);
    assert_int_equal(order.seen[2], 3);
    loop_timer_free(timer);
    loop_free(loop);
}

static void a_thread_ends_when_it_is_told(void **state)
{
    struct loop *loop = loop_new("test");
    struct order order = {.loop = loop};

    loop_start(loop);
    loop_call(loop, first_call, &order);
    loop_stop(loop);
    loop_join(loop);
    assert_int_equal(order.count, 1);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_runs_once_and_comes_home),
        cmocka_unit_test(a_full_queue_says_so),
        cmocka_unit_test(calls_keep_their_order),
        cmocka_unit_test(a_thread_ends_when_it_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
