/*
 * The head of an HTTP answer, encoded (RFC 9110, 9112). Pure.
 */
#pragma once

#include "base/base.h"

enum { HTTP_ANSWER_MAX_BYTES = 1024 };

struct http_answer {
    unsigned status; /* one of those in answer.c */
    const char *content_type;
    uint64_t length_bytes; /* of the body */
    uint64_t first;        /* 206: where in the file the body begins */
    uint64_t size_bytes;   /* 206, 416: of the file */
    bool keep_alive;
    uint64_t date_seconds; /* wall clock */
};

/* With its empty line; gives its length. */
size_t http_answer_encode(uint8_t to[HTTP_ANSWER_MAX_BYTES], const struct http_answer *answer);

/* "Not Found". */
const char *http_status_phrase(unsigned status);
/* What a file is, by the end of its name. */
const char *http_content_type(const char *path);
