/*
 * One SCSI command of a session, from its header to its status: how its data is asked for, taken and cut
 * (RFC 7143 sections 4.2.5, 11.3, 11.4, 11.7, 11.8).
 *
 * Pure. Knows the lengths, offsets and sequence numbers of one command; the session gives it PDUs and takes
 * PDUs from it.
 */
#pragma once

#include "iscsi/login.h"
#include "scsi/disk.h"

enum {
    TASK_BURSTS_MAX = 4,       /* R2Ts of one command that wait for data at once */
    TASK_PIECE_BYTES = 262144, /* the most that a Data-In carries */
};

enum task_state {
    TASK_TAKING,  /* data-out is on its way */
    TASK_HELD,    /* complete, but dormant: others come first */
    TASK_READY,   /* complete; to be executed */
    TASK_RUNNING, /* in somebody's hands: a loop's or a worker's */
    TASK_SENDING, /* data-in or status to be sent */
};

/* A run of Data-Out PDUs: the unsolicited one, or the answer to an R2T. */
struct burst {
    uint32_t transfer_tag;
    uint32_t offset;
    uint32_t length_bytes;
    uint32_t received_bytes;
    uint32_t data_sn;
};

struct task_queue;

struct task {
    struct task *next, *previous; /* all of a session's tasks */
    struct task *next_by_tag;
    struct task *next_queued;
    struct task_queue *queue; /* of the session, that it waits in; NULL: in none */
    bool dormant;              /* must not start yet (SAM-5 8.5) */
    bool reads;                /* starts with its data-in instead of being executed */
    struct task *next_dormant; /* in the order in which they came */
    struct scsi_command scsi;
    uint32_t tag;
    uint8_t flags;
    bool immediate;
    bool aborted; /* nobody waits for it: freed when it comes home */
    enum task_state state;
    uint64_t begun_ns;
    uint32_t expected_bytes; /* ExpectedDataTransferLength */

    uint32_t out_wanted_bytes; /* what the initiator will send of what the CDB wants */
    uint32_t out_room_bytes;   /* size of the buffer: that, or unsolicited data beyond it */
    uint32_t out_asked_bytes;  /* unsolicited or asked for by R2T */
    uint32_t out_taken_bytes;
    struct burst bursts[TASK_BURSTS_MAX];
    unsigned burst_count;

    uint64_t in_wanted_bytes;
    uint64_t in_sent_bytes;
    uint32_t in_burst_bytes; /* sent since the last F bit */
    uint32_t data_sn;        /* of the next Data-In or R2T */

    uint8_t *piece; /* the session's; data of a read that a worker brings; from `piece_offset` on */
    uint64_t piece_offset;
    size_t piece_bytes;
    int read_result;
};

/* From a SCSI command PDU. `scsi_begin` is the session's part. */
void task_init(struct task *task, const struct pdu *pdu, struct scsi_nexus *nexus);
/* What is lent to it has been given back. */
void task_end(struct task *task);

/* After `scsi_begin` said SCSI_TAKE: how much will come, and the unsolicited burst. False if the PDU brings
 * more than the parameters allow. */
bool task_begin_taking(struct task *task, const struct pdu *pdu, const struct session_parameters *parameters);
/* Checks a Data-Out against the burst it belongs to; NULL if it belongs to none or is out of order. */
struct burst *task_find_burst(struct task *task, const struct pdu *pdu);
/* `length_bytes` came for `burst`; `final` is the F bit. False if the burst ended short. */
bool task_taken(struct task *task, struct burst *burst, uint32_t length_bytes, bool final);
bool task_has_all(const struct task *task);
/* Whether another R2T may be sent now. */
bool task_may_ask(const struct task *task, const struct session_parameters *parameters);
/* The next R2T's burst; it counts as asked for. */
const struct burst *task_ask(struct task *task, uint32_t transfer_tag,
                             const struct session_parameters *parameters);

/* After execution, or when a read begins: how much of the data-in will be sent. */
void task_begin_sending(struct task *task);
/* The length of the next Data-In; 0 when only the status is left. */
uint32_t task_next_data_bytes(const struct task *task, const struct session_parameters *parameters);
/* Counts a Data-In of `length_bytes` as sent; gives whether it ended a burst. */
bool task_data_ends_burst(const struct task *task, uint32_t length_bytes,
                          const struct session_parameters *parameters);
void task_data_sent(struct task *task, uint32_t length_bytes, bool ended_burst);
/* Whether all of its piece was sent. */
bool task_piece_is_sent(const struct task *task);
/* U or O flag and count, by RFC 7143 11.4.5. */
uint8_t task_residual(const struct task *task, uint32_t *residual_bytes);
