/*
 * Paths as anybody may ask for them. What must hold: what is found is plain, and belongs to the machine that
 * asked.
 */
#include "fleet/boot_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct machine machines[] = {
    {.id = 1, .mac = {{0xdc, 0xa6, 0x32, 1, 2, 3}}, .serial = 0x1234abcd},
    {.id = 2, .mac = {{0xdc, 0xa6, 0x32, 1, 2, 4}}},
};

static const struct machine *by_mac(void *arg, const struct mac *mac)
{
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        if (mac_equal(mac, &machines[i].mac))
            return &machines[i];
    }
    return NULL;
}

static const struct machine *by_serial(void *arg, uint32_t serial)
{
    return serial == machines[0].serial ? &machines[0] : NULL;
}

static const struct machine *by_address(void *arg, uint32_t address)
{
    return NULL;
}

static bool is_plain(const char *path)
{
    size_t length = strlen(path);

    if (length == 0 || path[0] == '/' || path[length - 1] == '/' || strpbrk(path, "\\\n\r\t\x1b"))
        return false;
    return !strstr(path, "//") && strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 &&
           !strstr(path, "/../") && (length < 3 || strcmp(path + length - 3, "/..") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct boot_lookup lookup = {.by_mac = by_mac, .by_serial = by_serial, .by_address = by_address};
    const struct boot_asker known = {.mac_known = true, .mac = machines[1].mac};
    const struct boot_asker unknown = {.address = 1};
    const struct boot_asker *const askers[] = {&known, &unknown};

    for (size_t i = 0; i < ARRAY_SIZE(askers); i++) {
        struct boot_plan plan = boot_plan_decide((const char *)data, size, askers[i], &lookup);
        if (plan.kind == BOOT_PLAN_REFUSED || plan.kind == BOOT_PLAN_NOT_FOUND)
            continue;
        CHECK(plan.machine && is_plain(plan.path));
        CHECK(askers[i] == &unknown || plan.machine == &machines[1]);
    }
    return 0;
}
