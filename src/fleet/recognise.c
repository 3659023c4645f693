#include "fleet/recognise.h"

#include "base/bytes.h"

#include <ctype.h>

enum signal {
    PARAMETERS_PI3_ROM = 1 << 0,
    PARAMETERS_PI3 = 1 << 1,
    PARAMETERS_PI4 = 1 << 2,
    PARAMETERS_KLIBC = 1 << 3,
    PARAMETERS_KERNEL = 1 << 4,
    ARCHITECTURE_BIOS = 1 << 5,
    ARCHITECTURE_UEFI = 1 << 6,
    ARCHITECTURE_HTTP = 1 << 7,
    INTERFACE_UNDI_2_1 = 1 << 8,
    UUID_FOURCC_PI4 = 1 << 9,
    UUID_FOURCC_PI5 = 1 << 10,
    UUID_CONSTANT = 1 << 11,
    UUID_REPEATED = 1 << 12,
    XID_PI3 = 1 << 13,
    CLASS_PXE = 1 << 14,
    CLASS_HTTP = 1 << 15,
    CLASS_U_BOOT = 1 << 16,
    CLASS_SMALL_CLIENT = 1 << 17,
    USER_CLASS_IPXE = 1 << 18,
    OPTIONS_IPXE = 1 << 19,
    SAYS_LITTLE = 1 << 20, /* none of 57, 61, 77: no PC's ROM is that terse */
    VENDOR_PI = 1 << 21,
    CLIENT_ID_DUID = 1 << 22,
    HOST_NAME = 1 << 23,
};

/* How much each signal speaks for a kind. A hardware vendor alone never reaches SCORE_MIN. */
static const struct {
    enum firmware firmware;
    enum signal signal;
    int points;
} weights[] = {
    {FIRMWARE_PI3_ROM, PARAMETERS_PI3_ROM, 20},
    {FIRMWARE_PI3_ROM, UUID_CONSTANT, 12},
    {FIRMWARE_PI3_ROM, XID_PI3, 5},
    {FIRMWARE_PI3_ROM, INTERFACE_UNDI_2_1, 3},
    {FIRMWARE_PI3_ROM, SAYS_LITTLE, 3},
    {FIRMWARE_PI3_ROM, VENDOR_PI, 2},

    {FIRMWARE_PI3_BOOTCODE, PARAMETERS_PI3, 20},
    {FIRMWARE_PI3_BOOTCODE, UUID_REPEATED, 5},
    {FIRMWARE_PI3_BOOTCODE, XID_PI3, 5},
    {FIRMWARE_PI3_BOOTCODE, INTERFACE_UNDI_2_1, 3},
    {FIRMWARE_PI3_BOOTCODE, SAYS_LITTLE, 3},
    {FIRMWARE_PI3_BOOTCODE, VENDOR_PI, 2},

    {FIRMWARE_PI4, PARAMETERS_PI4, 20},
    {FIRMWARE_PI4, UUID_FOURCC_PI4, 15},
    {FIRMWARE_PI4, UUID_REPEATED, 5},
    {FIRMWARE_PI4, INTERFACE_UNDI_2_1, 3},
    {FIRMWARE_PI4, SAYS_LITTLE, 3},
    {FIRMWARE_PI4, VENDOR_PI, 2},

    {FIRMWARE_PI5, PARAMETERS_PI4, 19},
    {FIRMWARE_PI5, UUID_FOURCC_PI5, 15},
    {FIRMWARE_PI5, INTERFACE_UNDI_2_1, 3},
    {FIRMWARE_PI5, SAYS_LITTLE, 3},
    {FIRMWARE_PI5, VENDOR_PI, 2},

    {FIRMWARE_PXE_BIOS, CLASS_PXE, 10},
    {FIRMWARE_PXE_BIOS, ARCHITECTURE_BIOS, 5},

    {FIRMWARE_UEFI_PXE, CLASS_PXE, 9},
    {FIRMWARE_UEFI_PXE, ARCHITECTURE_UEFI, 10},

    {FIRMWARE_UEFI_HTTP, CLASS_HTTP, 15},
    {FIRMWARE_UEFI_HTTP, ARCHITECTURE_HTTP, 10},

    {FIRMWARE_IPXE, USER_CLASS_IPXE, 50},
    {FIRMWARE_IPXE, OPTIONS_IPXE, 25},

    {FIRMWARE_U_BOOT, CLASS_U_BOOT, 40},

    {FIRMWARE_INITRAMFS, PARAMETERS_KLIBC, 30},
    {FIRMWARE_INITRAMFS, PARAMETERS_KERNEL, 30},
    {FIRMWARE_INITRAMFS, CLASS_SMALL_CLIENT, 30},

    {FIRMWARE_OS, CLIENT_ID_DUID, 12},
    {FIRMWARE_OS, HOST_NAME, 10},
};

