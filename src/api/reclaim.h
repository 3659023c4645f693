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
