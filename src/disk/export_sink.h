/*
 * Where an exported disk goes: a file with holes, a stream or a device without, or a compressor in front of a
 * stream. For export.c.
 */
#pragma once

#include "disk/export.h"

struct archive;
struct archive_entry;

struct export_sink {
    int fd;
    enum export_format format;
    const atomic_bool *cancelled;
    bool has_holes;         /* a file that begins empty: what is not written reads as zeros */
    struct archive *archive; /* the compressor; NULL: none */
    struct archive_entry *entry;
    uint64_t position; /* in the disk */
    uint64_t written_bytes;
    int failure; /* of a write below the compressor */
};

/* Before the first byte; `size_bytes` is the whole disk's. On failure the caller still closes. */
int export_sink_open(struct export_sink *sink, int fd, enum export_format format, uint64_t size_bytes,
                     const atomic_bool *cancelled);
int export_sink_put(struct export_sink *sink, const void *bytes, size_t length_bytes);
int export_sink_skip(struct export_sink *sink, uint64_t length_bytes); /* zeros */
/* After the last byte: what compressors hold back, and onto the disk. */
int export_sink_finish(struct export_sink *sink);
void export_sink_close(struct export_sink *sink);
