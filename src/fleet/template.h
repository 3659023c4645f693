/*
 * What farboot writes itself on the way to a machine: the kernel's command line and the iPXE script.
 *
 * Pure, text to text. Nothing here changes a disk: the machine's own cmdline.txt stays as it is there, and is
 * rewritten each time it is fetched.
 */
#pragma once

#include "base/text.h"
#include "fleet/machine.h"

enum {
    CMDLINE_MAX_BYTES = 16 * 1024, /* what we rewrite; the kernel itself takes 2 or 4 KiB */
    IPXE_INITRAMFS_MAX = 4,
    ISCSI_PORT_DEFAULT = 3260,
};

/* Where a machine's disk is: what its initramfs must be told. */
struct disk_location {
    char initiator[IQN_SIZE];
    char target[IQN_SIZE];
    uint32_t server;
    uint16_t port;
};

/*
 * Appends the command line `bytes` to `to`, rewritten: in its first line the words `ip=…`, `iscsi_…`,
 * `root=iscsi:…` and `init=…/firstboot` are gone, and ours stand in front of `root=` (at the end if there is
 * none). Every other byte is as it was. Words are separated as the kernel does it: by spaces outside double
 * quotes, up to `--`. -E2BIG if it is longer than CMDLINE_MAX_BYTES, -EINVAL if it contains a NUL.
 */
int template_cmdline(struct text *to, const char *bytes, size_t length_bytes,
                     const struct disk_location *disk);

struct ipxe_script {
    const char *base_url; /* in front of the names, with its slash: "tftp://192.0.2.1/" */
    const char *kernel;   /* paths of the boot partition */
    const char *initramfs[IPXE_INITRAMFS_MAX];
    size_t initramfs_count;
    const char *cmdline; /* rewritten already; its first line counts */
    size_t cmdline_length_bytes;
};

/* Appends a script that loads kernel and initramfs and starts them. -EINVAL for a command line that iPXE
 * cannot pass on: it has no way to write `${name}` without expanding it. -E2BIG. */
int template_ipxe(struct text *to, const struct ipxe_script *script);
