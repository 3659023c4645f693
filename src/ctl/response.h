/*
 * An HTTP/1.1 answer, decoded: status and body (RFC 9112). Pure.
 */
#pragma once

#include "base/base.h"

struct response {
    int status;
    const char *body; /* inside the bytes that were decoded */
    size_t body_bytes;
};

/* Decodes a whole answer, as read until its sender closed; a chunked body is put together in place. False if it is
 * malformed or cut short. */
bool response_decode(char *bytes, size_t length_bytes, struct response *response);
