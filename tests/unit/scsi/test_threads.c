/* What several workers do to one disk at once. */
#include "../test.h"

#include "base/bytes.h"
#include "fixture.h"

#include <pthread.h>

enum { ROUNDS = 200, PIECE_BLOCKS = 64, PIECE = PIECE_BLOCKS * 512 };

static int save(void *arg, const void *bytes, size_t length_bytes)
{
    return 0;
}

static const struct scsi_keeper interface = {.save = save};

static int set_up(void **state)
{
    fixture_setup(state);
    scsi_disk_keep(((struct fixture *)*state)->disk, &interface, NULL, 0);
    return 0;
}

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_teardown)

struct side {
    struct fixture *f;
    atomic_bool stop;
    atomic_uint written; /* rounds of the one who is preempted */
};

static unsigned persistent(struct scsi_nexus *nexus, unsigned action, uint64_t key, uint64_t service_key)
{
    uint8_t list[24] = {0};
    struct writer w = writer_over(list, sizeof(list));

    writer_be64(&w, key);
    writer_be64(&w, service_key);
    return outcome_on(nexus,
                      CDB(OPCODE_PERSISTENT_RESERVE_OUT, (uint8_t)action,
                          RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY, [8] = 24),
                      list, sizeof(list));
}

/* Writes the whole piece again and again with ever different bytes. */
static void *keep_writing(void *arg)
{
    struct side *side = arg;
    uint8_t data[PIECE];

    while (!atomic_load(&side->stop)) {
        unsigned round = atomic_fetch_add(&side->written, 1);
        memset(data, (int)(round % 200 + 1), sizeof(data));
        outcome_on(&side->f->other, CDB(OPCODE_WRITE_10, [8] = PIECE_BLOCKS), data, sizeof(data));
    }
    return NULL;
}

/* After PREEMPT AND ABORT nothing of the other reaches the medium: what is written then stays. */
static void who_is_preempted_writes_no_more(void **state)
{
    struct side side = {.f = *state};
    pthread_t thread;
    static uint8_t mine[PIECE], found[PIECE];

    memset(mine, 0xee, sizeof(mine));
    assert_int_equal(persistent(&side.f->nexus, 6, 0, 1), SCSI_GOOD);
    assert_int_equal(pthread_create(&thread, NULL, keep_writing, &side), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        assert_int_equal(persistent(&side.f->other, 6, 0, 2), SCSI_GOOD);
        assert_int_equal(persistent(&side.f->nexus, 1, 1, 0), SCSI_GOOD);
        unsigned before = atomic_load(&side.written);
        while (atomic_load(&side.written) == before)
            sched_yield();
        assert_int_equal(persistent(&side.f->nexus, 5, 1, 2), SCSI_GOOD);
        struct iovec out = {mine, PIECE}, in = {found, PIECE};
        assert_int_equal(volume_write(side.f->volume, &out, 1, 0, false, VOLUME_MAY_WAIT), 0);
        before = atomic_load(&side.written);
        while (atomic_load(&side.written) < before + 2)
            sched_yield();
        assert_int_equal(volume_read(side.f->volume, &in, 1, 0, VOLUME_MAY_WAIT), 0);
        assert_memory_equal(found, mine, PIECE);
        assert_int_equal(persistent(&side.f->nexus, 2, 1, 0), SCSI_GOOD);
        outcome_on(&side.f->other, CDB(0), NULL, 0);
    }
    atomic_store(&side.stop, true);
    pthread_join(thread, NULL);
}

static void *write_atomically(void *arg)
{
    struct side *side = arg;
    uint8_t data[PIECE];

    for (unsigned round = 0; !atomic_load(&side->stop); round++) {
        memset(data, (int)(round % 200 + 1), sizeof(data));
        CHECK(outcome_on(&side->f->other, CDB(OPCODE_WRITE_ATOMIC_16, [13] = PIECE_BLOCKS), data,
                         sizeof(data)) == SCSI_GOOD);
    }
    return NULL;
}

static void no_read_sees_half_of_an_atomic_write(void **state)
{
    struct side side = {.f = *state};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, write_atomically, &side), 0);
    for (unsigned round = 0; round < ROUNDS * 5; round++) {
        struct scsi_command *c = run_on(&side.f->nexus, CDB(OPCODE_READ_10, [8] = PIECE_BLOCKS), NULL, 0);
        assert_int_equal(c->status, SCSI_GOOD);
        assert_memory_equal(c->in, c->in + 1, PIECE - 1);
        end(c);
    }
    atomic_store(&side.stop, true);
    pthread_join(thread, NULL);
}

static void *preempt_all_the_time(void *arg)
{
    struct side *side = arg;

    while (!atomic_load(&side->stop)) {
        persistent(&side->f->other, 6, 0, 2);
        persistent(&side->f->nexus, 6, 0, 1);
        persistent(&side->f->nexus, 1, 1, 0);
        persistent(&side->f->nexus, 5, 1, 2);
        persistent(&side->f->nexus, 2, 1, 0);
        outcome_on(&side->f->other, CDB(0), NULL, 0);
    }
    return NULL;
}

/* Everybody who waits for everybody else: nothing stands still. */
static void those_who_wait_for_each_other_go_on(void **state)
{
    struct side side = {.f = *state};
    pthread_t preempting, writing;
    static uint8_t data[PIECE];

    assert_int_equal(pthread_create(&preempting, NULL, preempt_all_the_time, &side), 0);
    assert_int_equal(pthread_create(&writing, NULL, keep_writing, &side), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        outcome_on(&side.f->nexus, CDB(OPCODE_WRITE_ATOMIC_16, [13] = PIECE_BLOCKS), data, sizeof(data));
        outcome_on(&side.f->nexus, CDB(OPCODE_SANITIZE, 0x02), NULL, 0);
    }
    atomic_store(&side.stop, true);
    pthread_join(preempting, NULL);
    pthread_join(writing, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DISK(who_is_preempted_writes_no_more),
        WITH_DISK(no_read_sees_half_of_an_atomic_write),
        WITH_DISK(those_who_wait_for_each_other_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
