#include "nfs/state_parts.h"

#include <sys/random.h>

void numbered_add(struct numbered_table *table, struct numbered *entry, uint64_t number)
{
    struct numbered **bucket = &table->buckets[number % NUMBERED_BUCKETS];

    entry->number = number;
    entry->next = *bucket;
    *bucket = entry;
}

void numbered_remove(struct numbered_table *table, struct numbered *entry)
{
    struct numbered **at = &table->buckets[entry->number % NUMBERED_BUCKETS];

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
}

struct numbered *numbered_find(const struct numbered_table *table, uint64_t number)
{
    struct numbered *entry = table->buckets[number % NUMBERED_BUCKETS];

    while (entry && entry->number != number)
        entry = entry->next;
    return entry;
}

struct nfs4_state *nfs4_state_new(void)
{
    struct nfs4_state *state = xcalloc(1, sizeof(*state));

    pthread_mutex_init(&state->lock, NULL);
    CHECK(getrandom(&state->epoch, sizeof(state->epoch), 0) == (ssize_t)sizeof(state->epoch));
    return state;
}

void nfs4_state_free(struct nfs4_state *state)
{
    if (!state)
        return;
    while (state->clients)
        client_destroy(state, state->clients);
    pthread_mutex_destroy(&state->lock);
    free(state);
}
