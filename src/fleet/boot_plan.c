#include "fleet/boot_plan.h"

#include "base/text.h"
#include "fleet/boot_program.h"
#include "fleet/cloud_init.h"

#include <stdio.h>
#include <strings.h>

enum { SERIAL_DIGITS = 8 };

/* ---- the path ---- */

static bool is_separator(char c)
{
    return c == '/' || c == '\\';
}

/* `name` is "." or "..". */
static bool is_component(const char *component, size_t length_bytes, const char *name)
{
    return length_bytes == strlen(name) && memcmp(component, name, length_bytes) == 0;
}

static bool has_control_bytes(const char *path, size_t length_bytes)
{
    for (size_t i = 0; i < length_bytes; i++) {
        if ((uint8_t)path[i] < 0x20 || path[i] == 0x7f)
            return true;
    }
    return false;
}

/* False if the component must not be part of a path, or no room is left for it. */
static bool append_component(char to[BOOT_PATH_SIZE], size_t *used, const char *component,
                             size_t length_bytes)
{
    if (length_bytes == 0 || is_component(component, length_bytes, "."))
        return true;
    if (is_component(component, length_bytes, "..") || *used + length_bytes + 2 > BOOT_PATH_SIZE)
        return false;
    if (*used > 0)
        to[(*used)++] = '/';
    memcpy(to + *used, component, length_bytes);
    *used += length_bytes;
    to[*used] = '\0';
    return true;
}

bool boot_path_normalise(char to[BOOT_PATH_SIZE], const char *path, size_t length_bytes)
{
    size_t used = 0;
    size_t begun = 0;

    to[0] = '\0';
    if (has_control_bytes(path, length_bytes))
        return false;
    for (size_t i = 0; i <= length_bytes; i++) {
        if (i < length_bytes && !is_separator(path[i]))
            continue;
        if (!append_component(to, &used, path + begun, i - begun))
            return false;
        begun = i + 1;
    }
    return used > 0;
}

/* ---- who asks, and for whom ---- */

enum prefix_kind { PREFIX_NONE, PREFIX_SERIAL, PREFIX_MAC };

struct prefix {
    enum prefix_kind kind;
    uint32_t serial;
    struct mac mac;
    size_t length_bytes; /* with its slash */
};

static bool parse_serial(const char *text, size_t length_bytes, uint32_t *serial)
{
    char digits[SERIAL_DIGITS + 1] = "";

    if (length_bytes != SERIAL_DIGITS)
        return false;
    memcpy(digits, text, SERIAL_DIGITS);
    if (strspn(digits, "0123456789abcdefABCDEF") != SERIAL_DIGITS)
        return false;
    *serial = (uint32_t)strtoul(digits, NULL, 16);
    return true;
}

static bool parse_dashed_mac(const char *text, size_t length_bytes, struct mac *mac)
{
    char copy[MAC_TEXT_SIZE] = "";

    if (length_bytes != MAC_TEXT_SIZE - 1)
        return false;
    memcpy(copy, text, length_bytes);
    return !strchr(copy, ':') && mac_parse(copy, mac);
}

static struct prefix read_prefix(const char *path)
{
    const char *slash = strchr(path, '/');
    struct prefix prefix = {.kind = PREFIX_NONE};

    if (!slash)
        return prefix;
    size_t length = (size_t)(slash - path);
    if (parse_serial(path, length, &prefix.serial))
        prefix.kind = PREFIX_SERIAL;
    else if (parse_dashed_mac(path, length, &prefix.mac))
        prefix.kind = PREFIX_MAC;
    if (prefix.kind != PREFIX_NONE)
        prefix.length_bytes = length + 1;
    return prefix;
}

static const struct machine *machine_at_address(const struct boot_asker *asker,
                                                const struct boot_lookup *lookup)
{
    if (asker->mac_known)
        return lookup->by_mac(lookup->arg, &asker->mac);
    return lookup->by_address(lookup->arg, asker->address);
}

static const struct machine *machine_of_prefix(const struct prefix *prefix, const struct boot_lookup *lookup)
{
    switch (prefix->kind) {
    case PREFIX_SERIAL:
        return lookup->by_serial(lookup->arg, prefix->serial);
    case PREFIX_MAC:
        return lookup->by_mac(lookup->arg, &prefix->mac);
    case PREFIX_NONE:
        break;
    }
    return NULL;
}

static void give_up(struct boot_plan *plan, enum boot_plan_kind kind, const char *reason)
{
    plan->kind = kind;
    plan->reason = reason;
}

