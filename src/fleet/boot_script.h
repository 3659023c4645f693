/*
 * The scripts that network boot loaders fetch from farboot instead of a menu on a disk: which kernel, which
 * initramfs, which command line.
 *
 * Pure, text to text. The names come from the machine's boot partition and are only passed on.
 */
#pragma once

#include "fleet/template.h"

enum { BOOT_SCRIPT_INITRAMFS_MAX = 4 };

struct boot_script {
    const char *base_url; /* in front of the names, with its slash: "tftp://192.0.2.1/" */
    const char *kernel;   /* paths of the boot partition */
    const char *initramfs[BOOT_SCRIPT_INITRAMFS_MAX];
    size_t initramfs_count;
    const char *cmdline; /* rewritten already (fleet/template.h); its first line counts */
    size_t cmdline_length_bytes;
};

/*
 * Each appends a script that loads kernel and initramfs and starts them. -EINVAL for a command line that the
 * boot loader cannot pass on as it is: iPXE and U-Boot have no way to write `${name}` without expanding it.
 * -E2BIG.
 */
int boot_script_ipxe(struct text *to, const struct boot_script *script);
/* For PXELINUX and for U-Boot's `pxe boot`. The names lead from the root of the server that was booted from. */
int boot_script_pxelinux(struct text *to, const struct boot_script *script);
/* For GRUB: the same. */
int boot_script_grub(struct text *to, const struct boot_script *script);

/* Appends a script that attaches a machine's disk and starts it like a local one, with what it needs to
 * authenticate itself: DHCP can hand the disk over, but not a secret. -E2BIG. */
int boot_script_ipxe_san(struct text *to, const struct disk_location *disk);
