/*
 * The formats a disk image comes in, one table entry each.
 *
 * A decoder pulls from the input and fills the caller's buffer; it knows neither the store nor hashes of the
 * output.
 */
#pragma once

#include "base/error.h"
#include "disk/import_input.h"

enum { DECODER_HEAD_BYTES = 512 };

struct decoder {
    const char *name;
    /* By the first bytes, at most DECODER_HEAD_BYTES of them. */
    bool (*recognises)(const uint8_t *head, size_t length_bytes);
    /* Nothing was taken from `input` yet. `limit_bytes`: what the disk may become. On failure `state` may be
     * set, and is closed all the same. */
    int (*open)(struct import_input *input, uint64_t limit_bytes, void **state, struct error *error);
    /* Bytes decoded, 0 at the sound end of everything, or a negative errno with a sentence that can follow
     * "NAME: ". */
    ssize_t (*read)(void *state, void *buffer, size_t capacity_bytes, struct error *error);
    void (*close)(void *state);
};

/* The decoder for what begins with `head`: raw if nothing else claims it. NULL, with the sentence, for a
 * format that is known but not read. */
const struct decoder *decoder_for(const uint8_t *head, size_t length_bytes, struct error *error);
/* The archive format that the decoded bytes are once more; NULL if none. */
const char *decoder_name_of(const uint8_t *head, size_t length_bytes);

extern const struct decoder decoder_raw;
extern const struct decoder decoder_xz;
extern const struct decoder decoder_gzip;
extern const struct decoder decoder_zstd;
extern const struct decoder decoder_bzip2;
extern const struct decoder decoder_zip;
extern const struct decoder decoder_qcow2;
