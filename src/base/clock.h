/*
 * What time it is. Engines never call this: their callers do, and pass the answer in.
 */
#pragma once

#include "base/base.h"

/* Since an arbitrary start, never going back: for timeouts and durations. */
uint64_t clock_monotonic_ns(void);
uint64_t clock_monotonic_ms(void);
/* Since 1970: for what is stored or shown. */
uint64_t clock_wall_seconds(void);
uint64_t clock_wall_ms(void);
