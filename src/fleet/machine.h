/*
 * A machine: a thing that boots. And an image: a disk that machines begin from.
 *
 * Plain values, as the catalog publishes them; nothing here reads or changes anything.
 */
#pragma once

#include "base/inet.h"
#include "base/mac.h"
#include "fleet/secret.h"

enum { NAME_SIZE = 64, IQN_SIZE = 224 };

/* Where a machine's firmware files come from. */
enum machine_boot {
    MACHINE_BOOT_DISK, /* the boot partition of its own volume, read live */
    MACHINE_BOOT_SAN,  /* none: iPXE attaches the disk and starts its boot sector */
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
    enum machine_boot boot;
    uint64_t image_id;
    char image[NAME_SIZE];
    char volume[NAME_SIZE]; /* in the store */
    uint64_t size_bytes;
    uint64_t created_seconds;
    struct machine_chap chap;
};

struct image {
    uint64_t id;
    char name[NAME_SIZE];
    char volume[NAME_SIZE];
    uint64_t size_bytes;
    uint64_t created_seconds;
    char source_sha256[65]; /* of what came in */
    char sha256[65];        /* of the disk it became */
    char *report;           /* what was seen inside, JSON; never NULL */
};

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
