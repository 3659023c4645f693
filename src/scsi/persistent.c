/*
 * PERSISTENT RESERVE IN and OUT: the bytes around scsi/reservation.c (SPC-4 6.15, 6.16).
 */
#include "scsi/table.h"

#include "base/bytes.h"
#include "base/text.h"

enum {
    PARAMETERS_BYTES = 24, /* the only length that a list without TransportIDs can have */
    PARAMETERS_FLAGS = 20,
    SPEC_I_PT = 0x08,
    ALL_TG_PT = 0x04,
    APTPL = 0x01,
    SCOPE = 0xf0, /* 0: the logical unit; there is no other */
    TYPE = 0x0f,
    HEADER_BYTES = 8,
    STATUS_BYTES = 24, /* of one registration, without its TransportID */
    RELATIVE_PORT = 1,
};

/* ---- IN ---- */

static struct writer begin_answer(const struct reservations *all, uint8_t *to, size_t room_bytes)
{
    struct writer w = writer_over(to, room_bytes);

    writer_be32(&w, all->generation);
    writer_be32(&w, 0);
    return w;
}

static void end_answer(struct scsi_command *command, struct writer *w, uint8_t *answer)
{
    struct writer length = writer_over(answer + 4, 4);

    CHECK(writer_ok(w));
    writer_be32(&length, (uint32_t)(w->offset - HEADER_BYTES));
    scsi_answer(command, answer, w->offset);
}

int scsi_run_read_keys(struct scsi_command *command, enum volume_wait wait)
{
    const struct reservations *all = &command->disk->reservations;
    uint8_t answer[HEADER_BYTES + 8 * RESERVATION_REGISTRATIONS_MAX];

    pthread_mutex_lock(&command->disk->lock);
    struct writer w = begin_answer(all, answer, sizeof(answer));
    for (unsigned i = 0; i < all->count; i++)
        writer_be64(&w, all->registrations[i].key);
    pthread_mutex_unlock(&command->disk->lock);
    end_answer(command, &w, answer);
    return 0;
}

int scsi_run_read_reservation(struct scsi_command *command, enum volume_wait wait)
{
    const struct reservations *all = &command->disk->reservations;
    uint8_t answer[HEADER_BYTES + 16];

    pthread_mutex_lock(&command->disk->lock);
    struct writer w = begin_answer(all, answer, sizeof(answer));
    if (all->type) {
        writer_be64(&w, reservation_holder_key(all));
        writer_fill(&w, 0, 5);
        writer_u8(&w, (uint8_t)all->type);
        writer_fill(&w, 0, 2);
    }
    pthread_mutex_unlock(&command->disk->lock);
    end_answer(command, &w, answer);
    return 0;
}

/* All six types; no other port is spoken for; kept for ever if there is a keeper and somebody asked (APTPL).
 */
int scsi_run_report_capabilities(struct scsi_command *command, enum volume_wait wait)
{
    enum { LENGTH = 8, PTPL_C = 0x01, TMV = 0x80, PTPL_A = 0x01, TYPES = 0xea, EXCLUSIVE_ACCESS_ALL = 0x01 };
    struct scsi_disk *disk = command->disk;

    pthread_mutex_lock(&disk->lock);
    bool kept = disk->reservations_kept;
    pthread_mutex_unlock(&disk->lock);
    const uint8_t answer[LENGTH] = {
        0, LENGTH, disk->keeper.save ? PTPL_C : 0, TMV | (kept ? PTPL_A : 0), TYPES, EXCLUSIVE_ACCESS_ALL};

    scsi_answer(command, answer, sizeof(answer));
    return 0;
}

/* The TransportID of an iSCSI initiator port: its name, NUL-terminated and padded (SPC-4 7.6.4.6). */
static void write_transport_id(struct writer *w, const char *port)
{
    enum { INITIATOR_PORT = 0x40, ISCSI = 0x05, SHORTEST = 20 };
    size_t length = strlen(port);
    size_t padded = MAX((length + 4) / 4 * 4, (size_t)SHORTEST);

    writer_u8(w, INITIATOR_PORT | ISCSI);
    writer_u8(w, 0);
    writer_be16(w, (uint16_t)padded);
    writer_bytes(w, port, length);
    writer_fill(w, 0, padded - length);
}

