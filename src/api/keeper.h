/*
 * Takes hourly and daily snapshots when they are due and removes those that their rules no longer keep.
 *
 * Belongs to the control loop; the work is a worker's, one machine after the other. What is due is fleet/keep.h's.
 */
#pragma once

#include "api/call.h"

struct keeper;

enum {
    KEEPER_TICK_MS = 15 * 1000,
    KEEPER_MACHINES_AT_ONCE = 64, /* in one piece of work, so that a worker is never held for long */
};

struct keeper *keeper_new(struct api *api);
void keeper_stop(struct keeper *keeper);
/* No work may be under way: it holds a reference of the api. NULL is fine. */
void keeper_free(struct keeper *keeper);
