#include "../test.h"

#include "base/bytes.h"
#include "fixture.h"
#include "scsi/reservation.h"

#include <stdio.h>

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
#define TOLD(code) FAILS(SENSE_UNIT_ATTENTION, code)

enum {
    REGISTER,
    RESERVE,
    RELEASE,
    CLEAR,
    PREEMPT,
    PREEMPT_AND_ABORT,
    REGISTER_AND_IGNORE,
    KEY_A = 0xa1,
    KEY_B = 0xb2,
    WE = RESERVATION_WRITE_EXCLUSIVE,
    EA = RESERVATION_EXCLUSIVE_ACCESS,
    WE_RO = RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY,
    EA_RO = RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY,
    WE_AR = RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS,
    EA_AR = RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS,
};

static unsigned out_with(struct scsi_nexus *nexus, uint8_t action, uint8_t type, uint64_t key,
                         uint64_t service_key, uint8_t flags)
{
    uint8_t list[24] = {0};
    struct writer w = writer_over(list, sizeof(list));

    writer_be64(&w, key);
    writer_be64(&w, service_key);
    list[20] = flags;
    return outcome_on(nexus, CDB(OPCODE_PERSISTENT_RESERVE_OUT, action, type, [8] = 24), list, sizeof(list));
}

static unsigned out(struct scsi_nexus *nexus, uint8_t action, uint8_t type, uint64_t key,
                    uint64_t service_key)
{
    return out_with(nexus, action, type, key, service_key, 0);
}

static unsigned ready(struct scsi_nexus *nexus)
{
    return outcome_on(nexus, CDB(OPCODE_TEST_UNIT_READY), NULL, 0);
}

static void register_both(struct fixture *f)
{
    assert_int_equal(out(&f->nexus, REGISTER, 0, 0, KEY_A), SCSI_GOOD);
    assert_int_equal(out(&f->other, REGISTER, 0, 0, KEY_B), SCSI_GOOD);
}

static struct scsi_command *in(struct fixture *f, uint8_t action)
{
    struct scsi_command *c = run(f, CDB(OPCODE_PERSISTENT_RESERVE_IN, action, [7] = 8), NULL, 0);

    assert_int_equal(c->status, SCSI_GOOD);
    return c;
}

/* Generation, and the number after it. */
static void assert_in(struct fixture *f, uint8_t action, uint32_t generation, uint32_t length_bytes)
{
    struct scsi_command *c = in(f, action);
    struct reader r = reader_over(c->in, c->in_bytes);

    assert_int_equal(reader_be32(&r), generation);
    assert_int_equal(reader_be32(&r), length_bytes);
    assert_int_equal(c->in_bytes, 8 + length_bytes);
    end(c);
}

static void assert_reserved(struct fixture *f, uint64_t key, unsigned type)
{
    struct scsi_command *c = in(f, 1);
    struct reader r = reader_over(c->in, c->in_bytes);

    reader_skip(&r, 8);
    assert_int_equal(reader_be64(&r), key);
    assert_int_equal(c->in[21], type);
    end(c);
}

/* ---- who may do what: SPC-4 table 50, SBC-3 table 13 ---- */

static void what_each_type_forbids(void **state)
{
    enum { FREE, READS, CHANGES, COLUMNS };
    static const struct {
        unsigned type;
        /* of a registered nexus that is not alone the holder, and of an unregistered one: FREE, READS,
         * CHANGES */
        bool registered[COLUMNS], stranger[COLUMNS];
    } rows[] = {
        {WE, {1, 1, 0}, {1, 1, 0}},    {EA, {1, 0, 0}, {1, 0, 0}},    {WE_RO, {1, 1, 1}, {1, 1, 0}},
        {EA_RO, {1, 1, 1}, {1, 0, 0}}, {WE_AR, {1, 1, 1}, {1, 1, 0}}, {EA_AR, {1, 1, 1}, {1, 0, 0}},
    };
    static const enum reservation_access accesses[COLUMNS] = {ACCESS_FREE, ACCESS_READ, ACCESS_CHANGE};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct registration registrations[] = {{.port = "a", .key = 1}, {.port = "b", .key = 2}};
        struct reservations all = {.registrations = registrations, .count = 2, .type = rows[i].type};
        registrations[0].holder = rows[i].type < WE_AR;
        for (unsigned c = 0; c < COLUMNS; c++) {
            assert_true(reservation_allows(&all, "a", accesses[c]));
            if (reservation_allows(&all, "b", accesses[c]) != rows[i].registered[c] ||
                reservation_allows(&all, "c", accesses[c]) != rows[i].stranger[c])
                fail_msg("type %u, column %u", rows[i].type, c);
        }
    }
}

