/*
 * What is known of machines only while the daemon runs: where they are, how far their boot is, who uses their disk.
 * On the control loop.
 */
#pragma once

#include "api/call.h"

struct live;

/* Collects it once for one answer; the caller frees. */
struct live *live_new(struct api *api);
void live_free(struct live *live);
DEFINE_CLEANUP(live, struct live *, live_free)

/* Adds present_address, stage, stages, last, diagnosis and in_use_by to `value`. */
void live_add_machine(const struct live *live, const struct machine *machine, json_t *value);
/* The sessions as collected. */
const struct api_session *live_sessions(const struct live *live, size_t *count);
