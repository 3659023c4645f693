#include "scsi/table.h"

/* ---- what a record needs ---- */

static int save_record(struct scsi_disk *disk, const uint8_t *data, uint64_t offset, uint32_t length_bytes)
{
    pthread_mutex_lock(&disk->save_lock);
    pthread_mutex_lock(&disk->lock);
    disk->atomic.data = data;
    disk->atomic.offset = offset;
    disk->atomic.length_bytes = length_bytes;
    pthread_mutex_unlock(&disk->lock);
    int r = scsi_disk_save(disk, NULL, disk->reservations_kept);
    pthread_mutex_unlock(&disk->save_lock);
    return r;
}

static int forget_record(struct scsi_disk *disk)
{
    return save_record(disk, NULL, 0, 0);
}

/* The lock is held. */
static void release(struct scsi_disk *disk, bool stuck)
{
    disk->atomic.stuck = stuck;
    atomic_store(&disk->atomic.busy, stuck);
    pthread_cond_broadcast(&disk->written);
}

/* A record that the next start would write over newer blocks must go before anything is written. */
static bool try_to_forget(struct scsi_disk *disk)
{
    disk->atomic.stuck = false; /* this one tries; the others wait */
    pthread_mutex_unlock(&disk->lock);
    bool forgotten = forget_record(disk) == 0;
    pthread_mutex_lock(&disk->lock);
    release(disk, !forgotten);
    return forgotten;
}

/* The lock is held. */
static bool wait_until_free(struct scsi_disk *disk)
{
    while (atomic_load(&disk->atomic.busy)) {
        if (disk->atomic.stuck)
            return try_to_forget(disk);
        pthread_cond_wait(&disk->written, &disk->lock);
    }
    return true;
}

bool scsi_atomic_wait(struct scsi_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    bool is_free = wait_until_free(disk);
    pthread_mutex_unlock(&disk->lock);
    return is_free;
}

/* ---- reading beside it ---- */

static bool meets(const struct scsi_command *command, const struct atomic_range *range)
{
    return command->lba < range->lba + range->blocks && range->lba < command->lba + command->blocks;
}

static const struct atomic_range *range_of(const struct scsi_disk *disk, unsigned sequence)
{
    return &disk->atomic.ranges[sequence / 2 % ATOMIC_RANGES_KEPT];
}

/* Whether blocks of this READ changed since it began. The lock is held. */
static bool was_overtaken(const struct scsi_command *command, unsigned now)
{
    unsigned since = command->atomic_sequence & ~1u;

    if (now - since > 2 * (ATOMIC_RANGES_KEPT - 1))
        return true;
    for (unsigned each = since; each != (now & ~1u); each += 2) {
        if (meets(command, range_of(command->disk, each)))
            return true;
    }
    return false;
}

/* The lock is held, and let go while waiting. */
static int settle(struct scsi_command *command, uint64_t offset, bool may_wait)
{
    struct scsi_disk *disk = command->disk;
    unsigned now;

    while ((now = atomic_load(&disk->atomic.sequence)) & 1 && meets(command, range_of(disk, now))) {
        if (!may_wait)
            return -EAGAIN;
        pthread_cond_wait(&disk->written, &disk->lock);
    }
    if (offset && was_overtaken(command, now)) {
        /* Some of it was sent already: the initiator reads again. */
        scsi_fail(command, SENSE_ABORTED_COMMAND, SENSE_CODE_NONE);
        return -EIO;
    }
    command->atomic_sequence = now;
    return 0;
}

int scsi_atomic_let_read(struct scsi_command *command, uint64_t offset, bool may_wait, unsigned *sequence)
{
    struct scsi_disk *disk = command->disk;
    int r = 0;

    if (atomic_load(&disk->atomic.sequence) != command->atomic_sequence || command->atomic_sequence & 1) {
        pthread_mutex_lock(&disk->lock);
        r = settle(command, offset, may_wait);
        pthread_mutex_unlock(&disk->lock);
    }
    *sequence = command->atomic_sequence;
    return r;
}

/* ---- writing ---- */

/* Alone: those who write already are waited for. */
static bool take_disk(struct scsi_command *command)
{
    struct scsi_disk *disk = command->disk;

    pthread_mutex_lock(&disk->lock);
    bool is_free = wait_until_free(disk);
    if (is_free) {
        atomic_store(&disk->atomic.busy, true);
        scsi_disk_wait_for_writers(disk);
        scsi_sanitize_refuses(command);
    }
    pthread_mutex_unlock(&disk->lock);
    if (!is_free)
        scsi_fail(command, SENSE_HARDWARE_ERROR, SENSE_CODE_INTERNAL_FAILURE);
    return is_free;
}

