/*
 * What an import reads: a file or a pipe, front to back, hashed and counted on the way.
 */
#pragma once

#include "base/base.h"

#include <openssl/evp.h>
#include <stdatomic.h>

enum { IMPORT_INPUT_BYTES = 256 * 1024, IMPORT_TAIL_BYTES = 1024 };

struct import_input {
    int fd;
    uint64_t total_bytes; /* 0 if not known */
    uint64_t bytes_in;
    const atomic_bool *cancelled;
    const char *temporary_folder; /* for decoders that cannot read front to back */
    EVP_MD_CTX *digest;
    bool ended; /* nothing comes behind what the buffer holds */

    uint8_t *buffer;
    size_t at;     /* first byte nobody took yet */
    size_t length; /* end of the bytes in the buffer */

    uint8_t tail[IMPORT_TAIL_BYTES]; /* the last bytes that came in */
    size_t tail_bytes;
};

void import_input_open(struct import_input *input, int fd, const atomic_bool *cancelled);
void import_input_close(struct import_input *input);

/* Makes at least one byte available, unless the input ended. -errno of reading, -ECANCELED. */
int import_input_fill(struct import_input *input);
/* Makes `want_bytes` available (at most IMPORT_INPUT_BYTES), or as many as are left. */
int import_input_want(struct import_input *input, size_t want_bytes);

static inline const uint8_t *import_input_data(const struct import_input *input)
{
    return input->buffer + input->at;
}

static inline size_t import_input_left(const struct import_input *input)
{
    return input->length - input->at;
}

/* Reads what is left, so that the digest covers all of it. */
int import_input_drain(struct import_input *input);
