/*
 * Waiting for long work that the daemon does: asks how far it is until it has ended.
 */
#pragma once

#include "ctl/progress.h"

#include <jansson.h>

/* The first interrupt is noticed, and cancels what is followed; the second kills, as ever. */
void job_catch_interrupts(void);
bool job_was_interrupted(void);

/* Asks until the job has ended; `job` is its last state, which the caller unrefs. An exit status. */
int job_follow(const char *socket, uint64_t number, struct progress *progress, json_t **job);
bool job_is_done(const json_t *job);
/* The last line of its progress. */
void job_end_progress(const json_t *job, struct progress *progress);