static void write_full_status(struct writer *w, const struct reservations *all,
                              const struct registration *each)
{
    enum { R_HOLDER = 0x01 };
    bool holds = reservation_is_holder(all, each);

    writer_be64(w, each->key);
    writer_fill(w, 0, 4);
    writer_u8(w, holds ? R_HOLDER : 0);
    writer_u8(w, holds ? (uint8_t)all->type : 0);
    writer_fill(w, 0, 4);
    writer_be16(w, RELATIVE_PORT);
    size_t length_at = w->offset;
    writer_be32(w, 0);
    write_transport_id(w, each->port);
    struct writer length = writer_over(w->data + length_at, 4);
    writer_be32(&length, (uint32_t)(w->offset - length_at - 4));
}

int scsi_run_read_full_status(struct scsi_command *command, enum volume_wait wait)
{
    enum { TRANSPORT_ID_MAX = 4 + RESERVATION_PORT_SIZE + 4 };
    const struct reservations *all = &command->disk->reservations;

    pthread_mutex_lock(&command->disk->lock);
    size_t room = HEADER_BYTES + all->count * (STATUS_BYTES + TRANSPORT_ID_MAX);
    uint8_t *answer = xcalloc(1, room);
    struct writer w = begin_answer(all, answer, room);
    for (unsigned i = 0; i < all->count; i++)
        write_full_status(&w, all, &all->registrations[i]);
    pthread_mutex_unlock(&command->disk->lock);
    end_answer(command, &w, answer);
    free(answer);
    return 0;
}

/* ---- OUT ---- */

enum action {
    ACTION_REGISTER,
    ACTION_RESERVE,
    ACTION_RELEASE,
    ACTION_CLEAR,
    ACTION_PREEMPT,
    ACTION_PREEMPT_AND_ABORT,
    ACTION_REGISTER_AND_IGNORE,
};

static const struct {
    reservation_action *act;
    bool has_type;
    bool registers; /* its parameters have the flags of registering */
    bool aborts;
} actions[] = {
    [ACTION_REGISTER] = {reservation_register, .registers = true},
    [ACTION_RESERVE] = {reservation_reserve, .has_type = true},
    [ACTION_RELEASE] = {reservation_release, .has_type = true},
    [ACTION_CLEAR] = {reservation_clear},
    [ACTION_PREEMPT] = {reservation_preempt, .has_type = true},
    [ACTION_PREEMPT_AND_ABORT] = {reservation_preempt, .has_type = true, .aborts = true},
    [ACTION_REGISTER_AND_IGNORE] = {reservation_register_and_ignore, .registers = true},
};

static unsigned action_of(const struct scsi_command *command)
{
    return (unsigned)command->entry->service_action;
}

void scsi_check_persistent_out(struct scsi_command *command)
{
    if (command->length_bytes != PARAMETERS_BYTES)
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_PARAMETER_LIST_LENGTH);
    else if (actions[action_of(command)].has_type && command->cdb[2] & SCOPE)
        scsi_fail_cdb(command, 2);
}

static void fail_parameter(struct scsi_command *command, unsigned at)
{
    scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_PARAMETERS);
    command->sense.has_field = true;
    command->sense.field = (uint16_t)at;
}

static void end_out(struct scsi_command *command, enum reservation_outcome outcome)
{
    enum { SERVICE_KEY = 8 };

    switch (outcome) {
    case RESERVATION_DONE:
        return;
    case RESERVATION_CONFLICTS:
        command->status = SCSI_RESERVATION_CONFLICT;
        return;
    case RESERVATION_FULL:
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_INSUFFICIENT_REGISTRATION_RESOURCES);
        return;
    case RESERVATION_BAD_TYPE:
        scsi_fail_cdb(command, 2);
        return;
    case RESERVATION_BAD_KEY:
        fail_parameter(command, SERVICE_KEY);
        return;
    case RESERVATION_NOT_THIS_TYPE:
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_RELEASE);
        return;
    }
}

/* What a service action wants told, until it is certain that it takes effect. */
struct notice {
    char port[RESERVATION_PORT_SIZE];
    enum scsi_attention attention;
};

struct notices {
    unsigned count;
    struct notice notices[2 * RESERVATION_REGISTRATIONS_MAX];
};

static void note(void *arg, const char *port, enum scsi_attention attention)
{
    struct notices *all = arg;

    CHECK(all->count < ARRAY_SIZE(all->notices));
    struct notice *added = &all->notices[all->count++];
    COPY_STRING(added->port, port);
    added->attention = attention;
}

