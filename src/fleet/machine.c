#include "fleet/machine.h"

#include "base/text.h"

#include <stdio.h>
#include <strings.h>

bool image_name_parse(const char *text, char name[NAME_SIZE], uint32_t *version)
{
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text);
    uint64_t number = 0;

    if (length >= NAME_SIZE || (colon && (!parse_u64(colon + 1, UINT32_MAX, &number) || number == 0)))
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    *version = (uint32_t)number;
    return is_valid_name(name);
}

uint32_t machine_follows_version(const struct machine *machine)
{
    uint64_t number = 0;

    return parse_u64(machine_setting(machine, SETTING_IMAGE_VERSION), UINT32_MAX, &number) ? (uint32_t)number : 0;
}

static const char *const boot_names[] = {
    [MACHINE_BOOT_DISK] = "disk",
    [MACHINE_BOOT_FOLDER] = "folder",
    [MACHINE_BOOT_SAN] = "san",
};

struct machine machine_copy(const struct machine *machine)
{
    struct machine copy = *machine;

    copy.settings = NULL;
    return copy;
}

const char *machine_boot_name(enum machine_boot boot)
{
    return boot_names[boot];
}

bool machine_boot_from_name(const char *name, enum machine_boot *boot)
{
    for (size_t i = 0; i < ARRAY_SIZE(boot_names); i++) {
        if (strcmp(boot_names[i], name) == 0) {
            *boot = (enum machine_boot)i;
            return true;
        }
    }
    return false;
}

static const char *const chap_mode_names[] = {
    [MACHINE_CHAP_OFF] = "off",
    [MACHINE_CHAP_ON] = "on",
    [MACHINE_CHAP_MUTUAL] = "mutual",
};

const char *machine_chap_mode_name(enum machine_chap_mode mode)
{
    return chap_mode_names[mode];
}

bool machine_chap_mode_from_name(const char *name, enum machine_chap_mode *mode)
{
    for (size_t i = 0; i < ARRAY_SIZE(chap_mode_names); i++) {
        if (strcmp(chap_mode_names[i], name) == 0) {
            *mode = (enum machine_chap_mode)i;
            return true;
        }
    }
    return false;
}

const char *machine_chap_user(char to[MAC_TEXT_SIZE], const struct mac *mac)
{
    return mac_format(to, mac, '-');
}

static const char *format_name(char to[IQN_SIZE], const char *iqn_prefix, const char *role, const struct mac *mac)
{
    char text[MAC_TEXT_SIZE];

    snprintf(to, IQN_SIZE, "%s:%s:%s", iqn_prefix, role, mac_format(text, mac, '-'));
    return to;
}

const char *machine_target_name(char to[IQN_SIZE], const char *iqn_prefix, const struct mac *mac)
{
    return format_name(to, iqn_prefix, "root", mac);
}

const char *machine_initiator_name(char to[IQN_SIZE], const char *iqn_prefix, const struct mac *mac)
{
    return format_name(to, iqn_prefix, "machine", mac);
}

static bool parse_name(const char *name, const char *iqn_prefix, const char *role, struct mac *mac)
{
    char start[IQN_SIZE];
    int length = snprintf(start, sizeof(start), "%s:%s:", iqn_prefix, role);

    return length > 0 && (size_t)length < sizeof(start) && strncasecmp(name, start, (size_t)length) == 0 &&
           mac_parse(name + length, mac);
}

bool machine_mac_of_target(const char *name, const char *iqn_prefix, struct mac *mac)
{
    return parse_name(name, iqn_prefix, "root", mac);
}

bool machine_mac_of_initiator(const char *name, const char *iqn_prefix, struct mac *mac)
{
    return parse_name(name, iqn_prefix, "machine", mac);
}

const struct machine_disk *machine_disk_by_name(const struct machine *machine, const char *name)
{
    for (unsigned i = 0; i < machine->disk_count; i++) {
        if (string_equal(machine->disks[i].name, name))
            return &machine->disks[i];
    }
    return NULL;
}

const struct machine_disk *machine_disk_by_lun(const struct machine *machine, unsigned lun)
{
    for (unsigned i = 0; i < machine->disk_count; i++) {
        if (machine->disks[i].lun == lun)
            return &machine->disks[i];
    }
    return NULL;
}

const char *machine_volume_at_lun(const struct machine *machine, unsigned lun, bool *read_only)
{
    const struct machine_disk *disk = machine_disk_by_lun(machine, lun);

    *read_only = disk && disk->read_only;
    if (lun == 0)
        return machine->volume;
    return disk ? disk->volume : NULL;
}

size_t machine_own_volumes(const struct machine *machine, const char *volumes[MACHINE_LUNS])
{
    size_t count = 0;

    volumes[count++] = machine->volume;
    for (unsigned i = 0; i < machine->disk_count; i++) {
        if (!machine->disks[i].shared)
            volumes[count++] = machine->disks[i].volume;
    }
    return count;
}

bool machine_uses_image(const struct machine *machine, uint64_t image_id)
{
    bool uses = machine->image_id == image_id;

    for (unsigned i = 0; i < machine->disk_count; i++)
        uses |= machine->disks[i].image_id == image_id;
    return uses;
}
