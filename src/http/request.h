/*
 * The head of an HTTP/1.x request, decoded (RFC 9110, 9112): as much of it as a server of files must know. Pure.
 */
#pragma once

#include "base/base.h"

enum { HTTP_HEAD_MAX_BYTES = 8192, HTTP_HEADERS_MAX = 64, HTTP_PATH_SIZE = 1024 };

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER_METHOD };

enum http_decoded {
    HTTP_INCOMPLETE,  /* more bytes are needed */
    HTTP_REQUEST,     /* whole */
    HTTP_MALFORMED,   /* 400 */
    HTTP_TOO_LARGE,   /* 431 */
    HTTP_OTHER_VERSION, /* 505 */
};

struct http_request {
    enum http_method method;
    char path[HTTP_PATH_SIZE]; /* percent-decoded, without query; begins with '/' and holds no NUL */
    bool keep_alive;
    bool has_body; /* which a reader of files must not send */
    /* One range of bytes; others, and such as depend on what the client has already, are as if not asked for. */
    bool has_range;
    bool range_is_suffix;  /* the last `range_last` bytes */
    bool range_has_last;
    uint64_t range_first;
    uint64_t range_last;
};

/* `used_bytes` is set for HTTP_REQUEST: what follows is the body or the next request. */
enum http_decoded http_request_decode(const uint8_t *bytes, size_t length_bytes, struct http_request *request,
                                      size_t *used_bytes);

enum http_part { HTTP_WHOLE, HTTP_PART, HTTP_NO_PART };

/* What of a file of `size_bytes` is asked for (RFC 9110, 14.1.2). */
enum http_part http_request_part(const struct http_request *request, uint64_t size_bytes, uint64_t *first,
                                 uint64_t *length_bytes);
