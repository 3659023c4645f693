/*
 * The command line: a table of commands, most of which ask the daemon over its socket.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>

/* What the program exits with; farboot(1) lists them. */
enum ctl_exit {
    CTL_EXIT_OK = 0,
    CTL_EXIT_FAILED = 1,      /* it was understood and could not be done */
    CTL_EXIT_USAGE = 2,       /* it was not understood */
    CTL_EXIT_NO_DAEMON = 3,   /* nobody answers at the socket */
    CTL_EXIT_PROBLEMS = 4,    /* a check found what is not well, and left it */
    CTL_EXIT_INTERRUPTED = 130,
};

/* What is done in this process: the rest of the program, which the command line knows nothing of. */
struct ctl_hooks {
    /* Runs the daemon; its argv[0] is "serve". */
    int (*serve)(int argc, char **argv);
    /* Checks the store in `folder`, of a daemon that does not run. `result` is what the daemon's own check gives. */
    int (*check_store)(const char *folder, bool repair,
                       bool (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes), void *arg,
                       json_t **result, struct error *error);
};

/* Runs the command in `argv` and gives what to exit with. */
int ctl_main(int argc, char **argv, const struct ctl_hooks *hooks);
