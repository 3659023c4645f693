/*
 * MODE SENSE and MODE SELECT: caching and control (SPC-4 6.11, 7.5; SBC-3 6.4).
 */
#include "scsi/table.h"

#include "base/bytes.h"

enum {
    PAGE_CACHING = 0x08,
    PAGE_CONTROL = 0x0a,
    PAGE_EXCEPTIONS = 0x1c,
    PAGE_ALL = 0x3f,
    PAGE_CODE = 0x3f,
    SUBPAGE_ALL = 0xff,
    PC_CHANGEABLE = 1,
    PC_SAVED = 3,
    PARAMETER_WRITE_PROTECT = 0x80,
    PARAMETER_DPOFUA = 0x10,
    WCE = 0x04,
    D_SENSE = 0x04,
    SWP = 0x08,
    PAGE_MAX_BYTES = 20,
    ANSWER_MAX_BYTES = 128,
};

static void put_caching(uint8_t *page, const struct scsi_mode *mode)
{
    page[2] = mode->write_cache ? WCE : 0;
}

static void put_control(uint8_t *page, const struct scsi_mode *mode)
{
    enum { TASK_SET_PER_NEXUS = 0x20, UNRESTRICTED_REORDERING = 0x10, TAS = 0x40 };

    page[2] = TASK_SET_PER_NEXUS | (mode->descriptor_sense ? D_SENSE : 0);
    page[3] = UNRESTRICTED_REORDERING;
    page[4] = mode->write_protect ? SWP : 0;
    page[5] = TAS;
}

static void get_caching(const uint8_t *page, struct scsi_mode *mode)
{
    mode->write_cache = page[2] & WCE;
}

static void get_control(const uint8_t *page, struct scsi_mode *mode)
{
    mode->descriptor_sense = page[2] & D_SENSE;
    mode->write_protect = page[4] & SWP;
}

static const struct mode_page {
    uint8_t code;
    uint8_t length_bytes; /* with the two bytes of its header */
    uint8_t changeable[PAGE_MAX_BYTES];
    void (*put)(uint8_t *page, const struct scsi_mode *mode);
    void (*get)(const uint8_t *page, struct scsi_mode *mode);
} pages[] = {
    {PAGE_CACHING, 20, {[2] = WCE}, put_caching, get_caching},
    {PAGE_CONTROL, 12, {[2] = D_SENSE, [4] = SWP}, put_control, get_control},
    {PAGE_EXCEPTIONS, 12, {0}, NULL, NULL},
};

static void encode_page(const struct mode_page *page, const struct scsi_mode *mode,
                        uint8_t to[PAGE_MAX_BYTES])
{
    memset(to, 0, PAGE_MAX_BYTES);
    if (page->put)
        page->put(to, mode);
    to[0] = page->code;
    to[1] = page->length_bytes - 2;
}

static void write_page(struct writer *w, const struct mode_page *page, unsigned control,
                       const struct scsi_mode *mode)
{
    const struct scsi_mode defaults = {.write_cache = true};
    uint8_t bytes[PAGE_MAX_BYTES];

    encode_page(page, control == 2 ? &defaults : mode, bytes);
    if (control == PC_CHANGEABLE)
        memcpy(bytes + 2, page->changeable + 2, page->length_bytes - 2);
    writer_bytes(w, bytes, page->length_bytes);
}

/* The block descriptor: how many blocks of which size (SBC-3 6.4.2). */
static void write_block_descriptor(struct writer *w, uint64_t blocks, bool is_long)
{
    if (is_long) {
        writer_be64(w, blocks);
        writer_be32(w, 0);
        writer_be32(w, VOLUME_SECTOR_BYTES);
    } else {
        writer_be32(w, (uint32_t)MIN(blocks, (uint64_t)UINT32_MAX));
        writer_be32(w, VOLUME_SECTOR_BYTES);
    }
}

static struct scsi_mode present_mode(struct scsi_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    struct scsi_mode mode = disk->mode;
    pthread_mutex_unlock(&disk->lock);
    return mode;
}

static void write_header(struct scsi_command *command, struct writer *w, size_t total, size_t descriptor,
                         const struct scsi_mode *mode)
{
    bool protected = mode->write_protect || scsi_disk_is_read_only(command->disk);
    uint8_t parameter = PARAMETER_DPOFUA | (protected ? PARAMETER_WRITE_PROTECT : 0);

    if (command->cdb[0] == OPCODE_MODE_SENSE_6) {
        writer_u8(w, (uint8_t)(total - 1));
        writer_u8(w, 0);
        writer_u8(w, parameter);
        writer_u8(w, (uint8_t)descriptor);
    } else {
        writer_be16(w, (uint16_t)(total - 2));
        writer_u8(w, 0);
        writer_u8(w, parameter);
        writer_u8(w, descriptor == 16);
        writer_u8(w, 0);
        writer_be16(w, (uint16_t)descriptor);
    }
}

static bool wanted(const struct mode_page *page, uint8_t code)
{
    return code == PAGE_ALL || code == page->code;
}

