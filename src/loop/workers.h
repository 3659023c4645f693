/*
 * A bounded pool of threads for what may block: disk reads that miss the page cache, flushes, imports, commits.
 *
 * A piece of work runs once on a worker and then comes home to the loop that sent it.
 */
#pragma once

#include "loop/loop.h"

struct workers;

/* Embedded in the sender's own object, which stays alive until `done` ran. */
struct work {
    void (*run)(struct work *work);  /* on a worker; may block */
    void (*done)(struct work *work); /* on `home`; NULL if nobody waits */
    struct loop *home;
    struct work *next; /* the pool's own */
};

/* `threads` workers; at most `max_queued` pieces wait at once. */
struct workers *workers_new(unsigned threads, unsigned max_queued);
/* Waits until all that was accepted has run. */
void workers_free(struct workers *workers);

/* From any thread. False if the queue is full: the sender answers "busy" in its protocol's words. */
bool workers_submit(struct workers *workers, struct work *work);
