/*
 * A SCSI disk over a volume: commands in, status, data and sense out (SPC-4, SBC-3).
 *
 * A disk is shared by all who are logged in to it; what they share (mode pages, pending unit attentions,
 * reservations) has one lock. A nexus is one initiator's session with one target and sees the target's disks
 * as its LUNs. A command belongs to one nexus and is used by one thread at a time. Nothing here knows iSCSI,
 * sockets or threads.
 *
 * How a transport runs a command:
 *   1. `scsi_begin` checks it and says what comes next;
 *   2. SCSI_TAKE: it collects `out_bytes` from the initiator (as many as came go to `out`, `out_received`),
 * then goes on with `scsi_execute`;
 *   3. SCSI_EXECUTE: `scsi_execute`, on a worker if it says -EAGAIN or if `may_block`; again and again while
 * it leaves `unfinished` set (long commands do a piece at a time, so that others get their turn);
 *   4. SCSI_READ: `scsi_read` piece by piece, wherever -EAGAIN makes it go;
 *   5. SCSI_ANSWERED (also after 3): status, sense, and `in`/`in_bytes` are there. `scsi_command_end` frees
 * them.
 */
#pragma once

#include "scsi/atomic.h"
#include "scsi/attention.h"
#include "scsi/cdb.h"
#include "scsi/copy.h"
#include "scsi/keep.h"
#include "scsi/sanitize.h"
#include "scsi/sense.h"
#include "store/volume.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    SCSI_LUNS_MAX = 8,     /* disks of one target */
    SCSI_NEXUSES_MAX = 64, /* sessions with one disk at a time */
    SCSI_WRITE_MAX_BLOCKS =
        16384, /* 8 MiB: what one command may bring, and what we ask initiators to keep to */
    SCSI_READ_MAX_BLOCKS =
        1 << 20, /* firmware that asks no limits reads 32 MiB at once; it is sent in pieces */
    SCSI_COMPARE_MAX_BLOCKS = 255,
    SCSI_UNMAP_MAX_DESCRIPTORS = 256,
    SCSI_ANSWER_MAX_BYTES = 8192,
    SCSI_PARAMETERS_MAX_BYTES = 65535,
};

enum scsi_status {
    SCSI_GOOD = 0x00,
    SCSI_CHECK_CONDITION = 0x02,
    SCSI_CONDITION_MET = 0x04,
    SCSI_BUSY = 0x08,
    SCSI_RESERVATION_CONFLICT = 0x18,
    SCSI_TASK_SET_FULL = 0x28,
    SCSI_TASK_ABORTED = 0x40,
};

struct scsi_nexus;

/* One disk as one nexus sees it. */
struct scsi_path {
    struct scsi_nexus *nexus;
    struct scsi_disk *disk;
    bool hidden;            /* it is being taken away: only commands that have begun still see it */
    atomic_uint attentions; /* bits of enum scsi_attention */
    atomic_uint era;        /* goes up when all commands that have begun are aborted */
    atomic_uint writing[2]; /* commands that change the medium right now, of even and of odd eras */
};

struct scsi_mode {
    bool write_cache;      /* WCE */
    bool descriptor_sense; /* D_SENSE */
    bool write_protect;    /* SWP */
};

/* Who makes durable what must outlive the program, and works for the disk while no command does. */
struct scsi_keeper {
    /* Durable when it gives 0. May block. */
    int (*save)(void *arg, const void *bytes, size_t length_bytes);
    /* There is something for `scsi_disk_work`. False if nobody can see to it now. Never blocks; a command
     * that has begun keeps the disk open. */
    bool (*work)(void *arg);
    void *arg;
};

struct scsi_disk {
    struct volume *volume;
    char serial[33]; /* the volume's UUID in hexadecimal */
    atomic_bool read_only;
    atomic_uint references;
    struct scsi_keeper keeper; /* all NULL: nothing is kept */
    pthread_mutex_t
        save_lock; /* one change of what is kept at a time; taken before `lock`, held while saving */

