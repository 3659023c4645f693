#include "scsi/disk.h"

#include "scsi/table.h"

#include <stdio.h>

enum { LBA_6_MASK = 0x1fffff, BLOCKS_6_FOR_ZERO = 256 };

static const enum sense_code attention_codes[] = {
    [ATTENTION_POWER_ON] = SENSE_CODE_POWER_ON,
    [ATTENTION_RESET] = SENSE_CODE_DEVICE_RESET,
    [ATTENTION_NEXUS_LOSS] = SENSE_CODE_NEXUS_LOSS,
    [ATTENTION_CAPACITY] = SENSE_CODE_CAPACITY_CHANGED,
    [ATTENTION_MODE] = SENSE_CODE_MODE_CHANGED,
    [ATTENTION_RESERVATIONS_PREEMPTED] = SENSE_CODE_RESERVATIONS_PREEMPTED,
    [ATTENTION_RESERVATIONS_RELEASED] = SENSE_CODE_RESERVATIONS_RELEASED,
    [ATTENTION_REGISTRATIONS_PREEMPTED] = SENSE_CODE_REGISTRATIONS_PREEMPTED,
    [ATTENTION_LUNS] = SENSE_CODE_LUNS_CHANGED,
};

/* ---- disks and nexuses ---- */

struct scsi_disk *scsi_disk_new(struct volume *volume)
{
    struct scsi_disk *disk = xcalloc(1, sizeof(*disk));
    const uint8_t *uuid = volume_uuid(volume);

    disk->volume = volume_ref(volume);
    for (size_t i = 0; i < 16; i++)
        snprintf(disk->serial + 2 * i, 3, "%02x", uuid[i]);
    atomic_init(&disk->references, 1);
    pthread_mutex_init(&disk->lock, NULL);
    pthread_mutex_init(&disk->save_lock, NULL);
    pthread_mutex_init(&disk->update_lock, NULL);
    pthread_cond_init(&disk->written, NULL);
    disk->mode.write_cache = true;
    disk->announced_bytes = volume_size_bytes(volume);
    return disk;
}

struct scsi_disk *scsi_disk_ref(struct scsi_disk *disk)
{
    atomic_fetch_add(&disk->references, 1);
    return disk;
}

void scsi_disk_unref(struct scsi_disk *disk)
{
    if (!disk || atomic_fetch_sub(&disk->references, 1) != 1)
        return;
    volume_unref(disk->volume);
    reservations_free(&disk->reservations);
    pthread_cond_destroy(&disk->written);
    pthread_mutex_destroy(&disk->update_lock);
    pthread_mutex_destroy(&disk->save_lock);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}

void scsi_disk_set_read_only(struct scsi_disk *disk, bool read_only)
{
    if (atomic_exchange(&disk->read_only, read_only) == read_only)
        return;
    pthread_mutex_lock(&disk->lock);
    scsi_tell_others(disk, NULL, ATTENTION_MODE); /* WP is in the mode parameter header */
    pthread_mutex_unlock(&disk->lock);
}

bool scsi_disk_is_read_only(const struct scsi_disk *disk)
{
    return atomic_load(&disk->read_only) || volume_is_read_only(disk->volume);
}

struct reservations scsi_disk_take_reservations(struct scsi_disk *disk)
{
    struct reservations taken = disk->reservations;

    disk->reservations = (struct reservations){0};
    return taken;
}

void scsi_disk_give_reservations(struct scsi_disk *disk, struct reservations reservations, bool kept)
{
    reservations_free(&disk->reservations);
    disk->reservations = reservations;
    disk->reservations_kept = kept;
}

/* ---- what outlives the program ---- */

int scsi_disk_save(struct scsi_disk *disk, const struct reservations *reservations, bool reservations_kept)
{
    CLEANUP_FREE uint8_t *bytes = xcalloc(1, KEPT_MAX_BYTES);
    struct kept kept = {.reservations_kept = reservations_kept};

    if (!disk->keeper.save)
        return 0;
    memcpy(kept.uuid, volume_uuid(disk->volume), sizeof(kept.uuid));
    pthread_mutex_lock(&disk->lock);
    kept.reservations = reservations ? *reservations : disk->reservations;
    kept.sanitizing = atomic_load(&disk->sanitize.state) != SANITIZE_NONE;
    kept.may_exit_failure = disk->sanitize.may_exit_failure;
    kept.atomic_data = disk->atomic.data;
    kept.atomic_offset = disk->atomic.offset;
    kept.atomic_bytes = disk->atomic.length_bytes;
    bool worth_it = kept.sanitizing || kept.atomic_data || (reservations_kept && kept.reservations.count);
    size_t length = worth_it ? kept_encode(&kept, bytes) : 0;
    pthread_mutex_unlock(&disk->lock);
    return disk->keeper.save(disk->keeper.arg, bytes, length);
}

