/*
 * `farboot store check`: one thread that goes through the whole store, as a job.
 */
#pragma once

#include "api/call.h"

struct checks;

/* On the control loop, as all of these. */
struct checks *checks_new(struct api *api);
/* Asks the one that runs to end. */
void checks_stop(struct checks *checks);
/* Waits for its end. NULL is fine. */
void checks_free(struct checks *checks);
/* The job's number; -EBUSY while one runs. */
int checks_begin(struct checks *checks, bool repair, uint64_t *job, struct error *error);
