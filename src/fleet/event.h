/*
 * Something seen or done, told in one sentence: what the log, `watch` and the dashboard are made of.
 *
 * Services make events and hand them to a sink; who listens is the daemon's business. An event never carries bytes a
 * peer chose unless they were quoted.
 */
#pragma once

#include "fleet/machine.h"

/* How far a boot has come. In the order in which a boot passes them. */
enum stage {
    STAGE_NONE, /* not about a boot */
    STAGE_DHCP,
    STAGE_FIRMWARE,  /* firmware files are being fetched */
    STAGE_KERNEL,    /* kernel and initramfs are being fetched */
    STAGE_INITRAMFS, /* the initramfs asks for an address */
    STAGE_DISK,      /* logged in to its disk */
    STAGE_ROOT,      /* reading and writing its root file system */
    STAGE_UP,        /* its operating system took the disk over */
};

enum event_level { EVENT_DEBUG, EVENT_INFO, EVENT_WARNING, EVENT_ERROR };

enum { EVENT_TEXT_SIZE = 256 };

struct event {
    uint64_t time_ms; /* wall clock; filled by the sink */
    uint64_t machine_id; /* 0: no machine that we know */
    char machine[NAME_SIZE];
    struct mac mac; /* zero when unknown */
    enum stage stage;
    enum event_level level;
    const char *kind; /* a static word for programs: "dhcp.offer", "tftp.sent", "iscsi.login" */
    uint64_t boot_id; /* filled by whoever follows boots */
    char text[EVENT_TEXT_SIZE];
};

/* Whoever listens. `post` is called from any thread and copies the event. */
struct event_sink {
    void (*post)(void *arg, const struct event *event);
    void *arg;
};

const char *stage_name(enum stage stage);
const char *event_level_name(enum event_level level);

/* Fills the text and posts it. `machine` may be NULL. */
PRINTF_LIKE(7, 8)
void event_post(const struct event_sink *sink, const struct machine *machine, const struct mac *mac, enum stage stage,
                enum event_level level, const char *kind, const char *format, ...);
