#include "../test.h"

#include "base/bytes.h"
#include "fixture.h"

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

#define OUT_OF_RANGE FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_LBA_OUT_OF_RANGE)
#define BAD_FIELD FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB)

static uint8_t pattern[4096];

static void fill_pattern(uint8_t value)
{
    memset(pattern, value, sizeof(pattern));
}

/* What comes back without any data being needed: status or sense of one CDB. */
static void outcomes_of_single_commands(void **state)
{
    static const struct {
        const char *what;
        uint8_t cdb[CDB_BYTES];
        size_t out_bytes;
        unsigned expected;
    } rows[] = {
        {"read the last block", {0x28, 0, 0, 0, 0x07, 0xff, 0, 0, 1}, 0, SCSI_GOOD},
        {"read past the end", {0x28, 0, 0, 0, 0x07, 0xff, 0, 0, 2}, 0, OUT_OF_RANGE},
        {"read nothing inside", {0x28, 0, 0, 0, 0x07, 0xff, 0, 0, 0}, 0, SCSI_GOOD},
        {"read nothing at the capacity", {0x28, 0, 0, 0, 0x08, 0x00, 0, 0, 0}, 0, OUT_OF_RANGE},
        {"read nothing at 2^32-1", {0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0}, 0, OUT_OF_RANGE},
        {"read with protection", {0x28, 0x20, 0, 0, 0, 0, 0, 0, 1}, 0, BAD_FIELD},
        {"read with DPO and FUA", {0x28, 0x18, 0, 0, 0, 0, 0, 0, 1}, 0, SCSI_GOOD},
        {"read(16) whose sum wraps",
         {0x88, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 2},
         0,
         OUT_OF_RANGE},
        {"read(6) of 256 blocks", {0x08, 0, 0, 0, 0}, 0, SCSI_GOOD},
        {"read(6) of 256 blocks past the end", {0x08, 0, 0x07, 0x01, 0}, 0, OUT_OF_RANGE},
        {"verify with a reserved compare", {0x2f, 0x04, 0, 0, 0, 0, 0, 0, 1}, 0, BAD_FIELD},
        {"write same to the end", {0x41}, 512, SCSI_GOOD},
        {"write same with anchor", {0x93, 0x18, [13] = 1}, 512, BAD_FIELD},
        {"write same with too much data", {0x93, 0, [13] = 1}, 1024, BAD_FIELD},
        {"write same with too little data", {0x93, 0, [13] = 1}, 256, BAD_FIELD},
        {"write same without data", {0x93, 0x09, [13] = 8}, 0, SCSI_GOOD},
        {"compare and write with wrong data", {0x89, 0, [13] = 1}, 2048, BAD_FIELD},
        {"compare and write of nothing", {0x89, 0, [13] = 0}, 0, SCSI_GOOD},
        {"unmap of no list", {0x42}, 0, SCSI_GOOD},
        {"unmap of a cut header",
         {0x42, [8] = 7},
         7,
         FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_PARAMETER_LIST_LENGTH)},
        {"unmap of no descriptors", {0x42, [8] = 8}, 8, SCSI_GOOD},
        {"unmap with anchor", {0x42, 1, [8] = 8}, 8, BAD_FIELD},
        {"inquiry of a page without EVPD", {0x12, 0, 0x80, 0, 96}, 0, BAD_FIELD},
        {"inquiry of an unknown page", {0x12, 1, 0xee, 0, 96}, 0, BAD_FIELD},
        {"inquiry of no bytes", {0x12}, 0, SCSI_GOOD},
        {"lba status past the end", {0x9e, 0x12, [8] = 0x08, [13] = 24}, 0, OUT_OF_RANGE},
        {"capacity with an lba", {0x25, [5] = 1}, 0, BAD_FIELD},
        {"eject", {0x1b, 0, 0, 0, 0x02}, 0, BAD_FIELD},
        {"report luns of an unknown kind", {0xa0, 0, 0x10, [9] = 255}, 0, BAD_FIELD},
        {"prefetch past the end", {0x34, 0, 0, 0, 0x08, 0, 0, 0, 0}, 0, OUT_OF_RANGE},
        {"flush of a range past the end", {0x35, 0, 0, 0, 0x07, 0xff, 0, 0, 2}, 0, OUT_OF_RANGE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned got = outcome(*state, rows[i].cdb, pattern, rows[i].out_bytes);
        if (got != rows[i].expected)
            fail_msg("%s: got %06x, expected %06x", rows[i].what, got, rows[i].expected);
    }
}

