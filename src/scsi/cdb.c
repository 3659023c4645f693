#include "scsi/cdb.h"

uint64_t cdb_number(const uint8_t cdb[CDB_BYTES], struct cdb_field field)
{
    uint64_t value = 0;

    CHECK(field.at + field.width <= CDB_BYTES);
    for (unsigned i = 0; i < field.width; i++)
        value = value << 8 | cdb[field.at + i];
    return value;
}

size_t cdb_length_bytes(uint8_t opcode)
{
    static const uint8_t lengths[8] = {6, 10, 10, 0, 16, 12, 0, 0};

    return lengths[opcode >> 5];
}
