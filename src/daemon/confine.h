/*
 * Giving up privilege: open, drop, confine, serve.
 *
 * Sockets and folders are opened as root; then this turns the process into an ordinary account that keeps two
 * abilities (raw frames for clients without an address, and ports below 1024), sees only its own folders, and cannot
 * ask the kernel for what a boot server never needs. Single-threaded: call before any thread starts.
 */
#pragma once

#include "base/error.h"

/* Makes the folder (with its parents) if need be, readable by its owner and group only, and gives it to `user` ("" :
 * leaves it as it is). */
int confine_prepare_folder(const char *path, const char *user, struct error *error);

/* Becomes `user` ("" : stays who it is) for good. */
int confine_become(const char *user, struct error *error);

/* Restricts files to reading the system's own and `readable`, to `folders` (NULL-terminated) for everything else, and
 * system calls to those that are left after the list in confine.c. Where the kernel has no landlock or seccomp it says so in the
 * log and goes on: they are the second wall. */
void confine_apply(const char *const *folders, const char *readable);
