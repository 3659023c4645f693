/*
 * The far side of an import: a thread that hashes what was decoded and appends it to the store, while the
 * next piece is being decoded.
 */
#pragma once

#include "base/error.h"
#include "store/store.h"

enum { IMPORT_CHUNK_BYTES = 1 << 20 };

struct import_writer;

/* `import` stays the caller's. */
struct import_writer *import_writer_start(struct store_import *import);
/* An empty buffer of IMPORT_CHUNK_BYTES; waits until one is free. */
uint8_t *import_writer_buffer(struct import_writer *writer);
/* Hands over the buffer that was given last. Gives the first error of an earlier piece, if any. */
int import_writer_put(struct import_writer *writer, size_t length_bytes);
/* Waits until all is written; the digest of it, and the first error. Frees the writer. */
int import_writer_finish(struct import_writer *writer, char sha256[65]);
