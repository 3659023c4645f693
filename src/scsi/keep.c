#include "scsi/keep.h"

#include "base/bytes.h"
#include "base/crc32c.h"

enum {
    MAGIC = 0x66624b44, /* "fbKD" */
    VERSION = 1,
    FLAG_SANITIZING = 0x01,
    FLAG_MAY_EXIT_FAILURE = 0x02,
    FLAG_RESERVATIONS = 0x04,
    FLAG_ATOMIC = 0x08,
    FLAGS = 0x0f,
    CRC_BYTES = 4,
};

static uint8_t flags_of(const struct kept *kept)
{
    return (uint8_t)((kept->sanitizing ? FLAG_SANITIZING : 0) |
                     (kept->may_exit_failure ? FLAG_MAY_EXIT_FAILURE : 0) |
                     (kept->reservations_kept ? FLAG_RESERVATIONS : 0) |
                     (kept->atomic_data ? FLAG_ATOMIC : 0));
}

static void write_registration(struct writer *w, const struct registration *each)
{
    size_t length = strlen(each->port);

    writer_be64(w, each->key);
    writer_u8(w, each->holder);
    writer_be16(w, (uint16_t)length);
    writer_bytes(w, each->port, length);
}

size_t kept_encode(const struct kept *kept, uint8_t to[KEPT_MAX_BYTES])
{
    struct writer w = writer_over(to, KEPT_MAX_BYTES);
    unsigned count = kept->reservations_kept ? kept->reservations.count : 0;

    writer_be32(&w, MAGIC);
    writer_u8(&w, VERSION);
    writer_u8(&w, flags_of(kept));
    writer_u8(&w, count ? (uint8_t)kept->reservations.type : 0);
    writer_u8(&w, (uint8_t)count);
    writer_bytes(&w, kept->uuid, KEPT_UUID_BYTES);
    for (unsigned i = 0; i < count; i++)
        write_registration(&w, &kept->reservations.registrations[i]);
    if (kept->atomic_data) {
        writer_be64(&w, kept->atomic_offset);
        writer_be32(&w, kept->atomic_bytes);
        writer_bytes(&w, kept->atomic_data, kept->atomic_bytes);
    }
    writer_be32(&w, crc32c(0, to, w.offset));
    CHECK(writer_ok(&w));
    return w.offset;
}

static bool read_registration(struct reader *r, struct registration *each)
{
    each->key = reader_be64(r);
    each->holder = reader_u8(r) == 1;
    size_t length = reader_be16(r);
    if (length >= sizeof(each->port))
        return false;
    reader_copy(r, each->port, length);
    each->port[length] = '\0';
    return reader_ok(r) && strlen(each->port) == length && length > 0;
}

static bool read_registrations(struct reader *r, unsigned count, struct reservations *all)
{
    if (count > RESERVATION_REGISTRATIONS_MAX)
        return false;
    all->registrations = count ? xcalloc(count, sizeof(*all->registrations)) : NULL;
    for (; all->count < count; all->count++) {
        if (!read_registration(r, &all->registrations[all->count]))
            return false;
    }
    return true;
}

static bool read_atomic(struct reader *r, struct kept *kept)
{
    kept->atomic_offset = reader_be64(r);
    kept->atomic_bytes = reader_be32(r);
    kept->atomic_data = kept->atomic_bytes <= ATOMIC_MAX_BYTES ? reader_bytes(r, kept->atomic_bytes) : NULL;
    return kept->atomic_data != NULL;
}

static bool is_undamaged(const void *bytes, size_t length_bytes)
{
    struct reader crc = reader_over(bytes, length_bytes);

    if (length_bytes < CRC_BYTES || length_bytes > KEPT_MAX_BYTES)
        return false;
    reader_seek(&crc, length_bytes - CRC_BYTES);
    return reader_be32(&crc) == crc32c(0, bytes, length_bytes - CRC_BYTES);
}

static bool read_all(struct reader *r, struct kept *kept)
{
    bool known = reader_be32(r) == MAGIC;

    known &= reader_u8(r) == VERSION;
    uint8_t flags = reader_u8(r);
    unsigned type = reader_u8(r);
    unsigned count = reader_u8(r);
    reader_copy(r, kept->uuid, KEPT_UUID_BYTES);
    kept->sanitizing = flags & FLAG_SANITIZING;
    kept->may_exit_failure = flags & FLAG_MAY_EXIT_FAILURE;
    kept->reservations_kept = flags & FLAG_RESERVATIONS;
    if (!reader_ok(r) || !known || flags & ~FLAGS || (count && !kept->reservations_kept))
        return false;
    if (!read_registrations(r, count, &kept->reservations))
        return false;
    if (flags & FLAG_ATOMIC && !read_atomic(r, kept))
        return false;
    if (reader_left(r) != 0)
        return false;
    kept->reservations.type = (enum reservation_type)type;
    return reservations_are_sound(&kept->reservations);
}

bool kept_decode(const void *bytes, size_t length_bytes, struct kept *kept)
{
    memset(kept, 0, sizeof(*kept));
    if (!is_undamaged(bytes, length_bytes))
        return false;
    struct reader r = reader_over(bytes, length_bytes - CRC_BYTES);
    if (read_all(&r, kept))
        return true;
    reservations_free(&kept->reservations);
    return false;
}
