/*
 * One attempt of a machine to start, followed through the events that it causes.
 *
 * Pure: events go in, the boot moves on. Who made the events and who looks at the boot is not known here.
 */
#pragma once

#include "fleet/event.h"

enum {
    STAGE_COUNT = STAGE_UP + 1,
    /* A machine that asks for an address after this much silence has been started again, however far it was. */
    BOOT_QUIET_MS = 60 * 1000,
};

struct boot {
    uint64_t id; /* 0: no boot was seen yet */
    enum stage stage;
    uint64_t begun_ms;                /* wall clock, as all times here */
    uint64_t reached_ms[STAGE_COUNT]; /* when each stage was first seen; 0: not yet */
    uint64_t last_ms; /* when the machine was last heard of */
    uint32_t address_requests;        /* DHCP events of the firmware since the boot began */
    char last[EVENT_TEXT_SIZE];       /* the newest sentence */
    char trouble[EVENT_TEXT_SIZE];    /* the newest warning or error since the stage last changed; empty: none */
    enum event_level trouble_level;
    uint64_t trouble_ms;
};

/* Whether `event` is the first of a new attempt: the firmware asks for an address and either no boot is known, or the
 * known one had come further than that, or it has been silent for long. */
bool boot_begins(const struct boot *boot, const struct event *event);

/* Takes one event in. Begins a new boot, numbered `next_id`, when the event does; true if it did. Warnings and errors
 * are about a stage but do not reach it; events about no stage only leave their sentence. */
bool boot_advance(struct boot *boot, const struct event *event, uint64_t next_id);
