/* The numbered steps that bring meta.db from nothing to what this program reads. */
#pragma once

/* Step n (from 1) is schema_steps[n - 1]; `user_version` says how many a file has had. Published steps never
 * change. */
extern const char *const schema_steps[];
extern const int schema_step_count;
