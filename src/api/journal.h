/*
 * The newest events, numbered, and the boot of every machine that they belong to.
 *
 * Any thread posts; everything else happens on the control loop. It keeps a bounded past in memory, writes each event
 * to the log once, and decides nothing: how events move a boot is fleet/boot.h, why one is stuck fleet/diagnose.h.
 */
#pragma once

#include "fleet/boot.h"
#include "loop/loop.h"

struct journal;

enum {
    JOURNAL_EVENTS_MAX = 4096,
    JOURNAL_BOOTS_MAX = 4096, /* hardware addresses followed; the longest silent is forgotten first */
};

struct journal_entry {
    uint64_t number; /* 1 for the first event of this daemon */
    struct event event;
};

/* What is known of the newest boot behind one hardware address. */
struct journal_boot {
    struct mac mac;
    uint64_t machine_id; /* 0: no machine of ours */
    struct boot boot;
};

struct journal *journal_new(struct loop *loop);
/* After the last post. */
void journal_free(struct journal *journal);

/* For services: `post` may be called from any thread. */
struct event_sink journal_sink(struct journal *journal);

/* On the loop's thread, as all below: takes one event in at once. Its `time_ms` is kept when it is not 0. */
void journal_add(struct journal *journal, const struct event *event);

/* Runs after each event was taken in. */
void journal_on_event(struct journal *journal, void (*fn)(void *arg), void *arg);

/* Runs when an event was the first of a new boot, before `on_event`. */
void journal_on_boot(struct journal *journal, void (*fn)(void *arg, const struct event *event), void *arg);

/* The number of the newest event; 0 before the first. */
uint64_t journal_newest(const struct journal *journal);
/* The oldest kept event with a number above `since`, about `machine` if that is not NULL. NULL: there is none. Valid
 * until the next event. */
const struct journal_entry *journal_next(const struct journal *journal, uint64_t since, const char *machine);

/* NULL: never seen. Valid until the next event. */
const struct journal_boot *journal_boot_of(const struct journal *journal, const struct mac *mac);
/* The boots of hardware addresses that are no machine's, newest first; the number of them, at most `max`. */
size_t journal_unknown(const struct journal *journal, const struct journal_boot **to, size_t max);
