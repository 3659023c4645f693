/*
 * The commands that touch blocks (SBC-3 section 5).
 */
#include "scsi/table.h"

#include "base/bytes.h"

enum {
    BYTCHK_NONE = 0x00,
    BYTCHK_ALL = 0x02,     /* the data-out is compared with the medium */
    BYTCHK_ONE = 0x06,     /* one block of data-out is compared with each */
    PIECE_BYTES = 1 << 20, /* how much of a long compare or fill is in memory at a time */
    UNMAP_HEADER_BYTES = 8,
    UNMAP_DESCRIPTOR_BYTES = 16,
    LBA_STATUS_DESCRIPTORS_MAX = 128,
    LBA_STATUS_MAPPED = 0,
    LBA_STATUS_DEALLOCATED = 1,
};

static const uint8_t zero_block[VOLUME_SECTOR_BYTES];

static uint64_t offset_of(const struct scsi_command *command)
{
    return command->lba * VOLUME_SECTOR_BYTES;
}

static int fail(struct scsi_command *command, int error, bool writing)
{
    if (error == -EAGAIN)
        return error;
    if (error < 0)
        scsi_fail_volume(command, error, writing);
    return 0;
}

static void fail_miscompare(struct scsi_command *command, uint64_t at)
{
    scsi_fail(command, SENSE_MISCOMPARE, SENSE_CODE_MISCOMPARE);
    command->sense.has_information = true;
    command->sense.information = at;
}

static bool is_zero(const uint8_t *bytes, size_t length_bytes)
{
    return length_bytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length_bytes - 1) == 0);
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t length_bytes)
{
    size_t i = 0;

    while (i < length_bytes && a[i] == b[i])
        i++;
    return i;
}

/* ---- reading and writing ---- */

void scsi_check_read(struct scsi_command *command)
{
    if (command->blocks > SCSI_READ_MAX_BLOCKS)
        scsi_fail_cdb(command, command->entry->blocks.at);
}

void scsi_check_write(struct scsi_command *command)
{
    if (command->blocks > SCSI_WRITE_MAX_BLOCKS)
        scsi_fail_cdb(command, command->entry->blocks.at);
}

static bool must_be_durable(struct scsi_command *command)
{
    pthread_mutex_lock(&command->disk->lock);
    bool cached = command->disk->mode.write_cache;
    pthread_mutex_unlock(&command->disk->lock);
    return !cached || (command->entry->flags & ENTRY_PROTECT && command->cdb[1] & CDB1_FUA);
}

static int write_out(struct scsi_command *command, size_t length_bytes, bool fua, enum volume_wait wait)
{
    struct iovec vec = {command->out, length_bytes};

    return length_bytes ? volume_write(command->disk->volume, &vec, 1, offset_of(command), fua, wait) : 0;
}

/* An initiator that announced less than the CDB asks for gets its whole blocks written. */
static size_t whole_blocks(const struct scsi_command *command)
{
    return command->out_received / VOLUME_SECTOR_BYTES * VOLUME_SECTOR_BYTES;
}

int scsi_run_write(struct scsi_command *command, enum volume_wait wait)
{
    return fail(command, write_out(command, whole_blocks(command), must_be_durable(command), wait), true);
}

int scsi_run_flush(struct scsi_command *command, enum volume_wait wait)
{
    return fail(command, volume_flush(command->disk->volume), true);
}

int scsi_run_prefetch(struct scsi_command *command, enum volume_wait wait)
{
    return 0;
}

/* ---- comparing ---- */

void scsi_check_verify(struct scsi_command *command)
{
    switch (command->cdb[1] & CDB1_BYTCHK) {
    case BYTCHK_NONE:
        break;
    case BYTCHK_ALL:
        command->out_bytes = command->blocks * VOLUME_SECTOR_BYTES;
        if (command->blocks > SCSI_WRITE_MAX_BLOCKS)
            scsi_fail_cdb(command, command->entry->blocks.at);
        break;
    case BYTCHK_ONE:
        command->out_bytes = command->blocks ? VOLUME_SECTOR_BYTES : 0;
        break;
    default:
        scsi_fail_cdb(command, 1);
    }
}