static void take_kept(struct scsi_disk *disk, struct kept *kept)
{
    scsi_disk_give_reservations(disk, kept->reservations, kept->reservations_kept);
    if (kept->atomic_data)
        scsi_atomic_replay(disk, kept->atomic_data, kept->atomic_offset, kept->atomic_bytes);
    if (!kept->sanitizing)
        return;
    disk->sanitize.may_exit_failure = kept->may_exit_failure;
    atomic_store(&disk->sanitize.state, SANITIZE_RUNNING);
    scsi_sanitize_leave(disk);
}

void scsi_disk_keep(struct scsi_disk *disk, const struct scsi_keeper *keeper, const void *saved,
                    size_t saved_bytes)
{
    struct kept kept;

    disk->keeper = *keeper;
    if (!saved || !kept_decode(saved, saved_bytes, &kept))
        return;
    if (memcmp(kept.uuid, volume_uuid(disk->volume), sizeof(kept.uuid)) == 0)
        take_kept(disk, &kept);
    else
        reservations_free(&kept.reservations);
}

bool scsi_disk_work(struct scsi_disk *disk)
{
    return scsi_sanitize_step(disk);
}

/* ---- nexuses ---- */

void scsi_nexus_init(struct scsi_nexus *nexus, const char *target_name, uint16_t portal_group,
                     const char *initiator_port)
{
    memset(nexus, 0, sizeof(*nexus));
    COPY_STRING(nexus->target_name, target_name);
    COPY_STRING(nexus->initiator_port, initiator_port);
    nexus->portal_group = portal_group;
    copy_results_init(&nexus->copies);
}

static bool add_path(struct scsi_disk *disk, struct scsi_path *path)
{
    for (size_t i = 0; i < SCSI_NEXUSES_MAX; i++) {
        if (!disk->paths[i]) {
            disk->paths[i] = path;
            return true;
        }
    }
    return false;
}

int scsi_nexus_attach(struct scsi_nexus *nexus, unsigned lun, struct scsi_disk *disk)
{
    struct scsi_path *path = &nexus->paths[lun];

    CHECK(lun < SCSI_LUNS_MAX && !path->disk);
    path->nexus = nexus; /* from here on others may look at it */
    pthread_mutex_lock(&disk->lock);
    bool added = add_path(disk, path);
    pthread_mutex_unlock(&disk->lock);
    if (!added)
        return -EBUSY;
    path->disk = scsi_disk_ref(disk);
    atomic_store(&path->attentions, 1u << ATTENTION_POWER_ON);
    return 0;
}

static void detach(struct scsi_path *path)
{
    struct scsi_disk *disk = path->disk;

    pthread_mutex_lock(&disk->lock);
    for (size_t i = 0; i < SCSI_NEXUSES_MAX; i++) {
        if (disk->paths[i] == path)
            disk->paths[i] = NULL;
    }
    if (disk->reserved_by == path)
        disk->reserved_by = NULL;
    pthread_mutex_unlock(&disk->lock);
    path->disk = NULL;
    path->hidden = false;
    scsi_disk_unref(disk);
}

struct scsi_path *scsi_nexus_path(struct scsi_nexus *nexus, int lun)
{
    struct scsi_path *path = lun >= 0 && lun < SCSI_LUNS_MAX ? &nexus->paths[lun] : NULL;

    return path && path->disk && !path->hidden ? path : NULL;
}

void scsi_nexus_hide(struct scsi_nexus *nexus, unsigned lun)
{
    nexus->paths[lun].hidden = true;
}

void scsi_nexus_detach(struct scsi_nexus *nexus, unsigned lun)
{
    CHECK(lun < SCSI_LUNS_MAX && nexus->paths[lun].hidden);
    detach(&nexus->paths[lun]);
}

void scsi_nexus_luns_changed(struct scsi_nexus *nexus)
{
    for (int lun = 0; lun < SCSI_LUNS_MAX; lun++) {
        struct scsi_path *path = scsi_nexus_path(nexus, lun);
        if (path)
            atomic_fetch_or(&path->attentions, 1u << ATTENTION_LUNS);
    }
}

