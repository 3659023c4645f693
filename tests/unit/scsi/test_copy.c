/* EXTENDED COPY and RECEIVE COPY RESULTS between two disks of one nexus. */
#include "../test.h"

#include "base/bytes.h"
#include "fixture.h"

enum { LIST_SIZE = COPY_HEADER_BYTES + COPY_LIST_MAX_BYTES };

struct two {
    struct fixture *f;
    struct volume *second_volume;
    struct scsi_disk *second;
};

static int set_up(void **state)
{
    struct two *two = xcalloc(1, sizeof(*two));
    void *fixture;

    fixture_setup(&fixture);
    two->f = fixture;
    two->second_volume = memory_volume_new(DISK_BYTES);
    two->second_volume->uuid[0] = 0x55;
    two->second = scsi_disk_new(two->second_volume);
    assert_int_equal(scsi_nexus_attach(&two->f->nexus, 1, two->second), 0);
    assert_int_equal(scsi_nexus_attach(&two->f->other, 1, two->second), 0);
    for (size_t i = 0; i < DISK_BYTES; i++)
        two->f->volume->data[i] = (uint8_t)(i / 512 * 7 + 1);
    memset(two->f->volume->mapped, true, DISK_BYTES / VOLUME_BLOCK_BYTES);
    *state = two;
    return 0;
}

static int tear_down(void **state)
{
    struct two *two = *state;
    void *fixture = two->f;

    scsi_nexus_end(&two->f->nexus);
    scsi_nexus_end(&two->f->other);
    scsi_disk_unref(two->second);
    memory_volume_free(two->second_volume);
    fixture_teardown(&fixture);
    free(two);
    return 0;
}

struct segment {
    unsigned from, to, blocks;
    uint64_t from_lba, to_lba;
};

static void write_target(struct writer *w, const uint8_t *uuid)
{
    writer_be32(w, 0xe4000000);
    writer_be32(w, 0x01030010);
    writer_be32(w, 0x60000000u | 0xfab007u << 4 | uuid[15] >> 4);
    writer_bytes(w, uuid, 12);
    writer_fill(w, 0, 4);
    writer_be32(w, 512);
}

/* A list of both disks, the first as target 0. */
static size_t make_list(uint8_t *list, const struct two *two, uint8_t flags, const struct segment *segments,
                        unsigned count)
{
    struct writer w = writer_over(list, LIST_SIZE);

    writer_u8(&w, 7);
    writer_u8(&w, flags);
    writer_be16(&w, 2 * COPY_TARGET_BYTES);
    writer_be32(&w, 0);
    writer_be32(&w, count * COPY_SEGMENT_BYTES);
    writer_be32(&w, 0);
    write_target(&w, two->f->volume->uuid);
    write_target(&w, two->second_volume->uuid);
    for (unsigned i = 0; i < count; i++) {
        writer_be32(&w, 0x02000018);
        writer_be16(&w, (uint16_t)segments[i].from);
        writer_be16(&w, (uint16_t)segments[i].to);
        writer_be16(&w, 0);
        writer_be16(&w, (uint16_t)segments[i].blocks);
        writer_be64(&w, segments[i].from_lba);
        writer_be64(&w, segments[i].to_lba);
    }
    assert_true(writer_ok(&w));
    return w.offset;
}

static unsigned copy(struct two *two, const uint8_t *list, size_t length)
{
    return outcome(two->f, CDB(OPCODE_EXTENDED_COPY, 0, [12] = (uint8_t)(length >> 8), (uint8_t)length), list,
                   length);
}

static unsigned copy_segment(struct two *two, struct segment segment)
{
    uint8_t list[LIST_SIZE];

    return copy(two, list, make_list(list, two, 0, &segment, 1));
}

static void blocks_go_from_one_disk_to_the_other(void **state)
{
    struct two *two = *state;

    assert_int_equal(copy_segment(two, (struct segment){0, 1, 2000, 10, 20}), SCSI_GOOD);
    assert_memory_equal(two->second_volume->data + 20 * 512, two->f->volume->data + 10 * 512, 2000 * 512);
}

static void a_disk_is_copied_over_itself(void **state)
{
    struct two *two = *state;
    CLEANUP_FREE uint8_t *before = xcalloc(1, DISK_BYTES);

    memcpy(before, two->f->volume->data, DISK_BYTES);
    assert_int_equal(copy_segment(two, (struct segment){0, 0, 2000, 0, 16}), SCSI_GOOD);
    assert_memory_equal(two->f->volume->data + 16 * 512, before, 2000 * 512);
    memcpy(before, two->f->volume->data, DISK_BYTES);
    assert_int_equal(copy_segment(two, (struct segment){0, 0, 2000, 24, 8}), SCSI_GOOD);
    assert_memory_equal(two->f->volume->data + 8 * 512, before + 24 * 512, 2000 * 512);
}

