/*
 * What the store needs done by itself: looking at the free space every second, and going through its frozen layers,
 * slowly, so that damage is known before somebody boots from it.
 *
 * Belongs to the control loop; each turn runs on a worker. Events tell what changed.
 */
#pragma once

#include "api/call.h"

struct upkeep *upkeep_new(struct api *api);
/* No more turns begin. */
void upkeep_stop(struct upkeep *upkeep);
/* No turn may be under way: each holds a reference of the api. NULL is fine. */
void upkeep_free(struct upkeep *upkeep);

/* "only 3.1 GiB are free ...", for an event and for `status`; gives `to`. */
const char *upkeep_space_sentence(const struct store_space_report *report, char to[EVENT_TEXT_SIZE]);
