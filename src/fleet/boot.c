#include "fleet/boot.h"

bool boot_begins(const struct boot *boot, const struct event *event)
{
    if (event->stage == STAGE_NONE)
        return false;
    if (boot->id == 0)
        return true;
    /* A second DISCOVER of the same attempt is usual: a Pi 3 asks from its ROM and again from bootcode.bin. */
    return event->stage == STAGE_DHCP &&
           (boot->stage > STAGE_FIRMWARE || event->time_ms > boot->last_ms + BOOT_QUIET_MS);
}

static void boot_begin(struct boot *boot, const struct event *event, uint64_t id)
{
    *boot = (struct boot){.id = id, .begun_ms = event->time_ms};
}

static void boot_reach(struct boot *boot, const struct event *event)
{
    if (!boot->reached_ms[event->stage])
        boot->reached_ms[event->stage] = event->time_ms;
    /* The system's own DHCP client and a reconnected disk repeat stages that are behind us. */
    if (event->stage <= boot->stage)
        return;
    boot->stage = event->stage;
    if (event->level < EVENT_WARNING)
        boot->trouble[0] = '\0';
}

static void boot_note(struct boot *boot, const struct event *event)
{
    if (event->level > EVENT_DEBUG)
        COPY_STRING(boot->last, event->text);
    if (event->level < EVENT_WARNING)
        return;
    COPY_STRING(boot->trouble, event->text);
    boot->trouble_level = event->level;
    boot->trouble_ms = event->time_ms;
}

bool boot_advance(struct boot *boot, const struct event *event, uint64_t next_id)
{
    bool begins = boot_begins(boot, event);

    if (begins)
        boot_begin(boot, event, next_id);
    if (boot->id == 0)
        return false;
    boot_note(boot, event);
    if (event->stage == STAGE_NONE)
        return false;
    if (event->stage == STAGE_DHCP)
        boot->address_requests++;
    boot->last_ms = event->time_ms;
    /* A refused login is about the disk, and did not reach it. */
    if (begins || event->level < EVENT_WARNING)
        boot_reach(boot, event);
    return begins;
}