void scsi_nexus_end(struct scsi_nexus *nexus)
{
    for (size_t i = 0; i < SCSI_LUNS_MAX; i++) {
        if (nexus->paths[i].disk)
            detach(&nexus->paths[i]);
    }
    copy_results_end(&nexus->copies);
}

void scsi_tell_others(struct scsi_disk *disk, const struct scsi_path *except, enum scsi_attention attention)
{
    for (size_t i = 0; i < SCSI_NEXUSES_MAX; i++) {
        if (disk->paths[i] && disk->paths[i] != except)
            atomic_fetch_or(&disk->paths[i]->attentions, 1u << attention);
    }
}

/* The others' commands end with TASK ABORTED (TAS); this nexus's own are its session's matter. */
static void abort_others(struct scsi_disk *disk, const struct scsi_path *except)
{
    for (size_t i = 0; i < SCSI_NEXUSES_MAX; i++) {
        if (disk->paths[i] && disk->paths[i] != except)
            scsi_path_abort(disk->paths[i]);
    }
}

static void reset_path(struct scsi_path *path)
{
    struct scsi_disk *disk = path->disk;

    pthread_mutex_lock(&disk->lock);
    abort_others(disk, path);
    disk->reserved_by = NULL;
    disk->mode = (struct scsi_mode){.write_cache = true};
    scsi_tell_others(disk, NULL, ATTENTION_RESET);
    pthread_mutex_unlock(&disk->lock);
}

bool scsi_nexus_reset(struct scsi_nexus *nexus, int lun)
{
    bool found = false;

    for (int i = 0; i < SCSI_LUNS_MAX; i++) {
        if ((lun < 0 || lun == i) && nexus->paths[i].disk) {
            reset_path(&nexus->paths[i]);
            found = true;
        }
    }
    return found || lun < 0;
}

int scsi_lun_number(const uint8_t lun[8])
{
    static const uint8_t zeros[6];

    /* Peripheral device addressing on bus 0, or flat addressing. */
    if ((lun[0] != 0 && lun[0] != 0x40) || lun[1] >= SCSI_LUNS_MAX ||
        memcmp(lun + 2, zeros, sizeof(zeros)) != 0)
        return -1;
    return lun[1];
}

/* ---- aborting what has begun ---- */

void scsi_path_abort(struct scsi_path *path)
{
    atomic_fetch_add(&path->era, 1);
}

/* Of those that began before the last abort. */
static bool are_writing(const struct scsi_disk *disk, uint64_t slots)
{
    for (size_t i = 0; i < SCSI_NEXUSES_MAX; i++) {
        struct scsi_path *path = slots & 1ull << i ? disk->paths[i] : NULL;
        if (path && atomic_load(&path->writing[(atomic_load(&path->era) - 1) & 1]))
            return true;
    }
    return false;
}

/* Only commands that write are waited for, and those wait for nobody: there is no circle. */
void scsi_disk_wait_for_aborted(struct scsi_disk *disk, uint64_t slots)
{
    atomic_fetch_add(&disk->waiting, 1);
    while (are_writing(disk, slots))
        pthread_cond_wait(&disk->written, &disk->lock);
    atomic_fetch_sub(&disk->waiting, 1);
}

static bool are_any_writing(const struct scsi_disk *disk)
{
    for (size_t i = 0; i < SCSI_NEXUSES_MAX; i++) {
        struct scsi_path *path = disk->paths[i];
        if (path && (atomic_load(&path->writing[0]) || atomic_load(&path->writing[1])))
            return true;
    }
    return false;
}

void scsi_disk_wait_for_writers(struct scsi_disk *disk)
{
    atomic_fetch_add(&disk->waiting, 1);
    while (are_any_writing(disk))
        pthread_cond_wait(&disk->written, &disk->lock);
    atomic_fetch_sub(&disk->waiting, 1);
}

static bool is_aborted(const struct scsi_command *command)
{
    return command->path && command->era != atomic_load(&command->path->era);
}

static void end_aborted(struct scsi_command *command)
{
    command->status = SCSI_TASK_ABORTED;
    command->in_bytes = 0;
}

/* A sanitize operation that began after this command did. */
static bool is_shut_out(struct scsi_command *command)
{
    struct scsi_disk *disk = command->disk;

    if (!disk || atomic_load(&disk->sanitize.state) == SANITIZE_NONE ||
        command->entry->flags & ENTRY_WAITS_FOR_WRITERS)
        return false;
    pthread_mutex_lock(&disk->lock);
    bool refused = scsi_sanitize_refuses(command);
    pthread_mutex_unlock(&disk->lock);
    return refused;
}

