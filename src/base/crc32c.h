/*
 * CRC32C (Castagnoli), as iSCSI digests, ext4 and the store's maps use it (RFC 7143 section 13.1).
 *
 * Uses the processor's instruction where there is one, chosen at run time.
 */
#pragma once

#include "base/base.h"

/* The checksum of `bytes`, continuing from `crc` (0 to begin). Chaining two calls equals one over both pieces. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t length_bytes);

/* The plain table version: the reference that tests hold the fast one against. */
uint32_t crc32c_reference(uint32_t crc, const void *bytes, size_t length_bytes);
