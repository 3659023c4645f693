/*
 * The steps of an inspection, one file each; shared by the inspect*.c files alone.
 */
#pragma once

#include "disk/inspect.h"

/* Firmware's files on the FAT: config.txt, kernels, initramfs, command line, and which models they serve. */
void inspect_boot(const struct disk_source *fat_source, unsigned partition, struct disk_report *report);
/* An ext file system: os-release, and the kernels and initramfs of /boot. True if it is a root file system.
 */
bool inspect_ext(const struct disk_source *source, unsigned partition, struct disk_report *report);

/* A place in the report, or NULL once it is full. */
struct report_kernel *report_add_kernel(struct disk_report *report, unsigned partition, const char *path);
struct report_initramfs *report_add_initramfs(struct disk_report *report, unsigned partition,
                                              const char *path);
/* Fills in what the file itself says. */
void report_read_kernel(struct report_kernel *kernel, const struct disk_source *file);
