/* What outlives the program: the bytes, and reservations through them. */
#include "../test.h"

#include "base/bytes.h"
#include "fixture.h"

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

static struct kept example(void)
{
    struct kept kept = {.reservations_kept = true,
                        .reservations = {.type = RESERVATION_WRITE_EXCLUSIVE, .count = 2}};

    kept.reservations.registrations = xcalloc(2, sizeof(struct registration));
    kept.reservations.registrations[0] = (struct registration){.port = "iqn.a,i,0x1", .key = 5};
    kept.reservations.registrations[1] =
        (struct registration){.port = "iqn.b,i,0x2", .key = 6, .holder = true};
    memset(kept.uuid, 0x11, sizeof(kept.uuid));
    return kept;
}

static void what_is_encoded_is_decoded(void **state)
{
    struct kept kept = example(), again;
    CLEANUP_FREE uint8_t *bytes = xcalloc(1, KEPT_MAX_BYTES);
    size_t length = kept_encode(&kept, bytes);

    assert_true(kept_decode(bytes, length, &again));
    assert_true(again.reservations_kept && !again.sanitizing);
    assert_int_equal(again.reservations.count, 2);
    assert_int_equal(again.reservations.type, RESERVATION_WRITE_EXCLUSIVE);
    assert_string_equal(again.reservations.registrations[1].port, "iqn.b,i,0x2");
    assert_true(again.reservations.registrations[1].holder && !again.reservations.registrations[0].holder);
    reservations_free(&kept.reservations);
    reservations_free(&again.reservations);
}

static void damage_is_noticed_wherever_it_is(void **state)
{
    struct kept kept = example(), again;
    CLEANUP_FREE uint8_t *bytes = xcalloc(1, KEPT_MAX_BYTES);
    size_t length = kept_encode(&kept, bytes);

    for (size_t n = 0; n < length; n++) {
        assert_false(kept_decode(bytes, n, &again));
        bytes[n] ^= 0x10;
        assert_false(kept_decode(bytes, length, &again));
        bytes[n] ^= 0x10;
    }
    reservations_free(&kept.reservations);
}

static void what_cannot_be_is_refused(void **state)
{
    struct kept again;
    CLEANUP_FREE uint8_t *bytes = xcalloc(1, KEPT_MAX_BYTES);

    for (unsigned i = 0; i < 4; i++) {
        struct kept kept = example();
        if (i == 0)
            kept.reservations.registrations[0].holder = true;
        if (i == 1)
            kept.reservations.registrations[1].holder = false;
        if (i == 2)
            COPY_STRING(kept.reservations.registrations[1].port, "iqn.a,i,0x1");
        if (i == 3)
            kept.reservations.type = (enum reservation_type)4;
        assert_false(kept_decode(bytes, kept_encode(&kept, bytes), &again));
        reservations_free(&kept.reservations);
    }
}

/* ---- through the commands ---- */

struct keeper {
    uint8_t saved[KEPT_MAX_BYTES];
    size_t saved_bytes;
    int error;
    unsigned saves;
};

static int save(void *arg, const void *bytes, size_t length_bytes)
{
    struct keeper *keeper = arg;

    keeper->saves++;
    if (keeper->error)
        return keeper->error;
    memcpy(keeper->saved, bytes, length_bytes);
    keeper->saved_bytes = length_bytes;
    return 0;
}

static struct scsi_keeper keeper_of(struct keeper *keeper)
{
    return (struct scsi_keeper){.save = save, .arg = keeper};
}

static unsigned persistent(struct scsi_nexus *nexus, unsigned action, unsigned type, uint64_t key,
                           uint64_t service_key, uint8_t flags)
{
    uint8_t list[24] = {0};
    struct writer w = writer_over(list, sizeof(list));

    writer_be64(&w, key);
    writer_be64(&w, service_key);
    list[20] = flags;
    return outcome_on(nexus, CDB(OPCODE_PERSISTENT_RESERVE_OUT, (uint8_t)action, (uint8_t)type, [8] = 24),
                      list, sizeof(list));
}

static unsigned capabilities(struct fixture *f)
{
    struct scsi_command *c = run(f, CDB(OPCODE_PERSISTENT_RESERVE_IN, 2, [8] = 8), NULL, 0);
    unsigned bits = c->in[2] << 8 | c->in[3];

    end(c);
    return bits;
}

enum { REGISTER = 0, RESERVE = 1, CLEAR = 3, APTPL = 1, PTPL_C = 0x100, PTPL_A = 0x01 };

