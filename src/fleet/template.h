/*
 * What farboot changes on the way to a machine: the kernel's command line.
 *
 * Pure, text to text. Nothing here changes a disk: the machine's own cmdline.txt stays as it is there, and is
 * rewritten each time it is fetched.
 */
#pragma once

#include "base/text.h"
#include "fleet/machine.h"

enum {
    CMDLINE_MAX_BYTES = 16 * 1024, /* what we rewrite; the kernel itself takes 2 or 4 KiB */
    ISCSI_PORT_DEFAULT = 3260,
};

/* How it authenticates itself there (CHAP). An empty `user` or `target_user`: not at all, or not both ways. */
struct disk_chap {
    char user[NAME_SIZE];
    char secret[SECRET_SIZE];
    char target_user[NAME_SIZE];
    char target_secret[SECRET_SIZE];
};

/* That of the machine's record. */
struct disk_chap disk_chap_of(const struct machine *machine);

/* Where a machine's disk is: what its initramfs must be told. */
struct disk_location {
    char initiator[IQN_SIZE];
    char target[IQN_SIZE];
    uint32_t server;
    uint16_t port;
    struct disk_chap chap;
    char cloud_init[160]; /* the word that leads to its data (fleet/cloud_init.h), or "" */
};

/* What the administrator wants of a command line beside the disk: words, separated as in one. */
struct cmdline_wishes {
    const char *add;
    const char *remove; /* `KEY` stands for every word of that key, `KEY=VALUE` for just that word */
};

/*
 * Appends the command line `bytes` to `to`, rewritten: in its first line the words `ip=…`, `iscsi_…`,
 * `root=iscsi:…` and `init=…/firstboot` are gone (`ds=…`, too, if ours has one), and ours stand in front of `root=` (at the end if there is
 * none). Words to remove are gone, and those to add stand last, where they win over earlier ones. Every other
 * byte is as it was. Words are separated as the kernel does it: by spaces outside double quotes, up to `--`.
 * -E2BIG if it is longer than CMDLINE_MAX_BYTES, -EINVAL if it contains a NUL.
 */
int template_cmdline(struct text *to, const char *bytes, size_t length_bytes, const struct disk_location *disk,
                     const struct cmdline_wishes *wishes);

/* Bytes of the first line of a command line's file: the only one that counts. */
size_t template_line_length(const char *bytes, size_t length_bytes);