    pthread_mutex_t lock; /* guards all below; held for moments, never while waiting for the volume */
    struct scsi_path *paths[SCSI_NEXUSES_MAX];
    struct scsi_mode mode;
    uint64_t announced_bytes;      /* the size that initiators were told */
    struct scsi_path *reserved_by; /* RESERVE(6); NULL when nobody holds it */
    struct reservations reservations;
    bool reservations_kept; /* APTPL: they outlive the program */
    struct scsi_sanitize sanitize;
    struct scsi_atomic atomic;
    pthread_cond_t written; /* somebody has nothing left that writes */
    atomic_uint waiting;    /* for `written` */

    pthread_mutex_t update_lock; /* one read-modify-write (ORWRITE) at a time */
};

struct scsi_nexus {
    char target_name[224];
    char initiator_port[RESERVATION_PORT_SIZE]; /* who is at the other end, the same after every login */
    uint16_t portal_group;
    struct scsi_path paths[SCSI_LUNS_MAX]; /* by LUN; `disk` NULL where there is none */
    struct copy_results copies;
};

enum scsi_step { SCSI_ANSWERED, SCSI_TAKE, SCSI_EXECUTE, SCSI_READ };

struct scsi_entry;

struct scsi_command {
    /* set by the transport */
    struct scsi_nexus *nexus;
    uint8_t lun[8];
    uint8_t cdb[CDB_BYTES];
    size_t out_offered;  /* data-out that the initiator announced */
    uint8_t *out;        /* freed by `scsi_command_end` if it is still here */
    size_t out_received; /* bytes of `out` that came and that the CDB wants */

    /* set by `scsi_begin` */
    const struct scsi_entry *entry;
    struct scsi_path *path; /* NULL where the LUN has no disk */
    struct scsi_disk *disk;
    unsigned era;             /* of the path, when it began */
    unsigned atomic_sequence; /* of the disk, when it began to read */
    bool may_block;
    uint64_t lba;
    uint64_t blocks;
    size_t length_bytes; /* allocation or parameter list length */
    size_t out_bytes;    /* how much data-out belongs to this CDB */
    uint64_t in_bytes;   /* how much data-in: of a read at once, else after execution */

    /* of long commands */
    bool unfinished; /* a piece was done: execute it again */
    bool sanitizes;  /* it does the work of a sanitize operation, which goes on without it */
    struct copy_job *copy;

    /* the answer */
    enum scsi_status status;
    struct sense sense;
    bool descriptor_sense;
    uint8_t *in;
};

/* Refs the volume. */
struct scsi_disk *scsi_disk_new(struct volume *volume);
struct scsi_disk *scsi_disk_ref(struct scsi_disk *disk);
void scsi_disk_unref(struct scsi_disk *disk);
DEFINE_CLEANUP(scsi_disk, struct scsi_disk *, scsi_disk_unref)
/* Beside what its volume says. Those who are attached are told of a change. */
void scsi_disk_set_read_only(struct scsi_disk *disk, bool read_only);
bool scsi_disk_is_read_only(const struct scsi_disk *disk);
/* Before anybody is attached: the keeper, and what it saved last (NULL: nothing). */
void scsi_disk_keep(struct scsi_disk *disk, const struct scsi_keeper *keeper, const void *saved,
                    size_t saved_bytes);
/* One piece of the work that no command does; false when nothing is left to do. May block. */
bool scsi_disk_work(struct scsi_disk *disk);
/* Registrations outlive the sessions, and so may outlive the disk's being open: whoever closes it takes them
 * and gives them to it, in place of what was saved, when it is open again. Nobody may be attached. */
struct reservations scsi_disk_take_reservations(struct scsi_disk *disk);
void scsi_disk_give_reservations(struct scsi_disk *disk, struct reservations reservations, bool kept);

/* Begins with no disks. It must not move while disks are attached. */
void scsi_nexus_init(struct scsi_nexus *nexus, const char *target_name, uint16_t portal_group,
                     const char *initiator_port);
