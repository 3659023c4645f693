#include "fleet/machine.h"

#include <stdio.h>
#include <strings.h>

static const char *const boot_names[] = {
    [MACHINE_BOOT_DISK] = "disk",
    [MACHINE_BOOT_SAN] = "san",
};

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
