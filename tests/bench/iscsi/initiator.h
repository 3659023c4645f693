/*
 * One iSCSI session of the load generator: logs in, keeps a fixed number of commands going, counts.
 *
 * As light as an initiator can be, so that a benchmark measures the target: many PDUs to one system call, no thread, no
 * copy of what is read. It trusts its target; it is a measuring tool and no client for anybody's data.
 */
#pragma once

#include "iscsi/pdu.h"

enum {
    INITIATOR_DEPTH_MAX = 128,
    INITIATOR_BLOCK_MAX_BYTES = 1 << 20,
    INITIATOR_NAME_SIZE = 224,
    HISTOGRAM_BUCKETS = 64 * 16,
};

/* How long commands took: sixteen buckets to each doubling, so within 6 %. */
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t longest_ns;
};

uint64_t histogram_percentile_ns(const struct histogram *histogram, double percent);
void histogram_add(struct histogram *histogram, uint64_t ns);
void histogram_merge(struct histogram *to, const struct histogram *from);

/* What a session does, over and over. */
struct job {
    uint32_t block_bytes; /* a multiple of 512 */
    unsigned depth;
    bool writes;
    bool sequential;
};

struct initiator_options {
    uint32_t address;
    uint16_t port;
    char name[INITIATOR_NAME_SIZE];
    char target[INITIATOR_NAME_SIZE];
    uint8_t lun;
    uint16_t number; /* makes its ISID */
    bool digests;
    uint64_t start_bytes;
    uint64_t span_bytes; /* of the disk: what is touched */
    struct job job;
    struct job beside; /* depth 0: none. Runs, too, and is counted apart */
    bool patterned;    /* writes a pattern made of place and `seed`; reads compare with it */
    uint64_t seed;
    uint64_t ops_max;  /* stops after so many; 0: when told to */
};

struct counts {
    uint64_t ops;
    uint64_t bytes;
    struct histogram latency;
};

struct initiator;

/* Connects and logs in; ends the program with a sentence when that fails. */
struct initiator *initiator_new(const struct initiator_options *options);
void initiator_free(struct initiator *initiator);
int initiator_fd(const struct initiator *initiator);
/* Issues commands up to the depth (unless `stopping`), sends them, takes what came. True while it wants to write. */
bool initiator_go_on(struct initiator *initiator, bool stopping);
bool initiator_is_idle(const struct initiator *initiator);
/* Forgets what was counted so far: the warm-up is over. */
void initiator_reset_counts(struct initiator *initiator);
const struct counts *initiator_counts(const struct initiator *initiator, bool beside);

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);
