#include "scsi/table.h"

enum { PIECE_BYTES = 1 << 30 };

/* ---- the operation ---- */

/* Its begin is durable before anything is erased, its end before anybody is told: a program that starts again
 * knows whether to go on. */
static int save(struct scsi_disk *disk)
{
    pthread_mutex_lock(&disk->save_lock);
    int r = scsi_disk_save(disk, NULL, disk->reservations_kept);
    pthread_mutex_unlock(&disk->save_lock);
    return r;
}

static void set_state(struct scsi_disk *disk, enum sanitize_state state)
{
    pthread_mutex_lock(&disk->lock);
    atomic_store(&disk->sanitize.state, state);
    disk->sanitize.done_bytes = 0;
    pthread_mutex_unlock(&disk->lock);
}

static void end_operation(struct scsi_disk *disk, int result)
{
    pthread_mutex_lock(&disk->lock);
    disk->sanitize.driven = false;
    pthread_mutex_unlock(&disk->lock);
    set_state(disk, result < 0 ? SANITIZE_FAILED : SANITIZE_NONE);
    /* If its end is not known to the next start, that start would erase what was written since. */
    if (save(disk) < 0)
        set_state(disk, SANITIZE_FAILED);
}

/* Commands that had begun and write are waited for; the others find that they may not go on. */
static void wait_for_others(struct scsi_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    scsi_disk_wait_for_writers(disk);
    pthread_mutex_unlock(&disk->lock);
}

bool scsi_sanitize_step(struct scsi_disk *disk)
{
    uint64_t size = volume_size_bytes(disk->volume);

    if (atomic_load(&disk->sanitize.state) != SANITIZE_RUNNING)
        return false;
    uint64_t done = disk->sanitize.done_bytes; /* only whoever works at it changes it */
    if (done == 0)
        wait_for_others(disk);
    uint64_t piece = MIN(size - done, (uint64_t)PIECE_BYTES);
    int r = piece ? volume_discard(disk->volume, done, piece) : volume_flush(disk->volume);
    if (r < 0 || !piece) {
        end_operation(disk, r);
        return false;
    }
    pthread_mutex_lock(&disk->lock);
    disk->sanitize.done_bytes = done + piece;
    pthread_mutex_unlock(&disk->lock);
    return true;
}

void scsi_sanitize_leave(struct scsi_disk *disk)
{
    if (!disk->keeper.work) {
        while (scsi_sanitize_step(disk))
            ;
        return;
    }
    pthread_mutex_lock(&disk->lock);
    disk->sanitize.driven = disk->keeper.work(disk->keeper.arg);
    pthread_mutex_unlock(&disk->lock);
}

/* ---- what it means for others ---- */

static uint16_t progress_of(const struct scsi_disk *disk)
{
    uint64_t size = volume_size_bytes(disk->volume);

    return (uint16_t)MIN(disk->sanitize.done_bytes / (size / 65536 + 1), (uint64_t)UINT16_MAX);
}

static void fail_running(struct scsi_command *command)
{
    struct scsi_disk *disk = command->disk;

    scsi_fail(command, SENSE_NOT_READY, SENSE_CODE_SANITIZE_IN_PROGRESS);
    command->sense.has_progress = true;
    command->sense.progress = progress_of(disk);
    /* Whoever should work at it may have found no worker free. */
    if (!disk->sanitize.driven && disk->keeper.work)
        disk->sanitize.driven = disk->keeper.work(disk->keeper.arg);
}

bool scsi_sanitize_refuses(struct scsi_command *command)
{
    unsigned state = atomic_load(&command->disk->sanitize.state);
    bool sanitizes = command->entry->opcode == OPCODE_SANITIZE;

    if (state == SANITIZE_NONE || command->entry->flags & ENTRY_WHILE_SANITIZING)
        return false;
    if (state == SANITIZE_RUNNING)
        fail_running(command);
    else if (!sanitizes)
        scsi_fail(command, SENSE_MEDIUM_ERROR, SENSE_CODE_SANITIZE_FAILED);
    return command->status != SCSI_GOOD;
}

/* ---- the commands ---- */

void scsi_check_sanitize(struct scsi_command *command)
{
    if (command->length_bytes)
        scsi_fail_cdb(command, command->entry->length.at);
}

static bool begin(struct scsi_command *command, bool background)
{
    enum { AUSE = 0x20 };
    struct scsi_disk *disk = command->disk;

    pthread_mutex_lock(&disk->lock);
    bool free = atomic_load(&disk->sanitize.state) != SANITIZE_RUNNING;
    if (free) {
        atomic_store(&disk->sanitize.state, SANITIZE_RUNNING);
        disk->sanitize.may_exit_failure = command->cdb[1] & AUSE;
        disk->sanitize.driven = true;
        disk->sanitize.done_bytes = 0;
    } else {
        fail_running(command);
    }
    pthread_mutex_unlock(&disk->lock);
    if (free && save(disk) < 0) {
        set_state(disk, SANITIZE_NONE);
        scsi_fail(command, SENSE_HARDWARE_ERROR, SENSE_CODE_INTERNAL_FAILURE);
        return false;
    }
    command->sanitizes = free && !background;
    return free;
}

int scsi_run_block_erase(struct scsi_command *command, enum volume_wait wait)
{
    enum { IMMED = 0x80 };
    struct scsi_disk *disk = command->disk;
    bool background = command->cdb[1] & IMMED;

    if (!command->sanitizes && !begin(command, background))
        return 0;
    if (background) {
        scsi_sanitize_leave(disk);
        return 0;
    }
    command->unfinished = scsi_sanitize_step(disk);
    command->sanitizes = command->unfinished;
    if (!command->unfinished && atomic_load(&disk->sanitize.state) == SANITIZE_FAILED)
        scsi_fail(command, SENSE_MEDIUM_ERROR, SENSE_CODE_SANITIZE_FAILED);
    return 0;
}

/* Without a failure it does nothing; one whose command did not allow it (AUSE) can only be sanitized away. */
int scsi_run_exit_failure_mode(struct scsi_command *command, enum volume_wait wait)
{
    struct scsi_disk *disk = command->disk;

    if (atomic_load(&disk->sanitize.state) != SANITIZE_FAILED)
        return 0;
    if (!disk->sanitize.may_exit_failure) {
        scsi_fail_cdb(command, 1);
        return 0;
    }
    set_state(disk, SANITIZE_NONE);
    if (save(disk) < 0) {
        set_state(disk, SANITIZE_FAILED);
        scsi_fail(command, SENSE_HARDWARE_ERROR, SENSE_CODE_INTERNAL_FAILURE);
    }
    return 0;
}
