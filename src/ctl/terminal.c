#include "ctl/terminal.h"

#include <sys/ioctl.h>

enum { DEFAULT_COLUMNS = 80, LEAST_COLUMNS = 40 };

static const char *const colour_codes[] = {
    [COLOUR_NONE] = "",
    [COLOUR_GREEN] = "\033[32m",
    [COLOUR_YELLOW] = "\033[33m",
    [COLOUR_RED] = "\033[31m",
    [COLOUR_FAINT] = "\033[2m",
};

bool terminal_is(FILE *to)
{
    return isatty(fileno(to));
}

unsigned terminal_columns(FILE *to)
{
    struct winsize size;

    if (ioctl(fileno(to), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return DEFAULT_COLUMNS;
    return MAX(size.ws_col, LEAST_COLUMNS);
}

static bool colours_wanted(FILE *to)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0) && terminal_is(to);
}

const char *colour_begin(FILE *to, enum colour colour)
{
    return colours_wanted(to) ? colour_codes[colour] : "";
}

const char *colour_end(FILE *to)
{
    return colours_wanted(to) ? "\033[0m" : "";
}

void print_safe(FILE *to, const char *text)
{
    for (const uint8_t *c = (const uint8_t *)text; *c; c++) {
        bool second_control = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0; /* U+0080 to U+009F */
        if (*c < 0x20 || *c == 0x7f || second_control)
            fprintf(to, "\\x%02x", second_control ? *++c : *c);
        else
            fputc(*c, to);
    }
}

/* Columns that `length` bytes of UTF-8 take. */
static unsigned columns_of(const char *text, size_t length)
{
    unsigned columns = 0;

    for (size_t i = 0; i < length; i++)
        columns += ((uint8_t)text[i] & 0xc0) != 0x80;
    return columns;
}

static void print_word(FILE *to, const char *word, size_t length)
{
    CLEANUP_FREE char *copy = strndup(word, length);

    CHECK(copy != NULL);
    print_safe(to, copy);
}

void print_wrapped(FILE *to, const char *text, unsigned used, unsigned indent)
{
    unsigned columns = terminal_columns(to);
    bool first = true;

    while (*text) {
        size_t length = strcspn(text, " ");
        unsigned width = columns_of(text, length);
        if (!first && used + 1 + width > columns) {
            fprintf(to, "\n%*s", (int)indent, "");
            used = indent;
        } else if (!first) {
            fputc(' ', to);
            used++;
        }
        print_word(to, text, length);
        used += width;
        first = false;
        text += length + (text[length] == ' ');
    }
    fputc('\n', to);
}

void print_json(const json_t *value, bool one_line)
{
    json_dumpf(value, stdout, JSON_ENCODE_ANY | (one_line ? JSON_COMPACT : JSON_INDENT(2)));
    fputc('\n', stdout);
    fflush(stdout);
}

const char *json_member_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

uint64_t json_member_u64(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));

    return value > 0 ? (uint64_t)value : 0;
}

const char *format_duration(char *to, size_t to_size, uint64_t seconds)
{
    unsigned long long s = seconds;

    if (s >= 86400)
        snprintf(to, to_size, "%llu d %llu h", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        snprintf(to, to_size, "%llu h %llu min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(to, to_size, "%llu min", s / 60);
    else
        snprintf(to, to_size, "%llu s", s);
    return to;
}

const char *format_ago(char *to, size_t to_size, uint64_t now_seconds, uint64_t then_seconds)
{
    char duration[32];

    if (then_seconds == 0)
        return copy_string(to, to_size, "never") ? to : "";
    format_duration(duration, sizeof(duration), now_seconds > then_seconds ? now_seconds - then_seconds : 0);
    snprintf(to, to_size, "%s ago", duration);
    return to;
}
