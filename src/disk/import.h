/*
 * Turns a disk image as people download it into an image of the store.
 *
 * Reads a file or a pipe once, front to back: raw, xz, gzip, zstd, bzip2, zip; qcow2 through qemu-img. What
 * it is, its content says, never its name. It may take minutes and blocks: a thread of its own, never a loop.
 * What fails leaves nothing behind, and says why in one sentence.
 */
#pragma once

#include "base/error.h"
#include "store/store.h"

#include <stdatomic.h>

enum { SHA256_TEXT_SIZE = 65 };

#define IMPORT_LIMIT_BYTES (UINT64_C(1) << 40)

struct import_progress {
    uint64_t bytes_in;
    uint64_t total_in_bytes; /* 0 if not known, as with a pipe */
    uint64_t bytes_out;
};

struct import_request {
    struct store *store;
    const char *name;     /* of the image in the store */
    int fd;               /* what is imported, from its present offset to its end; stays the caller's */
    const char *source;   /* what a person calls it, for sentences */
    uint64_t limit_bytes; /* the largest disk it may become; 0: IMPORT_LIMIT_BYTES */
    const char *temporary_folder; /* where qcow2 is unpacked; NULL: /var/tmp */

    /* Called on the importing thread once per MiB written; may be NULL. */
    void (*progress)(void *context, const struct import_progress *progress);
    void *context;
    const atomic_bool *cancelled; /* looked at all the time; may be NULL */
};

struct import_result {
    const char *format;                   /* "raw", "xz", … */
    char source_sha256[SHA256_TEXT_SIZE]; /* of what came in, all of it */
    char sha256[SHA256_TEXT_SIZE];        /* of the disk it became, before it is padded to a block */
    uint64_t source_bytes;
    uint64_t size_bytes; /* of the disk, likewise */
};

/*
 * 0 with the image committed, or a negative errno with the sentence:
 * -EEXIST name taken, -EBADMSG damaged or cut short, -EMEDIUMTYPE not a disk, -EFBIG larger than the limit,
 * -ENOSPC, -ECANCELED, -EOPNOTSUPP a format that is known but not read, or what reading gave.
 */
int image_import(const struct import_request *request, struct import_result *result, struct error *error);
