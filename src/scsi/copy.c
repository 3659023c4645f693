/*
 * EXTENDED COPY at work: one piece of a segment after the other (SPC-4 5.17.7, 6.4).
 */
#include "scsi/table.h"

enum { PIECE_BYTES = 1 << 20 };

struct copy_job {
    struct copy_list list;
    struct scsi_path *paths[COPY_TARGETS_MAX]; /* NULL: not a disk of this nexus */
    unsigned eras[COPY_TARGETS_MAX];           /* of the paths, when the copy began */
    struct copy_results *results;
    int slot; /* in `results`; -1 when nobody tracks it */
    unsigned segment;
    uint64_t done_bytes; /* of the segment */
    bool ended;
};

/* ---- what is remembered of it ---- */

void copy_results_init(struct copy_results *results)
{
    memset(results, 0, sizeof(*results));
    pthread_mutex_init(&results->lock, NULL);
}

void copy_results_end(struct copy_results *results)
{
    pthread_mutex_destroy(&results->lock);
}

enum { NO_SLOT = -1, SLOT_IN_USE = -2, NO_ROOM = -3 };

/* The place of an ended copy of the same number, else a free one, else the oldest that has ended. */
static int choose_slot(const struct copy_results *results, uint8_t list_id)
{
    int chosen = NO_ROOM;

    for (int i = 0; i < COPY_RESULTS_MAX; i++) {
        const struct copy_result *each = &results->results[i];
        bool running = each->used && each->state == COPY_RUNNING;
        if (each->used && each->list_id == list_id)
            return running ? SLOT_IN_USE : i;
        if (running)
            continue;
        if (chosen == NO_ROOM || !each->used ||
            (results->results[chosen].used && each->age < results->results[chosen].age))
            chosen = i;
    }
    return chosen;
}

static int take_slot(struct copy_results *results, uint8_t list_id)
{
    pthread_mutex_lock(&results->lock);
    int slot = choose_slot(results, list_id);
    if (slot >= 0)
        results->results[slot] =
            (struct copy_result){.used = true, .list_id = list_id, .age = ++results->last_age};
    pthread_mutex_unlock(&results->lock);
    return slot;
}

static void note_progress(struct copy_job *job, uint64_t copied_bytes)
{
    if (job->slot < 0)
        return;
    pthread_mutex_lock(&job->results->lock);
    job->results->results[job->slot].copied_bytes += copied_bytes;
    job->results->results[job->slot].segments_done = (uint16_t)job->segment;
    pthread_mutex_unlock(&job->results->lock);
}

static void note_end(struct copy_job *job, enum copy_state state, enum scsi_status status,
                     const struct sense *sense)
{
    job->ended = true;
    if (job->slot < 0)
        return;
    pthread_mutex_lock(&job->results->lock);
    struct copy_result *result = &job->results->results[job->slot];
    result->state = state;
    result->status = (uint8_t)status;
    result->sense = *sense;
    result->used = job->list.keeps || state == COPY_FAILED;
    pthread_mutex_unlock(&job->results->lock);
}

void copy_job_free(struct copy_job *job)
{
    if (job && !job->ended)
        note_end(job, COPY_FAILED, SCSI_TASK_ABORTED, &(struct sense){0});
    free(job);
}

/* ---- beginning ---- */

static struct scsi_path *find_path(struct scsi_nexus *nexus, const struct copy_target *target)
{
    if (target->is_null)
        return NULL;
    for (size_t i = 0; i < SCSI_LUNS_MAX; i++) {
        struct scsi_path *path = scsi_nexus_path(nexus, (int)i);
        if (path && scsi_disk_has_name(path->disk, target))
            return path;
    }
    return NULL;
}

static void find_paths(struct copy_job *job, struct scsi_nexus *nexus)
{
    for (unsigned i = 0; i < job->list.target_count; i++) {
        job->paths[i] = find_path(nexus, &job->list.targets[i]);
        job->eras[i] = job->paths[i] ? atomic_load(&job->paths[i]->era) : 0;
    }
}

