/*
 * A session in full feature phase: sequence numbers, tasks, task management, text, NOP, logout (RFC 7143).
 *
 * Pure: PDUs in, tasks to execute and PDUs to send out. It has one connection (MaxConnections=1,
 * ErrorRecoveryLevel=0) and knows neither its socket nor which thread executes what.
 *
 * How its owner drives it:
 *   in:   `session_begin_data` / `session_end_data` for PDUs whose data goes to a place of its own (SCSI
 * commands and Data-Out), `session_request` for all others; work: `session_next_ready` gives tasks to
 * execute; each comes back by `session_executed`; out:  `session_next` shows the next PDU, `session_sent`
 * counts it as sent. A PDU with `read` set needs its data read first: `session_read_elsewhere` when that
 * would block, `session_read_done` when it was done elsewhere, `session_read_failed` when it failed.
 *
 * Fairness: tasks take turns, a PDU each, and those with little to send go first, so that a page fault does not wait
 * behind a backup. Memory: everything that waits here has a maximum named below.
 */
#pragma once

#include "iscsi/buffers.h"
#include "iscsi/statistics.h"
#include "iscsi/task.h"

enum {
    SESSION_TASKS_MAX = 128,    /* the command window */
    SESSION_IMMEDIATE_MAX = 16, /* immediate commands beside it */
    SESSION_TAG_SLOTS = 64,
    SESSION_REPLIES_MAX = 64,   /* answers that wait to be sent; beyond that the owner stops reading */
    SESSION_REPLIES_MAX_BYTES = 64 << 10, /* the same of what they carry */
    SESSION_BUFFERED_MAX_BYTES = 64 << 20,   /* data-out of unfinished commands */
    SESSION_PIECES_MAX_BYTES = 4 << 20,      /* data-in that workers brought and the initiator did not take yet */
    SESSIONS_BUFFERED_MAX_BYTES = 256 << 20, /* both, of all sessions together */
    SESSION_SHORT_BYTES = 64 << 10, /* what has no more than this to send goes ahead of what has */
    SESSION_SHORT_TURNS = 32,       /* but so many times only while the other waits */
};

enum session_verdict {
    SESSION_GOES_ON,
    SESSION_BROKEN, /* the initiator broke the protocol beyond repair: close */
};

/* An answer that belongs to no task. */
struct reply {
    struct reply *next;
    struct pdu pdu;
    uint8_t *data;
    bool counts; /* advances StatSN */
    bool closes; /* the last one: the connection ends after it */
};

struct reply_queue {
    struct reply *first;
    struct reply **last;
    unsigned count;
    size_t bytes;
};

struct task_queue {
    struct task *first;
    struct task **last;
};

struct session_counters {
    uint64_t commands;
    uint64_t read_bytes;
    uint64_t written_bytes;
    uint64_t pings; /* NOP-Outs that want an answer */
    uint64_t pongs; /* NOP-Outs that are one */
};

struct session {
    struct session_parameters parameters;
    struct pdu_digests digests;
    struct scsi_nexus nexus;
    char visible_target[ISCSI_NAME_SIZE]; /* the one target that this initiator may see; empty if none */
    struct text targets;                  /* what SendTargets answers about it */
    uint16_t tsih;
    struct buffers *buffers; /* the owner's; NULL: plain memory */

    uint32_t stat_sn;
    uint32_t exp_cmd_sn;
    uint32_t max_cmd_sn;
    uint32_t next_transfer_tag;

    struct task *tasks;
    struct task *by_tag[SESSION_TAG_SLOTS]; /* the same, by the low bits of their tags */
    unsigned windowed_tasks; /* those that came with a CmdSN */
    unsigned immediate_tasks;
    unsigned running_tasks;
    unsigned aborted_running;
    struct task *dormant; /* those that ORDERED ones keep waiting, the first of them included */
    unsigned active_tasks;
    bool ordered_is_active;
    size_t buffered_bytes;
    atomic_size_t *buffered_in_all; /* the owner's count over all sessions; NULL: this one is alone */
    struct task_queue ready;
    struct task_queue sending;   /* R2Ts, status, and reads with little to go */
    struct task_queue streaming; /* reads with more than SESSION_SHORT_BYTES to go */
    struct task_queue parked;    /* reads that wait for memory */
    unsigned short_turns;        /* PDUs of `sending` since the last one of `streaming` */
    size_t pieces_bytes;
    struct reply_queue replies;
    struct reply_queue held; /* until no aborted task runs any more */