static void what_is_written_is_read(void **state)
{
    struct fixture *f = *state;

    fill_pattern(0x5a);
    assert_int_equal(outcome(f, CDB(OPCODE_WRITE_16, 0, [9] = 3, [13] = 8), pattern, 4096), SCSI_GOOD);
    assert_memory_equal(f->volume->data + 3 * 512, pattern, 4096);
    struct scsi_command *c = run(f, CDB(OPCODE_READ_12, 0, 0, 0, 0, 3, 0, 0, 0, 8), NULL, 0);
    assert_int_equal(c->in_bytes, 4096);
    assert_memory_equal(c->in, pattern, 4096);
    end(c);
}

static void short_data_writes_whole_blocks_only(void **state)
{
    struct fixture *f = *state;

    fill_pattern(0x77);
    assert_int_equal(outcome(f, CDB(OPCODE_WRITE_10, [8] = 2), pattern, 700), SCSI_GOOD);
    assert_int_equal(f->volume->data[511], 0x77);
    assert_int_equal(f->volume->data[512], 0);
}

static void durability(void **state)
{
    struct fixture *f = *state;

    outcome(f, CDB(OPCODE_WRITE_10, 0, [8] = 1), pattern, 512);
    assert_int_equal(f->volume->durable_writes, 0);
    outcome(f, CDB(OPCODE_WRITE_10, CDB1_FUA, [8] = 1), pattern, 512);
    assert_int_equal(f->volume->durable_writes, 1);
    outcome(f, CDB(OPCODE_SYNCHRONIZE_CACHE_10), NULL, 0);
    assert_int_equal(f->volume->flushes, 1);
    outcome(f, CDB(OPCODE_SYNCHRONIZE_CACHE_16), NULL, 0);
    assert_int_equal(f->volume->flushes, 2);
}

static void what_the_volume_says_becomes_sense(void **state)
{
    static const struct {
        int error;
        unsigned reading, writing;
    } rows[] = {
        {-ENOSPC, FAILS(SENSE_DATA_PROTECT, SENSE_CODE_NO_SPACE),
         FAILS(SENSE_DATA_PROTECT, SENSE_CODE_NO_SPACE)},
        {-EROFS, FAILS(SENSE_DATA_PROTECT, SENSE_CODE_WRITE_PROTECTED),
         FAILS(SENSE_DATA_PROTECT, SENSE_CODE_WRITE_PROTECTED)},
        {-EIO, FAILS(SENSE_MEDIUM_ERROR, SENSE_CODE_READ_ERROR),
         FAILS(SENSE_MEDIUM_ERROR, SENSE_CODE_WRITE_ERROR)},
        {-ENOMEM, FAILS(SENSE_HARDWARE_ERROR, SENSE_CODE_INTERNAL_FAILURE),
         FAILS(SENSE_HARDWARE_ERROR, SENSE_CODE_INTERNAL_FAILURE)},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        f->volume->read_error = f->volume->write_error = rows[i].error;
        assert_int_equal(outcome(f, CDB(OPCODE_READ_10, [8] = 1), NULL, 0), rows[i].reading);
        assert_int_equal(outcome(f, CDB(OPCODE_WRITE_10, [8] = 1), pattern, 512), rows[i].writing);
    }
    f->volume->flush_error = -EIO;
    assert_int_equal(outcome(f, CDB(OPCODE_SYNCHRONIZE_CACHE_10), NULL, 0),
                     FAILS(SENSE_MEDIUM_ERROR, SENSE_CODE_WRITE_ERROR));
}

