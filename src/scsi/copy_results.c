/*
 * RECEIVE COPY RESULTS (SPC-4 6.23 to 6.26) and what page 8Fh says about copying (SPC-4 7.8.17).
 */
#include "scsi/table.h"

#include "base/bytes.h"

enum { LIST_ID_AT = 2, LENGTH_BYTES = 4 };

static bool find_result(struct scsi_command *command, struct copy_result *found)
{
    struct copy_results *all = &command->nexus->copies;
    bool is_there = false;

    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < COPY_RESULTS_MAX && !is_there; i++) {
        is_there = all->results[i].used && all->results[i].list_id == command->cdb[LIST_ID_AT];
        *found = all->results[i];
    }
    pthread_mutex_unlock(&all->lock);
    if (!is_there)
        scsi_fail_cdb(command, LIST_ID_AT);
    return is_there;
}

/* With the length of what follows in front of it. */
static void answer(struct scsi_command *command, const struct writer *w)
{
    struct writer length = writer_over(w->data, LENGTH_BYTES);

    CHECK(writer_ok(w));
    writer_be32(&length, (uint32_t)(w->offset - LENGTH_BYTES));
    scsi_answer(command, w->data, w->offset);
}

int scsi_run_copy_status(struct scsi_command *command, enum volume_wait wait)
{
    enum { UNITS_BYTES = 0, UNITS_KIB = 1 };
    uint8_t bytes[12];
    struct writer w = writer_over(bytes, sizeof(bytes));
    struct copy_result result;

    if (!find_result(command, &result))
        return 0;
    bool fits = result.copied_bytes <= UINT32_MAX;
    writer_fill(&w, 0, LENGTH_BYTES);
    writer_u8(&w, (uint8_t)result.state);
    writer_be16(&w, result.segments_done);
    writer_u8(&w, fits ? UNITS_BYTES : UNITS_KIB);
    writer_be32(&w, (uint32_t)(fits ? result.copied_bytes : result.copied_bytes >> 10));
    answer(command, &w);
    return 0;
}

int scsi_run_copy_parameters(struct scsi_command *command, enum volume_wait wait)
{
    enum { SNLID = 0x01, GRANULARITY_SHIFT = 9 };
    static const uint8_t descriptor_types[] = {0x02, 0xe4};
    uint8_t bytes[44 + sizeof(descriptor_types)];
    struct writer w = writer_over(bytes, sizeof(bytes));

    writer_fill(&w, 0, LENGTH_BYTES);
    writer_u8(&w, SNLID);
    writer_fill(&w, 0, 3);
    writer_be16(&w, COPY_TARGETS_MAX);
    writer_be16(&w, COPY_SEGMENTS_MAX);
    writer_be32(&w, COPY_LIST_MAX_BYTES);
    writer_be32(&w, COPY_SEGMENT_MAX_BLOCKS * VOLUME_SECTOR_BYTES);
    writer_fill(&w, 0, 4 + 4 + 4 + 2); /* no inline data, held data or streams */
    writer_be16(&w, COPY_RESULTS_MAX);
    writer_u8(&w, COPY_RESULTS_MAX);
    writer_u8(&w, GRANULARITY_SHIFT);
    writer_fill(&w, 0, 2 + 3);
    writer_u8(&w, sizeof(descriptor_types));
    writer_bytes(&w, descriptor_types, sizeof(descriptor_types));
    answer(command, &w);
    return 0;
}

/* Nothing but the length when it did not fail. */
int scsi_run_copy_failure(struct scsi_command *command, enum volume_wait wait)
{
    enum { STATUS_AT = 56 };
    uint8_t bytes[60 + SENSE_MAX_BYTES], sense[SENSE_MAX_BYTES];
    struct writer w = writer_over(bytes, sizeof(bytes));
    struct copy_result result;

    if (!find_result(command, &result))
        return 0;
    writer_fill(&w, 0, LENGTH_BYTES);
    if (result.state == COPY_FAILED) {
        bool has_sense = result.status == SCSI_CHECK_CONDITION;
        size_t length = has_sense ? sense_encode(&result.sense, command->descriptor_sense, sense) : 0;
        writer_fill(&w, 0, STATUS_AT - LENGTH_BYTES);
        writer_u8(&w, result.status);
        writer_u8(&w, 0);
        writer_be16(&w, (uint16_t)length);
        writer_bytes(&w, sense, length);
    }
    answer(command, &w);
    return 0;
}

/* ---- page 8Fh ---- */

static size_t begin_descriptor(struct writer *w, uint16_t type)
{
    writer_be16(w, type);
    writer_be16(w, 0);
    return w->offset;
}

static void end_descriptor(struct writer *w, size_t from)
{
    writer_align(w, 4);
    struct writer length = writer_over(w->data + from - 2, 2);
    writer_be16(&length, (uint16_t)(w->offset - from));
}

static void write_list(struct writer *w, uint16_t type, const uint8_t *list, uint8_t length_bytes)
{
    size_t from = begin_descriptor(w, type);

    writer_u8(w, length_bytes);
    writer_bytes(w, list, length_bytes);
    end_descriptor(w, from);
}

static void write_limits(struct writer *w)
{
    size_t from = begin_descriptor(w, 0x0004);

    writer_fill(w, 0, 4);
    writer_be16(w, COPY_TARGETS_MAX);
    writer_be16(w, COPY_SEGMENTS_MAX);
    writer_be32(w, COPY_LIST_MAX_BYTES);
    writer_fill(w, 0, 4 + 12); /* no inline data */
    end_descriptor(w, from);
}

static void write_general(struct writer *w)
{
    enum { GRANULARITY_SHIFT = 9 };
    size_t from = begin_descriptor(w, 0x8001);

    writer_be32(w, COPY_RESULTS_MAX);
    writer_be32(w, COPY_RESULTS_MAX);
    writer_be32(w, COPY_SEGMENT_MAX_BLOCKS * VOLUME_SECTOR_BYTES);
    writer_u8(w, GRANULARITY_SHIFT);
    writer_fill(w, 0, 1 + 18);
    end_descriptor(w, from);
}

void scsi_write_copy_page(struct scsi_command *command, struct writer *w)
{
    static const uint8_t commands[] = {OPCODE_EXTENDED_COPY,
                                       1,
                                       ACTION_EXTENDED_COPY,
                                       OPCODE_RECEIVE_COPY_RESULTS,
                                       3,
                                       ACTION_COPY_STATUS,
                                       ACTION_COPY_PARAMETERS,
                                       ACTION_COPY_FAILURE};
    static const uint8_t descriptor_types[] = {0x02, 0xe4};

    write_list(w, 0x0001, commands, sizeof(commands));
    write_limits(w);
    write_list(w, 0x0008, descriptor_types, sizeof(descriptor_types));
    size_t identifiers = begin_descriptor(w, 0x000c); /* none beside the indices of the list */
    writer_be16(w, 0);
    end_descriptor(w, identifiers);
    write_general(w);
}
