/*
 * The command line: a table of commands, most of which ask the daemon over its socket.
 */
#pragma once

/* What the program exits with; farboot(1) lists them. */
enum ctl_exit {
    CTL_EXIT_OK = 0,
    CTL_EXIT_FAILED = 1,      /* it was understood and could not be done */
    CTL_EXIT_USAGE = 2,       /* it was not understood */
    CTL_EXIT_NO_DAEMON = 3,   /* nobody answers at the socket */
    CTL_EXIT_INTERRUPTED = 130,
};

/* Runs the command in `argv` and gives what to exit with. `serve` runs the daemon; its argv[0] is "serve". */
int ctl_main(int argc, char **argv, int (*serve)(int argc, char **argv));