static void a_read_only_volume_refuses_every_way_to_change_it(void **state)
{
    struct fixture *f = *state;
    static const uint8_t opcodes[] = {OPCODE_WRITE_6,  OPCODE_WRITE_10,      OPCODE_WRITE_12,
                                      OPCODE_WRITE_16, OPCODE_WRITE_SAME_10, OPCODE_WRITE_SAME_16,
                                      OPCODE_UNMAP,    OPCODE_ORWRITE_16,    OPCODE_WRITE_VERIFY_10};

    f->volume->read_only = true;
    for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
        assert_int_equal(outcome(f, CDB(opcodes[i]), NULL, 0),
                         FAILS(SENSE_DATA_PROTECT, SENSE_CODE_WRITE_PROTECTED));
}

static void a_cold_read_goes_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct scsi_command c = {.nexus = &f->nexus, .cdb = {OPCODE_READ_10, [8] = 2}};
    uint8_t data[1024];

    f->volume->cold = true;
    assert_int_equal(scsi_begin(&c), SCSI_READ);
    assert_int_equal(scsi_read(&c, 0, data, sizeof(data), VOLUME_NO_WAIT), -EAGAIN);
    assert_int_equal(scsi_read(&c, 0, data, sizeof(data), VOLUME_MAY_WAIT), 0);
    assert_int_equal(c.status, SCSI_GOOD);
    scsi_command_end(&c);
}

static void verify_really_compares(void **state)
{
    struct fixture *f = *state;

    fill_pattern(0);
    assert_int_equal(outcome(f, CDB(OPCODE_VERIFY_10, 0x02, [8] = 8), pattern, 4096), SCSI_GOOD);
    f->volume->data[3000] = 1;
    struct scsi_command *c = run(f, CDB(OPCODE_VERIFY_10, 0x02, [8] = 8), pattern, 4096);
    assert_int_equal(c->sense.key, SENSE_MISCOMPARE);
    assert_int_equal(c->sense.information, 3000);
    end(c);
    assert_int_equal(outcome(f, CDB(OPCODE_VERIFY_16, 0x06, [13] = 5), pattern, 512), SCSI_GOOD);
    assert_int_equal(outcome(f, CDB(OPCODE_VERIFY_16, 0x06, [13] = 6), pattern, 512),
                     FAILS(SENSE_MISCOMPARE, SENSE_CODE_MISCOMPARE));
}

static void compare_and_write(void **state)
{
    struct fixture *f = *state;
    uint8_t data[1024] = {0};

    memset(data + 512, 0xbb, 512);
    assert_int_equal(outcome(f, CDB(OPCODE_COMPARE_AND_WRITE, 0, [13] = 1), data, 1024), SCSI_GOOD);
    assert_int_equal(f->volume->data[0], 0xbb);
    data[7] = 1;
    memset(f->volume->data, 0, 512);
    struct scsi_command *c = run(f, CDB(OPCODE_COMPARE_AND_WRITE, 0, [13] = 1), data, 1024);
    assert_int_equal(c->sense.key, SENSE_MISCOMPARE);
    assert_true(c->sense.has_information);
    assert_int_equal(c->sense.information, 7);
    end(c);
}

static void write_same_fills_and_clears(void **state)
{
    struct fixture *f = *state;

    fill_pattern(0xc3);
    assert_int_equal(outcome(f, CDB(OPCODE_WRITE_SAME_10, 0, [5] = 8, [8] = 16), pattern, 512), SCSI_GOOD);
    assert_int_equal(f->volume->data[8 * 512], 0xc3);
    assert_int_equal(f->volume->data[24 * 512 - 1], 0xc3);
    assert_int_equal(f->volume->data[24 * 512], 0);
    assert_int_equal(outcome(f, CDB(OPCODE_WRITE_SAME_16, 0x09, [9] = 8, [13] = 16), NULL, 0), SCSI_GOOD);
    assert_int_equal(f->volume->data[8 * 512], 0);
    assert_false(f->volume->mapped[1]);
}

static void put_unmap(uint8_t *list, unsigned n, uint64_t lba, uint32_t blocks)
{
    struct writer w = writer_over(list + 8 + 16 * n, 16);
    struct writer header = writer_over(list, 8);

    writer_be64(&w, lba);
    writer_be32(&w, blocks);
    writer_be32(&w, 0);
    writer_be16(&header, (uint16_t)(6 + 16 * (n + 1)));
    writer_be16(&header, (uint16_t)(16 * (n + 1)));
}

