/*
 * The commands every device has (SPC-4 section 6), except INQUIRY, MODE and REPORT SUPPORTED OPCODES.
 */
#include "scsi/table.h"

#include "base/bytes.h"

int scsi_run_test_unit_ready(struct scsi_command *command, enum volume_wait wait)
{
    return 0;
}

/* What TEST UNIT READY would fail with, as data: the next unit attention, which counts as told, or how far a
 * sanitize operation is. */
int scsi_run_request_sense(struct scsi_command *command, enum volume_wait wait)
{
    uint8_t answer[SENSE_MAX_BYTES];
    struct scsi_command asked = *command;
    bool descriptor = command->cdb[1] & CDB1_DESC;

    asked.sense = (struct sense){0};
    if (!command->disk) {
        scsi_fail(&asked, SENSE_ILLEGAL_REQUEST, SENSE_CODE_LUN_NOT_SUPPORTED);
    } else if (atomic_load(&command->path->attentions) ||
               atomic_load(&command->disk->sanitize.state) != SANITIZE_NONE) {
        static const uint8_t test_unit_ready[CDB_BYTES];
        memcpy(asked.cdb, test_unit_ready, sizeof(asked.cdb));
        scsi_begin(&asked);
    }
    scsi_answer(command, answer, sense_encode(&asked.sense, descriptor, answer));
    return 0;
}

/* Whoever reads the list knows what has changed in it (SPC-4 6.33). */
static void forget_changes(struct scsi_nexus *nexus)
{
    for (int lun = 0; lun < SCSI_LUNS_MAX; lun++) {
        struct scsi_path *path = scsi_nexus_path(nexus, lun);
        if (path)
            atomic_fetch_and(&path->attentions, ~(1u << ATTENTION_LUNS));
    }
}

int scsi_run_report_luns(struct scsi_command *command, enum volume_wait wait)
{
    enum { HEADER = 8, EACH = 8, SELECT_ADDRESSABLE = 0, SELECT_WELL_KNOWN = 1, SELECT_ALL = 2 };
    uint8_t answer[HEADER + EACH * SCSI_LUNS_MAX] = {0};
    uint8_t select = command->cdb[2];
    struct writer w = writer_over(answer, sizeof(answer));

    if (select > SELECT_ALL) {
        scsi_fail_cdb(command, 2);
        return 0;
    }
    writer_fill(&w, 0, HEADER);
    for (unsigned lun = 0; lun < SCSI_LUNS_MAX && select != SELECT_WELL_KNOWN; lun++) {
        /* LUN 0 answers even without a disk, and so is always listed. */
        if (lun != 0 && !scsi_nexus_path(command->nexus, (int)lun))
            continue;
        writer_be16(&w, (uint16_t)lun);
        writer_fill(&w, 0, EACH - 2);
    }
    struct writer header = writer_over(answer, HEADER);
    writer_be32(&header, (uint32_t)(w.offset - HEADER));
    if (select != SELECT_WELL_KNOWN)
        forget_changes(command->nexus);
    scsi_answer(command, answer, w.offset);
    return 0;
}

/* A disk that always spins: what is asked for before it would stop is done, and it goes on. */
int scsi_run_start_stop(struct scsi_command *command, enum volume_wait wait)
{
    enum { BYTE = 4, START = 0x01, LOAD_EJECT = 0x02, NO_FLUSH = 0x04, POWER_CONDITION = 0xf0 };
    uint8_t wanted = command->cdb[BYTE];

    if (wanted & LOAD_EJECT) {
        scsi_fail_cdb(command, BYTE);
        return 0;
    }
    if (wanted & (START | NO_FLUSH | POWER_CONDITION) || scsi_disk_is_read_only(command->disk))
        return 0;
    return scsi_run_flush(command, wait);
}

/* Nothing can be removed, so preventing it always succeeds. */
int scsi_run_prevent_allow(struct scsi_command *command, enum volume_wait wait)
{
    return 0;
}

int scsi_run_reserve(struct scsi_command *command, enum volume_wait wait)
{
    pthread_mutex_lock(&command->disk->lock);
    command->disk->reserved_by = command->path;
    pthread_mutex_unlock(&command->disk->lock);
    return 0;
}

/* Letting go of what another holds is no error and does nothing (SPC-2 7.22). */
int scsi_run_release(struct scsi_command *command, enum volume_wait wait)
{
    pthread_mutex_lock(&command->disk->lock);
    if (command->disk->reserved_by == command->path)
        command->disk->reserved_by = NULL;
    pthread_mutex_unlock(&command->disk->lock);
    return 0;
}