_Static_assert(SCSI_NEXUSES_MAX <= 64, "one bit for each path");

/* Gives the places, as bits, of the paths whose commands were aborted. */
static uint64_t tell_port(struct scsi_disk *disk, const struct notice *notice, bool aborts)
{
    uint64_t aborted = 0;

    for (size_t i = 0; i < SCSI_NEXUSES_MAX; i++) {
        struct scsi_path *path = disk->paths[i];
        if (!path || !string_equal(path->nexus->initiator_port, notice->port))
            continue;
        atomic_fetch_or(&path->attentions, 1u << notice->attention);
        if (!aborts || notice->attention != ATTENTION_REGISTRATIONS_PREEMPTED)
            continue;
        scsi_path_abort(path);
        aborted |= 1ull << i;
    }
    return aborted;
}

/* Gives, as bits, whose commands were aborted. */
static uint64_t take_effect(struct scsi_command *command, struct reservations *next, bool kept,
                            const struct notices *notices)
{
    struct scsi_disk *disk = command->disk;
    bool aborts = actions[action_of(command)].aborts;
    uint64_t aborted = 0;

    pthread_mutex_lock(&disk->lock);
    struct reservations before = disk->reservations;
    disk->reservations = *next;
    disk->reservations_kept = kept;
    *next = before;
    for (unsigned i = 0; i < notices->count; i++)
        aborted |= tell_port(disk, &notices->notices[i], aborts);
    pthread_mutex_unlock(&disk->lock);
    return aborted;
}

/* Nothing is to be saved while nothing was and nothing shall be. */
static int make_durable(struct scsi_disk *disk, const struct reservations *next, bool kept)
{
    return kept || disk->reservations_kept ? scsi_disk_save(disk, next, kept) : 0;
}

/* On a copy, which takes effect when it is durable: a failure leaves everything as it was. */
static enum reservation_outcome act(struct scsi_command *command, const struct reservation_request *request,
                                    bool kept, uint64_t *aborted)
{
    struct scsi_disk *disk = command->disk;
    CLEANUP_FREE struct notices *notices = xcalloc(1, sizeof(*notices));
    const struct reservation_listener listener = {note, notices};

    /* `save_lock` is held, so nobody else changes what is copied. */
    struct reservations next = reservations_copy(&disk->reservations);
    enum reservation_outcome outcome = actions[action_of(command)].act(&next, request, &listener);
    if (outcome == RESERVATION_DONE && make_durable(disk, &next, kept) < 0)
        scsi_fail(command, SENSE_HARDWARE_ERROR, SENSE_CODE_INTERNAL_FAILURE);
    else if (outcome == RESERVATION_DONE)
        *aborted = take_effect(command, &next, kept, notices);
    reservations_free(&next);
    return outcome;
}

static void wait_for_aborted(struct scsi_disk *disk, uint64_t aborted)
{
    pthread_mutex_lock(&disk->lock);
    scsi_disk_wait_for_aborted(disk, aborted);
    pthread_mutex_unlock(&disk->lock);
}

int scsi_run_persistent_out(struct scsi_command *command, enum volume_wait wait)
{
    struct scsi_disk *disk = command->disk;
    struct reader parameters = reader_over(command->out, PARAMETERS_BYTES);
    bool registers = actions[action_of(command)].registers;
    unsigned refused = SPEC_I_PT | ALL_TG_PT | (disk->keeper.save ? 0 : APTPL);
    struct reservation_request request = {
        .port = command->nexus->initiator_port,
        .key = reader_be64(&parameters),
        .service_key = reader_be64(&parameters),
        .type = command->cdb[2] & TYPE,
    };
    uint64_t aborted = 0;

    if (registers && command->out[PARAMETERS_FLAGS] & refused) {
        fail_parameter(command, PARAMETERS_FLAGS);
        return 0;
    }
    pthread_mutex_lock(&disk->save_lock);
    end_out(command,
            act(command, &request,
                registers ? command->out[PARAMETERS_FLAGS] & APTPL : disk->reservations_kept, &aborted));
    pthread_mutex_unlock(&disk->save_lock);
    /* Whoever preempts must know that nothing of the others reaches the medium afterwards. They may need the
     * lock that was just let go. */
    if (aborted)
        wait_for_aborted(disk, aborted);
    return 0;
}
