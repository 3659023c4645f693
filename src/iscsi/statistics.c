#include "iscsi/statistics.h"

#define NS_PER_SECOND 1000000000ull

static uint64_t get(const atomic_uint_fast64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* There is one writer: nothing is lost between the load and the store. */
static void add(atomic_uint_fast64_t *number, uint64_t more)
{
    atomic_store_explicit(number, get(number) + more, memory_order_relaxed);
}

static unsigned bucket_of(uint64_t duration_us)
{
    unsigned bits = duration_us ? 64 - (unsigned)__builtin_clzll(duration_us) : 0;

    return MIN(bits, (unsigned)STATISTICS_BUCKETS - 1);
}

static void count_in_second(struct statistics *statistics, uint64_t second)
{
    unsigned slot = second % STATISTICS_SLOTS;

    if (get(&statistics->slots[slot].second) != second) {
        atomic_store_explicit(&statistics->slots[slot].operations, 0, memory_order_relaxed);
        atomic_store_explicit(&statistics->slots[slot].second, second, memory_order_relaxed);
    }
    add(&statistics->slots[slot].operations, 1);
}

void statistics_count(struct statistics *statistics, enum statistics_kind kind, uint64_t begun_ns,
                      uint64_t now_ns)
{
    uint64_t duration_us = now_ns > begun_ns ? (now_ns - begun_ns) / 1000 : 0;

    add(&statistics->latency[kind][bucket_of(duration_us)], 1);
    count_in_second(statistics, now_ns / NS_PER_SECOND);
}

void statistics_set_depth(struct statistics *statistics, unsigned depth)
{
    atomic_store_explicit(&statistics->depth, depth, memory_order_relaxed);
    if (depth > atomic_load_explicit(&statistics->depth_max, memory_order_relaxed))
        atomic_store_explicit(&statistics->depth_max, depth, memory_order_relaxed);
}

/* Of the last whole seconds. */
static unsigned rate(const struct statistics *statistics, uint64_t now_second)
{
    uint64_t operations = 0;

    for (unsigned i = 0; i < STATISTICS_SLOTS; i++) {
        uint64_t second = get(&statistics->slots[i].second);
        if (second < now_second && second + STATISTICS_RATE_SECONDS >= now_second)
            operations += get(&statistics->slots[i].operations);
    }
    return (unsigned)((operations + STATISTICS_RATE_SECONDS / 2) / STATISTICS_RATE_SECONDS);
}

void statistics_view(const struct statistics *statistics, uint64_t now_ns, struct statistics_view *view)
{
    for (unsigned kind = 0; kind < STATISTICS_KINDS; kind++) {
        for (unsigned i = 0; i < STATISTICS_BUCKETS; i++)
            view->latency[kind][i] = get(&statistics->latency[kind][i]);
    }
    view->depth = atomic_load_explicit(&statistics->depth, memory_order_relaxed);
    view->depth_max = atomic_load_explicit(&statistics->depth_max, memory_order_relaxed);
    view->operations_per_second = rate(statistics, now_ns / NS_PER_SECOND);
}