static void a_reservation_stands_when_the_program_starts_again(void **state)
{
    struct fixture *f = *state;
    struct keeper keeper = {0};
    struct scsi_keeper interface = keeper_of(&keeper);

    scsi_disk_keep(f->disk, &interface, NULL, 0);
    assert_int_equal(capabilities(f) & (PTPL_C | PTPL_A), PTPL_C);
    assert_int_equal(persistent(&f->nexus, REGISTER, 0, 0, 77, APTPL), SCSI_GOOD);
    assert_int_equal(persistent(&f->nexus, RESERVE, RESERVATION_EXCLUSIVE_ACCESS, 77, 0, 0), SCSI_GOOD);
    assert_int_equal(keeper.saves, 2);
    assert_int_equal(capabilities(f) & (PTPL_C | PTPL_A), PTPL_C | PTPL_A);

    struct scsi_disk *again = scsi_disk_new(f->volume);
    struct scsi_nexus stranger;
    scsi_disk_keep(again, &interface, keeper.saved, keeper.saved_bytes);
    scsi_nexus_init(&stranger, "iqn.t", 1, "iqn.c,i,0x3");
    assert_int_equal(scsi_nexus_attach(&stranger, 0, again), 0);
    outcome_on(&stranger, CDB(0), NULL, 0);
    assert_int_equal(outcome_on(&stranger, CDB(OPCODE_READ_10, [8] = 1), NULL, 0), SCSI_RESERVATION_CONFLICT);
    scsi_nexus_end(&stranger);
    scsi_disk_unref(again);
}

static void without_being_asked_nothing_is_saved(void **state)
{
    struct fixture *f = *state;
    struct keeper keeper = {0};
    struct scsi_keeper interface = keeper_of(&keeper);

    scsi_disk_keep(f->disk, &interface, NULL, 0);
    persistent(&f->nexus, REGISTER, 0, 0, 77, 0);
    persistent(&f->nexus, RESERVE, RESERVATION_EXCLUSIVE_ACCESS, 77, 0, 0);
    assert_int_equal(keeper.saves, 0);
    /* The last word on it counts. */
    assert_int_equal(persistent(&f->nexus, REGISTER, 0, 77, 78, APTPL), SCSI_GOOD);
    assert_true(keeper.saved_bytes > 0);
    assert_int_equal(persistent(&f->nexus, REGISTER, 0, 78, 79, 0), SCSI_GOOD);
    assert_int_equal(keeper.saved_bytes, 0);
}

static void what_is_cleared_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct keeper keeper = {0};
    struct scsi_keeper interface = keeper_of(&keeper);

    scsi_disk_keep(f->disk, &interface, NULL, 0);
    persistent(&f->nexus, REGISTER, 0, 0, 77, APTPL);
    assert_int_equal(persistent(&f->nexus, CLEAR, 0, 77, 0, 0), SCSI_GOOD);
    assert_int_equal(keeper.saved_bytes, 0);
}

static void what_cannot_be_saved_does_not_happen(void **state)
{
    struct fixture *f = *state;
    struct keeper keeper = {.error = -EIO};
    struct scsi_keeper interface = keeper_of(&keeper);

    scsi_disk_keep(f->disk, &interface, NULL, 0);
    assert_int_equal(persistent(&f->nexus, REGISTER, 0, 0, 77, APTPL),
                     FAILS(SENSE_HARDWARE_ERROR, SENSE_CODE_INTERNAL_FAILURE));
    assert_int_equal(f->disk->reservations.count, 0);
    assert_int_equal(f->disk->reservations.generation, 0);
}

static void without_a_keeper_it_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(capabilities(f) & PTPL_C, 0);
    assert_int_equal(persistent(&f->nexus, REGISTER, 0, 0, 77, APTPL),
                     FAILS(SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_PARAMETERS));
}

static void another_volume_inherits_nothing(void **state)
{
    struct fixture *f = *state;
    struct keeper keeper = {0};
    struct scsi_keeper interface = keeper_of(&keeper);

    scsi_disk_keep(f->disk, &interface, NULL, 0);
    persistent(&f->nexus, REGISTER, 0, 0, 77, APTPL);
    f->volume->uuid[3] ^= 1;
    struct scsi_disk *again = scsi_disk_new(f->volume);
    scsi_disk_keep(again, &interface, keeper.saved, keeper.saved_bytes);
    assert_int_equal(again->reservations.count, 0);
    scsi_disk_unref(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(damage_is_noticed_wherever_it_is),
        cmocka_unit_test(what_cannot_be_is_refused),
        WITH_DISK(a_reservation_stands_when_the_program_starts_again),
        WITH_DISK(without_being_asked_nothing_is_saved),
        WITH_DISK(what_is_cleared_is_forgotten),
        WITH_DISK(what_cannot_be_saved_does_not_happen),
        WITH_DISK(without_a_keeper_it_is_refused),
        WITH_DISK(another_volume_inherits_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
