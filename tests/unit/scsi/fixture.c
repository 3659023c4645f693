#include "fixture.h"

#define TARGET "iqn.2026-11.internal.farboot:root:02-00-00-00-00-01"

static const uint8_t test_unit_ready[CDB_BYTES];

int fixture_setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->volume = memory_volume_new(DISK_BYTES);
    f->disk = scsi_disk_new(f->volume);
    scsi_nexus_init(&f->nexus, TARGET, 1, "iqn.a,i,0x00023d000001");
    scsi_nexus_init(&f->other, TARGET, 1, "iqn.b,i,0x00023d000002");
    CHECK(scsi_nexus_attach(&f->nexus, 0, f->disk) == 0 && scsi_nexus_attach(&f->other, 0, f->disk) == 0);
    CHECK(outcome_on(&f->nexus, test_unit_ready, NULL, 0) ==
          FAILS(SENSE_UNIT_ATTENTION, SENSE_CODE_POWER_ON));
    CHECK(outcome_on(&f->other, test_unit_ready, NULL, 0) ==
          FAILS(SENSE_UNIT_ATTENTION, SENSE_CODE_POWER_ON));
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    scsi_nexus_end(&f->nexus);
    scsi_nexus_end(&f->other);
    scsi_disk_unref(f->disk);
    memory_volume_free(f->volume);
    free(f);
    return 0;
}

static void execute(struct scsi_command *command, const void *out, size_t out_bytes)
{
    command->out = xcalloc(1, out_bytes);
    if (out_bytes)
        memcpy(command->out, out, out_bytes);
    command->out_received = MIN(out_bytes, command->out_bytes);
    do {
        if (scsi_execute(command, VOLUME_NO_WAIT) == -EAGAIN)
            CHECK(scsi_execute(command, VOLUME_MAY_WAIT) == 0);
    } while (command->unfinished);
}

struct scsi_command *run_on(struct scsi_nexus *nexus, const uint8_t cdb[CDB_BYTES], const void *out,
                            size_t out_bytes)
{
    struct scsi_command *command = xcalloc(1, sizeof(*command));

    command->nexus = nexus;
    command->out_offered = out_bytes;
    memcpy(command->cdb, cdb, CDB_BYTES);
    switch (scsi_begin(command)) {
    case SCSI_ANSWERED:
        break;
    case SCSI_TAKE:
    case SCSI_EXECUTE:
        execute(command, out, out_bytes);
        break;
    case SCSI_READ:
        command->in = xcalloc(1, command->in_bytes);
        scsi_read(command, 0, command->in, command->in_bytes, VOLUME_MAY_WAIT);
        break;
    }
    return command;
}

struct scsi_command *run(struct fixture *f, const uint8_t cdb[CDB_BYTES], const void *out, size_t out_bytes)
{
    return run_on(&f->nexus, cdb, out, out_bytes);
}

void end(struct scsi_command *command)
{
    scsi_command_end(command);
    free(command);
}

unsigned outcome_on(struct scsi_nexus *nexus, const uint8_t cdb[CDB_BYTES], const void *out, size_t out_bytes)
{
    struct scsi_command *command = run_on(nexus, cdb, out, out_bytes);
    unsigned result = command->status == SCSI_CHECK_CONDITION ? FAILS(command->sense.key, command->sense.code)
                                                              : (unsigned)command->status;

    end(command);
    return result;
}

unsigned outcome(struct fixture *f, const uint8_t cdb[CDB_BYTES], const void *out, size_t out_bytes)
{
    return outcome_on(&f->nexus, cdb, out, out_bytes);
}
