#include "../test.h"

#include "base/bytes.h"
#include "fixture.h"
#include "scsi/table.h"

static void every_row_is_complete_and_in_order(void **state)
{
    size_t count;
    const struct scsi_entry *table = scsi_table(&count);

    for (size_t i = 0; i < count; i++) {
        const struct scsi_entry *e = &table[i];
        size_t length = cdb_length_bytes(e->opcode);
        assert_true(length > 0);
        assert_int_equal(e->usage[0], e->opcode);
        assert_true(e->run || e->flags & ENTRY_READS);
        assert_true(e->lba.at + e->lba.width <= length && e->blocks.at + e->blocks.width <= length);
        for (size_t byte = length; byte < CDB_BYTES; byte++)
            assert_int_equal(e->usage[byte], 0);
        if (e->service_action != SERVICE_ACTION_NONE)
            assert_int_equal(e->usage[1] & CDB1_SERVICE_ACTION, e->service_action);
        if (i > 0)
            assert_true(table[i - 1].opcode <= e->opcode);
    }
}

/* The usage data must name every bit that the numbers of a command are read from. */
static void usage_data_covers_the_fields(void **state)
{
    size_t count;
    const struct scsi_entry *table = scsi_table(&count);

    for (size_t i = 0; i < count; i++) {
        const struct scsi_entry *e = &table[i];
        const struct cdb_field fields[] = {e->blocks, e->length};
        for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
            for (unsigned byte = 0; byte < fields[f].width; byte++)
                assert_int_equal(e->usage[fields[f].at + byte], 0xff);
        }
    }
}

static void the_list_of_all_commands_is_the_table(void **state)
{
    size_t count;
    scsi_table(&count);
    struct scsi_command *c = run(*state, CDB(0xa3, 0x0c, 0x80, [8] = 0x20), NULL, 0);
    struct reader r = reader_over(c->in, c->in_bytes);

    assert_int_equal(c->status, SCSI_GOOD);
    assert_int_equal(reader_be32(&r), c->in_bytes - 4);
    assert_int_equal(c->in_bytes, 4 + count * 20);
    end(c);
}

static void one_command_is_described(void **state)
{
    static const struct {
        uint8_t option, opcode, action;
        unsigned support; /* 0: the command must fail */
        unsigned length;
    } rows[] = {
        {1, OPCODE_READ_10, 0, 3, 10},
        {1, OPCODE_WRITE_SAME_16, 0, 3, 16},
        {1, 0x85, 0, 1, 0}, /* ATA PASS-THROUGH */
        {1, OPCODE_SERVICE_ACTION_IN_16, 0, 0, 0},
        {2, OPCODE_SERVICE_ACTION_IN_16, ACTION_GET_LBA_STATUS, 3, 16},
        {2, OPCODE_SERVICE_ACTION_IN_16, 0x1f, 1, 0},
        {2, OPCODE_READ_10, 0, 0, 0},
        {3, OPCODE_READ_10, 0, 3, 10},
        {3, OPCODE_READ_10, 1, 1, 0},
        {4, OPCODE_READ_10, 0, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const uint8_t cdb[CDB_BYTES] = {0xa3, 0x0c, rows[i].option, rows[i].opcode, 0, rows[i].action, 0, 0,
                                        1,    0};
        struct scsi_command *c = run(*state, cdb, NULL, 0);
        if (!rows[i].support) {
            assert_int_equal(c->sense.code, SENSE_CODE_INVALID_FIELD_IN_CDB);
        } else {
            assert_int_equal(c->status, SCSI_GOOD);
            assert_int_equal(c->in[1], rows[i].support);
            assert_int_equal(c->in[3], rows[i].length);
            if (rows[i].length)
                assert_int_equal(c->in[4], rows[i].opcode);
        }
        end(c);
    }
}

static void unknown_commands(void **state)
{
    assert_int_equal(outcome(*state, CDB(0xff), NULL, 0),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_OPCODE));
    assert_int_equal(outcome(*state, CDB(0x9e, 0x1f), NULL, 0),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB));
}

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete_and_in_order),
        cmocka_unit_test(usage_data_covers_the_fields),
        WITH_DISK(the_list_of_all_commands_is_the_table),
        WITH_DISK(one_command_is_described),
        WITH_DISK(unknown_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
