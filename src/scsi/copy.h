/*
 * EXTENDED COPY (LID1) and RECEIVE COPY RESULTS (SPC-4 5.17, 6.4, 6.23): copying between the disks of one
 * nexus without the data crossing the network.
 *
 * A list names up to COPY_TARGETS_MAX disks by the designators of their page 83h and says what goes where. A
 * copy is done in pieces; each piece asks again whether its nexus may still read the one and write the other.
 */
#pragma once

#include "base/base.h"
#include "scsi/sense.h"

#include <pthread.h>

enum {
    COPY_TARGETS_MAX = 8,
    COPY_SEGMENTS_MAX = 64,
    COPY_HEADER_BYTES = 16,
    COPY_TARGET_BYTES = 32,
    COPY_SEGMENT_BYTES = 28,
    COPY_LIST_MAX_BYTES = COPY_TARGETS_MAX * COPY_TARGET_BYTES + COPY_SEGMENTS_MAX * COPY_SEGMENT_BYTES,
    COPY_SEGMENT_MAX_BLOCKS = 65535,
    COPY_RESULTS_MAX = 8, /* of one nexus: running, or remembered */
};

enum copy_state { COPY_RUNNING = 0, COPY_DONE = 1, COPY_FAILED = 2 };

/* What RECEIVE COPY RESULTS tells about one copy. */
struct copy_result {
    bool used;
    uint8_t list_id;
    enum copy_state state;
    uint8_t status; /* of the command that failed */
    uint16_t segments_done;
    uint64_t copied_bytes;
    struct sense sense;
    uint64_t age; /* the oldest gives way */
};

struct copy_results {
    pthread_mutex_t lock; /* guards all: a worker copies while a loop is asked how far it is */
    struct copy_result results[COPY_RESULTS_MAX];
    uint64_t last_age;
};

struct copy_target {
    bool is_null;
    uint8_t device_type;
    uint8_t code_set;
    uint8_t kind; /* association and designator type */
    uint8_t designator_bytes;
    uint8_t designator[20];
    uint32_t block_bytes;
};

struct copy_segment {
    uint16_t source, destination; /* indices of targets */
    uint32_t blocks;
    uint64_t source_lba, destination_lba;
};

struct copy_list {
    uint8_t list_id;
    bool keeps; /* results are held after the end */
    bool tracked;
    unsigned target_count, segment_count;
    struct copy_target targets[COPY_TARGETS_MAX];
    struct copy_segment segments[COPY_SEGMENTS_MAX];
};

/* Why a list is refused: the sense to end the command with; key SENSE_NONE when it is not. */
struct sense copy_list_decode(const void *bytes, size_t length_bytes, struct copy_list *list);

struct copy_job;

void copy_results_init(struct copy_results *results);
void copy_results_end(struct copy_results *results);
/* NULL is fine. A copy that is not at its end has failed. */
void copy_job_free(struct copy_job *job);
