/*
 * Machines that asked to boot and are none of ours: what was seen of them, so that they can be adopted.
 *
 * Keeps a bounded list in memory and decides nothing. It listens to nothing itself: the DHCP service says whom it
 * turned away. Lives on one loop.
 */
#pragma once

#include "fleet/recognise.h"

enum { NEWCOMERS_MAX = 64, NEWCOMER_INTERFACE_SIZE = 16 };

struct newcomer {
    struct mac mac;
    struct recognition seen;
    char interface[NEWCOMER_INTERFACE_SIZE];
    uint64_t first_seen_ms; /* wall clock */
    uint64_t last_seen_ms;
};

struct newcomers;

struct newcomers *newcomers_new(void);
void newcomers_free(struct newcomers *newcomers);

/* It asked once more, or for the first time. When the list is full, the one silent for longest goes. `newcomers` is a
 * struct newcomers, so that this can be handed out as a callback. */
void newcomers_seen(void *newcomers, const struct mac *mac, const struct recognition *seen, const char *interface,
                    uint64_t now_ms);

/* Fills at most `max`, those seen last in front; gives their number. */
size_t newcomers_list(const struct newcomers *newcomers, struct newcomer *to, size_t max);