static int run(struct scsi_command *command, enum volume_wait wait)
{
    if (is_aborted(command))
        end_aborted(command);
    else if (!is_shut_out(command))
        return command->entry->run(command, wait);
    return 0;
}

static void tell_written(struct scsi_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    pthread_cond_broadcast(&disk->written);
    pthread_mutex_unlock(&disk->lock);
}

void scsi_path_begin_writing(struct scsi_path *path, unsigned era)
{
    atomic_fetch_add(&path->writing[era & 1], 1);
}

bool scsi_path_may_write(const struct scsi_path *path, unsigned era)
{
    return atomic_load(&path->era) == era && atomic_load(&path->disk->sanitize.state) == SANITIZE_NONE;
}

void scsi_path_end_writing(struct scsi_path *path, unsigned era)
{
    atomic_fetch_sub(&path->writing[era & 1], 1);
    if (atomic_load(&path->disk->waiting))
        tell_written(path->disk);
}

/* Counted before it is asked, so that whoever aborts either sees it write or keeps it from writing. */
static int run_writing(struct scsi_command *command, enum volume_wait wait)
{
    for (;;) {
        scsi_path_begin_writing(command->path, command->era);
        bool alone = !atomic_load(&command->disk->atomic.busy);
        int r = alone ? run(command, wait) : 0;
        scsi_path_end_writing(command->path, command->era);
        if (alone)
            return r;
        if (wait == VOLUME_NO_WAIT)
            return -EAGAIN;
        if (!scsi_atomic_wait(command->disk)) {
            scsi_fail(command, SENSE_HARDWARE_ERROR, SENSE_CODE_INTERNAL_FAILURE);
            return 0;
        }
    }
}

/* ---- ending a command ---- */

void scsi_fail(struct scsi_command *command, enum sense_key key, enum sense_code code)
{
    command->status = SCSI_CHECK_CONDITION;
    command->sense = (struct sense){.key = key, .code = code};
    command->in_bytes = 0;
}

void scsi_fail_cdb(struct scsi_command *command, unsigned at)
{
    scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB);
    command->sense.has_field = true;
    command->sense.field_in_cdb = true;
    command->sense.field = (uint16_t)at;
}

void scsi_fail_volume(struct scsi_command *command, int error, bool writing)
{
    switch (error) {
    case -ENOSPC:
    case -EDQUOT:
        scsi_fail(command, SENSE_DATA_PROTECT, SENSE_CODE_NO_SPACE);
        break;
    case -EROFS:
        scsi_fail(command, SENSE_DATA_PROTECT, SENSE_CODE_WRITE_PROTECTED);
        break;
    case -EINVAL:
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_LBA_OUT_OF_RANGE);
        break;
    case -EIO:
        scsi_fail(command, SENSE_MEDIUM_ERROR, writing ? SENSE_CODE_WRITE_ERROR : SENSE_CODE_READ_ERROR);
        break;
    default:
        scsi_fail(command, SENSE_HARDWARE_ERROR, SENSE_CODE_INTERNAL_FAILURE);
    }
}

void scsi_answer(struct scsi_command *command, const void *bytes, size_t length_bytes)
{
    size_t given = MIN(length_bytes, command->length_bytes);

    command->status = SCSI_GOOD;
    command->in_bytes = given;
    if (!given)
        return;
    command->in = xcalloc(1, given);
    memcpy(command->in, bytes, given);
}

void scsi_command_end(struct scsi_command *command)
{
    if (command->sanitizes)
        scsi_sanitize_leave(command->disk);
    copy_job_free(TAKE_PTR(command->copy));
    command->sanitizes = false;
    free(command->out);
    free(command->in);
    command->out = command->in = NULL;
}

/* ---- checking a command ---- */

static void fail_unknown(struct scsi_command *command)
{
    bool service_actions;

    if (scsi_table_has_opcode(command->cdb[0], &service_actions))
        scsi_fail_cdb(command, 1);
    else
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_OPCODE);
}

static void notice_growth(struct scsi_disk *disk)
{
    uint64_t size = volume_size_bytes(disk->volume);

    if (size == disk->announced_bytes)
        return;
    disk->announced_bytes = size;
    scsi_tell_others(disk, NULL, ATTENTION_CAPACITY);
}

