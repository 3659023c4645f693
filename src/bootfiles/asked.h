/*
 * A request for a boot file as it came in: whose address it came from, and so what it may have.
 */
#pragma once

#include "catalog/catalog.h"
#include "catalog/presence.h"
#include "fleet/boot_plan.h"

/* The plan's machine is the snapshot's memory. Does not block. */
struct boot_plan bootfiles_asked(const struct catalog_snapshot *snapshot, struct presence *presence, uint32_t address,
                                 const char *path);
