/*
 * Checking the store of a daemon that does not run: `farboot store check --path`.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>

/* `folder` is what the configuration calls `store`, or the folder "store" in it. Becomes the account that owns it, lest
 * the daemon finds files that it may not read. `result` is what the job of a check in the daemon gives; the caller
 * unrefs. `progress` as in struct store_check. */
int check_stopped_store(const char *folder, bool repair, bool (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes),
                        void *arg, json_t **result, struct error *error);