static void answer_pages(struct scsi_command *command, uint8_t code, unsigned control)
{
    bool is_6 = command->cdb[0] == OPCODE_MODE_SENSE_6;
    bool is_long = !is_6 && command->cdb[1] & CDB1_LLBAA;
    size_t descriptor = command->cdb[1] & CDB1_DBD ? 0 : is_long ? 16 : 8;
    size_t header = is_6 ? 4 : 8;
    struct scsi_mode mode = present_mode(command->disk);
    uint8_t answer[ANSWER_MAX_BYTES];
    struct writer w = writer_over(answer, sizeof(answer));

    writer_fill(&w, 0, header);
    if (descriptor)
        write_block_descriptor(&w, volume_size_bytes(command->disk->volume) / VOLUME_SECTOR_BYTES, is_long);
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        if (wanted(&pages[i], code))
            write_page(&w, &pages[i], control, &mode);
    }
    CHECK(writer_ok(&w));
    struct writer h = writer_over(answer, header);
    write_header(command, &h, w.offset, descriptor, &mode);
    scsi_answer(command, answer, w.offset);
}

static bool is_known_page(uint8_t code)
{
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        if (wanted(&pages[i], code))
            return true;
    }
    return false;
}

int scsi_run_mode_sense(struct scsi_command *command, enum volume_wait wait)
{
    uint8_t code = command->cdb[2] & PAGE_CODE;
    uint8_t subpage = command->cdb[3];
    unsigned control = command->cdb[2] >> 6;

    if (control == PC_SAVED)
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_SAVING_NOT_SUPPORTED);
    else if (!is_known_page(code))
        scsi_fail_cdb(command, 2);
    else if (subpage != 0 && subpage != SUBPAGE_ALL)
        scsi_fail_cdb(command, 3);
    else
        answer_pages(command, code, control);
    return 0;
}

/* ---- MODE SELECT ---- */

static int refuse(struct scsi_command *command, size_t at)
{
    scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_INVALID_FIELD_IN_PARAMETERS);
    command->sense.has_field = true;
    command->sense.field = (uint16_t)at;
    return -EINVAL;
}

/* Only what the changeable mask names may differ from the present page (SPC-4 6.9). */
static bool changes_only_changeable(const struct mode_page *page, const struct scsi_mode *mode,
                                    const uint8_t *asked)
{
    uint8_t present[PAGE_MAX_BYTES];

    encode_page(page, mode, present);
    for (size_t i = 2; i < page->length_bytes; i++) {
        if ((present[i] ^ asked[i]) & ~page->changeable[i])
            return false;
    }
    return true;
}

static const struct mode_page *find_page(uint8_t code)
{
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        if (pages[i].code == code)
            return &pages[i];
    }
    return NULL;
}

static int take_page(struct scsi_command *command, struct reader *r, struct scsi_mode *mode)
{
    size_t at = r->offset;
    uint8_t code = reader_u8(r);
    uint8_t length = reader_u8(r);
    const uint8_t *body = reader_bytes(r, length);
    const struct mode_page *page = find_page(code & 0x7f);

    if (!body) {
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_PARAMETER_LIST_LENGTH);
        return -EINVAL;
    }
    if (!page)
        return refuse(command, at);
    if (length != page->length_bytes - 2)
        return refuse(command, at + 1);
    if (!changes_only_changeable(page, mode, body - 2))
        return refuse(command, at + 2);
    if (page->get)
        page->get(body - 2, mode);
    return 0;
}

static int take_pages(struct scsi_command *command, struct reader *r, struct scsi_mode *mode)
{
    bool is_6 = command->cdb[0] == OPCODE_MODE_SELECT_6;

    reader_skip(r, is_6 ? 3 : 6);
    size_t descriptor = is_6 ? reader_u8(r) : reader_be16(r);
    reader_skip(r, descriptor);
    if (!reader_ok(r)) {
        scsi_fail(command, SENSE_ILLEGAL_REQUEST, SENSE_CODE_PARAMETER_LIST_LENGTH);
        return -EINVAL;
    }
    while (reader_left(r) > 0) {
        int result = take_page(command, r, mode);
        if (result < 0)
            return result;
    }
    return 0;
}

int scsi_run_mode_select(struct scsi_command *command, enum volume_wait wait)
{
    struct reader r = reader_over(command->out, command->out_bytes);
    struct scsi_disk *disk = command->disk;
    struct scsi_mode mode = present_mode(disk);

    if (command->cdb[1] & CDB1_SP || !(command->cdb[1] & CDB1_PF)) {
        scsi_fail_cdb(command, 1);
        return 0;
    }
    if (!command->out_bytes || take_pages(command, &r, &mode) < 0)
        return 0;
    pthread_mutex_lock(&disk->lock);
    disk->mode = mode;
    scsi_tell_others(disk, command->path, ATTENTION_MODE);
    pthread_mutex_unlock(&disk->lock);
    return 0;
}
