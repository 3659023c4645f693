/*
 * What most commands are: ask the daemon, then print its answer, as it is or in words.
 */
#pragma once

#include "ctl/command.h"

#include <jansson.h>

/* Asks and, without --json, lets `tell` say what came back. `body` may be NULL; it stays the caller's. */
int ask_and_tell(const struct arguments *arguments, const char *method, const char *path, const json_t *body,
                 void (*tell)(const json_t *reply));
