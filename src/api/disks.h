/*
 * A machine's further disks as a client sees them.
 */
#pragma once

#include "api/call.h"

json_t *disks_json(const struct machine *machine);
/* Adds own_bytes and shared_bytes to each of a list from `disks_json`. Blocks. */
void disks_add_space(struct store *store, const struct machine *machine, json_t *list);