static void unmap_lists(void **state)
{
    struct fixture *f = *state;
    uint8_t list[8 + 32] = {0};

    memset(f->volume->data, 0xee, 64 * 512);
    put_unmap(list, 0, 0, 8);
    put_unmap(list, 1, 16, 0);
    assert_int_equal(outcome(f, CDB(OPCODE_UNMAP, [8] = 40), list, 40), SCSI_GOOD);
    assert_int_equal(f->volume->data[0], 0);
    assert_int_equal(f->volume->data[8 * 512], 0xee);
    /* One descriptor outside: nothing at all is unmapped. */
    put_unmap(list, 0, 8, 8);
    put_unmap(list, 1, DISK_BLOCKS - 1, 2);
    assert_int_equal(outcome(f, CDB(OPCODE_UNMAP, [8] = 40), list, 40), OUT_OF_RANGE);
    assert_int_equal(f->volume->data[8 * 512], 0xee);
    put_unmap(list, 1, UINT64_MAX, UINT32_MAX);
    assert_int_equal(outcome(f, CDB(OPCODE_UNMAP, [8] = 40), list, 40), OUT_OF_RANGE);
}

static void lba_status_begins_where_asked(void **state)
{
    struct fixture *f = *state;
    uint8_t *m = (uint8_t *)f->volume->mapped;

    m[0] = m[1] = true;
    struct scsi_command *c = run(f, CDB(0x9e, 0x12, [9] = 3, [13] = 40), NULL, 0);
    const uint8_t expected[] = {0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 3,    0,    0, 0, 13,
                                0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 7, 0xf0, 0x01, 0, 0, 0};
    assert_int_equal(c->in_bytes, sizeof(expected));
    assert_memory_equal(c->in, expected, sizeof(expected));
    end(c);
}

static void capacity(void **state)
{
    struct scsi_command *c = run(*state, CDB(0x9e, 0x10, [13] = 32), NULL, 0);
    const uint8_t expected[15] = {0, 0, 0, 0, 0, 0, 0x07, 0xff, 0, 0, 0x02, 0, 0, 0x00, 0xc0};

    assert_int_equal(c->in_bytes, 32);
    assert_memory_equal(c->in, expected, sizeof(expected));
    end(c);
}

static void vital_pages(void **state)
{
    static const struct {
        uint8_t code;
        size_t length;
    } pages[] = {{0x00, 12}, {0x80, 36}, {0x86, 64}, {0x8f, 104}, {0xb0, 64}, {0xb1, 64}, {0xb2, 8}};
    struct scsi_command *c;

    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        c = run(*state, CDB(OPCODE_INQUIRY, 1, pages[i].code, 1, 0), NULL, 0);
        assert_int_equal(c->status, SCSI_GOOD);
        assert_int_equal(c->in_bytes, pages[i].length);
        assert_int_equal(c->in[1], pages[i].code);
        assert_int_equal(c->in[2] << 8 | c->in[3], pages[i].length - 4);
        end(c);
    }
    /* Linux asks for four bytes first. */
    c = run(*state, CDB(OPCODE_INQUIRY, 1, 0x83, 0, 4), NULL, 0);
    assert_int_equal(c->in_bytes, 4);
    end(c);
}

static void designators_are_well_formed(void **state)
{
    struct scsi_command *c = run(*state, CDB(OPCODE_INQUIRY, 1, 0x83, 2, 0), NULL, 0);
    struct reader r = reader_over(c->in + 4, c->in_bytes - 4);
    unsigned count = 0;

    while (reader_left(&r)) {
        uint8_t code = reader_u8(&r) & 0x0f;
        uint8_t kind = reader_u8(&r) & 0x0f;
        reader_skip(&r, 1);
        uint8_t length = reader_u8(&r);
        const uint8_t *at = reader_bytes(&r, length);
        assert_non_null(at);
        if (kind == 3)
            assert_true(code == 1 && length == 16 && at[0] >> 4 == 6);
        if (kind == 8)
            assert_true(code == 3 && length % 4 == 0 && at[length - 1] == 0);
        count++;
    }
    assert_true(reader_ok(&r));
    assert_int_equal(count, 6);
    end(c);
}

