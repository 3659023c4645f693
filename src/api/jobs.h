/*
 * Long work that was begun by a request and is asked about by later ones.
 *
 * The table belongs to the control loop; the atomic fields of a job may be written by the thread that does the work.
 */
#pragma once

#include "base/error.h"
#include "fleet/machine.h"

#include <jansson.h>
#include <stdatomic.h>

enum { JOBS_MAX = 64 }; /* remembered; running ones are never forgotten */

enum job_state { JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELLED };

struct job {
    uint64_t number;
    const char *kind;
    char name[NAME_SIZE];
    enum job_state state;
    uint64_t begun_ms; /* monotonic */
    uint64_t ended_ms;
    struct error error;
    json_t *result; /* NULL until done */

    atomic_uint_fast64_t read_bytes;  /* of what comes in */
    atomic_uint_fast64_t total_bytes; /* 0: unknown */
    atomic_uint_fast64_t written_bytes;
    atomic_bool cancelled; /* asks the work to stop */
};

struct jobs;

struct jobs *jobs_new(void);
/* No job may be running any more. */
void jobs_free(struct jobs *jobs);

/* A running job; stays until it has ended and JOBS_MAX newer ones came. NULL when JOBS_MAX are running. */
struct job *jobs_add(struct jobs *jobs, const char *kind, const char *name);
struct job *jobs_find(const struct jobs *jobs, uint64_t number);
/* Whether a running job of this kind is about `name`. */
bool jobs_running(const struct jobs *jobs, const char *kind, const char *name);
/* Takes `result`. `error` is read when `code` is not 0. */
void job_end(struct job *job, int code, const struct error *error, json_t *result);
