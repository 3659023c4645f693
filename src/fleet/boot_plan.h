/*
 * Which machine a request for a boot file is about, and which of its files.
 *
 * Pure: it gets the path as it came by TFTP or HTTP, what is known of whoever asks, and a way to look
 * machines up. It reads no file: what the machine's config.txt says about names is applied later
 * (bootfiles/config_txt.h).
 *
 * The policy: a machine reaches its own files only. Whose address it is decides; a prefix (`1234abcd/`,
 * `dc-a6-32-01-02-03/`) may repeat that but not contradict it. Only where the address belongs to nobody we
 * know of (behind a router, or before we overheard its lease) does the prefix decide alone.
 */
#pragma once

#include "fleet/machine.h"

enum { BOOT_PATH_SIZE = 512 };

/* What boot_plan may ask about machines; each gives NULL for nobody. */
struct boot_lookup {
    const struct machine *(*by_mac)(void *arg, const struct mac *mac);
    const struct machine *(*by_serial)(void *arg, uint32_t serial);
    const struct machine *(*by_address)(void *arg, uint32_t address);
    void *arg;
};

struct boot_asker {
    uint32_t address;
    bool mac_known; /* of whoever is at the address now */
    struct mac mac;
};

enum boot_plan_kind {
    BOOT_PLAN_FILE,      /* a file of the machine's boot partition, as it is */
    BOOT_PLAN_CMDLINE,   /* the same, rewritten on the way (fleet/template.h) */
    BOOT_PLAN_IPXE,      /* the script that stands for the boot partition, as iPXE wants it */
    BOOT_PLAN_IPXE_SAN,  /* the iPXE script that attaches the disk of a machine without boot files */
    BOOT_PLAN_PXELINUX,  /* as PXELINUX and U-Boot want it */
    BOOT_PLAN_GRUB,      /* as GRUB wants it */
    BOOT_PLAN_CLOUD_INIT, /* what cloud-init is told (fleet/cloud_init.h) */
    BOOT_PLAN_PROGRAM,   /* no file of the machine's: the boot program of its firmware (fleet/boot_program.h) */
    BOOT_PLAN_NOT_FOUND, /* nobody's file, or a machine without boot files */
    BOOT_PLAN_REFUSED,   /* somebody else's, or a path nobody honest sends */
};

struct boot_plan {
    enum boot_plan_kind kind;
    const struct machine *machine; /* NULL when nobody was recognised; the lookup's own memory */
    char path[BOOT_PATH_SIZE]; /* what remains below the machine: no leading slash, only plain components */
    bool serial_learned;       /* the machine's record has no serial yet, and it called itself `serial` */
    uint32_t serial;
    const char *reason; /* for NOT_FOUND and REFUSED: a static sentence */
};

/* `path` need not be terminated. Backslashes, leading and doubled slashes and `.` are normal and go away. */
struct boot_plan boot_plan_decide(const char *path, size_t length_bytes, const struct boot_asker *asker,
                                  const struct boot_lookup *lookup);

/* The plain form of a path; false if it is longer than fits, is empty, leaves its root or holds control
 * bytes. */
bool boot_path_normalise(char to[BOOT_PATH_SIZE], const char *path, size_t length_bytes);
