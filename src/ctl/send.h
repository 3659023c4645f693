/*
 * Files that the daemon reads or writes while somebody waits.
 */
#pragma once

#include "ctl/command.h"

#include <jansson.h>

/* Sends the open file `fd` with `message` and stays until the daemon has read or written it; then lets `print` say what
 * came out, or prints it for --json. The exit status. */
int send_and_follow(const struct arguments *arguments, int fd, const json_t *message,
                    void (*print)(const json_t *result));
