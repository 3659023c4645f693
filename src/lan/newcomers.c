#include "lan/newcomers.h"

/* Those seen last in front. */
struct newcomers {
    size_t count;
    struct newcomer list[NEWCOMERS_MAX];
};

struct newcomers *newcomers_new(void)
{
    return xcalloc(1, sizeof(struct newcomers));
}

void newcomers_free(struct newcomers *newcomers)
{
    free(newcomers);
}

/* `count` when it is not there. */
static size_t place_of(const struct newcomers *newcomers, const struct mac *mac)
{
    size_t i = 0;

    while (i < newcomers->count && !mac_equal(&newcomers->list[i].mac, mac))
        i++;
    return i;
}

/* The place in front is free afterwards; what stood at `from`, or fell off the end, is gone. */
static void push_down(struct newcomers *newcomers, size_t from)
{
    memmove(&newcomers->list[1], &newcomers->list[0], from * sizeof(newcomers->list[0]));
}

void newcomers_seen(void *arg, const struct mac *mac, const struct recognition *seen, const char *interface,
                    uint64_t now_ms)
{
    struct newcomers *newcomers = arg;
    size_t at = place_of(newcomers, mac);
    struct newcomer newcomer = {.mac = *mac, .seen = *seen, .first_seen_ms = now_ms, .last_seen_ms = now_ms};

    if (at < newcomers->count)
        newcomer.first_seen_ms = newcomers->list[at].first_seen_ms;
    else if (newcomers->count < NEWCOMERS_MAX)
        newcomers->count++;
    else
        at = NEWCOMERS_MAX - 1;
    COPY_STRING(newcomer.interface, interface);
    push_down(newcomers, at);
    newcomers->list[0] = newcomer;
}

size_t newcomers_list(const struct newcomers *newcomers, struct newcomer *to, size_t max)
{
    size_t count = MIN(newcomers->count, max);

    memcpy(to, newcomers->list, count * sizeof(*to));
    return count;
}
