/*
 * The bytes of `map` and `sum` files: a header, and units of 512 bytes that a disk writes whole (FORMAT.md, 2
 * and 3).
 *
 * A codec: knows layout and checksums, not files and not what the units mean.
 */
#pragma once

#include "base/base.h"

enum {
    UNIT_BYTES = 512,
    UNIT_PAYLOAD_BYTES = 504,
    UNIT_HEADER_BYTES = 8192, /* the header's two copies; the units follow */
    UNIT_HEADER_COPY_BYTES = 4096,
    UNIT_VERSION = 1,
};

#define UNIT_MAGIC_MAP "farbootM"
#define UNIT_MAGIC_SUM "farbootS"

enum unit_state {
    UNIT_EMPTY, /* never written */
    UNIT_VALID,
    UNIT_DAMAGED, /* neither: not what a power cut leaves */
};

/* Both copies, for the layer `layer_id`. */
void unit_header_encode(uint8_t to[UNIT_HEADER_BYTES], const char *magic, uint64_t layer_id);
/* One good copy is enough. 0; -EUCLEAN: neither is one of this layer; -EPROTONOSUPPORT: of a newer farboot.
 */
int unit_header_decode(const uint8_t from[UNIT_HEADER_BYTES], const char *magic, uint64_t layer_id);

void unit_encode(uint8_t to[UNIT_BYTES], const uint8_t payload[UNIT_PAYLOAD_BYTES], uint32_t generation,
                 uint64_t layer_id, uint64_t index);
/* Fills payload and generation (with zeros unless it is valid). */
enum unit_state unit_decode(const uint8_t from[UNIT_BYTES], uint64_t layer_id, uint64_t index,
                            uint8_t payload[UNIT_PAYLOAD_BYTES], uint32_t *generation);

/* Where unit `index` lies in its file. */
uint64_t unit_offset(uint64_t index);
/* True if all of it is zero. */
bool bytes_are_zero(const void *bytes, size_t length_bytes);