static void refuse(struct scsi_command *command, const struct sense *sense)
{
    scsi_fail(command, sense->key, sense->code);
    command->sense = *sense;
}

static void begin(struct scsi_command *command, struct copy_list *list)
{
    struct copy_results *results = &command->nexus->copies;
    int slot = list->tracked ? take_slot(results, list->list_id) : NO_SLOT;

    if (slot == SLOT_IN_USE) {
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_OPERATION_IN_PROGRESS);
        return;
    }
    if (slot == NO_ROOM) {
        command->status = SCSI_BUSY;
        return;
    }
    command->copy = xcalloc(1, sizeof(*command->copy));
    command->copy->list = *list;
    command->copy->results = results;
    command->copy->slot = slot;
    find_paths(command->copy, command->nexus);
}

/* ---- one piece ---- */

static void fail(struct scsi_command *command, enum sense_code code)
{
    scsi_fail(command, SENSE_COPY_ABORTED, code);
}

static bool has_target(struct scsi_command *command, unsigned index)
{
    const struct copy_job *job = command->copy;

    if (index >= job->list.target_count || job->list.targets[index].is_null) {
        fail(command, SENSE_CODE_UNREACHABLE_COPY_TARGET);
        return false;
    }
    const struct copy_target *target = &job->list.targets[index];
    if (target->device_type != 0 || (target->block_bytes && target->block_bytes != VOLUME_SECTOR_BYTES))
        fail(command, SENSE_CODE_INCORRECT_COPY_TARGET);
    else if (!job->paths[index])
        fail(command, SENSE_CODE_COPY_TARGET_NOT_REACHABLE);
    return command->status == SCSI_GOOD;
}

static bool contains(const struct scsi_path *path, uint64_t lba, uint64_t blocks)
{
    uint64_t capacity = volume_size_bytes(path->disk->volume) / VOLUME_SECTOR_BYTES;

    return lba <= capacity && blocks <= capacity - lba;
}

/* What another nexus reserved is refused as the disk itself would refuse it: by the command's own status if
 * the command went to this disk (SPC-4 5.17.7.4). */
static bool may_access(struct scsi_command *command, struct scsi_path *path, enum reservation_access access)
{
    bool write_protected;
    enum scsi_status status = scsi_path_access(path, access, &write_protected);

    if (status != SCSI_GOOD && path == command->path)
        command->status = status;
    else if (status != SCSI_GOOD)
        fail(command, SENSE_CODE_THIRD_PARTY_FAILURE);
    else if (access == ACCESS_CHANGE && write_protected && path == command->path)
        scsi_fail(command, SENSE_DATA_PROTECT, SENSE_CODE_WRITE_PROTECTED);
    else if (access == ACCESS_CHANGE && write_protected)
        fail(command, SENSE_CODE_THIRD_PARTY_FAILURE);
    return command->status == SCSI_GOOD;
}

static bool may_copy(struct scsi_command *command, const struct copy_segment *segment)
{
    struct copy_job *job = command->copy;

    if (!has_target(command, segment->source) || !has_target(command, segment->destination))
        return false;
    struct scsi_path *from = job->paths[segment->source];
    struct scsi_path *to = job->paths[segment->destination];
    if (!contains(from, segment->source_lba, segment->blocks) ||
        !contains(to, segment->destination_lba, segment->blocks)) {
        fail(command, SENSE_CODE_NONE);
        return false;
    }
    return may_access(command, from, ACCESS_READ) && may_access(command, to, ACCESS_CHANGE);
}

/* Upwards through itself, a copy begins at the end, or it would read what it has written. */
static bool goes_backwards(const struct copy_job *job, const struct copy_segment *segment)
{
    return job->paths[segment->source]->disk == job->paths[segment->destination]->disk &&
           segment->destination_lba > segment->source_lba &&
           segment->destination_lba - segment->source_lba < segment->blocks;
}

