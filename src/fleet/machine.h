/*
 * A machine: a thing that boots. And an image: a disk that machines begin from.
 *
 * Plain values, as the catalog publishes them; nothing here reads or changes anything.
 */
#pragma once

#include "base/inet.h"
#include "base/mac.h"
#include "fleet/secret.h"
#include "fleet/setting.h"

enum { NAME_SIZE = 64, IQN_SIZE = 224, COMMENT_SIZE = 128, VERSION_SIZE = 16 };

enum { MACHINE_LUNS = 8, MACHINE_DISKS_MAX = MACHINE_LUNS - 1 /* beside its own, which is LUN 0 */ };

/* Where a machine's firmware files come from. */
enum machine_boot {
    MACHINE_BOOT_DISK, /* the boot partition of its own volume, read live */
    MACHINE_BOOT_FOLDER, /* a folder made from it once, which the machine mounts back over NFS */
    MACHINE_BOOT_SAN,  /* none: iPXE attaches the disk and starts its boot sector */
};

/* A further disk of a machine. */
struct machine_disk {
    uint64_t id;
    unsigned lun; /* 1 to MACHINE_DISKS_MAX */
    char name[NAME_SIZE];
    bool shared;            /* it is its image's own volume, which others see, too; read-only */
    char volume[NAME_SIZE]; /* in the store */
    uint64_t image_id;      /* 0: it began empty */
    char image[NAME_SIZE];
    uint32_t image_version;
    uint64_t size_bytes;
    bool read_only;
    uint64_t created_seconds;
};

/* How a machine and farboot prove to each other who they are when its disk is attached (CHAP). */
enum machine_chap_mode {
    MACHINE_CHAP_OFF,
    MACHINE_CHAP_ON,     /* the machine proves who it is */
    MACHINE_CHAP_MUTUAL, /* and farboot does, when asked */
};

struct machine_chap {
    enum machine_chap_mode mode;
    char secret[SECRET_SIZE]; /* the machine's; empty until one was made */
    char target_secret[SECRET_SIZE]; /* farboot's towards this machine; never the same */
};

/* What farboot calls itself towards a machine. */
#define MACHINE_CHAP_TARGET_USER "farboot"

struct machine {
    uint64_t id;
    char name[NAME_SIZE];
    struct mac mac;
    uint32_t serial;  /* a Pi's serial number, low half; 0 until known */
    uint32_t address; /* reserved for it; 0: whatever it gets */
    uint64_t group_id; /* 0: in none */
    char group[NAME_SIZE];
    /* All that it has, its own and inherited: the catalog snapshot's memory. NULL, as in a copy that outlives its
     * snapshot: what the program brings. */
    const struct settings *settings;
    enum machine_boot boot; /* as its settings say */
    uint64_t image_id;
    char image[NAME_SIZE];
    uint32_t image_version; /* that its disk began from */
    char cloud_init[VERSION_SIZE]; /* what its image has, as `struct image` */
    char volume[NAME_SIZE]; /* in the store */
    uint64_t size_bytes;
    uint64_t created_seconds;
    struct machine_disk disks[MACHINE_DISKS_MAX]; /* by LUN */
    unsigned disk_count;
    struct machine_chap chap;
};

/* Machines that inherit the same settings. */
struct machine_group {
    uint64_t id;
    char name[NAME_SIZE];
    const struct settings *settings; /* as a machine's */
};

/* One version of an image. */
struct image {
    uint64_t id;
    char name[NAME_SIZE];
    uint32_t version; /* from 1 */
    char comment[COMMENT_SIZE];
    char volume[NAME_SIZE];
    uint64_t size_bytes;
    uint64_t created_seconds;
    char source_sha256[65]; /* of what came in */
    char sha256[65];        /* of the disk it became */
    char *report;           /* what was seen inside, JSON; never NULL */
    char cloud_init[VERSION_SIZE]; /* of the report: "22.4.2", "unknown"; "" if it has none */
};

/* A copy to keep longer than the catalog snapshot; it has no settings. */
struct machine machine_copy(const struct machine *machine);

/* "ubuntu" is the newest version of an image, "ubuntu:3" is its third. Fills `name`, and `version` with 0 for the
 * newest; false if it is neither. */
bool image_name_parse(const char *text, char name[NAME_SIZE], uint32_t *version);
/* The version of its image that it begins at: 0 for the newest, which it follows, or the one that it is pinned to. */
uint32_t machine_follows_version(const struct machine *machine);

const char *machine_boot_name(enum machine_boot boot);
bool machine_boot_from_name(const char *name, enum machine_boot *boot);

const char *machine_chap_mode_name(enum machine_chap_mode mode);
bool machine_chap_mode_from_name(const char *name, enum machine_chap_mode *mode);
/* What it calls itself in CHAP: its MAC address with dashes, which a new name does not change. Gives `to`. */
const char *machine_chap_user(char to[MAC_TEXT_SIZE], const struct mac *mac);

/* `PREFIX:root:dc-a6-32-01-02-03`: the target that is its disk. Gives `to`. */
const char *machine_target_name(char to[IQN_SIZE], const char *iqn_prefix, const struct mac *mac);
/* `PREFIX:machine:dc-a6-32-01-02-03`: the initiator it must call itself. */
const char *machine_initiator_name(char to[IQN_SIZE], const char *iqn_prefix, const struct mac *mac);
/* The other way round. False if `name` is not of that form (names compare without case, RFC 3722). */
bool machine_mac_of_target(const char *name, const char *iqn_prefix, struct mac *mac);
bool machine_mac_of_initiator(const char *name, const char *iqn_prefix, struct mac *mac);

/* NULL if there is none. */
const struct machine_disk *machine_disk_by_name(const struct machine *machine, const char *name);
const struct machine_disk *machine_disk_by_lun(const struct machine *machine, unsigned lun);
/* The volume that it sees as a LUN, and whether it may only read it; NULL if there is none. */
const char *machine_volume_at_lun(const struct machine *machine, unsigned lun, bool *read_only);
/* The volumes that are nobody else's, its boot disk's first: what a snapshot of the machine is a snapshot of. Gives
 * their number. */
size_t machine_own_volumes(const struct machine *machine, const char *volumes[MACHINE_LUNS]);
/* Whether a disk of it is made from the image, or is the image. */
bool machine_uses_image(const struct machine *machine, uint64_t image_id);
