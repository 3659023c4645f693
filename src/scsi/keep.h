/*
 * What a disk must know again after the program or the power was gone: reservations that were asked to stay
 * (APTPL, SPC-4 5.13.5), a sanitize operation that is not at its end (SBC-3 4.11), and an atomic write of
 * which nobody knows whether it is on the disk.
 *
 * The bytes only; where they are kept is the caller's matter. They say whose disk they belong to, so that a
 * volume of the same name never inherits them.
 */
#pragma once

#include "scsi/atomic.h"
#include "scsi/reservation.h"

enum {
    KEPT_UUID_BYTES = 16,
    KEPT_MAX_BYTES =
        40 + RESERVATION_REGISTRATIONS_MAX * (11 + RESERVATION_PORT_SIZE) + 12 + ATOMIC_MAX_BYTES,
};

struct kept {
    uint8_t uuid[KEPT_UUID_BYTES];
    bool sanitizing;
    bool may_exit_failure; /* AUSE of the sanitize command */
    bool reservations_kept;
    struct reservations reservations;
    const uint8_t *atomic_data; /* NULL: none; after decoding, inside the bytes */
    uint64_t atomic_offset;
    uint32_t atomic_bytes;
};

/* Gives the length. Reservations that are not kept are left out. */
size_t kept_encode(const struct kept *kept, uint8_t to[KEPT_MAX_BYTES]);
/* False, and nothing to free, for bytes that `kept_encode` does not write or that were damaged. The caller
 * frees the reservations. */
bool kept_decode(const void *bytes, size_t length_bytes, struct kept *kept);
