/*
 * What happens to a machine's disk when its firmware begins a new boot: a machine whose mode is reset begins anew, and
 * one that has a rule for it gets a snapshot of what the last boot left.
 *
 * Belongs to the control loop; the work is a worker's. From the first packet of the boot until it is done the machine's
 * gate (catalog/disk_gate.h) is closed: its boot files and its login wait, and see the fresh disk only. A session that
 * the last boot left behind is looked at closely: if the machine is gone from its other end it ends within seconds; if
 * somebody is still there the disk stays as it is, and a warning says so.
 */
#pragma once

#include "api/call.h"

struct rewind;

enum {
    REWIND_MACHINES_MAX = 1024, /* at once */
    REWIND_WAIT_MS = 6000,      /* for the last boot's session and open files to be gone */
    REWIND_TICK_MS = 50,
};

struct rewind *rewind_new(struct api *api);
/* Opens all gates. What a worker has begun ends by itself. */
void rewind_stop(struct rewind *rewind);
/* Nothing may be under way: each machine holds a reference of the api. NULL is fine. */
void rewind_free(struct rewind *rewind);

/* `event` is the first of a new boot. */
void rewind_begin(struct rewind *rewind, const struct event *event);
