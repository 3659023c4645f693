/*
 * What a disk kept, from any bytes: as they are, and with a right checksum behind them, so that what lies
 * beyond it is reached. What was decoded encodes again.
 */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "scsi/keep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const uint8_t *bytes, size_t length_bytes)
{
    CLEANUP_FREE uint8_t *again = xcalloc(1, KEPT_MAX_BYTES);
    struct kept kept;

    if (!kept_decode(bytes, length_bytes, &kept))
        return;
    CHECK(kept_encode(&kept, again) <= KEPT_MAX_BYTES);
    reservations_free(&kept.reservations);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE uint8_t *bytes = xcalloc(1, size + 4);

    if (size)
        memcpy(bytes, data, size);
    decode(bytes, size);
    struct writer w = writer_over(bytes + size, 4);
    writer_be32(&w, crc32c(0, bytes, size));
    decode(bytes, size + 4);
    return 0;
}