/* Compares the medium with `out` (with its first block again and again if `repeat`). */
static int compare(struct scsi_command *command, uint64_t length_bytes, bool repeat)
{
    CLEANUP_FREE uint8_t *medium = xcalloc(1, PIECE_BYTES);

    for (uint64_t done = 0; done < length_bytes;) {
        struct iovec vec = {medium, MIN(length_bytes - done, (uint64_t)PIECE_BYTES)};
        int r = volume_read(command->disk->volume, &vec, 1, offset_of(command) + done, VOLUME_MAY_WAIT);
        if (r < 0)
            return r;
        size_t step = repeat ? VOLUME_SECTOR_BYTES : vec.iov_len;
        for (size_t at = 0; at < vec.iov_len; at += step) {
            size_t same = first_difference(medium + at, repeat ? command->out : command->out + done, step);
            if (same < step) {
                fail_miscompare(command, done + at + same);
                return 0;
            }
        }
        done += vec.iov_len;
    }
    return 0;
}

static bool has_all_data(struct scsi_command *command)
{
    if (command->out_received >= command->out_bytes)
        return true;
    scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_CDB);
    return false;
}

int scsi_run_verify(struct scsi_command *command, enum volume_wait wait)
{
    unsigned bytchk = command->cdb[1] & CDB1_BYTCHK;

    if (bytchk == BYTCHK_NONE || !has_all_data(command))
        return 0;
    return fail(command, compare(command, command->blocks * VOLUME_SECTOR_BYTES, bytchk == BYTCHK_ONE),
                false);
}

int scsi_run_write_verify(struct scsi_command *command, enum volume_wait wait)
{
    size_t whole = whole_blocks(command);
    int r = write_out(command, whole, true, VOLUME_MAY_WAIT);

    if (r == 0 && command->cdb[1] & CDB1_BYTCHK)
        r = compare(command, whole, false);
    return fail(command, r, true);
}

static int read_or_write(struct scsi_command *command)
{
    CLEANUP_FREE uint8_t *medium = xcalloc(1, command->out_bytes);
    struct iovec vec = {medium, command->out_bytes};
    int r = volume_read(command->disk->volume, &vec, 1, offset_of(command), VOLUME_MAY_WAIT);

    for (size_t i = 0; r == 0 && i < command->out_bytes; i++)
        command->out[i] |= medium[i];
    return r < 0 ? r : write_out(command, command->out_bytes, must_be_durable(command), VOLUME_MAY_WAIT);
}

int scsi_run_orwrite(struct scsi_command *command, enum volume_wait wait)
{
    if (!has_all_data(command) || !command->out_bytes)
        return 0;
    pthread_mutex_lock(&command->disk->update_lock);
    int r = read_or_write(command);
    pthread_mutex_unlock(&command->disk->update_lock);
    return fail(command, r, true);
}

void scsi_check_compare(struct scsi_command *command)
{
    if (command->blocks > SCSI_COMPARE_MAX_BLOCKS)
        scsi_fail_cdb(command, command->entry->blocks.at);
    command->out_bytes = 2 * command->blocks * VOLUME_SECTOR_BYTES;
}

int scsi_run_compare_and_write(struct scsi_command *command, enum volume_wait wait)
{
    size_t half = command->out_bytes / 2;
    size_t mismatch = 0;

    if (!half || !has_all_data(command))
        return 0;
    int r = volume_compare_and_write(command->disk->volume, command->out, command->out + half, half,
                                     offset_of(command), &mismatch);
    if (r == -EILSEQ) {
        fail_miscompare(command, mismatch);
        return 0;
    }
    if (r == 0 && must_be_durable(command))
        r = volume_flush(command->disk->volume);
    return fail(command, r, true);
}

/* ---- many blocks with one content, and none ---- */

void scsi_check_write_same(struct scsi_command *command)
{
    bool no_data = command->cdb[0] == OPCODE_WRITE_SAME_16 && command->cdb[1] & CDB1_NDOB;

    if (!command->blocks) /* WSNZ is 0: to the end */
        command->blocks = volume_size_bytes(command->disk->volume) / VOLUME_SECTOR_BYTES - command->lba;
    if (command->cdb[1] & CDB1_ANCHOR)
        scsi_fail_cdb(command, 1);
    else if (command->blocks > SCSI_WRITE_SAME_MAX_BLOCKS)
        scsi_fail_cdb(command, command->entry->blocks.at);
    else
        command->out_bytes = no_data ? 0 : VOLUME_SECTOR_BYTES;
}

