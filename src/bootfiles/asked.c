#include "bootfiles/asked.h"

static const struct machine *by_mac(void *arg, const struct mac *mac)
{
    return catalog_machine_by_mac(arg, mac);
}

static const struct machine *by_serial(void *arg, uint32_t serial)
{
    return catalog_machine_by_serial(arg, serial);
}

static const struct machine *by_address(void *arg, uint32_t address)
{
    return catalog_machine_by_address(arg, address);
}

struct boot_plan bootfiles_asked(const struct catalog_snapshot *snapshot, struct presence *presence, uint32_t address,
                                 const char *path)
{
    struct boot_asker asker = {.address = address};
    const struct boot_lookup lookup = {
        .by_mac = by_mac, .by_serial = by_serial, .by_address = by_address, .arg = (void *)snapshot};

    asker.mac_known = presence_mac(presence, asker.address, &asker.mac);
    return boot_plan_decide(path, strlen(path), &asker, &lookup);
}
