/* SANITIZE: what it erases, what it shuts out, who goes on with it. */
#include "../test.h"

#include "fixture.h"

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
#define BAD_FIELD FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB)
#define IN_PROGRESS FAILS(SENSE_NOT_READY, SENSE_CODE_SANITIZE_IN_PROGRESS)
#define FAILED FAILS(SENSE_MEDIUM_ERROR, SENSE_CODE_SANITIZE_FAILED)

static const uint8_t block_erase[CDB_BYTES] = {OPCODE_SANITIZE, 0x02};
static const uint8_t exit_failure_mode[CDB_BYTES] = {OPCODE_SANITIZE, 0x1f};
static const uint8_t test_unit_ready[CDB_BYTES];

/* Keeps what is saved, and counts who should work. */
struct keeper {
    uint8_t saved[KEPT_MAX_BYTES];
    size_t saved_bytes;
    int error;
    unsigned calls;
    bool busy;
};

static int save(void *arg, const void *bytes, size_t length_bytes)
{
    struct keeper *keeper = arg;

    if (keeper->error)
        return keeper->error;
    memcpy(keeper->saved, bytes, length_bytes);
    keeper->saved_bytes = length_bytes;
    return 0;
}

static bool work(void *arg)
{
    struct keeper *keeper = arg;

    keeper->calls++;
    return !keeper->busy;
}

static void keep(struct fixture *f, struct keeper *keeper)
{
    scsi_disk_keep(f->disk, &(struct scsi_keeper){save, work, keeper},
                   keeper->saved_bytes ? keeper->saved : NULL, keeper->saved_bytes);
}

static void everything_reads_as_zeros(void **state)
{
    struct fixture *f = *state;

    memset(f->volume->data, 0x77, DISK_BYTES);
    memset(f->volume->mapped, true, DISK_BYTES / VOLUME_BLOCK_BYTES);
    assert_int_equal(outcome(f, block_erase, NULL, 0), SCSI_GOOD);
    for (size_t i = 0; i < DISK_BYTES; i++)
        assert_int_equal(f->volume->data[i], 0);
    assert_true(f->volume->flushes > 0);
    assert_int_equal(outcome(f, test_unit_ready, NULL, 0), SCSI_GOOD);
}

static void what_is_refused(void **state)
{
    static const uint8_t rows[][CDB_BYTES] = {
        {0x48, 0x00},    {0x48, 0x01, [8] = 5}, {0x48, 0x03},          {0x48, 0x42},
        {0x48, 0x02, 1}, {0x48, 0x02, [6] = 1}, {0x48, 0x02, [8] = 8}, {0x48, 0x1f, [8] = 8},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(outcome(*state, rows[i], NULL, 0), BAD_FIELD);
    assert_int_equal(outcome(*state, exit_failure_mode, NULL, 0), SCSI_GOOD);
}

static void a_read_only_disk_is_not_sanitized(void **state)
{
    struct fixture *f = *state;

    f->volume->read_only = true;
    assert_int_equal(outcome(f, block_erase, NULL, 0), FAILS(SENSE_DATA_PROTECT, SENSE_CODE_WRITE_PROTECTED));
}

static void while_it_runs_others_wait(void **state)
{
    struct fixture *f = *state;
    struct keeper keeper = {0};

    keep(f, &keeper);
    assert_int_equal(outcome(f, CDB(OPCODE_SANITIZE, 0x82), NULL, 0), SCSI_GOOD);
    assert_int_equal(keeper.calls, 1);
    assert_true(keeper.saved_bytes > 0);
    assert_int_equal(outcome(f, test_unit_ready, NULL, 0), IN_PROGRESS);
    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_READ_10, [8] = 1), NULL, 0), IN_PROGRESS);
    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_WRITE_10, [8] = 1), "", 0), IN_PROGRESS);
    assert_int_equal(outcome(f, block_erase, NULL, 0), IN_PROGRESS);
    assert_int_equal(outcome(f, CDB(OPCODE_INQUIRY, 0, 0, 0, 96), NULL, 0), SCSI_GOOD);
    assert_int_equal(outcome(f, CDB(OPCODE_REPORT_LUNS, [9] = 255), NULL, 0), SCSI_GOOD);
    struct scsi_command *sense = run(f, CDB(OPCODE_REQUEST_SENSE, 0, 0, 0, 32), NULL, 0);
    assert_int_equal(sense->in[2], SENSE_NOT_READY);
    assert_int_equal(sense->in[15] & 0x80, 0x80);
    end(sense);
    /* A reset does not end it. */
    scsi_nexus_reset(&f->nexus, -1);
    outcome(f, test_unit_ready, NULL, 0);
    assert_int_equal(outcome(f, test_unit_ready, NULL, 0), IN_PROGRESS);
    while (scsi_disk_work(f->disk))
        ;
    assert_int_equal(keeper.saved_bytes, 0);
    assert_int_equal(outcome(f, test_unit_ready, NULL, 0), SCSI_GOOD);
}

