#include "http/request.h"

#include "base/text.h"

#include <strings.h>

/* A piece of the head; never terminated. */
struct slice {
    const char *at;
    size_t length;
};

static bool slice_is(const struct slice *slice, const char *text)
{
    return slice->length == strlen(text) && strncasecmp(slice->at, text, slice->length) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice trimmed(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    while (end > at && is_blank(end[-1]))
        end--;
    return (struct slice){at, (size_t)(end - at)};
}

/* ---- lines ---- */

/* The line at `*at`, without its end, which may be a bare LF (RFC 9112, 2.2). */
static struct slice next_line(const char **at, const char *end)
{
    const char *line = *at;
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    size_t length = (size_t)(newline - line);

    *at = newline + 1;
    return (struct slice){line, length > 0 && line[length - 1] == '\r' ? length - 1 : length};
}

/* The length of the head with its empty line; 0 if that has not come yet. */
static size_t head_length(const char *bytes, size_t length_bytes)
{
    const char *at = bytes, *end = bytes + length_bytes;

    while (at < end && memchr(at, '\n', (size_t)(end - at))) {
        struct slice line = next_line(&at, end);
        if (line.length == 0)
            return (size_t)(at - bytes);
    }
    return 0;
}

/* ---- the request line ---- */

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c ? strchr(digits, c | 0x20) : NULL;

    return found && *found ? (int)(found - digits) : -1;
}

static bool decode_path(char to[HTTP_PATH_SIZE], const char *at, const char *end)
{
    size_t used = 0;

    for (; at < end && *at != '?' && *at != '#'; at++) {
        int c = (uint8_t)*at;
        if (c == '%') {
            int high = end - at > 2 ? hex_digit(at[1]) : -1, low = high >= 0 ? hex_digit(at[2]) : -1;
            if (low < 0)
                return false;
            c = high << 4 | low;
            at += 2;
        }
        if (c == '\0' || used + 1 >= HTTP_PATH_SIZE)
            return false;
        to[used++] = (char)c;
    }
    to[used] = '\0';
    return to[0] == '/';
}

/* A proxy's form names the server, too (RFC 9112, 3.2.2). */
static bool read_target(struct http_request *request, struct slice target)
{
    const char *at = target.at, *end = target.at + target.length;
    static const char scheme[] = "http://";

    if (target.length >= strlen(scheme) && strncasecmp(at, scheme, strlen(scheme)) == 0) {
        at = memchr(at + strlen(scheme), '/', target.length - strlen(scheme));
        if (!at)
            at = "/", end = at + 1;
    }
    return decode_path(request->path, at, end);
}

static enum http_method read_method(const struct slice *word)
{
    if (word->length == 3 && memcmp(word->at, "GET", 3) == 0)
        return HTTP_GET;
    return word->length == 4 && memcmp(word->at, "HEAD", 4) == 0 ? HTTP_HEAD : HTTP_OTHER_METHOD;
}

static enum http_decoded read_request_line(struct http_request *request, struct slice line)
{
    static const char start[] = "HTTP/1.";
    const char *end = line.at + line.length;
    const char *first = memchr(line.at, ' ', line.length);
    const char *last = memrchr(line.at, ' ', line.length);

    if (!first || first == line.at || last <= first)
        return HTTP_MALFORMED;
    struct slice method = {line.at, (size_t)(first - line.at)};
    struct slice target = {first + 1, (size_t)(last - first - 1)}, version = {last + 1, (size_t)(end - last - 1)};
    if (version.length != 8 || memcmp(version.at, "HTTP/", 5) != 0)
        return HTTP_MALFORMED;
    if (memcmp(version.at, start, strlen(start)) != 0)
        return HTTP_OTHER_VERSION;
    request->method = read_method(&method);
    request->keep_alive = version.at[7] != '0';
    return read_target(request, target) ? HTTP_REQUEST : HTTP_MALFORMED;
}

/* ---- headers ---- */

static bool read_number(const char **at, const char *end, uint64_t *value)
{
    const char *p = *at;

    *value = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (*value > INT64_MAX / 10)
            return false;
        *value = *value * 10 + (uint64_t)(*p - '0');
    }
    if (*value > INT64_MAX)
        return false;
    bool found = p > *at;
    *at = p;
    return found;
}