enum { SCORE_MIN = 9, XID_CONSTANT = 0x26f30339, UUID_BYTES = 17, ARCHITECTURE_DIGITS = 5 };

static bool bytes_are(struct signal_bytes bytes, const void *expected, size_t length_bytes)
{
    return bytes.data && bytes.length_bytes == length_bytes && memcmp(bytes.data, expected, length_bytes) == 0;
}

static bool bytes_start(struct signal_bytes bytes, const char *prefix)
{
    return bytes.data && bytes.length_bytes >= strlen(prefix) && memcmp(bytes.data, prefix, strlen(prefix)) == 0;
}

static uint32_t signals_of_parameters(struct signal_bytes parameters)
{
    /* The order in which each program asks is its handwriting. */
    static const struct {
        enum signal signal;
        uint8_t length_bytes;
        uint8_t codes[14];
    } lists[] = {
        {PARAMETERS_PI3_ROM, 12, {43, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135, 66}},
        {PARAMETERS_PI3, 14, {43, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135, 66, 1, 3}},
        {PARAMETERS_PI4, 14, {1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135}},
        {PARAMETERS_KLIBC, 11, {1, 3, 6, 12, 15, 17, 26, 28, 40, 119, 121}},
        {PARAMETERS_KERNEL, 8, {1, 3, 6, 12, 15, 17, 26, 40}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        if (bytes_are(parameters, lists[i].codes, lists[i].length_bytes))
            return lists[i].signal;
    }
    return 0;
}

static uint32_t signals_of_class(struct signal_bytes vendor_class)
{
    static const struct {
        enum signal signal;
        const char *prefix;
    } classes[] = {
        {CLASS_PXE, "PXEClient"},   {CLASS_HTTP, "HTTPClient"},           {CLASS_U_BOOT, "U-Boot"},
        {CLASS_SMALL_CLIENT, "udhcp"}, {CLASS_SMALL_CLIENT, "dhcpcd"}, {CLASS_SMALL_CLIENT, "Linux ipconfig"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        if (bytes_start(vendor_class, classes[i].prefix))
            return classes[i].signal;
    }
    return 0;
}

static uint32_t signals_of_uuid(struct signal_bytes uuid)
{
    static const uint8_t constant[UUID_BYTES] = {0,    0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44,
                                                 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44};

    if (!uuid.data || uuid.length_bytes != UUID_BYTES || uuid.data[0] != 0)
        return 0;
    const uint8_t *id = uuid.data + 1;
    if (memcmp(uuid.data, constant, sizeof(constant)) == 0)
        return UUID_CONSTANT;
    if (memcmp(id, id + 4, 12) == 0)
        return UUID_REPEATED;
    /* Both byte orders have been seen. */
    if (memcmp(id, "RPi4", 4) == 0 || memcmp(id, "4iPR", 4) == 0)
        return UUID_FOURCC_PI4;
    if (memcmp(id, "RPi5", 4) == 0 || memcmp(id, "5iPR", 4) == 0)
        return UUID_FOURCC_PI5;
    return 0;
}

/* The five digits of "PXEClient:Arch:00007:UNDI:003000"; -1 without them. */
static int architecture_of_class(struct signal_bytes vendor_class)
{
    static const char *const prefixes[] = {"PXEClient:Arch:", "HTTPClient:Arch:"};
    int value = 0;

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        size_t at = strlen(prefixes[i]);
        if (!bytes_start(vendor_class, prefixes[i]) || vendor_class.length_bytes < at + ARCHITECTURE_DIGITS)
            continue;
        for (size_t end = at + ARCHITECTURE_DIGITS; at < end && isdigit(vendor_class.data[at]); at++)
            value = value * 10 + vendor_class.data[at] - '0';
        return at == strlen(prefixes[i]) + ARCHITECTURE_DIGITS ? value : -1;
    }
    return -1;
}

/* Option 93; the class repeats it, and some send only that. */
static int architecture_of(const struct boot_signals *s)
{
    struct reader r = reader_over(s->architecture.data, s->architecture.data ? s->architecture.length_bytes : 0);
    uint16_t value = reader_be16(&r);

    return reader_ok(&r) ? value : architecture_of_class(s->vendor_class);
}

static uint32_t signals_of_architecture(int architecture)
{
    static const struct {
        int first;
        int last;
        enum signal signal;
    } ranges[] = {
        {0, 0, ARCHITECTURE_BIOS}, {2, 2, ARCHITECTURE_UEFI}, {6, 13, ARCHITECTURE_UEFI}, {15, 20, ARCHITECTURE_HTTP}};

    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
        if (architecture >= ranges[i].first && architecture <= ranges[i].last)
            return ranges[i].signal;
    }
    return 0;
}

