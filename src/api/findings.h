/*
 * What the store found about itself, in words of machines and images: it only knows volumes.
 */
#pragma once

#include "api/call.h"

enum { FINDINGS_LISTED_MAX = 200, AFFECTED_TEXT_SIZE = 160, OWNER_SIZE = 2 * NAME_SIZE + 16 };

/* What people call a volume: "pi-01", "disk data of pi-01", "image raspios"; its own name if it is nobody's. Gives
 * `to`. */
const char *owner_of_volume(const struct catalog_snapshot *catalog, const char *volume, char to[OWNER_SIZE]);

/* {"problem", "sentence", "repaired", "layer", "offset", "length_bytes", "affected": [...]}; the caller unrefs. */
json_t *finding_json(const struct catalog_snapshot *catalog, const struct store_finding *finding);
/* "pi-01, pi-02 and 3 more"; "nothing" for none. Gives `to`. */
const char *finding_affected(const struct catalog_snapshot *catalog, const struct store_finding *finding,
                             char to[AFFECTED_TEXT_SIZE]);
