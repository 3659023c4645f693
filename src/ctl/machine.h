/*
 * What the commands about machines have in common.
 */
#pragma once

#include "ctl/command.h"

/* Adds the machine `name` with what else the options say, and tells of it. `serial` empty: not known. */
int machine_add_as(const struct arguments *arguments, const char *name, const char *mac, const char *serial);