/* Ends the command with the first thing that this nexus has not been told yet. */
static bool reports_attention(struct scsi_command *command)
{
    unsigned pending = atomic_load(&command->path->attentions);

    if (!pending || command->entry->flags & ENTRY_NO_ATTENTION)
        return false;
    int first = __builtin_ctz(pending);
    atomic_fetch_and(&command->path->attentions, ~(1u << first));
    scsi_fail(command, SENSE_UNIT_ATTENTION, attention_codes[first]);
    return true;
}

static void decode_numbers(struct scsi_command *command)
{
    const struct scsi_entry *entry = command->entry;

    command->lba = cdb_number(command->cdb, entry->lba);
    command->blocks = cdb_number(command->cdb, entry->blocks);
    command->length_bytes = cdb_number(command->cdb, entry->length);
    if (entry->blocks.width && cdb_length_bytes(entry->opcode) == 6) {
        command->lba &= LBA_6_MASK;
        command->blocks = command->blocks ? command->blocks : BLOCKS_6_FOR_ZERO;
    }
}

static bool in_range(const struct scsi_command *command)
{
    uint64_t capacity = volume_size_bytes(command->disk->volume) / VOLUME_SECTOR_BYTES;

    /* An LBA equal to the capacity is outside even for a command of no blocks. */
    return command->lba < capacity && command->blocks <= capacity - command->lba;
}

static bool is_write_protected(struct scsi_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    bool protected = disk->mode.write_protect;
    pthread_mutex_unlock(&disk->lock);
    return protected || scsi_disk_is_read_only(disk);
}

static bool sets_reserved_bits(const struct scsi_command *command)
{
    const struct scsi_entry *entry = command->entry;
    size_t length = cdb_length_bytes(entry->opcode);

    for (size_t i = 1; i < length; i++) {
        unsigned used = entry->usage[i];
        if (i == 1 && entry->service_action != SERVICE_ACTION_NONE)
            used |= CDB1_SERVICE_ACTION;
        if (command->cdb[i] & ~used)
            return true;
    }
    return false;
}

static void check_against_table(struct scsi_command *command)
{
    unsigned flags = command->entry->flags;

    if (flags & ENTRY_PROTECT && command->cdb[1] & CDB1_PROTECT)
        scsi_fail_cdb(command, 1);
    else if (flags & ENTRY_STRICT && sets_reserved_bits(command))
        scsi_fail_cdb(command, 1);
    else if (flags & ENTRY_RANGE && !in_range(command))
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_LBA_OUT_OF_RANGE);
    else if (flags & ENTRY_WRITES && is_write_protected(command->disk))
        scsi_fail(command, SENSE_DATA_PROTECT, SENSE_CODE_WRITE_PROTECTED);
    else if (flags & ENTRY_DATA_OUT_BLOCKS)
        command->out_bytes = command->blocks * VOLUME_SECTOR_BYTES;
    else if (flags & ENTRY_DATA_OUT_LENGTH)
        command->out_bytes = command->length_bytes;
    else if (flags & ENTRY_READS)
        command->in_bytes = command->blocks * VOLUME_SECTOR_BYTES;
}

/* RESERVE(6) of another nexus. */
static bool conflicts_with_reserve(const struct scsi_command *command)
{
    const struct scsi_path *holder = command->disk->reserved_by;

    return holder && holder != command->path && !(command->entry->flags & ENTRY_THROUGH_RESERVATION);
}

/* Starting the medium and allowing its removal keep nobody from anything, unlike their opposites. */
static enum reservation_access access_of(const struct scsi_command *command)
{
    enum { OPERATION = 4, START = 0x01, START_AND_POWER = 0xf1, PREVENT = 0x03 };
    uint8_t operation = command->cdb[OPERATION];

    if (command->entry->opcode == OPCODE_START_STOP_UNIT && (operation & START_AND_POWER) == START)
        return ACCESS_FREE;
    if (command->entry->opcode == OPCODE_PREVENT_ALLOW && !(operation & PREVENT))
        return ACCESS_FREE;
    return command->entry->access;
}

/* The old way to reserve and the persistent one do not mix (SPC-3 5.5.3, CRH=0). */
static bool conflicts_with_registrants(const struct scsi_command *command)
{
    const struct reservations *all = &command->disk->reservations;

    if (command->entry->flags & ENTRY_OLD_RESERVATION)
        return all->count > 0;
    return !reservation_allows(all, command->nexus->initiator_port, access_of(command));
}

