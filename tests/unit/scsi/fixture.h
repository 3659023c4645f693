/*
 * A disk of 1 MiB with two nexuses, and commands run the way a transport runs them.
 */
#pragma once

#include "memory_volume.h"
#include "scsi/disk.h"

enum { DISK_BYTES = 1 << 20, DISK_BLOCKS = DISK_BYTES / 512 };

struct fixture {
    struct volume *volume;
    struct scsi_disk *disk;
    struct scsi_nexus nexus;
    struct scsi_nexus other;
};

/* For cmocka_unit_test_setup_teardown. The power-on unit attentions have been told. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Runs a CDB with its data-out to its end; a read's data goes to `in`. The caller ends the command. */
struct scsi_command *run_on(struct scsi_nexus *nexus, const uint8_t cdb[CDB_BYTES], const void *out,
                            size_t out_bytes);
struct scsi_command *run(struct fixture *f, const uint8_t cdb[CDB_BYTES], const void *out, size_t out_bytes);
void end(struct scsi_command *command);
/* Runs, ends, and gives status and sense in one number: STATUS or KEY << 16 | CODE with CHECK CONDITION. */
unsigned outcome(struct fixture *f, const uint8_t cdb[CDB_BYTES], const void *out, size_t out_bytes);
unsigned outcome_on(struct scsi_nexus *nexus, const uint8_t cdb[CDB_BYTES], const void *out,
                    size_t out_bytes);

#define FAILS(key, code) ((unsigned)(key) << 16 | (unsigned)(code))
#define CDB(...) ((const uint8_t[CDB_BYTES]){__VA_ARGS__})
