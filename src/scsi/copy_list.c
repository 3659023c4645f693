/*
 * The parameter list of EXTENDED COPY (SPC-4 6.4): a header, the disks, what goes where.
 */
#include "scsi/copy.h"

#include "base/bytes.h"

enum {
    USAGE_HOLD = 0,
    USAGE_DISCARD = 2,
    USAGE_UNTRACKED = 3,
    TARGET_IDENTIFICATION = 0xe4,
    SEGMENT_BLOCK_TO_BLOCK = 0x02,
    SEGMENT_LENGTH = COPY_SEGMENT_BYTES - 4,
    NUL = 0x20,
    DEVICE_TYPE = 0x1f,
};

static struct sense refusal(enum sense_code code)
{
    return (struct sense){.key = SENSE_ILLEGAL_REQUEST, .code = code};
}

/* Pointing at byte `at` of the list. */
static struct sense bad_field(size_t at)
{
    return (struct sense){.key = SENSE_ILLEGAL_REQUEST,
                          .code = SENSE_CODE_INVALID_FIELD_IN_PARAMETERS,
                          .has_field = true,
                          .field = (uint16_t)at};
}

struct sections {
    size_t targets_bytes, segments_bytes, inline_bytes;
};

static struct sense read_header(struct reader *r, struct copy_list *list, struct sections *sections)
{
    list->list_id = reader_u8(r);
    unsigned usage = reader_u8(r) >> 3 & 3;
    sections->targets_bytes = reader_be16(r);
    reader_skip(r, 4);
    sections->segments_bytes = reader_be32(r);
    sections->inline_bytes = reader_be32(r);
    list->tracked = usage != USAGE_UNTRACKED;
    list->keeps = usage == USAGE_HOLD;
    if (!reader_ok(r))
        return refusal(SENSE_CODE_PARAMETER_LIST_LENGTH);
    if (usage != USAGE_HOLD && usage != USAGE_DISCARD && usage != USAGE_UNTRACKED)
        return bad_field(1);
    return !list->tracked && list->list_id ? bad_field(0) : (struct sense){0};
}

static struct sense check_sections(const struct reader *r, const struct sections *sections)
{
    if (sections->targets_bytes % COPY_TARGET_BYTES)
        return refusal(SENSE_CODE_PARAMETER_LIST_LENGTH);
    if (sections->targets_bytes + sections->segments_bytes > COPY_LIST_MAX_BYTES ||
        sections->targets_bytes + sections->segments_bytes > reader_left(r))
        return refusal(SENSE_CODE_PARAMETER_LIST_LENGTH);
    if (sections->inline_bytes)
        return refusal(SENSE_CODE_INLINE_DATA_TOO_LONG);
    if (sections->targets_bytes / COPY_TARGET_BYTES > COPY_TARGETS_MAX)
        return refusal(SENSE_CODE_TOO_MANY_TARGET_DESCRIPTORS);
    return (struct sense){0};
}

/* LU ID TYPE says how other kinds of descriptors name a disk; this one has its designator, and it is ignored.
 */
static struct sense read_target(struct reader *r, struct copy_target *target)
{
    size_t at = r->offset;
    uint8_t type = reader_u8(r);
    uint8_t flags = reader_u8(r);

    reader_skip(r, 2);
    target->code_set = reader_u8(r) & 0x0f;
    target->kind = reader_u8(r) & 0x3f;
    reader_skip(r, 1);
    target->designator_bytes = reader_u8(r);
    reader_copy(r, target->designator, sizeof(target->designator));
    reader_skip(r, 1);
    target->block_bytes = reader_be24(r);
    target->is_null = flags & NUL;
    target->device_type = flags & DEVICE_TYPE;
    if (type != TARGET_IDENTIFICATION)
        return refusal(SENSE_CODE_UNSUPPORTED_TARGET_DESCRIPTOR);
    return target->designator_bytes > sizeof(target->designator) ? bad_field(at + 7) : (struct sense){0};
}

/* The type first: the length of another one is not ours to judge. */
static struct sense read_segment(struct reader *r, struct copy_segment *segment)
{
    size_t at = r->offset;
    uint8_t type = reader_u8(r);

    reader_skip(r, 1);
    uint16_t length = reader_be16(r);
    segment->source = reader_be16(r);
    segment->destination = reader_be16(r);
    reader_skip(r, 2);
    segment->blocks = reader_be16(r);
    segment->source_lba = reader_be64(r);
    segment->destination_lba = reader_be64(r);
    if (type != SEGMENT_BLOCK_TO_BLOCK)
        return refusal(SENSE_CODE_UNSUPPORTED_SEGMENT_DESCRIPTOR);
    if (length != SEGMENT_LENGTH)
        return bad_field(at + 2);
    return reader_ok(r) ? (struct sense){0} : refusal(SENSE_CODE_PARAMETER_LIST_LENGTH);
}

static struct sense read_targets(struct reader r, struct copy_list *list)
{
    struct sense sense = {0};

    while (!sense.key && reader_left(&r))
        sense = read_target(&r, &list->targets[list->target_count++]);
    return sense;
}

static struct sense read_segments(struct reader r, struct copy_list *list)
{
    struct sense sense = {0};

    while (!sense.key && reader_left(&r)) {
        if (list->segment_count == COPY_SEGMENTS_MAX)
            return refusal(SENSE_CODE_TOO_MANY_SEGMENT_DESCRIPTORS);
        sense = read_segment(&r, &list->segments[list->segment_count++]);
    }
    return sense;
}

struct sense copy_list_decode(const void *bytes, size_t length_bytes, struct copy_list *list)
{
    struct reader r = reader_over(bytes, length_bytes);
    struct sections sections;

    memset(list, 0, sizeof(*list));
    struct sense sense = read_header(&r, list, &sections);
    if (!sense.key)
        sense = check_sections(&r, &sections);
    if (!sense.key)
        sense = read_targets(reader_take(&r, sections.targets_bytes), list);
    if (!sense.key)
        sense = read_segments(reader_take(&r, sections.segments_bytes), list);
    return sense;
}
