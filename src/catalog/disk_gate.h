/*
 * Whose disk is not to be opened for a moment, because it is being taken back to where it begins.
 *
 * Whoever is about to open a machine's disk on a worker sends that work through here: it runs at once, or when the
 * machine's gate opens again. So nobody waits on a thread, and nobody sees half of one boot and half of another. Any
 * thread; one lock. Who closes a gate opens it soon.
 */
#pragma once

#include "loop/workers.h"

struct disk_gate;

enum { DISK_GATE_CLOSED_MAX = 4096 };

/* The workers outlive it. */
struct disk_gate *disk_gate_new(struct workers *workers);
/* All gates are open by then. NULL is fine. */
void disk_gate_free(struct disk_gate *gate);

/* False if it is closed already, or too many are. */
bool disk_gate_close(struct disk_gate *gate, uint64_t machine_id);
/* What waited runs now. */
void disk_gate_open(struct disk_gate *gate, uint64_t machine_id);
/* As workers_submit. */
bool disk_gate_submit(struct disk_gate *gate, uint64_t machine_id, struct work *work);
