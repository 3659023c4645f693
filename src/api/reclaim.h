/*
 * Gives back in the background what removed snapshots kept: one short step on a worker after the other.
 *
 * Belongs to the control loop. What is left when the daemon stops goes on at the next start.
 */
#pragma once

#include "api/call.h"

struct reclaim *reclaim_new(struct api *api);
/* No step may be under way: each one holds a reference of the api. NULL is fine. */
void reclaim_free(struct reclaim *reclaim);
/* There may be something to do. */
void reclaim_begin(struct reclaim *reclaim);
/* The same from a worker that runs a step of a call: it comes home before the call does. */
void reclaim_begin_soon(struct api *api);