static void commands_of_a_stranger(void **state)
{
    static const struct {
        const char *what;
        uint8_t cdb[CDB_BYTES];
        bool write_exclusive, exclusive_access; /* whether it conflicts */
    } rows[] = {
        {"test unit ready", {0x00}, false, false},
        {"inquiry", {0x12, [4] = 96}, false, false},
        {"read capacity", {0x25}, false, false},
        {"report luns", {0xa0, [9] = 255}, false, false},
        {"read", {0x28, [8] = 1}, false, true},
        {"verify", {0x8f, [13] = 1}, false, true},
        {"lba status", {0x9e, 0x12, [13] = 24}, false, true},
        {"write", {0x2a, [8] = 0}, true, true},
        {"unmap", {0x42}, true, true},
        {"write same", {0x93, 0x09, [13] = 8}, true, true},
        {"mode sense", {0x1a, 0, 8, 0, 64}, true, true},
        {"flush", {0x35}, true, true},
        {"start", {0x1b, 0, 0, 0, 1}, false, false},
        {"stop", {0x1b, 0, 0, 0, 0}, true, true},
        {"prevent removal", {0x1e, 0, 0, 0, 1}, true, true},
        {"allow removal", {0x1e}, false, false},
        {"reserve(6)", {0x16}, true, true},
        {"read keys", {0x5e, 0, [8] = 64}, false, false},
    };
    struct fixture *f = *state;

    assert_int_equal(out(&f->nexus, REGISTER, 0, 0, KEY_A), SCSI_GOOD);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (unsigned exclusive = 0; exclusive < 2; exclusive++) {
            uint8_t type = exclusive ? EA : WE;
            assert_int_equal(out(&f->nexus, RESERVE, type, KEY_A, 0), SCSI_GOOD);
            bool conflicts = outcome_on(&f->other, rows[i].cdb, NULL, 0) == SCSI_RESERVATION_CONFLICT;
            if (conflicts != (exclusive ? rows[i].exclusive_access : rows[i].write_exclusive))
                fail_msg("%s, type %u: conflicts %d", rows[i].what, type, conflicts);
            assert_int_equal(out(&f->nexus, RELEASE, type, KEY_A, 0), SCSI_GOOD);
        }
    }
}

/* ---- registering ---- */

static void registering(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(out(&f->nexus, REGISTER, 0, KEY_A, KEY_A), SCSI_RESERVATION_CONFLICT);
    assert_int_equal(out(&f->nexus, REGISTER, 0, 0, KEY_A), SCSI_GOOD);
    assert_int_equal(out(&f->nexus, REGISTER, 0, 0, KEY_B), SCSI_RESERVATION_CONFLICT);
    assert_int_equal(out(&f->nexus, REGISTER, 0, KEY_A, KEY_B), SCSI_GOOD);
    assert_in(f, 0, 2, 8);
    assert_int_equal(out(&f->nexus, REGISTER_AND_IGNORE, 0, 77, KEY_A), SCSI_GOOD);
    assert_int_equal(out(&f->nexus, REGISTER, 0, KEY_A, 0), SCSI_GOOD);
    assert_in(f, 0, 4, 0);
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *what;
        uint8_t action, type, flags;
        uint64_t key, service_key;
        unsigned expected;
    } rows[] = {
        {"a key that must survive restarts", REGISTER, 0, 0x01, KEY_A, KEY_A,
         FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_PARAMETERS)},
        {"keys for other ports", REGISTER, 0, 0x08, KEY_A, KEY_A,
         FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_PARAMETERS)},
        {"no such type", RESERVE, 2, 0, KEY_A, 0,
         FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB)},
        {"no such scope", RESERVE, 0x10 | WE, 0, KEY_A, 0,
         FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB)},
        {"a wrong key", RESERVE, WE, 0, KEY_B, 0, SCSI_RESERVATION_CONFLICT},
        {"releasing nothing", RELEASE, WE, 0, KEY_A, 0, SCSI_GOOD},
        {"preempting nobody", PREEMPT, WE, 0, KEY_A, 99, SCSI_RESERVATION_CONFLICT},
        {"preempting key 0", PREEMPT, WE, 0, KEY_A, 0,
         FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_PARAMETERS)},
        {"register and move", 7, 0, 0, KEY_A, KEY_B,
         FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB)},
    };
    struct fixture *f = *state;

    assert_int_equal(out(&f->nexus, REGISTER, 0, 0, KEY_A), SCSI_GOOD);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned got = out_with(&f->nexus, rows[i].action, rows[i].type, rows[i].key, rows[i].service_key,
                                rows[i].flags);
        if (got != rows[i].expected)
            fail_msg("%s: got %06x, expected %06x", rows[i].what, got, rows[i].expected);
    }
    assert_int_equal(outcome(f, CDB(OPCODE_PERSISTENT_RESERVE_OUT, 0, [8] = 16), (uint8_t[24]){0}, 16),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_PARAMETER_LIST_LENGTH));
    assert_int_equal(outcome(f, CDB(OPCODE_PERSISTENT_RESERVE_OUT, 0, [5] = 255), (uint8_t[24]){0}, 24),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_PARAMETER_LIST_LENGTH));
    assert_int_equal(outcome(f, CDB(OPCODE_PERSISTENT_RESERVE_IN, 4, [8] = 64), NULL, 0),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB));
}

