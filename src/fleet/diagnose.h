/*
 * Why a boot is stuck, in one sentence: a table of rules over how far it came and how long it has been silent.
 *
 * Pure. The sentences say what was seen, what it means and what to do; none is given while a boot may simply be slow.
 */
#pragma once

#include "fleet/boot.h"

enum {
    DIAGNOSIS_SIZE = 384,
    DIAGNOSE_ERROR_MS = 5 * 60 * 1000, /* how long an error of a machine that runs is told */
};

/* Fills `to` and gives true if `boot` is stuck at `now_ms` (wall clock); false, with `to` empty, if all is well or
 * nothing can be said. */
bool diagnose(const struct boot *boot, uint64_t now_ms, char to[DIAGNOSIS_SIZE]);