/* Settles `plan->machine`, or the reason why there is none. */
static void recognise(struct boot_plan *plan, const struct prefix *prefix, const struct boot_asker *asker,
                      const struct boot_lookup *lookup)
{
    const struct machine *named = machine_of_prefix(prefix, lookup);
    const struct machine *here = machine_at_address(asker, lookup);

    plan->machine = here;
    if (here && named && named->id != here->id)
        give_up(plan, BOOT_PLAN_REFUSED, "the prefix names another machine");
    else if (here && prefix->kind == PREFIX_MAC && !named)
        give_up(plan, BOOT_PLAN_NOT_FOUND, "no machine has the MAC address of the prefix");
    else if (!here && named && asker->mac_known)
        give_up(plan, BOOT_PLAN_REFUSED, "the prefix names a machine that has another MAC address");
    else if (!here && !named)
        give_up(plan, BOOT_PLAN_NOT_FOUND,
                asker->mac_known ? "no machine has this MAC address" : "no machine is known at this address");
    else if (!here)
        plan->machine = named;
}

/* In whatever folder it lies. */
static bool path_ends(const char *path, const char *name)
{
    size_t length = strlen(path);
    size_t name_length = strlen(name);

    if (length < name_length || strcasecmp(path + length - name_length, name) != 0)
        return false;
    return length == name_length || path[length - name_length - 1] == '/';
}

static bool is_cloud_init(const char *path)
{
    enum cloud_init_file file;

    return string_starts_with(path, CLOUD_INIT_FOLDER) && cloud_init_from_name(path + strlen(CLOUD_INIT_FOLDER), &file);
}

/* Boot loaders try a file with their own hardware address before all others: that one is written for them, the others
 * are the disk's. */
static enum boot_plan_kind kind_of_path(const char *path, const struct mac *mac)
{
    char address[MAC_TEXT_SIZE], pxelinux[64], grub[64];
    const struct {
        const char *name;
        enum boot_plan_kind kind;
    } names[] = {
        /* A/B layouts keep one below current/, new/ and old/. */
        {"cmdline.txt", BOOT_PLAN_CMDLINE},
        {pxelinux, BOOT_PLAN_PXELINUX},
        {grub, BOOT_PLAN_GRUB},
    };

    mac_format(address, mac, '-');
    snprintf(pxelinux, sizeof(pxelinux), "pxelinux.cfg/01-%s", address);
    snprintf(grub, sizeof(grub), "grub.cfg-01-%s", address);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (path_ends(path, names[i].name))
            return names[i].kind;
    }
    if (strcasecmp(path, "boot.ipxe") == 0)
        return BOOT_PLAN_IPXE;
    if (is_cloud_init(path))
        return BOOT_PLAN_CLOUD_INIT;
    return boot_program_name(path) ? BOOT_PLAN_PROGRAM : BOOT_PLAN_FILE;
}

static void learn_serial(struct boot_plan *plan, const struct prefix *prefix)
{
    plan->serial_learned = prefix->kind == PREFIX_SERIAL && prefix->serial != 0 && plan->machine->serial == 0;
    if (plan->serial_learned)
        plan->serial = prefix->serial;
}

struct boot_plan boot_plan_decide(const char *path, size_t length_bytes, const struct boot_asker *asker,
                                  const struct boot_lookup *lookup)
{
    struct boot_plan plan = {.reason = ""};

    if (!boot_path_normalise(plan.path, path, length_bytes)) {
        plan.path[0] = '\0';
        give_up(&plan, BOOT_PLAN_REFUSED, "not a path of a boot file");
        plan.machine = machine_at_address(asker, lookup);
        return plan;
    }
    struct prefix prefix = read_prefix(plan.path);
    recognise(&plan, &prefix, asker, lookup);
    if (*plan.reason)
        return plan;
    memmove(plan.path, plan.path + prefix.length_bytes, strlen(plan.path + prefix.length_bytes) + 1);
    learn_serial(&plan, &prefix);
    plan.kind = kind_of_path(plan.path, &plan.machine->mac);
    if (plan.machine->boot == MACHINE_BOOT_SAN && plan.kind == BOOT_PLAN_IPXE)
        plan.kind = BOOT_PLAN_IPXE_SAN;
    else if (plan.machine->boot == MACHINE_BOOT_SAN && plan.kind != BOOT_PLAN_PROGRAM &&
             plan.kind != BOOT_PLAN_CLOUD_INIT)
        give_up(&plan, BOOT_PLAN_NOT_FOUND,
                "this machine boots from its disk (boot: san), without boot files");
    return plan;
}