/* Refs the disk. -EBUSY when SCSI_NEXUSES_MAX share it already. */
int scsi_nexus_attach(struct scsi_nexus *nexus, unsigned lun, struct scsi_disk *disk);
/* The disk of a LUN as a new command sees it; NULL where there is none. */
struct scsi_path *scsi_nexus_path(struct scsi_nexus *nexus, int lun);
/* How a disk is taken away: new commands find none at its LUN; when those that have begun are gone, so may the disk. */
void scsi_nexus_hide(struct scsi_nexus *nexus, unsigned lun);
void scsi_nexus_detach(struct scsi_nexus *nexus, unsigned lun);
/* Disks have come or gone: whatever LUN it asks next, it is told. */
void scsi_nexus_luns_changed(struct scsi_nexus *nexus);
/* The I_T nexus is lost: lets go of every disk and of what RESERVE held. No command may be running. */
void scsi_nexus_end(struct scsi_nexus *nexus);
/* LOGICAL UNIT RESET of one LUN (or, with -1, of all): every nexus is told, this one too (SAM-5 6.3.3), and
 * what RESERVE held is free. False if there is no such LUN. */
bool scsi_nexus_reset(struct scsi_nexus *nexus, int lun);
/* The number in an 8-byte LUN field; -1 if it is no LUN that a target of ours can have (SAM-5 4.7). */
int scsi_lun_number(const uint8_t lun[8]);

/* Never blocks. */
enum scsi_step scsi_begin(struct scsi_command *command);
/* 0 when the answer is there; -EAGAIN (only with VOLUME_NO_WAIT): nothing was done, call it on a worker. */
int scsi_execute(struct scsi_command *command, enum volume_wait wait);
/* `length_bytes` of the data-in of a SCSI_READ command, from `offset` of it. 0; -EAGAIN as above; -EIO: the
 * command failed and status and sense say why. */
int scsi_read(struct scsi_command *command, uint64_t offset, void *to, size_t length_bytes,
              enum volume_wait wait);
void scsi_command_end(struct scsi_command *command);

/* Around every change of the medium through `path` by a command that began in `era`: counted, so that whoever
 * aborts or sanitizes either waits for it or keeps it from happening. */
void scsi_path_begin_writing(struct scsi_path *path, unsigned era);
bool scsi_path_may_write(const struct scsi_path *path, unsigned era);
void scsi_path_end_writing(struct scsi_path *path, unsigned era);

/* What the parts of this folder and the transport use to end a command. */
void scsi_fail(struct scsi_command *command, enum sense_key key, enum sense_code code);
/* ILLEGAL REQUEST, pointing at byte `at` of the CDB. */
void scsi_fail_cdb(struct scsi_command *command, unsigned at);
/* The volume said `error`; `writing` chooses between its words. */
void scsi_fail_volume(struct scsi_command *command, int error, bool writing);
/* Data-in of a command that is not a read: as much as the allocation length allows. */
void scsi_answer(struct scsi_command *command, const void *bytes, size_t length_bytes);
/* All nexuses of the disk but one (NULL: all) will be told. The disk's lock is held. */
void scsi_tell_others(struct scsi_disk *disk, const struct scsi_path *except, enum scsi_attention attention);
/* Commands of this path that have begun end with TASK ABORTED instead of touching the medium. The disk's lock
 * is held. */
void scsi_path_abort(struct scsi_path *path);
/* Until none of them is touching the medium any more; `slots` are bits of the places in `paths`. The disk's
 * lock is held, and let go while waiting. */
void scsi_disk_wait_for_aborted(struct scsi_disk *disk, uint64_t slots);
/* Until no command of any path is touching the medium. As above. */
void scsi_disk_wait_for_writers(struct scsi_disk *disk);
/* Encodes what is kept, with these reservations in place of the present ones (NULL: with those), and saves
 * it. `save_lock` is held. 0, also without a keeper, or the keeper's error. */
int scsi_disk_save(struct scsi_disk *disk, const struct reservations *reservations, bool reservations_kept);
/* Whether this nexus may change (or only read) the disk, as reservations and write protection have it. */
enum scsi_status scsi_path_access(struct scsi_path *path, enum reservation_access access,
                                  bool *write_protected);