static int fill(struct scsi_command *command, const uint8_t *block)
{
    uint64_t left = command->blocks * VOLUME_SECTOR_BYTES;
    uint64_t offset = offset_of(command);
    size_t piece = MIN(left, (uint64_t)PIECE_BYTES);
    CLEANUP_FREE uint8_t *pattern = xcalloc(1, piece);

    for (size_t at = 0; at < piece; at += VOLUME_SECTOR_BYTES)
        memcpy(pattern + at, block, VOLUME_SECTOR_BYTES);
    while (left) {
        struct iovec vec = {pattern, MIN(left, (uint64_t)piece)};
        int r = volume_write(command->disk->volume, &vec, 1, offset, false, VOLUME_MAY_WAIT);
        if (r < 0)
            return r;
        offset += vec.iov_len;
        left -= vec.iov_len;
    }
    return 0;
}

/* Unmapping "to the end" means the blocks, not a pattern (docs/decisions/0007). */
static bool goes_to_the_end(const struct scsi_command *command)
{
    return cdb_number(command->cdb, command->entry->blocks) == 0;
}

int scsi_run_write_same(struct scsi_command *command, enum volume_wait wait)
{
    const uint8_t *block = command->out_bytes ? command->out : zero_block;
    bool unmap = command->cdb[1] & CDB1_UNMAP;
    bool zeros = is_zero(block, VOLUME_SECTOR_BYTES) || (unmap && goes_to_the_end(command));
    uint64_t length = command->blocks * VOLUME_SECTOR_BYTES;
    int r;

    if (!has_all_data(command))
        return 0;
    if (!zeros)
        r = fill(command, block);
    else if (unmap)
        r = volume_discard(command->disk->volume, offset_of(command), length);
    else
        r = volume_write_zeroes(command->disk->volume, offset_of(command), length);
    return fail(command, r, true);
}

static bool unmap_allowed(struct scsi_command *command, struct reader r)
{
    uint64_t capacity = volume_size_bytes(command->disk->volume) / VOLUME_SECTOR_BYTES;
    uint64_t total = 0;

    for (unsigned n = 0; reader_left(&r) >= UNMAP_DESCRIPTOR_BYTES; n++) {
        uint64_t lba = reader_be64(&r);
        uint64_t blocks = reader_be32(&r);
        reader_skip(&r, 4);
        total += blocks;
        if (lba > capacity || blocks > capacity - lba) {
            scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_LBA_OUT_OF_RANGE);
            return false;
        }
        if (n >= SCSI_UNMAP_MAX_DESCRIPTORS || total > SCSI_UNMAP_MAX_BLOCKS) {
            scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_PARAMETERS);
            return false;
        }
    }
    return true;
}

static int unmap_all(struct scsi_command *command, struct reader r)
{
    int result = 0;

    while (result == 0 && reader_left(&r) >= UNMAP_DESCRIPTOR_BYTES) {
        uint64_t lba = reader_be64(&r);
        uint64_t blocks = reader_be32(&r);
        reader_skip(&r, 4);
        if (blocks)
            result = volume_discard(command->disk->volume, lba * VOLUME_SECTOR_BYTES,
                                    blocks * VOLUME_SECTOR_BYTES);
    }
    return result;
}

int scsi_run_unmap(struct scsi_command *command, enum volume_wait wait)
{
    struct reader r = reader_over(command->out, command->out_bytes);

    if (command->cdb[1] & 1) { /* ANCHOR */
        scsi_fail_cdb(command, 1);
        return 0;
    }
    if (!command->out_bytes)
        return 0;
    if (command->out_bytes < UNMAP_HEADER_BYTES) {
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_PARAMETER_LIST_LENGTH);
        return 0;
    }
    reader_skip(&r, 2);
    size_t descriptors = reader_be16(&r);
    reader_skip(&r, 4);
    struct reader list = reader_take(&r, MIN(descriptors, reader_left(&r)));
    return unmap_allowed(command, list) ? fail(command, unmap_all(command, list), true) : 0;
}

/* ---- what the medium is ---- */