static void registrations_are_counted(void **state)
{
    struct reservations all = {0};
    char port[16];
    struct reservation_request request = {.port = port, .service_key = 1};

    for (int i = 0; i < RESERVATION_REGISTRATIONS_MAX; i++) {
        snprintf(port, sizeof(port), "port %d", i);
        assert_int_equal(reservation_register(&all, &request, NULL), RESERVATION_DONE);
    }
    COPY_STRING(port, "one more");
    assert_int_equal(reservation_register(&all, &request, NULL), RESERVATION_FULL);
    reservations_free(&all);
}

/* ---- holding and losing ---- */

static void a_reservation_has_one_holder(void **state)
{
    struct fixture *f = *state;

    register_both(f);
    assert_int_equal(out(&f->nexus, RESERVE, WE_RO, KEY_A, 0), SCSI_GOOD);
    assert_int_equal(out(&f->nexus, RESERVE, WE_RO, KEY_A, 0), SCSI_GOOD);
    assert_int_equal(out(&f->nexus, RESERVE, WE, KEY_A, 0), SCSI_RESERVATION_CONFLICT);
    assert_int_equal(out(&f->other, RESERVE, WE_RO, KEY_B, 0), SCSI_RESERVATION_CONFLICT);
    assert_int_equal(out(&f->other, RELEASE, WE_RO, KEY_B, 0), SCSI_GOOD);
    assert_reserved(f, KEY_A, WE_RO);
    assert_int_equal(out(&f->nexus, RELEASE, WE, KEY_A, 0),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_RELEASE));
    assert_int_equal(out(&f->nexus, RELEASE, WE_RO, KEY_A, 0), SCSI_GOOD);
    assert_in(f, 1, 2, 0);
    assert_int_equal(ready(&f->nexus), SCSI_GOOD);
    assert_int_equal(ready(&f->other), TOLD(SENSE_CODE_RESERVATIONS_RELEASED));
    assert_int_equal(ready(&f->other), SCSI_GOOD);
}

static void the_holder_unregisters(void **state)
{
    static const struct {
        uint8_t type;
        bool stays, told;
    } rows[] = {{WE, false, false},   {EA, false, false},   {WE_RO, false, true},
                {EA_RO, false, true}, {WE_AR, true, false}, {EA_AR, true, false}};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        register_both(f);
        assert_int_equal(out(&f->nexus, RESERVE, rows[i].type, KEY_A, 0), SCSI_GOOD);
        assert_int_equal(out(&f->nexus, REGISTER, 0, KEY_A, 0), SCSI_GOOD);
        assert_int_equal(f->disk->reservations.type, rows[i].stays ? rows[i].type : RESERVATION_NONE);
        assert_int_equal(ready(&f->other),
                         rows[i].told ? TOLD(SENSE_CODE_RESERVATIONS_RELEASED) : (unsigned)SCSI_GOOD);
        assert_int_equal(out(&f->other, REGISTER, 0, KEY_B, 0), SCSI_GOOD);
        assert_int_equal(f->disk->reservations.type, RESERVATION_NONE);
    }
}

