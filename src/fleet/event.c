#include "fleet/event.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const stage_names[] = {
    [STAGE_NONE] = "",
    [STAGE_DHCP] = "dhcp",
    [STAGE_FIRMWARE] = "firmware",
    [STAGE_KERNEL] = "kernel",
    [STAGE_INITRAMFS] = "initramfs",
    [STAGE_DISK] = "disk",
    [STAGE_ROOT] = "root",
    [STAGE_UP] = "up",
};

static const char *const level_names[] = {
    [EVENT_DEBUG] = "debug",
    [EVENT_INFO] = "info",
    [EVENT_WARNING] = "warning",
    [EVENT_ERROR] = "error",
};

const char *stage_name(enum stage stage)
{
    return stage_names[stage];
}

const char *event_level_name(enum event_level level)
{
    return level_names[level];
}

void event_post(const struct event_sink *sink, const struct machine *machine, const struct mac *mac, enum stage stage,
                enum event_level level, const char *kind, const char *format, ...)
{
    struct event event = {.stage = stage, .level = level, .kind = kind};
    va_list ap;

    if (machine) {
        event.machine_id = machine->id;
        event.mac = machine->mac;
        COPY_STRING(event.machine, machine->name);
    }
    if (mac)
        event.mac = *mac;
    va_start(ap, format);
    vsnprintf(event.text, sizeof(event.text), format, ap);
    va_end(ap);
    sink->post(sink->arg, &event);
}
