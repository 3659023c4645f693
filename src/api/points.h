/*
 * What farboot does to a machine's history by itself or on one word: automatic snapshots, their pruning, and beginning
 * anew. All block: on workers. Each takes the api's change_lock for itself.
 */
#pragma once

#include "api/call.h"
#include "fleet/keep.h"

/* Keeps what the machine's own disks hold now, unless nothing was written since its newest snapshot: 1 if a snapshot
 * was made, with its `name`, 0 if there was nothing new, or a negative errno. */
int points_take(struct api *api, uint64_t machine_id, enum keep_kind kind, char name[KEEP_NAME_SIZE]);

/* Takes one for each of hourly and daily that is due. True if one is, but nothing was written yet that it would keep. */
bool points_take_due(struct api *api, uint64_t machine_id);

/* Removes automatic snapshots that its rules no longer keep. */
void points_prune(struct api *api, uint64_t machine_id);

struct points_reset {
    const char *to; /* "image" or a snapshot; NULL: as its settings say */
    bool keeps;     /* what was there, as a snapshot of this kind */
    enum keep_kind kind;

    /* What became of it: */
    char kept[KEEP_NAME_SIZE]; /* empty: nothing was kept */
    char began[2 * NAME_SIZE]; /* "ubuntu:3", "pi-01@clean" */
};

/* The boot disk begins anew. 0, or a negative errno with the sentence; -EBUSY while it is open. */
int points_reset(struct api *api, uint64_t machine_id, struct points_reset *reset, struct error *error);
