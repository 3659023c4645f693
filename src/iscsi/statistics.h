/*
 * What a session's commands cost: how many, how long they took, how many at once.
 *
 * Written by the session's loop alone, with plain loads and stores that other threads may read at any time:
 * no command waits for a reader, and none pays for a locked instruction. It reads no clock.
 */
#pragma once

#include "base/base.h"

#include <stdatomic.h>

enum statistics_kind {
    STATISTICS_READ,
    STATISTICS_WRITE,
    STATISTICS_FLUSH,
    STATISTICS_OTHER,
    STATISTICS_KINDS,
};

enum {
    STATISTICS_BUCKETS = 25,     /* bucket n: below 2^n microseconds; the last one: all that took longer */
    STATISTICS_RATE_SECONDS = 5, /* what a rate is the mean of */
    STATISTICS_SLOTS = 8,        /* seconds that are kept; more than those, as one is being filled */
};

struct statistics {
    atomic_uint_fast64_t latency[STATISTICS_KINDS][STATISTICS_BUCKETS];
    atomic_uint depth;
    atomic_uint depth_max;
    struct {
        atomic_uint_fast64_t second;
        atomic_uint_fast64_t operations;
    } slots[STATISTICS_SLOTS];
};

/* What it was at one moment. */
struct statistics_view {
    uint64_t latency[STATISTICS_KINDS][STATISTICS_BUCKETS];
    unsigned depth;
    unsigned depth_max;
    unsigned operations_per_second;
};

/* A command of this kind ended at `now_ns` that had begun at `begun_ns`, both monotonic. */
void statistics_count(struct statistics *statistics, enum statistics_kind kind, uint64_t begun_ns,
                      uint64_t now_ns);
void statistics_set_depth(struct statistics *statistics, unsigned depth);
/* From any thread. */
void statistics_view(const struct statistics *statistics, uint64_t now_ns, struct statistics_view *view);