static void begin_change(struct scsi_command *command)
{
    struct scsi_disk *disk = command->disk;

    pthread_mutex_lock(&disk->lock);
    unsigned sequence = atomic_load(&disk->atomic.sequence);
    disk->atomic.ranges[sequence / 2 % ATOMIC_RANGES_KEPT] =
        (struct atomic_range){command->lba, command->blocks};
    atomic_store(&disk->atomic.sequence, sequence + 1);
    pthread_mutex_unlock(&disk->lock);
}

static void end_change(struct scsi_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    atomic_fetch_add(&disk->atomic.sequence, 1);
    pthread_cond_broadcast(&disk->written);
    pthread_mutex_unlock(&disk->lock);
}

/* Blocks that could not be written are as they were, and those that were written can be again. */
static void put_back(struct volume *volume, const uint8_t *before, uint64_t offset, size_t length_bytes)
{
    for (size_t at = 0; at < length_bytes; at += VOLUME_BLOCK_BYTES) {
        struct iovec vec = {(void *)(before + at), VOLUME_BLOCK_BYTES};
        volume_write(volume, &vec, 1, offset + at, false, VOLUME_MAY_WAIT);
    }
}

static int write_or_put_back(struct scsi_command *command, uint64_t offset, size_t length_bytes)
{
    struct volume *volume = command->disk->volume;
    CLEANUP_FREE uint8_t *before = xcalloc(1, length_bytes);
    struct iovec old = {before, length_bytes};
    struct iovec new = {command->out, length_bytes};
    int r = volume_read(volume, &old, 1, offset, VOLUME_MAY_WAIT);

    if (r < 0)
        return r;
    r = volume_write(volume, &new, 1, offset, true, VOLUME_MAY_WAIT);
    if (r < 0 && r != -EIO)
        put_back(volume, before, offset, length_bytes);
    return r;
}

static void keep_record(struct scsi_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    disk->atomic.data = NULL;
    pthread_mutex_unlock(&disk->lock);
}

/* A volume that failed (-EIO) is used no more until it is opened again: then the record is written. */
static int write_alone(struct scsi_command *command, bool *stuck)
{
    struct scsi_disk *disk = command->disk;
    uint64_t offset = command->lba * VOLUME_SECTOR_BYTES;
    int r = -ENOTRECOVERABLE;

    if (save_record(disk, command->out, offset, (uint32_t)command->out_bytes) == 0) {
        begin_change(command);
        r = write_or_put_back(command, offset, command->out_bytes);
        end_change(disk);
    }
    if (r == -EIO)
        keep_record(disk);
    *stuck = r == -EIO || forget_record(disk) < 0;
    return *stuck && r == 0 ? -ENOTRECOVERABLE : r;
}

static int write_counted(struct scsi_command *command, bool *stuck)
{
    int r = 0;

    *stuck = false;
    scsi_path_begin_writing(command->path, command->era);
    if (scsi_path_may_write(command->path, command->era))
        r = write_alone(command, stuck);
    else
        command->status = SCSI_TASK_ABORTED;
    scsi_path_end_writing(command->path, command->era);
    return r;
}

int scsi_run_write_atomic(struct scsi_command *command, enum volume_wait wait)
{
    struct scsi_disk *disk = command->disk;
    bool stuck = false;
    int r = 0;

    if (!command->out_bytes || !take_disk(command))
        return 0;
    if (command->status == SCSI_GOOD)
        r = write_counted(command, &stuck);
    pthread_mutex_lock(&disk->lock);
    release(disk, stuck);
    pthread_mutex_unlock(&disk->lock);
    if (r < 0)
        scsi_fail_volume(command, r, true);
    return 0;
}

void scsi_check_write_atomic(struct scsi_command *command)
{
    enum { BOUNDARY = 10 };

    if (!command->disk->keeper.save)
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_OPCODE);
    else if (cdb_number(command->cdb, (struct cdb_field){BOUNDARY, 2}))
        scsi_fail_cdb(command, BOUNDARY);
    else if (command->lba % ATOMIC_UNIT_BLOCKS)
        scsi_fail_cdb(command, command->entry->lba.at);
    else if (command->blocks % ATOMIC_UNIT_BLOCKS || command->blocks > ATOMIC_MAX_BLOCKS)
        scsi_fail_cdb(command, command->entry->blocks.at);
}

void scsi_atomic_replay(struct scsi_disk *disk, const uint8_t *data, uint64_t offset, uint32_t length_bytes)
{
    struct iovec vec = {(void *)data, length_bytes};
    int r = volume_write(disk->volume, &vec, 1, offset, true, VOLUME_MAY_WAIT);

    pthread_mutex_lock(&disk->lock);
    release(disk, true); /* until the record is gone */
    if (r == 0)
        try_to_forget(disk);
    pthread_mutex_unlock(&disk->lock);
}
