/*
 * What kind of program asks for an address: a Pi's boot ROM, a PXE ROM, iPXE, an initramfs, an operating system.
 *
 * Several signals are scored and the best kind wins, because each single one is wrong somewhere: a Pi says it is an
 * x86 BIOS, users set any hardware address, and option 97 may be configured to anything. Pure; knows no protocol
 * message, only the values that were read from it.
 */
#pragma once

#include "base/mac.h"

enum firmware {
    FIRMWARE_UNKNOWN,
    FIRMWARE_PI3_ROM,      /* 2B 1.2, 3B: mask ROM; option 97 says nothing */
    FIRMWARE_PI3_BOOTCODE, /* 3B+ mask ROM, and bootcode.bin on the others */
    FIRMWARE_PI4,          /* EEPROM of 4B, 400, CM4; a Pi 5 with a custom option 97 looks the same */
    FIRMWARE_PI5,
    FIRMWARE_PXE_BIOS,
    FIRMWARE_UEFI_PXE,
    FIRMWARE_UEFI_HTTP,
    FIRMWARE_IPXE,
    FIRMWARE_U_BOOT,
    FIRMWARE_INITRAMFS, /* the kernel's ip=dhcp, klibc, dhcpcd, udhcpc */
    FIRMWARE_OS,        /* dhclient, systemd-networkd, and whatever else only wants an address */
    FIRMWARE_COUNT,
};

/* Bytes of one DHCP option. `data` is NULL when the option was absent. */
struct signal_bytes {
    const uint8_t *data;
    size_t length_bytes;
};

/* What one DISCOVER or REQUEST showed. The numbers are the DHCP options'. */
struct boot_signals {
    struct mac mac;
    uint32_t xid;
    struct signal_bytes parameters;   /* 55 */
    struct signal_bytes vendor_class; /* 60 */
    struct signal_bytes client_id;    /* 61 */
    struct signal_bytes user_class;   /* 77 */
    struct signal_bytes architecture; /* 93 */
    struct signal_bytes interface_id; /* 94 */
    struct signal_bytes uuid;         /* 97 */
    bool has_host_name;               /* 12 */
    bool has_message_size;            /* 57 */
    bool has_ipxe_options;            /* 175 */
};

struct recognition {
    enum firmware firmware;
    int architecture; /* option 93, RFC 4578 section 2.1, or what its class says; -1 when absent */
    uint32_t serial;  /* a Pi's, low half; 0 when it did not tell */
};

struct recognition recognise(const struct boot_signals *signals);

/* "Raspberry Pi 4": for sentences. */
const char *firmware_name(enum firmware firmware);
bool firmware_is_pi(enum firmware firmware);
/* A Pi 3 takes the OFFER and boots: it sends no REQUEST and waits for no ACK. */
bool firmware_is_pi3(enum firmware firmware);
/* Wants something to boot, not only an address. */
bool firmware_boots(enum firmware firmware);
