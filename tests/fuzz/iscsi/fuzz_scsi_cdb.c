/*
 * Commands from any bytes: 16 bytes of CDB, two of data length, and that much data-out. What is read must lie
 * in range.
 */
#include "base/bytes.h"
#include "memory_volume.h"
#include "scsi/disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DISK_BYTES = 1 << 20 };

static void run(struct scsi_command *command, const uint8_t *out, size_t out_bytes)
{
    static uint8_t data[DISK_BYTES];
    uint8_t sense[SENSE_MAX_BYTES];
    enum scsi_step step = scsi_begin(command);

    if (step == SCSI_READ)
        CHECK(scsi_read(command, 0, data, command->in_bytes, VOLUME_NO_WAIT) == 0);
    if (step == SCSI_TAKE || step == SCSI_EXECUTE) {
        command->out_received = MIN(out_bytes, command->out_bytes);
        command->out = xcalloc(1, command->out_received);
        memcpy(command->out, out, command->out_received);
        do {
            if (scsi_execute(command, VOLUME_NO_WAIT) == -EAGAIN)
                scsi_execute(command, VOLUME_MAY_WAIT);
        } while (command->unfinished);
    }
    CHECK(!command->in || command->in_bytes <= MAX(command->length_bytes, (size_t)SCSI_ANSWER_MAX_BYTES));
    sense_encode(&command->sense, command->descriptor_sense, sense);
    scsi_command_end(command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_over(data, size);
    struct volume *volume = memory_volume_new(DISK_BYTES);
    struct scsi_disk *disk = scsi_disk_new(volume);
    struct scsi_nexus nexus;

    scsi_nexus_init(&nexus, "iqn.target", 1, "iqn.initiator,i,0x1");
    CHECK(scsi_nexus_attach(&nexus, 0, disk) == 0);
    atomic_store(&nexus.paths[0].attentions, 0);
    while (reader_left(&r) >= CDB_BYTES + 2) {
        struct scsi_command command = {.nexus = &nexus};
        reader_copy(&r, command.cdb, CDB_BYTES);
        size_t length = MIN((size_t)reader_be16(&r), reader_left(&r));
        command.out_offered = length;
        run(&command, reader_bytes(&r, length), length);
    }
    scsi_nexus_end(&nexus);
    scsi_disk_unref(disk);
    memory_volume_free(volume);
    return 0;
}
