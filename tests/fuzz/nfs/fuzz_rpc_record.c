/*
 * Messages on a stream: the first byte says in what steps the others arrive.
 */
#include "rpc/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MESSAGE_MAX_BYTES = 512 };
    size_t step = size ? data[0] % 64 + 1 : 1;
    struct record record;
    size_t used, length;

    record_init(&record, MESSAGE_MAX_BYTES);
    for (size_t at = 1; at < size; at += used) {
        enum record_outcome outcome = record_input(&record, data + at, MIN(step, size - at), &used);
        CHECK(record.length_bytes <= MESSAGE_MAX_BYTES && record.capacity_bytes <= MESSAGE_MAX_BYTES * 2);
        if (outcome == RECORD_REFUSED)
            break;
        if (outcome == RECORD_COMPLETE)
            free(record_take(&record, &length));
    }
    record_end(&record);
    return 0;
}
