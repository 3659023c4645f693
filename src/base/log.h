/*
 * One line per thing worth telling, to standard error (which the journal keeps).
 *
 * Text that came from a peer must have been quoted (`quote_into`) before. Engines and codecs never log: they return
 * outcomes, and the service or the daemon says once what became of them. Safe from any thread.
 */
#pragma once

#include "base/base.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* What is above `level` is dropped. Call before threads start. */
void log_set_level(enum log_level level);
bool log_level_from_text(const char *text, enum log_level *level);
bool log_enabled(enum log_level level);

PRINTF_LIKE(2, 3) void log_line(enum log_level level, const char *format, ...);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
