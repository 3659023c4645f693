/*
 * Settings on their way in and out of the API: the same for machines, groups and the defaults.
 */
#pragma once

#include "base/error.h"
#include "fleet/setting.h"

#include <jansson.h>

/* {"boot": {"value": "disk", "from": "group"}, …}: every key that `source` may say. */
json_t *settings_json(const struct settings *settings, enum setting_source source);

/*
 * Writes over `settings` what `said`, {"boot": "disk", "cmdline-add": null, …}, makes `source` say; null or "" is to be
 * inherited again, which the catalog resolves once it is written. `said` may be NULL, and must outlive `settings`.
 * -EINVAL with the sentence.
 */
int settings_read(struct settings *settings, enum setting_source source, const json_t *said, struct error *error);
