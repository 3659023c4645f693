#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { LOG_LINE_MAX = 1024 };

/* How each level is called, and the priority that the journal reads from the start of a line (sd-daemon(3)). */
static const struct {
    const char *name;
    const char *prefix;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", "<3>"},
    [LOG_LEVEL_WARNING] = {"warning", "<4>"},
    [LOG_LEVEL_INFO] = {"info", "<6>"},
    [LOG_LEVEL_DEBUG] = {"debug", "<7>"},
};

static enum log_level highest_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    highest_level = level;
}

bool log_level_from_text(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (strcmp(levels[i].name, text) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return level <= highest_level;
}

/* Under systemd the journal adds the time and wants the priority; a person at a terminal wants the time. */
static int log_prefix(char *to, size_t to_size, enum log_level level)
{
    if (getenv("JOURNAL_STREAM"))
        return snprintf(to, to_size, "%s", levels[level].prefix);

    struct timespec now;
    struct tm local;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    size_t length = strftime(to, to_size, "%H:%M:%S", &local);
    return (int)length + snprintf(to + length, to_size - length, ".%03ld %s", now.tv_nsec / 1000000,
                                  level == LOG_LEVEL_WARNING ? "warning: " : level == LOG_LEVEL_ERROR ? "error: " : "");
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list ap;

    if (!log_enabled(level))
        return;
    int length = log_prefix(line, sizeof(line), level);
    va_start(ap, format);
    int written = vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format, ap);
    va_end(ap);
    if (written < 0)
        return;
    size_t total = MIN((size_t)(length + written), sizeof(line) - 2);
    line[total++] = '\n';
    /* One write per line, so that lines of two threads never mix. */
    if (write(STDERR_FILENO, line, total) < 0)
        return;
}