static void clearing(void **state)
{
    struct fixture *f = *state;

    register_both(f);
    assert_int_equal(out(&f->nexus, RESERVE, EA, KEY_A, 0), SCSI_GOOD);
    assert_int_equal(out(&f->other, CLEAR, 0, KEY_A, 0), SCSI_RESERVATION_CONFLICT);
    assert_int_equal(out(&f->other, CLEAR, 0, KEY_B, 0), SCSI_GOOD);
    assert_int_equal(ready(&f->nexus), TOLD(SENSE_CODE_RESERVATIONS_PREEMPTED));
    assert_int_equal(ready(&f->other), SCSI_GOOD);
    assert_in(f, 0, 3, 0);
}

static void preempting(void **state)
{
    static const struct {
        const char *what;
        uint8_t held, type;
        uint64_t service_key;
        unsigned type_after, left;
        unsigned told; /* to the one who is preempted */
    } rows[] = {
        {"a registration", 0, WE, KEY_A, 0, 1, TOLD(SENSE_CODE_REGISTRATIONS_PREEMPTED)},
        {"the reservation", EA, WE, KEY_A, WE, 1, TOLD(SENSE_CODE_REGISTRATIONS_PREEMPTED)},
        {"a reservation of all", EA_AR, WE_RO, 0, WE_RO, 1, TOLD(SENSE_CODE_REGISTRATIONS_PREEMPTED)},
        {"one registrant of all", EA_AR, WE_RO, KEY_A, EA_AR, 1, TOLD(SENSE_CODE_REGISTRATIONS_PREEMPTED)},
        {"oneself, not the holder", WE_RO, WE_RO, KEY_B, WE_RO, 1, SCSI_GOOD},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        register_both(f);
        if (rows[i].held)
            assert_int_equal(out(&f->nexus, RESERVE, rows[i].held, KEY_A, 0), SCSI_GOOD);
        assert_int_equal(out(&f->other, PREEMPT, rows[i].type, KEY_B, rows[i].service_key), SCSI_GOOD);
        if (f->disk->reservations.type != rows[i].type_after || f->disk->reservations.count != rows[i].left)
            fail_msg("%s: type %u, %u left", rows[i].what, f->disk->reservations.type,
                     f->disk->reservations.count);
        assert_int_equal(ready(&f->nexus), rows[i].told);
        assert_int_equal(ready(&f->other), SCSI_GOOD);
        out(&f->other, REGISTER_AND_IGNORE, 0, 0, 0);
        out(&f->nexus, REGISTER_AND_IGNORE, 0, 0, 0);
    }
}

static void a_new_type_is_told_to_those_who_stay(void **state)
{
    struct fixture *f = *state;

    register_both(f);
    assert_int_equal(out(&f->nexus, RESERVE, WE_RO, KEY_A, 0), SCSI_GOOD);
    assert_int_equal(out(&f->nexus, PREEMPT, EA_RO, KEY_A, KEY_A), SCSI_GOOD);
    assert_reserved(f, KEY_A, EA_RO);
    assert_int_equal(ready(&f->other), TOLD(SENSE_CODE_RESERVATIONS_RELEASED));
    assert_in(f, 0, 3, 16);
}

static void what_was_begun_is_aborted(void **state)
{
    struct fixture *f = *state;
    struct scsi_command write = {.nexus = &f->nexus, .cdb = {OPCODE_WRITE_10, [8] = 1}, .out_offered = 512};
    struct scsi_command read = {.nexus = &f->nexus, .cdb = {OPCODE_READ_10, [8] = 1}};
    uint8_t bytes[512];

    register_both(f);
    assert_int_equal(scsi_begin(&write), SCSI_TAKE);
    assert_int_equal(scsi_begin(&read), SCSI_READ);
    assert_int_equal(out(&f->other, PREEMPT_AND_ABORT, WE, KEY_B, KEY_A), SCSI_GOOD);
    write.out = xcalloc(1, 512);
    memset(write.out, 0x77, 512);
    write.out_received = 512;
    assert_int_equal(scsi_execute(&write, VOLUME_MAY_WAIT), 0);
    assert_int_equal(write.status, SCSI_TASK_ABORTED);
    assert_int_equal(scsi_read(&read, 0, bytes, 512, VOLUME_MAY_WAIT), -EIO);
    assert_int_equal(read.status, SCSI_TASK_ABORTED);
    assert_int_equal(f->volume->data[0], 0);
    assert_int_equal(ready(&f->nexus), TOLD(SENSE_CODE_REGISTRATIONS_PREEMPTED));
    assert_int_equal(outcome(f, CDB(OPCODE_WRITE_10, [8] = 1), bytes, 512), SCSI_GOOD);
    scsi_command_end(&write);
    scsi_command_end(&read);
}

