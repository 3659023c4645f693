#include "ctl/progress.h"

#include "base/text.h"
#include "ctl/terminal.h"

enum { PLAIN_LINE_MS = 10 * 1000 };

/* Parts of `whole` that are done; a file that grew meanwhile is not more than all of it. */
static unsigned parts_done(const struct progress_state *state, unsigned whole)
{
    if (state->ended || state->read_bytes >= state->total_bytes)
        return whole;
    return (unsigned)((double)state->read_bytes / (double)state->total_bytes * whole);
}

static void append_bar(struct text *line, const struct progress_state *state)
{
    char bar[PROGRESS_BAR_COLUMNS + 1];
    unsigned done = parts_done(state, PROGRESS_BAR_COLUMNS);

    memset(bar, ' ', PROGRESS_BAR_COLUMNS);
    memset(bar, '#', done);
    bar[PROGRESS_BAR_COLUMNS] = '\0';
    text_appendf(line, "[%s] ", bar);
}

static uint64_t seconds_shown(const struct progress_state *state)
{
    if (state->ended || state->total_bytes == 0 || state->read_bytes == 0)
        return state->elapsed_ms / 1000;
    uint64_t left = state->total_bytes - MIN(state->read_bytes, state->total_bytes);
    return (uint64_t)((double)state->elapsed_ms / 1000 * (double)left / (double)state->read_bytes);
}

static void append_time(struct text *line, uint64_t seconds)
{
    unsigned long long s = seconds;

    text_appendf(line, "  %llu:%02llu:%02llu", s / 3600, s % 3600 / 60, s % 60);
}

const char *progress_format(char to[PROGRESS_LINE_SIZE], const struct progress_state *state)
{
    CLEANUP_TEXT struct text line = text_with_max(PROGRESS_LINE_SIZE - 1);
    char amount[16], rate[16];
    double seconds = (double)MAX(state->elapsed_ms, 1u) / 1000;

    if (state->total_bytes > 0 || state->ended)
        append_bar(&line, state);
    text_appendf(&line, "%s  %s/s", format_size(amount, sizeof(amount), state->written_bytes),
                 format_size(rate, sizeof(rate), (uint64_t)((double)state->written_bytes / seconds)));
    append_time(&line, seconds_shown(state));
    copy_string(to, PROGRESS_LINE_SIZE, text_string(&line));
    return to;
}

struct progress progress_begin(FILE *to)
{
    return (struct progress){.to = to, .on_terminal = terminal_is(to), .next_line_ms = PLAIN_LINE_MS};
}

void progress_show(struct progress *progress, const struct progress_state *state)
{
    char line[PROGRESS_LINE_SIZE];

    if (!progress->on_terminal && state->elapsed_ms < progress->next_line_ms)
        return;
    progress->next_line_ms = state->elapsed_ms + PLAIN_LINE_MS;
    progress_format(line, state);
    /* Back to the start, and whatever a longer line left behind is cleared. */
    fprintf(progress->to, progress->on_terminal ? "\r  %s\033[K" : "  %s\n", line);
    fflush(progress->to);
}

void progress_end(struct progress *progress, const struct progress_state *state)
{
    progress->next_line_ms = 0;
    progress_show(progress, state);
    if (progress->on_terminal)
        fputc('\n', progress->to);
}

void progress_abandon(struct progress *progress)
{
    if (progress->on_terminal)
        fputs("\r\033[K", progress->to);
    fflush(progress->to);
}