enum scsi_status scsi_path_access(struct scsi_path *path, enum reservation_access access,
                                  bool *write_protected)
{
    struct scsi_disk *disk = path->disk;

    *write_protected = is_write_protected(disk);
    pthread_mutex_lock(&disk->lock);
    bool conflict = (disk->reserved_by && disk->reserved_by != path) ||
                    !reservation_allows(&disk->reservations, path->nexus->initiator_port, access);
    pthread_mutex_unlock(&disk->lock);
    if (conflict)
        return SCSI_RESERVATION_CONFLICT;
    return atomic_load(&disk->sanitize.state) == SANITIZE_NONE ? SCSI_GOOD : SCSI_BUSY;
}

/* What the disk's other users mean for this command. */
static void check_shared_state(struct scsi_command *command)
{
    struct scsi_disk *disk = command->disk;

    pthread_mutex_lock(&disk->lock);
    notice_growth(disk);
    command->descriptor_sense = disk->mode.descriptor_sense;
    command->era = atomic_load(&command->path->era);
    command->atomic_sequence = atomic_load(&disk->atomic.sequence);
    bool conflict = conflicts_with_reserve(command) || conflicts_with_registrants(command);
    if (!reports_attention(command) && conflict)
        command->status = SCSI_RESERVATION_CONFLICT;
    if (command->status == SCSI_GOOD)
        scsi_sanitize_refuses(command);
    pthread_mutex_unlock(&disk->lock);
}

static void check_data_length(struct scsi_command *command)
{
    if (command->entry->flags & ENTRY_EXACT_DATA && command->out_offered != command->out_bytes)
        scsi_fail_cdb(command, command->entry->blocks.at);
}

static enum scsi_step next_step(const struct scsi_command *command)
{
    if (command->status != SCSI_GOOD)
        return SCSI_ANSWERED;
    if (command->entry->flags & ENTRY_READS)
        return command->in_bytes ? SCSI_READ : SCSI_ANSWERED;
    return command->out_bytes ? SCSI_TAKE : SCSI_EXECUTE;
}

static bool find_disk(struct scsi_command *command)
{
    command->path = scsi_nexus_path(command->nexus, scsi_lun_number(command->lun));
    command->disk = command->path ? command->path->disk : NULL;
    return command->disk != NULL;
}

enum scsi_step scsi_begin(struct scsi_command *command)
{
    bool has_disk = find_disk(command);

    command->status = SCSI_GOOD;
    command->entry = scsi_table_find(command->cdb);
    if (!has_disk && !(command->entry && command->entry->flags & ENTRY_ANY_LUN)) {
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_LUN_NOT_SUPPORTED);
        return SCSI_ANSWERED;
    }
    if (!command->entry) {
        fail_unknown(command);
        return SCSI_ANSWERED;
    }
    command->may_block = command->entry->flags & ENTRY_BLOCKS;
    decode_numbers(command);
    if (has_disk)
        check_shared_state(command);
    if (command->status == SCSI_GOOD)
        check_against_table(command);
    if (command->status == SCSI_GOOD && command->entry->check)
        command->entry->check(command);
    if (command->status == SCSI_GOOD)
        check_data_length(command);
    return next_step(command);
}

int scsi_execute(struct scsi_command *command, enum volume_wait wait)
{
    unsigned flags = command->entry->flags;

    command->unfinished = false;
    if (command->out_received < command->out_bytes && flags & ENTRY_DATA_OUT_LENGTH) {
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_PARAMETER_LIST_LENGTH);
        return 0;
    }
    if (command->may_block && wait == VOLUME_NO_WAIT)
        return -EAGAIN;
    return flags & ENTRY_WRITES && !(flags & ENTRY_WAITS_FOR_WRITERS) ? run_writing(command, wait)
                                                                      : run(command, wait);
}

int scsi_read(struct scsi_command *command, uint64_t offset, void *to, size_t length_bytes,
              enum volume_wait wait)
{
    struct iovec vec = {to, length_bytes};

    if (is_aborted(command)) {
        end_aborted(command);
        return -EIO;
    }
    if (is_shut_out(command))
        return -EIO;
    unsigned sequence;
    int r;

    do {
        r = scsi_atomic_let_read(command, offset, wait == VOLUME_MAY_WAIT, &sequence);
        if (r < 0)
            return r;
        r = volume_read(command->disk->volume, &vec, 1, command->lba * VOLUME_SECTOR_BYTES + offset, wait);
    } while (r == 0 && atomic_load(&command->disk->atomic.sequence) != sequence);
    if (r == 0 || r == -EAGAIN)
        return r;
    scsi_fail_volume(command, r, false);
    return -EIO;
}
