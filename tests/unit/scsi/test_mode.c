#include "../test.h"

#include "fixture.h"

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

static void the_header_says_write_cache_and_fua(void **state)
{
    struct scsi_command *c = run(*state, CDB(OPCODE_MODE_SENSE_6, 0, 0x08, 0, 255), NULL, 0);
    const uint8_t start[] = {4 + 8 + 20 - 1, 0, 0x10, 8, 0, 0, 0x08, 0, 0, 0, 2, 0, 0x08, 18, 0x04};

    assert_int_equal(c->status, SCSI_GOOD);
    assert_int_equal(c->in_bytes, 32);
    assert_memory_equal(c->in, start, sizeof(start));
    end(c);
}

static void all_pages_and_the_long_header(void **state)
{
    struct scsi_command *c = run(*state, CDB(OPCODE_MODE_SENSE_10, 0x18, 0x3f, 0, 0, 0, 0, 1, 0), NULL, 0);

    assert_int_equal(c->in_bytes, 8 + 20 + 12 + 12); /* DBD: no block descriptor */
    assert_int_equal(c->in[1], c->in_bytes - 2);
    end(c);
    c = run(*state, CDB(OPCODE_MODE_SENSE_10, 0x10, 0x3f, 0, 0, 0, 0, 1, 0), NULL, 0);
    assert_int_equal(c->in_bytes, 8 + 16 + 20 + 12 + 12);
    assert_int_equal(c->in[7], 16);
    end(c);
}

static void a_read_only_disk_says_so(void **state)
{
    struct fixture *f = *state;
    f->volume->read_only = true;
    struct scsi_command *c = run(f, CDB(OPCODE_MODE_SENSE_6, 0, 0x3f, 0, 255), NULL, 0);

    assert_int_equal(c->in[2], 0x90);
    end(c);
}

static void what_cannot_be_asked(void **state)
{
    static const struct {
        uint8_t page, subpage;
        enum sense_code code;
    } rows[] = {
        {0xc8, 0, SENSE_CODE_SAVING_NOT_SUPPORTED},
        {0x02, 0, SENSE_CODE_INVALID_FIELD_IN_CDB},
        {0x08, 1, SENSE_CODE_INVALID_FIELD_IN_CDB},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(
            outcome(*state, CDB(OPCODE_MODE_SENSE_6, 0, rows[i].page, rows[i].subpage, 255), NULL, 0),
            FAILS(SENSE_ILLEGAL_REQUEST, rows[i].code));
}

static unsigned select_control(struct fixture *f, uint8_t sense_byte, uint8_t protect_byte)
{
    const uint8_t list[4 + 12] = {[4] = 0x0a, 10, 0x20 | sense_byte, 0x10, protect_byte, 0x40};

    return outcome(f, CDB(OPCODE_MODE_SELECT_6, 0x10, 0, 0, sizeof(list)), list, sizeof(list));
}

static void software_write_protection(void **state)
{
    static const uint8_t block[512];

    assert_int_equal(select_control(*state, 0, 0x08), SCSI_GOOD);
    assert_int_equal(outcome(*state, CDB(OPCODE_WRITE_10, [8] = 1), block, 512),
                     FAILS(SENSE_DATA_PROTECT, SENSE_CODE_WRITE_PROTECTED));
    assert_int_equal(select_control(*state, 0, 0), SCSI_GOOD);
    assert_int_equal(outcome(*state, CDB(OPCODE_WRITE_10, [8] = 1), block, 512), SCSI_GOOD);
}

static void a_change_is_told_to_the_other_nexus_only(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(select_control(f, 0x04, 0), SCSI_GOOD);
    assert_true(f->disk->mode.descriptor_sense);
    assert_int_equal(outcome(f, CDB(0), NULL, 0), SCSI_GOOD);
    assert_int_equal(outcome_on(&f->other, CDB(0), NULL, 0),
                     FAILS(SENSE_UNIT_ATTENTION, SENSE_CODE_MODE_CHANGED));
}

static void what_cannot_be_changed_is_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t list[4 + 12] = {[4] = 0x0a, 10, 0, 0x20};

    assert_int_equal(outcome(f, CDB(OPCODE_MODE_SELECT_6, 0x10, 0, 0, sizeof(list)), list, sizeof(list)),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_PARAMETERS));
    list[7] = 0x10;
    list[5] = 9; /* the page's length is wrong */
    assert_int_equal(
        outcome(f, CDB(OPCODE_MODE_SELECT_6, 0x10, 0, 0, sizeof(list) - 1), list, sizeof(list) - 1),
        FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_PARAMETERS));
    list[5] = 10; /* the list ends inside the page */
    assert_int_equal(outcome(f, CDB(OPCODE_MODE_SELECT_6, 0x10, 0, 0, 9), list, 9),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_PARAMETER_LIST_LENGTH));
    assert_int_equal(outcome(f, CDB(OPCODE_MODE_SELECT_6, 0x11, 0, 0, sizeof(list)), list, sizeof(list)),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB));
    assert_int_equal(outcome(f, CDB(OPCODE_MODE_SELECT_6, 0x10), NULL, 0), SCSI_GOOD);
}

static void without_write_cache_every_write_is_durable(void **state)
{
    struct fixture *f = *state;
    static const uint8_t block[512];
    const uint8_t list[4 + 20] = {[4] = 0x08, 18};

    assert_int_equal(outcome(f, CDB(OPCODE_WRITE_10, [8] = 1), block, 512), SCSI_GOOD);
    assert_int_equal(f->volume->durable_writes, 0);
    assert_int_equal(outcome(f, CDB(OPCODE_MODE_SELECT_6, 0x10, 0, 0, sizeof(list)), list, sizeof(list)),
                     SCSI_GOOD);
    assert_int_equal(outcome(f, CDB(OPCODE_WRITE_10, [8] = 1), block, 512), SCSI_GOOD);
    assert_int_equal(f->volume->durable_writes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DISK(the_header_says_write_cache_and_fua),
        WITH_DISK(all_pages_and_the_long_header),
        WITH_DISK(a_read_only_disk_says_so),
        WITH_DISK(what_cannot_be_asked),
        WITH_DISK(software_write_protection),
        WITH_DISK(a_change_is_told_to_the_other_nexus_only),
        WITH_DISK(what_cannot_be_changed_is_refused),
        WITH_DISK(without_write_cache_every_write_is_durable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