static void a_reset_ends_what_others_have_begun(void **state)
{
    struct fixture *f = *state;
    struct scsi_command read = {.nexus = &f->other, .cdb = {OPCODE_READ_10, [8] = 1}};

    assert_int_equal(scsi_begin(&read), SCSI_READ);
    assert_true(scsi_nexus_reset(&f->nexus, 0));
    assert_int_equal(scsi_read(&read, 0, pattern, 512, VOLUME_MAY_WAIT), -EIO);
    assert_int_equal(read.status, SCSI_TASK_ABORTED);
    assert_int_equal(outcome_on(&f->other, CDB(0), NULL, 0),
                     FAILS(SENSE_UNIT_ATTENTION, SENSE_CODE_DEVICE_RESET));
    assert_int_equal(outcome_on(&f->other, CDB(0), NULL, 0), SCSI_GOOD);
}

static void one_port_group_active_and_optimized(void **state)
{
    struct scsi_command *c = run(*state, CDB(OPCODE_MAINTENANCE_IN, 0x0a, [9] = 255), NULL, 0);
    const uint8_t expected[16] = {0, 0, 0, 12, 0, 0x01, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};

    assert_int_equal(c->in_bytes, sizeof(expected));
    assert_memory_equal(c->in, expected, sizeof(expected));
    end(c);
    c = run(*state, CDB(OPCODE_MAINTENANCE_IN, 0x2a, [9] = 255), NULL, 0);
    assert_int_equal(c->in_bytes, 20);
    assert_int_equal(c->in[3], 16);
    assert_int_equal(c->in[4], 0x10);
    end(c);
    assert_int_equal(outcome(*state, CDB(OPCODE_MAINTENANCE_IN, 0x4a, [9] = 255), NULL, 0), BAD_FIELD);
}

static void lun_0_answers_without_a_disk(void **state)
{
    struct scsi_nexus empty;

    scsi_nexus_init(&empty, "iqn.x", 1, "iqn.a,i,0x1");
    struct scsi_command *c = run_on(&empty, CDB(OPCODE_INQUIRY, 0, 0, 0, 96), NULL, 0);
    assert_int_equal(c->status, SCSI_GOOD);
    assert_int_equal(c->in[0], 0x7f);
    end(c);
    c = run_on(&empty, CDB(OPCODE_REPORT_LUNS, [9] = 255), NULL, 0);
    assert_int_equal(c->in_bytes, 16);
    end(c);
    assert_int_equal(outcome_on(&empty, CDB(0), NULL, 0),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_LUN_NOT_SUPPORTED));
    assert_int_equal(outcome_on(&empty, CDB(OPCODE_REQUEST_SENSE, 0, 0, 0, 32), NULL, 0), SCSI_GOOD);
}