static void what_is_not_mapped_stays_so(void **state)
{
    struct two *two = *state;

    memset(two->f->volume->data, 0, DISK_BYTES);
    memset(two->f->volume->mapped, false, DISK_BYTES / VOLUME_BLOCK_BYTES);
    memset(two->second_volume->mapped, true, DISK_BYTES / VOLUME_BLOCK_BYTES);
    memset(two->second_volume->data, 9, DISK_BYTES);
    assert_int_equal(copy_segment(two, (struct segment){0, 1, 8, 0, 0}), SCSI_GOOD);
    assert_false(two->second_volume->mapped[0]);
    assert_int_equal(two->second_volume->data[0], 0);
}

static void refusals(void **state)
{
    struct two *two = *state;

    assert_int_equal(copy_segment(two, (struct segment){0, 2, 8, 0, 0}),
                     FAILS(SENSE_COPY_ABORTED, SENSE_CODE_UNREACHABLE_COPY_TARGET));
    assert_int_equal(copy_segment(two, (struct segment){0, 1, 8, DISK_BLOCKS - 7, 0}),
                     FAILS(SENSE_COPY_ABORTED, SENSE_CODE_NONE));
    assert_int_equal(copy_segment(two, (struct segment){0, 1, 8, 0, UINT64_MAX}),
                     FAILS(SENSE_COPY_ABORTED, SENSE_CODE_NONE));
    two->second_volume->read_only = true;
    assert_int_equal(copy_segment(two, (struct segment){0, 1, 8, 0, 0}),
                     FAILS(SENSE_COPY_ABORTED, SENSE_CODE_THIRD_PARTY_FAILURE));
    two->f->volume->read_only = true;
    assert_int_equal(copy_segment(two, (struct segment){0, 0, 8, 0, 8}),
                     FAILS(SENSE_DATA_PROTECT, SENSE_CODE_WRITE_PROTECTED));
}

static void reservations_of_others_are_respected(void **state)
{
    struct two *two = *state;
    struct scsi_command reserve = {.nexus = &two->f->other, .lun = {0, 1}, .cdb = {OPCODE_RESERVE_6}};

    scsi_begin(&reserve); /* power-on unit attention */
    assert_int_equal(scsi_begin(&reserve), SCSI_EXECUTE);
    assert_int_equal(scsi_execute(&reserve, VOLUME_NO_WAIT), 0);
    assert_int_equal(copy_segment(two, (struct segment){0, 1, 8, 0, 0}),
                     FAILS(SENSE_COPY_ABORTED, SENSE_CODE_THIRD_PARTY_FAILURE));
}

static void lists_that_are_wrong(void **state)
{
    struct two *two = *state;
    uint8_t list[LIST_SIZE + 64];
    static struct segment segments[COPY_SEGMENTS_MAX];
    size_t length = make_list(list, two, 0, segments, 1);
    const unsigned cut = FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_PARAMETER_LIST_LENGTH);
    const unsigned bad = FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_PARAMETERS);

    assert_int_equal(copy(two, list, 0), SCSI_GOOD);
    for (size_t n = 1; n < length; n++)
        assert_int_equal(copy(two, list, n), cut);
    list[1] = 0x08; /* LIST ID USAGE 01b */
    assert_int_equal(copy(two, list, length), bad);
    list[1] = 0x18; /* not tracked, but numbered */
    assert_int_equal(copy(two, list, length), bad);
    list[1] = 0;
    list[COPY_HEADER_BYTES] = 0xe0;
    assert_int_equal(copy(two, list, length),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_UNSUPPORTED_TARGET_DESCRIPTOR));
    list[COPY_HEADER_BYTES] = 0xe4;
    list[COPY_HEADER_BYTES + 64] = 0x03;
    assert_int_equal(copy(two, list, length),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_UNSUPPORTED_SEGMENT_DESCRIPTOR));
    length = make_list(list, two, 0, segments, COPY_SEGMENTS_MAX);
    assert_int_equal(copy(two, list, length), SCSI_GOOD);
    memset(list + length, 0, COPY_SEGMENT_BYTES);
    memcpy(list + length, list + length - COPY_SEGMENT_BYTES, COPY_SEGMENT_BYTES);
    struct writer w = writer_over(list + 8, 4);
    writer_be32(&w, (COPY_SEGMENTS_MAX + 1) * COPY_SEGMENT_BYTES);
    assert_int_equal(copy(two, list, length + COPY_SEGMENT_BYTES),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_TOO_MANY_SEGMENT_DESCRIPTORS));
}

static unsigned status_of(struct two *two, uint64_t *copied)
{
    struct scsi_command *c = run(two->f, CDB(OPCODE_RECEIVE_COPY_RESULTS, 0, 7, [13] = 12), NULL, 0);
    unsigned state = c->status == SCSI_GOOD ? c->in[4] : 0xff;
    struct reader r = reader_over(c->in, c->in_bytes);

    reader_skip(&r, 8);
    *copied = reader_be32(&r);
    end(c);
    return state;
}

