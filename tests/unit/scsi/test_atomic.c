/* WRITE ATOMIC: all or nothing through failures, crashes and readers. */
#include "../test.h"

#include "fixture.h"

#define BAD_FIELD FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB)
#define BROKEN FAILS(SENSE_HARDWARE_ERROR, SENSE_CODE_INTERNAL_FAILURE)

struct keeper {
    uint8_t saved[KEPT_MAX_BYTES];
    size_t saved_bytes;
    uint8_t record[KEPT_MAX_BYTES]; /* the last that was not empty */
    size_t record_bytes;
    unsigned saves;
    unsigned fails_at; /* this save and all after it; 0: none */
};

static struct keeper keeper;

static int save(void *arg, const void *bytes, size_t length_bytes)
{
    if (++keeper.saves >= keeper.fails_at && keeper.fails_at)
        return -EIO;
    memcpy(keeper.saved, bytes, length_bytes);
    keeper.saved_bytes = length_bytes;
    if (length_bytes) {
        memcpy(keeper.record, bytes, length_bytes);
        keeper.record_bytes = length_bytes;
    }
    return 0;
}

static const struct scsi_keeper interface = {.save = save};
static uint8_t blocks[ATOMIC_MAX_BYTES + 4096];

static int set_up(void **state)
{
    struct fixture *f;

    fixture_setup(state);
    f = *state;
    keeper = (struct keeper){0};
    scsi_disk_keep(f->disk, &interface, NULL, 0);
    memset(f->volume->data, 1, DISK_BYTES);
    memset(blocks, 2, sizeof(blocks));
    return 0;
}

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_teardown)

static unsigned write_atomic(struct fixture *f, uint8_t lba, unsigned count)
{
    return outcome(f, CDB(OPCODE_WRITE_ATOMIC_16, 0, [9] = lba, [12] = (uint8_t)(count >> 8), (uint8_t)count),
                   blocks, count * 512);
}

static bool all_are(const uint8_t *bytes, uint8_t value, size_t length)
{
    return bytes[0] == value && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static void blocks_are_recorded_written_and_forgotten(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(write_atomic(f, 8, 256), SCSI_GOOD);
    assert_int_equal(keeper.saves, 2);
    assert_int_equal(keeper.saved_bytes, 0);
    assert_true(keeper.record_bytes > ATOMIC_MAX_BYTES);
    assert_true(all_are(f->volume->data + 8 * 512, 2, ATOMIC_MAX_BYTES));
    assert_true(f->volume->durable_writes > 0);
}

static void what_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(write_atomic(f, 1, 8), BAD_FIELD);
    assert_int_equal(write_atomic(f, 0, 7), BAD_FIELD);
    assert_int_equal(write_atomic(f, 0, 264), BAD_FIELD);
    assert_int_equal(outcome(f, CDB(OPCODE_WRITE_ATOMIC_16, 0, [11] = 8, [13] = 8), blocks, 4096), BAD_FIELD);
    assert_int_equal(outcome(f, CDB(OPCODE_WRITE_ATOMIC_16, 0, [8] = 8, [13] = 8), blocks, 4096),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_LBA_OUT_OF_RANGE));
    assert_int_equal(write_atomic(f, 0, 0), SCSI_GOOD);
    f->disk->keeper = (struct scsi_keeper){0};
    assert_int_equal(write_atomic(f, 0, 8), FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_OPCODE));
    assert_int_equal(keeper.saves, 0);
}

static void after_a_crash_it_is_written_again(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(write_atomic(f, 16, 64), SCSI_GOOD);
    memset(f->volume->data + 20 * 512, 1, 40 * 512); /* as a cut in the middle would leave it */
    struct scsi_disk *again = scsi_disk_new(f->volume);
    scsi_disk_keep(again, &interface, keeper.record, keeper.record_bytes);
    assert_true(all_are(f->volume->data + 16 * 512, 2, 64 * 512));
    assert_int_equal(keeper.saved_bytes, 0);
    scsi_disk_unref(again);
}

static void without_a_record_nothing_is_written(void **state)
{
    struct fixture *f = *state;

    keeper.fails_at = 1;
    assert_int_equal(write_atomic(f, 0, 64), BROKEN);
    assert_true(all_are(f->volume->data, 1, DISK_BYTES));
}

static void a_record_that_stays_keeps_others_from_writing(void **state)
{
    struct fixture *f = *state;
    static const uint8_t write_10[CDB_BYTES] = {OPCODE_WRITE_10, [8] = 8};

    keeper.fails_at = 2;
    assert_int_equal(write_atomic(f, 0, 64), BROKEN);
    assert_int_equal(outcome(f, write_10, blocks, 4096), BROKEN);
    assert_int_equal(write_atomic(f, 0, 64), BROKEN);
    keeper.fails_at = 0;
    assert_int_equal(outcome(f, write_10, blocks, 4096), SCSI_GOOD);
    assert_int_equal(keeper.saved_bytes, 0);
}

static void a_full_disk_leaves_the_old_blocks(void **state)
{
    struct fixture *f = *state;

    f->volume->fails_in_the_middle = 24 * 512;
    assert_int_equal(write_atomic(f, 0, 64), FAILS(SENSE_DATA_PROTECT, SENSE_CODE_NO_SPACE));
    assert_true(all_are(f->volume->data, 1, DISK_BYTES));
    assert_int_equal(keeper.saved_bytes, 0);
}

static void a_read_that_it_overtakes_begins_again(void **state)
{
    struct fixture *f = *state;
    struct scsi_command met = {.nexus = &f->other, .cdb = {OPCODE_READ_10, [8] = 64}};
    struct scsi_command missed = {.nexus = &f->other, .cdb = {OPCODE_READ_10, [4] = 1, [8] = 64}};
    struct scsi_command late = {.nexus = &f->other, .cdb = {OPCODE_READ_10, [8] = 64}};
    static uint8_t to[64 * 512];

    assert_int_equal(scsi_begin(&met), SCSI_READ);
    assert_int_equal(scsi_begin(&missed), SCSI_READ);
    assert_int_equal(scsi_begin(&late), SCSI_READ);
    assert_int_equal(scsi_read(&met, 0, to, 4096, VOLUME_NO_WAIT), 0);
    assert_int_equal(scsi_read(&missed, 0, to, 4096, VOLUME_NO_WAIT), 0);
    assert_int_equal(write_atomic(f, 8, 64), SCSI_GOOD);
    assert_int_equal(scsi_read(&met, 4096, to, 4096, VOLUME_NO_WAIT), -EIO);
    assert_int_equal(met.sense.key, SENSE_ABORTED_COMMAND);
    assert_int_equal(scsi_read(&missed, 4096, to, 4096, VOLUME_NO_WAIT), 0);
    assert_int_equal(scsi_read(&late, 0, to, sizeof(to), VOLUME_NO_WAIT), 0);
    assert_int_equal(to[8 * 512], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DISK(blocks_are_recorded_written_and_forgotten),
        WITH_DISK(what_is_refused),
        WITH_DISK(after_a_crash_it_is_written_again),
        WITH_DISK(without_a_record_nothing_is_written),
        WITH_DISK(a_record_that_stays_keeps_others_from_writing),
        WITH_DISK(a_full_disk_leaves_the_old_blocks),
        WITH_DISK(a_read_that_it_overtakes_begins_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
