/*
 * The one table of commands: it drives dispatch, checks, REPORT SUPPORTED OPCODES and the documentation.
 */
#pragma once

#include "scsi/disk.h"

enum {
    ENTRY_ANY_LUN = 1 << 0,             /* answered where there is no disk, too */
    ENTRY_NO_ATTENTION = 1 << 1,        /* does not report (and keeps) a unit attention */
    ENTRY_WRITES = 1 << 2,              /* changes the medium: refused when write-protected */
    ENTRY_DATA_OUT_BLOCKS = 1 << 3,     /* brings `blocks` blocks */
    ENTRY_DATA_OUT_LENGTH = 1 << 4,     /* brings a parameter list */
    ENTRY_READS = 1 << 5,               /* its data-in is `blocks` blocks, streamed */
    ENTRY_BLOCKS = 1 << 6,              /* may wait for the volume: execute on a worker */
    ENTRY_RANGE = 1 << 7,               /* `lba` and `blocks` must lie inside the disk */
    ENTRY_PROTECT = 1 << 8,             /* byte 1 has a RD/WR/VRPROTECT field, which must be 0 */
    ENTRY_THROUGH_RESERVATION = 1 << 9, /* allowed while another nexus holds RESERVE(6) */
    ENTRY_OLD_RESERVATION = 1 << 11,    /* RESERVE(6) and RELEASE(6) */
    ENTRY_EXACT_DATA = 1 << 10,         /* the initiator must offer exactly the data-out that the CDB wants */
    ENTRY_WHILE_SANITIZING = 1 << 12,   /* allowed while SANITIZE runs, and after it failed */
    ENTRY_STRICT = 1 << 13,             /* bits that `usage` leaves out must be 0 */
    ENTRY_WAITS_FOR_WRITERS = 1 << 14,  /* and so is not counted as one of them */
};

enum { SERVICE_ACTION_NONE = -1 };

struct scsi_entry {
    uint8_t opcode;
    int16_t service_action;
    const char *name;
    struct cdb_field lba;
    struct cdb_field blocks;
    struct cdb_field length;
    uint16_t flags;
    enum reservation_access access; /* what a persistent reservation says to it */
    uint8_t
        usage[CDB_BYTES]; /* CDB usage data (SPC-4 6.35): which bits are looked at; byte 0 is the opcode */
    /* Refuses with status and sense, or sets what the fields above cannot say. May be NULL. */
    void (*check)(struct scsi_command *command);
    /* Makes the answer; 0 or -EAGAIN. NULL for streamed reads. */
    int (*run)(struct scsi_command *command, enum volume_wait wait);
};

/* NULL if there is none. */
const struct scsi_entry *scsi_table_find(const uint8_t cdb[CDB_BYTES]);
/* Whether any entry has this opcode, and whether those have service actions. */
bool scsi_table_has_opcode(uint8_t opcode, bool *service_actions);
/* All of them, in the order of their opcodes. */
const struct scsi_entry *scsi_table(size_t *count);

/* scsi/report.c */
int scsi_run_report_opcodes(struct scsi_command *command, enum volume_wait wait);
int scsi_run_report_tmfs(struct scsi_command *command, enum volume_wait wait);

int scsi_run_report_port_groups(struct scsi_command *command, enum volume_wait wait);

/* scsi/copy.c */
void scsi_check_extended_copy(struct scsi_command *command);
int scsi_run_extended_copy(struct scsi_command *command, enum volume_wait wait);

/* scsi/copy_results.c */
struct writer;
int scsi_run_copy_status(struct scsi_command *command, enum volume_wait wait);
int scsi_run_copy_parameters(struct scsi_command *command, enum volume_wait wait);
int scsi_run_copy_failure(struct scsi_command *command, enum volume_wait wait);
void scsi_write_copy_page(struct scsi_command *command, struct writer *w);

/* scsi/atomic.c */
void scsi_check_write_atomic(struct scsi_command *command);
int scsi_run_write_atomic(struct scsi_command *command, enum volume_wait wait);

/* scsi/sanitize.c */
void scsi_check_sanitize(struct scsi_command *command);
int scsi_run_block_erase(struct scsi_command *command, enum volume_wait wait);
int scsi_run_exit_failure_mode(struct scsi_command *command, enum volume_wait wait);

/* scsi/primary.c */
int scsi_run_test_unit_ready(struct scsi_command *command, enum volume_wait wait);
int scsi_run_request_sense(struct scsi_command *command, enum volume_wait wait);
int scsi_run_report_luns(struct scsi_command *command, enum volume_wait wait);
int scsi_run_start_stop(struct scsi_command *command, enum volume_wait wait);
int scsi_run_prevent_allow(struct scsi_command *command, enum volume_wait wait);
int scsi_run_reserve(struct scsi_command *command, enum volume_wait wait);
int scsi_run_release(struct scsi_command *command, enum volume_wait wait);

/* scsi/persistent.c */
void scsi_check_persistent_out(struct scsi_command *command);
int scsi_run_persistent_out(struct scsi_command *command, enum volume_wait wait);
int scsi_run_read_keys(struct scsi_command *command, enum volume_wait wait);
int scsi_run_read_reservation(struct scsi_command *command, enum volume_wait wait);
int scsi_run_report_capabilities(struct scsi_command *command, enum volume_wait wait);
int scsi_run_read_full_status(struct scsi_command *command, enum volume_wait wait);

/* scsi/inquiry.c */
int scsi_run_inquiry(struct scsi_command *command, enum volume_wait wait);
/* Whether page 83h of this disk has this designator for the logical unit. */
bool scsi_disk_has_name(struct scsi_disk *disk, const struct copy_target *name);

/* scsi/mode.c */
int scsi_run_mode_sense(struct scsi_command *command, enum volume_wait wait);
int scsi_run_mode_select(struct scsi_command *command, enum volume_wait wait);

/* scsi/block.c */
void scsi_check_write(struct scsi_command *command);
void scsi_check_read(struct scsi_command *command);
void scsi_check_verify(struct scsi_command *command);
void scsi_check_compare(struct scsi_command *command);
void scsi_check_write_same(struct scsi_command *command);
int scsi_run_write(struct scsi_command *command, enum volume_wait wait);
int scsi_run_verify(struct scsi_command *command, enum volume_wait wait);
int scsi_run_write_verify(struct scsi_command *command, enum volume_wait wait);
int scsi_run_orwrite(struct scsi_command *command, enum volume_wait wait);
int scsi_run_compare_and_write(struct scsi_command *command, enum volume_wait wait);
int scsi_run_write_same(struct scsi_command *command, enum volume_wait wait);
int scsi_run_unmap(struct scsi_command *command, enum volume_wait wait);
int scsi_run_flush(struct scsi_command *command, enum volume_wait wait);
int scsi_run_prefetch(struct scsi_command *command, enum volume_wait wait);
int scsi_run_capacity_10(struct scsi_command *command, enum volume_wait wait);
int scsi_run_capacity_16(struct scsi_command *command, enum volume_wait wait);
int scsi_run_lba_status(struct scsi_command *command, enum volume_wait wait);
int scsi_run_defects(struct scsi_command *command, enum volume_wait wait);

enum { SCSI_WRITE_SAME_MAX_BLOCKS = 1 << 15 /* 16 MiB */, SCSI_UNMAP_MAX_BLOCKS = 1 << 20 /* 512 MiB */ };
