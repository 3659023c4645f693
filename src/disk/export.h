/*
 * Writes a volume as a flat disk image: sparse where the file can have holes, or compressed.
 *
 * The opposite of import.h: what it writes becomes the same disk when it is imported. It may take minutes and
 * blocks: a thread of its own, never a loop. A file that was begun is left as it is when this fails: who made
 * it removes it.
 */
#pragma once

#include "base/error.h"
#include "store/volume.h"

#include <stdatomic.h>

enum export_format { EXPORT_RAW, EXPORT_GZIP, EXPORT_XZ, EXPORT_ZSTD };

/* "raw", "gz", "xz", "zst". */
const char *export_format_name(enum export_format format);
bool export_format_from_name(const char *name, enum export_format *format);

struct export_progress {
    uint64_t done_bytes; /* of the disk */
    uint64_t total_bytes;
    uint64_t written_bytes; /* to the file, holes left out */
};

struct export_request {
    struct volume *volume; /* must not change meanwhile */
    int fd;                /* a file, pipe, socket or block device, open for writing; stays the caller's */
    const char *target;    /* what a person calls it, for sentences */
    enum export_format format;

    /* Called on the exporting thread once per MiB; may be NULL. */
    void (*progress)(void *context, const struct export_progress *progress);
    void *context;
    const atomic_bool *cancelled; /* looked at all the time; may be NULL */
};

/* 0 with all bytes written (and synced, if it is a file), or a negative errno with the sentence: -EFBIG a disk too
 * small, -ENOSPC, -EPIPE, -ECANCELED, or what reading or writing gave. `written_bytes` is set. */
int image_export(const struct export_request *request, uint64_t *written_bytes, struct error *error);