static void results_are_remembered_by_their_number(void **state)
{
    struct two *two = *state;
    uint64_t copied;
    uint8_t list[LIST_SIZE];
    const struct segment segments[] = {{0, 1, 8, 0, 0}, {0, 9, 8, 0, 0}};

    assert_int_equal(status_of(two, &copied), 0xff);
    assert_int_equal(copy_segment(two, (struct segment){0, 1, 8, 0, 0}), SCSI_GOOD);
    assert_int_equal(status_of(two, &copied), COPY_DONE);
    assert_int_equal(copied, 4096);
    copy(two, list, make_list(list, two, 0, segments, 2));
    assert_int_equal(status_of(two, &copied), COPY_FAILED);
    struct scsi_command *c = run(two->f, CDB(OPCODE_RECEIVE_COPY_RESULTS, 4, 7, [13] = 255), NULL, 0);
    assert_int_equal(c->in[56], SCSI_CHECK_CONDITION);
    assert_int_equal(c->in[60 + 2], SENSE_COPY_ABORTED);
    end(c);
    /* Discarded when it ends well; unknown to another nexus. */
    copy(two, list, make_list(list, two, 0x10, segments, 1));
    assert_int_equal(status_of(two, &copied), 0xff);
    assert_int_equal(outcome_on(&two->f->other, CDB(OPCODE_RECEIVE_COPY_RESULTS, 0, 7, [13] = 12), NULL, 0),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB));
}

static void begin(struct scsi_command *c, struct two *two, uint8_t *list, size_t length)
{
    *c = (struct scsi_command){.nexus = &two->f->nexus,
                               .cdb = {OPCODE_EXTENDED_COPY, [12] = (uint8_t)(length >> 8), (uint8_t)length},
                               .out_offered = length,
                               .out_received = length,
                               .out = list};
    assert_int_equal(scsi_begin(c), SCSI_TAKE);
}

static void a_copy_in_pieces_is_seen_and_can_be_aborted(void **state)
{
    struct two *two = *state;
    const struct segment segments[] = {{0, 1, 8, 0, 0}, {0, 1, 8, 16, 16}, {0, 1, 8, 32, 32}};
    uint8_t list[LIST_SIZE];
    size_t length = make_list(list, two, 0, segments, 3);
    struct scsi_command first, second;
    uint64_t copied;

    begin(&first, two, list, length);
    assert_int_equal(scsi_execute(&first, VOLUME_MAY_WAIT), 0);
    assert_true(first.unfinished);
    assert_int_equal(status_of(two, &copied), COPY_RUNNING);
    assert_int_equal(copied, 4096);
    begin(&second, two, list, length);
    assert_int_equal(scsi_execute(&second, VOLUME_MAY_WAIT), 0);
    assert_int_equal(second.sense.code, SENSE_CODE_OPERATION_IN_PROGRESS);
    /* The disk that is written loses its commands: so does the copy. */
    pthread_mutex_lock(&two->second->lock);
    scsi_path_abort(&two->f->nexus.paths[1]);
    pthread_mutex_unlock(&two->second->lock);
    assert_int_equal(scsi_execute(&first, VOLUME_MAY_WAIT), 0);
    assert_int_equal(first.status, SCSI_TASK_ABORTED);
    assert_false(first.unfinished);
    assert_int_equal(two->second_volume->data[16 * 512], 0);
    first.out = second.out = NULL;
    scsi_command_end(&first);
    scsi_command_end(&second);
    assert_int_equal(status_of(two, &copied), COPY_FAILED);
}

static void what_may_be_asked_for_is_told(void **state)
{
    struct two *two = *state;
    struct scsi_command *c = run(two->f, CDB(OPCODE_RECEIVE_COPY_RESULTS, 3, [13] = 255), NULL, 0);
    struct reader r = reader_over(c->in, c->in_bytes);

    assert_int_equal(reader_be32(&r), c->in_bytes - 4);
    reader_skip(&r, 4);
    assert_int_equal(reader_be16(&r), COPY_TARGETS_MAX);
    assert_int_equal(reader_be16(&r), COPY_SEGMENTS_MAX);
    assert_int_equal(reader_be32(&r), COPY_LIST_MAX_BYTES);
    reader_seek(&r, 43);
    assert_int_equal(reader_u8(&r), 2);
    assert_int_equal(reader_be16(&r), 0x02e4);
    end(c);
}

#define WITH_TWO(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TWO(blocks_go_from_one_disk_to_the_other),
        WITH_TWO(a_disk_is_copied_over_itself),
        WITH_TWO(what_is_not_mapped_stays_so),
        WITH_TWO(refusals),
        WITH_TWO(reservations_of_others_are_respected),
        WITH_TWO(lists_that_are_wrong),
        WITH_TWO(results_are_remembered_by_their_number),
        WITH_TWO(a_copy_in_pieces_is_seen_and_can_be_aborted),
        WITH_TWO(what_may_be_asked_for_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