static int copy_bytes(struct volume *from, uint64_t from_offset, struct volume *to, uint64_t to_offset,
                      size_t length_bytes)
{
    uint64_t run;
    bool mapped = true;

    /* What reads as zeros and takes no space goes over as such. */
    int r = volume_extent(from, from_offset, length_bytes, &run, &mapped);
    if (r == 0 && !mapped && run >= length_bytes)
        return volume_discard(to, to_offset, length_bytes);
    CLEANUP_FREE uint8_t *buffer = xcalloc(1, length_bytes);
    struct iovec vec = {buffer, length_bytes};
    if (r == 0)
        r = volume_read(from, &vec, 1, from_offset, VOLUME_MAY_WAIT);
    return r < 0 ? r : volume_write(to, &vec, 1, to_offset, false, VOLUME_MAY_WAIT);
}

/* Counted at the disk that is written, as its own commands are, and kept from writing when they are. */
static int copy_counted(struct copy_job *job, const struct copy_segment *segment, uint64_t offset,
                        size_t length_bytes)
{
    struct scsi_path *from = job->paths[segment->source];
    struct scsi_path *to = job->paths[segment->destination];
    unsigned era = job->eras[segment->destination];
    int r = -ECANCELED;

    scsi_path_begin_writing(to, era);
    if (atomic_load(&to->disk->atomic.busy))
        r = -EAGAIN;
    else if (scsi_path_may_write(to, era))
        r = copy_bytes(from->disk->volume, segment->source_lba * VOLUME_SECTOR_BYTES + offset,
                       to->disk->volume, segment->destination_lba * VOLUME_SECTOR_BYTES + offset,
                       length_bytes);
    scsi_path_end_writing(to, era);
    return r;
}

static void copy_piece(struct scsi_command *command, const struct copy_segment *segment)
{
    struct copy_job *job = command->copy;
    uint64_t total = (uint64_t)segment->blocks * VOLUME_SECTOR_BYTES;
    uint64_t piece = MIN(total - job->done_bytes, (uint64_t)PIECE_BYTES);
    uint64_t offset = goes_backwards(job, segment) ? total - job->done_bytes - piece : job->done_bytes;
    int r = piece ? copy_counted(job, segment, offset, piece) : 0;

    if (r == -EAGAIN && scsi_atomic_wait(job->paths[segment->destination]->disk))
        return; /* another turn */
    if (r == -ECANCELED)
        command->status = SCSI_TASK_ABORTED;
    else if (r == -ENOSPC && job->paths[segment->destination] == command->path)
        scsi_fail_volume(command, r, true);
    else if (r < 0)
        fail(command, SENSE_CODE_THIRD_PARTY_FAILURE);
    if (r < 0)
        return;
    job->done_bytes += piece;
    if (job->done_bytes == total) {
        job->segment++;
        job->done_bytes = 0;
    }
    note_progress(job, piece);
}

static void go_on(struct scsi_command *command)
{
    struct copy_job *job = command->copy;

    if (job->segment < job->list.segment_count && may_copy(command, &job->list.segments[job->segment]))
        copy_piece(command, &job->list.segments[job->segment]);
    command->unfinished = command->status == SCSI_GOOD && job->segment < job->list.segment_count;
    if (!command->unfinished)
        note_end(job, command->status == SCSI_GOOD ? COPY_DONE : COPY_FAILED, command->status,
                 &command->sense);
}

static void take_list(struct scsi_command *command)
{
    struct copy_list list;
    struct sense sense = copy_list_decode(command->out, command->out_bytes, &list);

    if (sense.key)
        refuse(command, &sense);
    else
        begin(command, &list);
}

void scsi_check_extended_copy(struct scsi_command *command)
{
    if (command->length_bytes && (command->length_bytes < COPY_HEADER_BYTES ||
                                  command->length_bytes > COPY_HEADER_BYTES + COPY_LIST_MAX_BYTES))
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_PARAMETER_LIST_LENGTH);
}

/* It begins where the session is, which alone knows what disks it has; the work is a worker's. */
int scsi_run_extended_copy(struct scsi_command *command, enum volume_wait wait)
{
    if (!command->out_bytes)
        return 0;
    if (!command->copy)
        take_list(command);
    if (!command->copy)
        return 0;
    if (wait == VOLUME_NO_WAIT)
        return -EAGAIN;
    go_on(command);
    return 0;
}