static void lun_numbers(void **state)
{
    static const struct {
        uint8_t lun[8];
        int number;
    } rows[] = {{{0}, 0},     {{0, 3}, 3},        {{0x40, 3}, 3}, {{0, 8}, -1},
                {{1, 0}, -1}, {{0, 0, 0, 1}, -1}, {{0xc1, 1}, -1}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(scsi_lun_number(rows[i].lun), rows[i].number);
}

static void growth_is_told_to_everyone_once(void **state)
{
    struct fixture *f = *state;

    f->volume->size_bytes = DISK_BYTES / 2; /* as if it had been this large before */
    outcome(f, CDB(0), NULL, 0);
    outcome_on(&f->other, CDB(0), NULL, 0);
    f->volume->size_bytes = DISK_BYTES;
    assert_int_equal(outcome(f, CDB(OPCODE_INQUIRY, 0, 0, 0, 96), NULL, 0), SCSI_GOOD);
    assert_int_equal(outcome(f, CDB(0), NULL, 0), FAILS(SENSE_UNIT_ATTENTION, SENSE_CODE_CAPACITY_CHANGED));
    assert_int_equal(outcome(f, CDB(0), NULL, 0), SCSI_GOOD);
    assert_int_equal(outcome_on(&f->other, CDB(0), NULL, 0),
                     FAILS(SENSE_UNIT_ATTENTION, SENSE_CODE_CAPACITY_CHANGED));
}

static void request_sense_tells_an_attention_and_clears_it(void **state)
{
    struct fixture *f = *state;

    assert_true(scsi_nexus_reset(&f->other, 0));
    struct scsi_command *c = run(f, CDB(OPCODE_REQUEST_SENSE, 0, 0, 0, 32), NULL, 0);
    assert_int_equal(c->status, SCSI_GOOD);
    assert_int_equal(c->in[2], SENSE_UNIT_ATTENTION);
    assert_int_equal(c->in[12], 0x29);
    end(c);
    assert_int_equal(outcome(f, CDB(0), NULL, 0), SCSI_GOOD);
}

static void reserve_and_release(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(outcome(f, CDB(OPCODE_RESERVE_6), NULL, 0), SCSI_GOOD);
    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_READ_10, [8] = 1), NULL, 0), SCSI_RESERVATION_CONFLICT);
    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_MODE_SENSE_6, 0, 8, 0, 64), NULL, 0),
                     SCSI_RESERVATION_CONFLICT);
    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_INQUIRY, 0, 0, 0, 96), NULL, 0), SCSI_GOOD);
    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_RELEASE_6), NULL, 0), SCSI_GOOD);
    assert_int_equal(outcome_on(&f->other, CDB(0), NULL, 0), SCSI_RESERVATION_CONFLICT);
    assert_int_equal(outcome(f, CDB(OPCODE_RELEASE_6), NULL, 0), SCSI_GOOD);
    assert_int_equal(outcome_on(&f->other, CDB(0), NULL, 0), SCSI_GOOD);
}

static void a_lost_nexus_lets_go(void **state)
{
    struct fixture *f = *state;

    outcome(f, CDB(OPCODE_RESERVE_6), NULL, 0);
    scsi_nexus_end(&f->nexus);
    assert_int_equal(outcome_on(&f->other, CDB(0), NULL, 0), SCSI_GOOD);
}

/* A second disk at LUN `lun` of the first nexus. */
static struct scsi_disk *attach_another(struct fixture *f, struct volume **volume, unsigned lun)
{
    *volume = memory_volume_new(DISK_BYTES);
    struct scsi_disk *disk = scsi_disk_new(*volume);
    assert_int_equal(scsi_nexus_attach(&f->nexus, lun, disk), 0);
    return disk;
}

static unsigned lun_count(struct fixture *f)
{
    struct scsi_command *c = run(f, CDB(OPCODE_REPORT_LUNS, [6] = 0, 0, 1, 0), NULL, 0);
    unsigned count = (unsigned)(c->in_bytes - 8) / 8;

    end(c);
    return count;
}

static void a_disk_is_hidden_before_it_goes(void **state)
{
    struct fixture *f = *state;
    struct volume *volume;
    struct scsi_disk *disk = attach_another(f, &volume, 3);
    struct scsi_command begun = {.nexus = &f->nexus, .lun = {0, 3}, .cdb = {OPCODE_READ_10, [8] = 1}};
    struct scsi_command late = begun;
    uint8_t sector[512];

    assert_int_equal(lun_count(f), 2);
    atomic_store(&f->nexus.paths[3].attentions, 0);
    assert_int_equal(scsi_begin(&begun), SCSI_READ);
    scsi_nexus_hide(&f->nexus, 3);
    assert_int_equal(lun_count(f), 1);
    assert_int_equal(scsi_begin(&late), SCSI_ANSWERED);
    assert_int_equal(late.sense.code, SENSE_CODE_LUN_NOT_SUPPORTED);
    assert_int_equal(scsi_read(&begun, 0, sector, sizeof(sector), VOLUME_NO_WAIT), 0);
    scsi_command_end(&begun);
    scsi_nexus_detach(&f->nexus, 3);
    assert_int_equal(scsi_nexus_attach(&f->nexus, 3, disk), 0); /* and may come back */
    assert_int_equal(lun_count(f), 2);
    scsi_nexus_end(&f->nexus);
    scsi_disk_unref(disk);
    memory_volume_free(volume);
}

