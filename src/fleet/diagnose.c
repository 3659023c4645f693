#include "fleet/diagnose.h"

#include <stdio.h>

struct rule {
    enum stage stage; /* as far as it came */
    unsigned silent_seconds;
    const char *sentence;
};

/* The silence that each stage is allowed is about four times what a slow machine needs for the next one. */
static const struct rule rules[] = {
    {STAGE_DHCP, 20,
     "asked for an address but never for a boot file: its firmware took another server's answer or does not boot from "
     "the network (on a Pi: BOOT_ORDER needs 2, TFTP_PREFIX=2)"},
    {STAGE_FIRMWARE, 40,
     "fetched firmware files but no kernel: config.txt names a kernel that its boot partition does not have, or the "
     "firmware stopped (farboot watch shows the last file it asked for)"},
    {STAGE_KERNEL, 90,
     "got its kernel but never asked for an address again: the kernel stopped, has no driver for this network card, or "
     "the initramfs is missing"},
    {STAGE_INITRAMFS, 60,
     "has an address but never logged in to its disk: its initramfs cannot do iSCSI (in the image: install open-iscsi, "
     "create /etc/iscsi/iscsi.initramfs, run update-initramfs -u)"},
    {STAGE_DISK, 60,
     "logged in to its disk but does not use it: root= on its command line names no file system of this disk"},
};

/* What a service complained about explains a boot better than any silence does. Of a machine that runs, only an error
 * is told, and not for ever: nothing says that it has passed. */
static bool explain_trouble(const struct boot *boot, uint64_t now_ms, char to[DIAGNOSIS_SIZE])
{
    bool runs = boot->stage >= STAGE_ROOT;

    if (boot->trouble[0] == '\0')
        return false;
    if (runs && (boot->trouble_level < EVENT_ERROR || now_ms > boot->trouble_ms + DIAGNOSE_ERROR_MS))
        return false;
    snprintf(to, DIAGNOSIS_SIZE, "%s", boot->trouble);
    return true;
}

static const struct rule *find_rule(const struct boot *boot, uint64_t now_ms)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct rule *rule = &rules[i];
        if (rule->stage == boot->stage && now_ms >= boot->last_ms + rule->silent_seconds * 1000ull)
            return rule;
    }
    return NULL;
}

/* A firmware that asks again and again is never silent, and is stuck all the same. */
static bool explain_repetition(const struct boot *boot, char to[DIAGNOSIS_SIZE])
{
    enum { PATIENCE_REQUESTS = 6 };

    if (boot->stage != STAGE_DHCP || boot->address_requests < PATIENCE_REQUESTS ||
        boot->last_ms - boot->begun_ms < rules[0].silent_seconds * 1000ull)
        return false;
    snprintf(to, DIAGNOSIS_SIZE, "%s", rules[0].sentence);
    return true;
}

bool diagnose(const struct boot *boot, uint64_t now_ms, char to[DIAGNOSIS_SIZE])
{
    to[0] = '\0';
    if (boot->id == 0)
        return false;
    if (explain_trouble(boot, now_ms, to) || explain_repetition(boot, to))
        return true;
    /* A daemon that was started while the machine ran saw it reconnect, not boot. */
    if (boot->stage == STAGE_DISK && !boot->reached_ms[STAGE_DHCP] && !boot->reached_ms[STAGE_INITRAMFS])
        return false;
    const struct rule *rule = find_rule(boot, now_ms);
    if (!rule)
        return false;
    snprintf(to, DIAGNOSIS_SIZE, "%s", rule->sentence);
    return true;
}
