/*
 * How far long work is: a bar with rate and time left on a terminal, now and then a plain line elsewhere.
 */
#pragma once

#include "base/base.h"

#include <stdio.h>

enum { PROGRESS_LINE_SIZE = 128, PROGRESS_BAR_COLUMNS = 26 };

struct progress_state {
    uint64_t read_bytes;
    uint64_t total_bytes; /* 0: unknown */
    uint64_t written_bytes;
    uint64_t elapsed_ms;
    bool ended; /* the last column is then the time it took, not the time left */
};

/* "[#####     ] 2.8 GiB  104 MiB/s  0:00:27"; without a total, no bar and the time since the start. Pure; gives `to`. */
const char *progress_format(char to[PROGRESS_LINE_SIZE], const struct progress_state *state);

struct progress {
    FILE *to;
    bool on_terminal;
    uint64_t next_line_ms;
};

struct progress progress_begin(FILE *to);
/* Shows the state, when it is time to. */
void progress_show(struct progress *progress, const struct progress_state *state);
/* The last state, and the end of the line. */
void progress_end(struct progress *progress, const struct progress_state *state);
/* Leaves the line clean for a sentence. */
void progress_abandon(struct progress *progress);