static void a_changed_list_of_luns_is_told_until_it_is_read(void **state)
{
    struct fixture *f = *state;

    scsi_nexus_luns_changed(&f->nexus);
    assert_int_equal(outcome(f, CDB(0), NULL, 0), FAILS(SENSE_UNIT_ATTENTION, SENSE_CODE_LUNS_CHANGED));
    assert_int_equal(outcome(f, CDB(0), NULL, 0), SCSI_GOOD);
    assert_int_equal(outcome_on(&f->other, CDB(0), NULL, 0), SCSI_GOOD);
    scsi_nexus_luns_changed(&f->nexus);
    assert_int_equal(lun_count(f), 1);
    assert_int_equal(outcome(f, CDB(0), NULL, 0), SCSI_GOOD);
}

static void a_disk_may_become_read_only_and_back(void **state)
{
    struct fixture *f = *state;
    const uint8_t data[512] = {1};

    scsi_disk_set_read_only(f->disk, false); /* as it was: told to nobody */
    assert_int_equal(outcome(f, CDB(0), NULL, 0), SCSI_GOOD);
    scsi_disk_set_read_only(f->disk, true);
    assert_int_equal(outcome(f, CDB(0), NULL, 0), FAILS(SENSE_UNIT_ATTENTION, SENSE_CODE_MODE_CHANGED));
    assert_int_equal(outcome_on(&f->other, CDB(0), NULL, 0), FAILS(SENSE_UNIT_ATTENTION, SENSE_CODE_MODE_CHANGED));
    assert_int_equal(outcome(f, CDB(OPCODE_WRITE_10, [8] = 1), data, 512),
                     FAILS(SENSE_DATA_PROTECT, SENSE_CODE_WRITE_PROTECTED));
    struct scsi_command *c = run(f, CDB(OPCODE_MODE_SENSE_6, 0, 0x3f, 0, 255), NULL, 0);
    assert_int_equal(c->in[2], 0x90);
    end(c);
    scsi_disk_set_read_only(f->disk, false);
    assert_int_equal(outcome(f, CDB(0), NULL, 0), FAILS(SENSE_UNIT_ATTENTION, SENSE_CODE_MODE_CHANGED));
    assert_int_equal(outcome(f, CDB(OPCODE_WRITE_10, [8] = 1), data, 512), SCSI_GOOD);
}

static void too_many_nexuses(void **state)
{
    struct fixture *f = *state;
    struct scsi_nexus *many = xcalloc(SCSI_NEXUSES_MAX, sizeof(*many));
    int refused = 0;

    for (int i = 0; i < SCSI_NEXUSES_MAX; i++)
        refused += scsi_nexus_attach(&many[i], 0, f->disk) == -EBUSY;
    assert_int_equal(refused, 2);
    for (int i = 0; i < SCSI_NEXUSES_MAX; i++)
        scsi_nexus_end(&many[i]);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DISK(outcomes_of_single_commands),
        WITH_DISK(what_is_written_is_read),
        WITH_DISK(short_data_writes_whole_blocks_only),
        WITH_DISK(durability),
        WITH_DISK(what_the_volume_says_becomes_sense),
        WITH_DISK(a_read_only_volume_refuses_every_way_to_change_it),
        WITH_DISK(a_cold_read_goes_elsewhere),
        WITH_DISK(verify_really_compares),
        WITH_DISK(compare_and_write),
        WITH_DISK(write_same_fills_and_clears),
        WITH_DISK(unmap_lists),
        WITH_DISK(lba_status_begins_where_asked),
        WITH_DISK(capacity),
        WITH_DISK(vital_pages),
        WITH_DISK(designators_are_well_formed),
        WITH_DISK(a_reset_ends_what_others_have_begun),
        WITH_DISK(one_port_group_active_and_optimized),
        cmocka_unit_test(lun_0_answers_without_a_disk),
        cmocka_unit_test(lun_numbers),
        WITH_DISK(growth_is_told_to_everyone_once),
        WITH_DISK(request_sense_tells_an_attention_and_clears_it),
        WITH_DISK(reserve_and_release),
        WITH_DISK(a_lost_nexus_lets_go),
        WITH_DISK(a_disk_is_hidden_before_it_goes),
        WITH_DISK(a_changed_list_of_luns_is_told_until_it_is_read),
        WITH_DISK(a_disk_may_become_read_only_and_back),
        WITH_DISK(too_many_nexuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