/* `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-LENGTH`. */
static bool hear_range(struct http_request *request, struct slice value)
{
    static const char unit[] = "bytes=";
    const char *at = value.at + strlen(unit), *end = value.at + value.length;

    request->has_range = false;
    if (value.length <= strlen(unit) || strncasecmp(value.at, unit, strlen(unit)) != 0)
        return true;
    request->range_is_suffix = *at == '-';
    if (!request->range_is_suffix && !read_number(&at, end, &request->range_first))
        return true;
    if (at == end || *at++ != '-')
        return true;
    request->range_has_last = read_number(&at, end, &request->range_last);
    request->has_range = at == end && (request->range_has_last || !request->range_is_suffix) &&
                         !(request->range_has_last && !request->range_is_suffix &&
                           request->range_last < request->range_first);
    return true;
}

static bool hear_connection(struct http_request *request, struct slice value)
{
    if (slice_is(&value, "close"))
        request->keep_alive = false;
    else if (slice_is(&value, "keep-alive"))
        request->keep_alive = true;
    return true;
}

static bool hear_length(struct http_request *request, struct slice value)
{
    const char *at = value.at, *end = value.at + value.length;
    uint64_t length;

    if (!read_number(&at, end, &length) || at != end)
        return false;
    request->has_body |= length > 0;
    return true;
}

static bool hear_coding(struct http_request *request, struct slice value)
{
    request->has_body = true;
    return true;
}

static const struct {
    const char *name;
    bool (*hear)(struct http_request *request, struct slice value);
} headers[] = {
    {"Range", hear_range},
    {"Connection", hear_connection},
    {"Content-Length", hear_length},
    {"Transfer-Encoding", hear_coding},
};

/* False for a line that is no header; one that continues the line before is none any more (RFC 9112, 5.2). */
static bool read_header(struct http_request *request, struct slice line, bool *is_conditional)
{
    const char *end = line.at + line.length;
    const char *colon = memchr(line.at, ':', line.length);

    if (!colon || colon == line.at || is_blank(line.at[0]) || is_blank(colon[-1]) ||
        memchr(line.at, '\0', line.length) || memchr(line.at, '\r', line.length))
        return false;
    struct slice name = {line.at, (size_t)(colon - line.at)};
    *is_conditional |= slice_is(&name, "If-Range");
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        if (slice_is(&name, headers[i].name))
            return headers[i].hear(request, trimmed(colon + 1, end));
    }
    return true;
}

static enum http_decoded read_head(struct http_request *request, const char *at, const char *end)
{
    bool is_conditional = false;
    unsigned count = 0;
    enum http_decoded decoded = read_request_line(request, next_line(&at, end));

    if (decoded != HTTP_REQUEST)
        return decoded;
    for (struct slice line; (line = next_line(&at, end)).length > 0;) {
        if (++count > HTTP_HEADERS_MAX)
            return HTTP_TOO_LARGE;
        if (!read_header(request, line, &is_conditional))
            return HTTP_MALFORMED;
    }
    /* We give no file a mark by which a client could know it again: so it gets the whole. */
    request->has_range &= !is_conditional;
    return HTTP_REQUEST;
}

enum http_decoded http_request_decode(const uint8_t *bytes, size_t length_bytes, struct http_request *request,
                                      size_t *used_bytes)
{
    const char *text = (const char *)bytes;
    size_t empty = 0;

    *request = (struct http_request){0};
    /* Empty lines in front of a request are left over from the one before (RFC 9112, 2.2). */
    while (empty < length_bytes && (text[empty] == '\r' || text[empty] == '\n'))
        empty++;
    size_t length = head_length(text + empty, MIN(length_bytes - empty, (size_t)HTTP_HEAD_MAX_BYTES));
    if (length == 0)
        return length_bytes >= HTTP_HEAD_MAX_BYTES ? HTTP_TOO_LARGE : HTTP_INCOMPLETE;
    *used_bytes = empty + length;
    return read_head(request, text + empty, text + empty + length);
}

/* ---- ranges ---- */

enum http_part http_request_part(const struct http_request *request, uint64_t size_bytes, uint64_t *first,
                                 uint64_t *length_bytes)
{
    *first = 0;
    *length_bytes = size_bytes;
    if (!request->has_range)
        return HTTP_WHOLE;
    if (request->range_is_suffix) {
        *length_bytes = MIN(request->range_last, size_bytes);
        *first = size_bytes - *length_bytes;
        return *length_bytes > 0 ? HTTP_PART : HTTP_NO_PART;
    }
    if (request->range_first >= size_bytes)
        return HTTP_NO_PART;
    *first = request->range_first;
    *length_bytes = size_bytes - *first;
    if (request->range_has_last)
        *length_bytes = MIN(*length_bytes, request->range_last - *first + 1);
    return HTTP_PART;
}
