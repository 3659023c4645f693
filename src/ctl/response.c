#include "ctl/response.h"

#include <ctype.h>
#include <strings.h>

/* The line at `*at` without its end, moving behind it; false when no whole line is left. */
static bool take_line(char **at, char *end, char **line, size_t *length)
{
    char *newline = memchr(*at, '\n', (size_t)(end - *at));

    if (!newline)
        return false;
    *line = *at;
    *length = (size_t)(newline - *at);
    if (*length && (*line)[*length - 1] == '\r')
        --*length;
    *at = newline + 1;
    return true;
}

static bool read_status(const char *line, size_t length, int *status)
{
    static const char start[] = "HTTP/1.";
    const size_t digits_at = sizeof("HTTP/1.1 ") - 1;

    if (length < digits_at + 3 || memcmp(line, start, sizeof(start) - 1) != 0 || line[digits_at - 1] != ' ')
        return false;
    *status = 0;
    for (size_t i = digits_at; i < digits_at + 3; i++) {
        if (!isdigit((unsigned char)line[i]))
            return false;
        *status = *status * 10 + (line[i] - '0');
    }
    return true;
}

/* A number in `base` at the start of `text`; -1 if there is none or it is longer than any answer. */
static long read_number(const char *text, size_t length, int base)
{
    long number = 0;
    size_t i = 0;

    while (i < length && text[i] == ' ')
        i++;
    size_t first = i;
    for (; i < length && isxdigit((unsigned char)text[i]) && i - first < 8; i++) {
        int c = tolower((unsigned char)text[i]);
        int digit = isdigit(c) ? c - '0' : c - 'a' + 10;
        if (digit >= base)
            break;
        number = number * base + digit;
    }
    return i == first ? -1 : number;
}

static bool header_is(const char *line, size_t length, const char *name, const char **value, size_t *value_length)
{
    size_t name_length = strlen(name);

    if (length <= name_length || line[name_length] != ':' || strncasecmp(line, name, name_length) != 0)
        return false;
    *value = line + name_length + 1;
    *value_length = length - name_length - 1;
    while (*value_length && **value == ' ') {
        ++*value;
        --*value_length;
    }
    return true;
}

static bool join_chunks(char *at, char *end, struct response *response)
{
    char *to = at, *line;
    size_t length;

    response->body = at;
    while (take_line(&at, end, &line, &length)) {
        long size = read_number(line, length, 16);
        if (size == 0) {
            response->body_bytes = (size_t)(to - response->body);
            return true;
        }
        if (size < 0 || size > end - at)
            return false;
        memmove(to, at, (size_t)size);
        to += size;
        at += size;
        if (!take_line(&at, end, &line, &length) || length != 0)
            return false;
    }
    return false;
}

bool response_decode(char *bytes, size_t length_bytes, struct response *response)
{
    char *at = bytes, *end = bytes + length_bytes, *line;
    const char *value;
    size_t length, value_length;
    long content_length = -1;
    bool chunked = false;

    if (!take_line(&at, end, &line, &length) || !read_status(line, length, &response->status))
        return false;
    do {
        if (!take_line(&at, end, &line, &length))
            return false;
        if (header_is(line, length, "Content-Length", &value, &value_length))
            content_length = read_number(value, value_length, 10);
        if (header_is(line, length, "Transfer-Encoding", &value, &value_length))
            chunked = value_length == 7 && strncasecmp(value, "chunked", 7) == 0;
    } while (length > 0);
    if (chunked)
        return join_chunks(at, end, response);
    response->body = at;
    response->body_bytes = content_length >= 0 ? (size_t)content_length : (size_t)(end - at);
    return response->body_bytes <= (size_t)(end - at);
}