    struct task *data_task; /* whose data is being placed; NULL: it is thrown away */
    struct burst *data_burst;

    struct text text_request;
    struct text text_answer;
    size_t text_sent_bytes;
    uint32_t text_tag;

    bool logging_out;
    bool reset_target; /* TARGET COLD RESET: all sessions of the target end */
    struct session_counters counters;
    struct statistics *statistics; /* the owner's; NULL: none */
    uint64_t now_ns;               /* the owner's: when a command came, and when its status is sent */
};

/* What to send next. */
struct session_output {
    struct pdu pdu;
    const uint8_t *data; /* `pdu.data_bytes` of it, unless `read` */
    struct task *task;   /* NULL for replies */
    struct reply *reply;
    bool read; /* data: `read_bytes` of the task's data-in from `read_offset` */
    uint64_t read_offset;
    uint32_t read_bytes; /* whole sectors; at least `pdu.data_bytes` */
    bool is_r2t;
    bool has_status;
    bool ends_burst;
    uint8_t sense[2 + SENSE_MAX_BYTES];
};

/* From the finished login; `cmd_sn` is that of its requests. */
void session_init(struct session *session, const struct session_parameters *parameters, uint16_t tsih,
                  uint32_t cmd_sn, uint32_t stat_sn);
/* Every task that is not running is gone afterwards; those that run come home as aborted. */
void session_abort_all(struct session *session);
/* No task may be running. */
void session_end(struct session *session);

/* A SCSI command or Data-Out: where its data segment goes (NULL: nowhere). */
enum session_verdict session_begin_data(struct session *session, const struct pdu *pdu, uint8_t **place);
/* Its data segment (perhaps of no bytes) is in place. */
enum session_verdict session_end_data(struct session *session, const struct pdu *pdu);
/* Everything else, with its whole data segment. */
enum session_verdict session_request(struct session *session, const struct pdu *pdu, const uint8_t *data);
/* Answers with a Reject (RFC 7143 11.17). */
void session_reject(struct session *session, const struct pdu *pdu, uint8_t reason);

/* A NOP-In that wants an answer (RFC 7143 11.19). */
void session_ping(struct session *session);
/* An Async Message: the connection is about to be dropped, and may be made again at once (RFC 7143 11.9). */
void session_announce_end(struct session *session);

/* NULL when there is none. It counts as running. */
struct task *session_next_ready(struct session *session);
void session_executed(struct session *session, struct task *task);

/* False when nothing is to be sent. Changes nothing. */
bool session_next(struct session *session, struct session_output *output);
/* True if this was the last PDU of the connection. */
bool session_sent(struct session *session, const struct session_output *output);
/* True: `task->piece` is to be filled, of `piece_bytes` from `piece_offset` of the data-in. False: there is no memory for
 * it now; the task waits, or has failed. */
bool session_read_elsewhere(struct session *session, struct task *task);
/* `task->piece` holds what was read, or `task->read_result` is negative and the command has failed. */
void session_read_done(struct session *session, struct task *task);
void session_read_failed(struct session *session, struct task *task);

/* Whether a command that has begun is one of the LUN's. */
bool session_uses_lun(const struct session *session, unsigned lun);
/* The owner reads no more while this is so. */
bool session_is_full(const struct session *session);

enum {
    REJECT_DATA_DIGEST = 0x02,
    REJECT_PROTOCOL_ERROR = 0x04,
    REJECT_NOT_SUPPORTED = 0x05,
    REJECT_TOO_MANY_IMMEDIATE = 0x06,
    REJECT_TASK_IN_PROGRESS = 0x07,
    REJECT_INVALID_FIELD = 0x09,
};
