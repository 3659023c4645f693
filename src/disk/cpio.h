/*
 * Names and contents of a cpio archive in the "newc" form, from a stream that only goes forward.
 *
 * Bounded: names, files and the bytes of the whole archive. Keeps no file.
 */
#pragma once

#include "base/base.h"

#include <sys/types.h>

enum { CPIO_NAME_SIZE = 4096, CPIO_FILES_MAX = 200000 };

/* Where the archive comes from: gives up to `capacity_bytes`, 0 at the end, or a negative errno. */
struct cpio_stream {
    ssize_t (*read)(void *context, void *buffer, size_t capacity_bytes);
    void *context;
    uint64_t taken_bytes; /* by the parser, so far */
    uint64_t limit_bytes; /* beyond: -EFBIG */
};

struct cpio_entry {
    char name[CPIO_NAME_SIZE];
    uint32_t size_bytes;
};

/* 1 with the next entry, whose content was not read; 0 behind the trailer; -EBADMSG if it is no cpio, or cut
 * short. */
int cpio_next(struct cpio_stream *stream, struct cpio_entry *entry);
/* Exactly one of them after each cpio_next. `content` has room for the entry's size. */
int cpio_read_content(struct cpio_stream *stream, const struct cpio_entry *entry, void *content);
int cpio_skip_content(struct cpio_stream *stream, const struct cpio_entry *entry);