int scsi_run_capacity_10(struct scsi_command *command, enum volume_wait wait)
{
    uint64_t last = volume_size_bytes(command->disk->volume) / VOLUME_SECTOR_BYTES - 1;
    uint8_t answer[8];
    struct writer w = writer_over(answer, sizeof(answer));

    if (!(command->cdb[8] & 1) && cdb_number(command->cdb, (struct cdb_field){2, 4}) != 0) {
        scsi_fail_cdb(command, 2); /* an LBA without PMI */
        return 0;
    }
    writer_be32(&w, (uint32_t)MIN(last, (uint64_t)UINT32_MAX));
    writer_be32(&w, VOLUME_SECTOR_BYTES);
    command->length_bytes = sizeof(answer);
    scsi_answer(command, answer, sizeof(answer));
    return 0;
}

int scsi_run_capacity_16(struct scsi_command *command, enum volume_wait wait)
{
    /* 0 makes no promise about larger units: see docs/decisions/0004. The block limits page says what suits us. */
    enum { LBPME = 0x80, LBPRZ = 0x40, BLOCKS_PER_PHYSICAL_EXPONENT = 0 };
    uint8_t answer[32] = {0};
    struct writer w = writer_over(answer, sizeof(answer));

    if (!(command->cdb[14] & 1) && cdb_number(command->cdb, (struct cdb_field){2, 8}) != 0) {
        scsi_fail_cdb(command, 2);
        return 0;
    }
    writer_be64(&w, volume_size_bytes(command->disk->volume) / VOLUME_SECTOR_BYTES - 1);
    writer_be32(&w, VOLUME_SECTOR_BYTES);
    writer_u8(&w, 0);
    writer_u8(&w, BLOCKS_PER_PHYSICAL_EXPONENT);
    writer_u8(&w, LBPME | LBPRZ);
    scsi_answer(command, answer, sizeof(answer));
    return 0;
}

static int write_lba_status(struct scsi_command *command, struct writer *w, unsigned most)
{
    uint64_t size = volume_size_bytes(command->disk->volume);
    uint64_t offset = offset_of(command);

    for (unsigned n = 0; n < most && offset < size; n++) {
        uint64_t length;
        bool mapped;
        uint64_t limit = MIN(size - offset, (uint64_t)UINT32_MAX / 2 * VOLUME_SECTOR_BYTES);
        int r = volume_extent(command->disk->volume, offset, limit, &length, &mapped);
        if (r < 0)
            return r;
        length = MIN(MAX(length, (uint64_t)VOLUME_SECTOR_BYTES), limit);
        writer_be64(w, offset / VOLUME_SECTOR_BYTES);
        writer_be32(w, (uint32_t)(length / VOLUME_SECTOR_BYTES));
        writer_u8(w, mapped ? LBA_STATUS_MAPPED : LBA_STATUS_DEALLOCATED);
        writer_fill(w, 0, 3);
        offset += length / VOLUME_SECTOR_BYTES * VOLUME_SECTOR_BYTES;
    }
    return 0;
}

int scsi_run_lba_status(struct scsi_command *command, enum volume_wait wait)
{
    enum { HEADER = 8, DESCRIPTOR = 16 };
    uint8_t answer[HEADER + DESCRIPTOR * LBA_STATUS_DESCRIPTORS_MAX] = {0};
    struct writer w = writer_over(answer, sizeof(answer));
    size_t asked = command->length_bytes > HEADER ? (command->length_bytes - HEADER) / DESCRIPTOR : 0;

    if (command->lba >= volume_size_bytes(command->disk->volume) / VOLUME_SECTOR_BYTES) {
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_LBA_OUT_OF_RANGE);
        return 0;
    }
    writer_fill(&w, 0, HEADER);
    int r = write_lba_status(command, &w,
                             (unsigned)MAX((size_t)1, MIN(asked, (size_t)LBA_STATUS_DESCRIPTORS_MAX)));
    if (r < 0)
        return fail(command, r, false);
    struct writer header = writer_over(answer, HEADER);
    writer_be32(&header, (uint32_t)(w.offset - 4));
    scsi_answer(command, answer, w.offset);
    return 0;
}

/* Nothing here wears out: an empty list, of the kind that was asked for. */
int scsi_run_defects(struct scsi_command *command, enum volume_wait wait)
{
    bool is_12 = command->cdb[0] == OPCODE_READ_DEFECT_DATA_12;
    uint8_t answer[8] = {0, command->cdb[is_12 ? 1 : 2] & 0x1f};

    scsi_answer(command, answer, is_12 ? 8 : 4);
    return 0;
}