static bool is_pi_vendor(const struct mac *mac)
{
    static const uint8_t vendors[][3] = {{0xb8, 0x27, 0xeb}, {0xdc, 0xa6, 0x32}, {0xe4, 0x5f, 0x01},
                                         {0x28, 0xcd, 0xc1}, {0xd8, 0x3a, 0xdd}, {0x2c, 0xcf, 0x67}};

    for (size_t i = 0; i < ARRAY_SIZE(vendors); i++) {
        if (memcmp(mac->bytes, vendors[i], 3) == 0)
            return true;
    }
    return false;
}

static uint32_t gather(const struct boot_signals *s, int architecture)
{
    uint32_t found = signals_of_parameters(s->parameters) | signals_of_class(s->vendor_class) |
                     signals_of_uuid(s->uuid) | signals_of_architecture(architecture);
    const struct {
        bool seen;
        enum signal signal;
    } others[] = {
        {bytes_are(s->interface_id, "\1\2\1", 3), INTERFACE_UNDI_2_1},
        {s->xid == XID_CONSTANT, XID_PI3},
        /* iPXE sends the bare word; RFC 3004 wants its length in front. */
        {bytes_are(s->user_class, "iPXE", 4) || bytes_are(s->user_class, "\4iPXE", 5), USER_CLASS_IPXE},
        {s->has_ipxe_options, OPTIONS_IPXE},
        {!s->has_message_size && !s->client_id.data && !s->user_class.data, SAYS_LITTLE},
        {is_pi_vendor(&s->mac), VENDOR_PI},
        {s->client_id.data && s->client_id.length_bytes && s->client_id.data[0] == 255, CLIENT_ID_DUID},
        {s->has_host_name, HOST_NAME},
    };

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        found |= others[i].seen ? (uint32_t)others[i].signal : 0;
    return found;
}

static enum firmware best_kind(uint32_t found)
{
    int scores[FIRMWARE_COUNT] = {0};
    enum firmware best = FIRMWARE_UNKNOWN;

    for (size_t i = 0; i < ARRAY_SIZE(weights); i++)
        scores[weights[i].firmware] += found & weights[i].signal ? weights[i].points : 0;
    scores[FIRMWARE_UNKNOWN] = SCORE_MIN - 1;
    for (int i = 0; i < FIRMWARE_COUNT; i++) {
        if (scores[i] > scores[best])
            best = (enum firmware)i;
    }
    return best;
}

/* The last group of option 97 in every layout that tells it at all. */
static uint32_t serial_of(struct signal_bytes uuid, uint32_t found)
{
    struct reader r = reader_over(uuid.data, uuid.data ? uuid.length_bytes : 0);

    if (found & UUID_CONSTANT || uuid.length_bytes != UUID_BYTES)
        return 0;
    reader_seek(&r, UUID_BYTES - 4);
    return reader_le32(&r);
}

struct recognition recognise(const struct boot_signals *signals)
{
    struct recognition result = {.architecture = architecture_of(signals)};
    uint32_t found = gather(signals, result.architecture);

    result.firmware = best_kind(found);
    if (firmware_is_pi(result.firmware))
        result.serial = serial_of(signals->uuid, found);
    return result;
}

static const struct {
    const char *name;
    bool is_pi;
    bool is_pi3;
    bool boots;
} kinds[FIRMWARE_COUNT] = {
    [FIRMWARE_UNKNOWN] = {"client"},
    [FIRMWARE_PI3_ROM] = {"Raspberry Pi 3", true, true, true},
    [FIRMWARE_PI3_BOOTCODE] = {"Raspberry Pi 3", true, true, true},
    [FIRMWARE_PI4] = {"Raspberry Pi 4", true, false, true},
    [FIRMWARE_PI5] = {"Raspberry Pi 5", true, false, true},
    [FIRMWARE_PXE_BIOS] = {"PC (BIOS PXE)", .boots = true},
    [FIRMWARE_UEFI_PXE] = {"UEFI PXE", .boots = true},
    [FIRMWARE_UEFI_HTTP] = {"UEFI HTTP boot", .boots = true},
    [FIRMWARE_IPXE] = {"iPXE", .boots = true},
    [FIRMWARE_U_BOOT] = {"U-Boot", .boots = true},
    [FIRMWARE_INITRAMFS] = {"initramfs"},
    [FIRMWARE_OS] = {"operating system"},
};

const char *firmware_name(enum firmware firmware)
{
    return kinds[firmware].name;
}

bool firmware_is_pi(enum firmware firmware)
{
    return kinds[firmware].is_pi;
}

bool firmware_is_pi3(enum firmware firmware)
{
    return kinds[firmware].is_pi3;
}

bool firmware_boots(enum firmware firmware)
{
    return kinds[firmware].boots;
}
