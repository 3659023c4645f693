/*
 * One export from first byte to last: what an export's thread does.
 */
#pragma once

#include "api/frozen.h"
#include "api/jobs.h"
#include "disk/export.h"

struct export_work {
    const struct api_options *options;
    struct job *job; /* progress goes out, `cancelled` comes in */
    int fd;          /* what is written to; the caller closes */
    const char *file; /* what it is called, for sentences */
    enum export_format format;
    struct frozen_source source;
};

/* Blocks as long as it takes. `result` is what a client is told; -ECANCELED means that the job was cancelled. */
int export_run(const struct export_work *work, json_t **result, struct error *error);
