/*
 * The daemon's life: open, drop, confine, serve, stop.
 *
 * Arranges what the other folders do; decides nothing itself.
 */
#pragma once

#include "daemon/config.h"

/* Serves until SIGTERM or SIGINT. 0 after an orderly end; otherwise a negative errno and the sentence. */
int services_run(const struct config *config, struct error *error);
