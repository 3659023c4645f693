/*
 * Looks whether an initramfs can log in to an iSCSI target, without unpacking it anywhere.
 *
 * An initramfs is cpio archives behind each other: some uncompressed (microcode, modules), the last usually
 * compressed. Walks the names until the answer is known. What it unpacks and how many files it walks is
 * bounded. Format: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 */
#pragma once

#include "disk/source.h"

enum initramfs_answer {
    INITRAMFS_UNKNOWN, /* it could not be read to its end, and nothing was found before */
    INITRAMFS_NO,
    INITRAMFS_YES,
};

struct initramfs_report {
    bool has_iscsistart;   /* the program of initramfs-tools and dracut that logs in */
    bool has_login_script; /* what calls it: initramfs-tools' local-top/iscsi, or dracut's iscsiroot */
    bool has_iscsi_tcp;    /* as a module, or built in */
    bool is_dracut;
    bool is_initramfs_tools;
    bool was_read; /* to its end, or far enough to answer */
    unsigned files;
    char compression[8]; /* of the last archive: "", "gzip", "xz", … */
    enum initramfs_answer can_login;
};

/* What could not be read is in the report, not an error; errors are the source's, -EIO above all. */
int initramfs_inspect(const struct disk_source *source, struct initramfs_report *report);
const char *initramfs_answer_name(enum initramfs_answer answer);
