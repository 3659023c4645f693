/*
 * Snapshots that nobody asks for: which are due, what they are called, and which are over.
 *
 * Pure: a list of snapshots, rules and the time go in. Automatic snapshots are known by their names, "hourly-" and a
 * date; one that was given another name is never touched. Order in a list is the order in which they were made: the
 * clock may have jumped since.
 */
#pragma once

#include "fleet/machine.h"

enum keep_kind {
    KEEP_BOOT,      /* before a boot began */
    KEEP_HOURLY,
    KEEP_DAILY,
    KEEP_LAST_BOOT, /* what a boot wrote, of a machine that begins anew each time */
    KEEP_ROLLBACK,  /* before a rollback */
    KEEP_RESET,     /* before a reset by hand */
    KEEP_KINDS,
};

enum { KEEP_ALL = UINT32_MAX, KEEP_NAME_SIZE = 64 };

/* How many of each are kept; the older ones go. */
struct keep_rules {
    uint32_t keep[KEEP_KINDS];
};

/* As the machine's settings say. */
struct keep_rules keep_rules_of(const struct machine *machine);
bool keep_rules_equal(const struct keep_rules *a, const struct keep_rules *b);

/* "hourly-20261124-090000" by local time; "-2" behind it for the second `attempt` and so on. Gives `to`. */
const char *keep_name(char to[KEEP_NAME_SIZE], enum keep_kind kind, uint64_t now_seconds, unsigned attempt);
/* Whether a snapshot of this name is automatic, and of which kind. */
bool keep_kind_of(const char *name, enum keep_kind *kind);

struct keep_snapshot {
    const char *name;
    uint64_t created_seconds;
};

/* Whether one of `kind` (hourly or daily) is wanted, because none was made in this hour, or on this day by local time.
 * A clock that jumped to another hour or day, forwards or back, makes one due. */
bool keep_is_due(const struct keep_rules *rules, enum keep_kind kind, const struct keep_snapshot *snapshots, size_t count,
                 uint64_t now_seconds);
/* Fills `over` with the places of those that go, the oldest first; their number. `over` has room for `count`. */
size_t keep_over(const struct keep_rules *rules, const struct keep_snapshot *snapshots, size_t count, size_t *over);