static void registrations_outlive_the_session(void **state)
{
    struct fixture *f = *state;

    register_both(f);
    assert_int_equal(out(&f->nexus, RESERVE, WE, KEY_A, 0), SCSI_GOOD);
    scsi_nexus_end(&f->nexus);
    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_UNMAP), NULL, 0), SCSI_RESERVATION_CONFLICT);
    struct reservations kept = scsi_disk_take_reservations(f->disk);
    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_UNMAP), NULL, 0), SCSI_GOOD);
    scsi_disk_give_reservations(f->disk, kept, false);
    assert_int_equal(scsi_nexus_attach(&f->nexus, 0, f->disk), 0);
    assert_int_equal(ready(&f->nexus), TOLD(SENSE_CODE_POWER_ON));
    assert_int_equal(outcome(f, CDB(OPCODE_UNMAP), NULL, 0), SCSI_GOOD);
    scsi_nexus_reset(&f->other, 0);
    assert_int_equal(ready(&f->other), TOLD(SENSE_CODE_DEVICE_RESET));
    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_UNMAP), NULL, 0), SCSI_RESERVATION_CONFLICT);
}

static void the_old_way_does_not_mix(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_RESERVE_6), NULL, 0), SCSI_GOOD);
    assert_int_equal(out(&f->nexus, REGISTER, 0, 0, KEY_A), SCSI_RESERVATION_CONFLICT);
    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_RELEASE_6), NULL, 0), SCSI_GOOD);
    assert_int_equal(out(&f->nexus, REGISTER, 0, 0, KEY_A), SCSI_GOOD);
    assert_int_equal(outcome_on(&f->other, CDB(OPCODE_RESERVE_6), NULL, 0), SCSI_RESERVATION_CONFLICT);
}

/* ---- what is shown ---- */

static void full_status_names_the_ports(void **state)
{
    struct fixture *f = *state;

    register_both(f);
    assert_int_equal(out(&f->other, RESERVE, EA_RO, KEY_B, 0), SCSI_GOOD);
    struct scsi_command *c = in(f, 3);
    struct reader r = reader_over(c->in, c->in_bytes);
    assert_int_equal(reader_be32(&r), 2);
    assert_int_equal(reader_be32(&r), 2 * (24 + 4 + 24));
    reader_skip(&r, 24 + 4 + 24);
    assert_int_equal(reader_be64(&r), KEY_B);
    assert_memory_equal(reader_bytes(&r, 6), "\0\0\0\0\x01\x06", 6);
    reader_skip(&r, 4);
    assert_int_equal(reader_be16(&r), 1);
    assert_int_equal(reader_be32(&r), 28);
    assert_memory_equal(reader_bytes(&r, 28), "\x45\0\0\x18iqn.b,i,0x00023d000002\0\0", 28);
    end(c);
}

static void capabilities(void **state)
{
    struct scsi_command *c = in(*state, 2);

    assert_int_equal(c->in_bytes, 8);
    assert_memory_equal(c->in, "\0\x08\0\x80\xea\x01\0\0", 8);
    end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_each_type_forbids),
        WITH_DISK(commands_of_a_stranger),
        WITH_DISK(registering),
        WITH_DISK(what_is_refused),
        cmocka_unit_test(registrations_are_counted),
        WITH_DISK(a_reservation_has_one_holder),
        WITH_DISK(the_holder_unregisters),
        WITH_DISK(clearing),
        WITH_DISK(preempting),
        WITH_DISK(a_new_type_is_told_to_those_who_stay),
        WITH_DISK(what_was_begun_is_aborted),
        WITH_DISK(registrations_outlive_the_session),
        WITH_DISK(the_old_way_does_not_mix),
        WITH_DISK(full_status_names_the_ports),
        WITH_DISK(capabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