static void a_command_that_began_before_does_not_get_through(void **state)
{
    struct fixture *f = *state;
    struct keeper keeper = {0};
    uint8_t data[512] = {1};
    struct scsi_command write = {.nexus = &f->other, .cdb = {OPCODE_WRITE_10, [8] = 1}, .out_offered = 512};
    struct scsi_command read = {.nexus = &f->other, .cdb = {OPCODE_READ_10, [8] = 1}};

    keep(f, &keeper);
    assert_int_equal(scsi_begin(&write), SCSI_TAKE);
    assert_int_equal(scsi_begin(&read), SCSI_READ);
    assert_int_equal(outcome(f, CDB(OPCODE_SANITIZE, 0x82), NULL, 0), SCSI_GOOD);
    write.out = data;
    write.out_received = sizeof(data);
    assert_int_equal(scsi_execute(&write, VOLUME_MAY_WAIT), 0);
    assert_int_equal(write.sense.code, SENSE_CODE_SANITIZE_IN_PROGRESS);
    assert_int_equal(scsi_read(&read, 0, data, 512, VOLUME_NO_WAIT), -EIO);
    assert_int_equal(read.sense.code, SENSE_CODE_SANITIZE_IN_PROGRESS);
}

static void an_aborted_command_leaves_it_to_the_keeper(void **state)
{
    struct fixture *f = *state;
    struct keeper keeper = {.busy = true};
    struct scsi_command c = {.nexus = &f->nexus, .cdb = {OPCODE_SANITIZE, 0x02}};

    keep(f, &keeper);
    assert_int_equal(scsi_begin(&c), SCSI_EXECUTE);
    assert_int_equal(scsi_execute(&c, VOLUME_MAY_WAIT), 0);
    assert_true(c.unfinished);
    scsi_command_end(&c);
    assert_int_equal(keeper.calls, 1);
    /* It had no worker free: whoever asks next reminds it. */
    assert_int_equal(outcome(f, test_unit_ready, NULL, 0), IN_PROGRESS);
    assert_int_equal(keeper.calls, 2);
}

static void a_failure_stays_until_it_is_ended(void **state)
{
    struct fixture *f = *state;

    f->volume->flush_error = -EIO;
    assert_int_equal(outcome(f, CDB(OPCODE_SANITIZE, 0x22), NULL, 0), FAILED);
    assert_int_equal(outcome(f, CDB(OPCODE_READ_10, [8] = 1), NULL, 0), FAILED);
    assert_int_equal(outcome(f, exit_failure_mode, NULL, 0), SCSI_GOOD);
    assert_int_equal(outcome(f, test_unit_ready, NULL, 0), SCSI_GOOD);
    /* Without AUSE only another SANITIZE helps. */
    assert_int_equal(outcome(f, block_erase, NULL, 0), FAILED);
    assert_int_equal(outcome(f, exit_failure_mode, NULL, 0), BAD_FIELD);
    f->volume->flush_error = 0;
    assert_int_equal(outcome(f, block_erase, NULL, 0), SCSI_GOOD);
    assert_int_equal(outcome(f, test_unit_ready, NULL, 0), SCSI_GOOD);
}

static void it_goes_on_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct keeper keeper = {0};

    keep(f, &keeper);
    assert_int_equal(outcome(f, CDB(OPCODE_SANITIZE, 0x82), NULL, 0), SCSI_GOOD);
    struct scsi_disk *again = scsi_disk_new(f->volume);
    scsi_disk_keep(again, &(struct scsi_keeper){save, work, &keeper}, keeper.saved, keeper.saved_bytes);
    assert_int_equal(keeper.calls, 2);
    while (scsi_disk_work(again))
        ;
    assert_int_equal(keeper.saved_bytes, 0);
    scsi_disk_unref(again);
}

static void what_cannot_be_saved_does_not_begin(void **state)
{
    struct fixture *f = *state;
    struct keeper keeper = {.error = -ENOSPC};

    memset(f->volume->data, 0x77, DISK_BYTES);
    keep(f, &keeper);
    assert_int_equal(outcome(f, block_erase, NULL, 0),
                     FAILS(SENSE_HARDWARE_ERROR, SENSE_CODE_INTERNAL_FAILURE));
    assert_int_equal(f->volume->data[0], 0x77);
    assert_int_equal(outcome(f, test_unit_ready, NULL, 0), SCSI_GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DISK(everything_reads_as_zeros),
        WITH_DISK(what_is_refused),
        WITH_DISK(a_read_only_disk_is_not_sanitized),
        WITH_DISK(while_it_runs_others_wait),
        WITH_DISK(a_command_that_began_before_does_not_get_through),
        WITH_DISK(an_aborted_command_leaves_it_to_the_keeper),
        WITH_DISK(a_failure_stays_until_it_is_ended),
        WITH_DISK(it_goes_on_after_a_restart),
        WITH_DISK(what_cannot_be_saved_does_not_begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
