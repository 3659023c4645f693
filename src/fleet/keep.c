#include "fleet/keep.h"

#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

enum { STAMP_LENGTH = 15 /* 20261124-093000 */, HOUR_SECONDS = 3600 };

static const struct {
    const char *prefix;
    enum setting rule;
} kinds[KEEP_KINDS] = {
    [KEEP_BOOT] = {"boot-", SETTING_SNAPSHOT_BEFORE_BOOT},
    [KEEP_HOURLY] = {"hourly-", SETTING_SNAPSHOT_HOURLY},
    [KEEP_DAILY] = {"daily-", SETTING_SNAPSHOT_DAILY},
    [KEEP_LAST_BOOT] = {"last-boot-", SETTING_KEEP_LAST},
    [KEEP_ROLLBACK] = {"before-rollback-", SETTING_KEEP_BEFORE_ROLLBACK},
    [KEEP_RESET] = {"before-reset-", SETTING_KEEP_BEFORE_ROLLBACK},
};

struct keep_rules keep_rules_of(const struct machine *machine)
{
    struct keep_rules rules;

    for (size_t i = 0; i < KEEP_KINDS; i++) {
        uint64_t number;
        bool is_number = parse_u64(machine_setting(machine, kinds[i].rule), UINT32_MAX, &number);
        rules.keep[i] = is_number ? (uint32_t)number : KEEP_ALL;
    }
    return rules;
}

bool keep_rules_equal(const struct keep_rules *a, const struct keep_rules *b)
{
    return memcmp(a->keep, b->keep, sizeof(a->keep)) == 0;
}

/* ---- names ---- */

const char *keep_name(char to[KEEP_NAME_SIZE], enum keep_kind kind, uint64_t now_seconds, unsigned attempt)
{
    time_t now = (time_t)now_seconds;
    char stamp[STAMP_LENGTH + 1];
    struct tm local;

    localtime_r(&now, &local);
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &local);
    if (attempt > 1)
        snprintf(to, KEEP_NAME_SIZE, "%s%s-%u", kinds[kind].prefix, stamp, attempt);
    else
        snprintf(to, KEEP_NAME_SIZE, "%s%s", kinds[kind].prefix, stamp);
    return to;
}

static bool is_stamp(const char *text)
{
    for (size_t i = 0; i < STAMP_LENGTH; i++) {
        if (i == 8 ? text[i] != '-' : !isdigit((unsigned char)text[i]))
            return false;
    }
    text += STAMP_LENGTH;
    return *text == '\0' || (*text == '-' && text[1] && strspn(text + 1, "0123456789") == strlen(text + 1));
}

bool keep_kind_of(const char *name, enum keep_kind *kind)
{
    for (size_t i = 0; i < KEEP_KINDS; i++) {
        if (!string_starts_with(name, kinds[i].prefix) || !is_stamp(name + strlen(kinds[i].prefix)))
            continue;
        *kind = (enum keep_kind)i;
        return true;
    }
    return false;
}

/* ---- what is due ---- */

static const struct keep_snapshot *newest_of(enum keep_kind kind, const struct keep_snapshot *snapshots, size_t count)
{
    enum keep_kind found;

    for (size_t i = count; i > 0; i--) {
        if (keep_kind_of(snapshots[i - 1].name, &found) && found == kind)
            return &snapshots[i - 1];
    }
    return NULL;
}

/* By the calendar: a day may have 23 or 25 hours. */
static bool is_same_day(uint64_t a_seconds, uint64_t b_seconds)
{
    time_t a = (time_t)a_seconds, b = (time_t)b_seconds;
    struct tm first, second;

    localtime_r(&a, &first);
    localtime_r(&b, &second);
    return first.tm_year == second.tm_year && first.tm_yday == second.tm_yday;
}

bool keep_is_due(const struct keep_rules *rules, enum keep_kind kind, const struct keep_snapshot *snapshots, size_t count,
                 uint64_t now_seconds)
{
    const struct keep_snapshot *newest = newest_of(kind, snapshots, count);

    if (rules->keep[kind] == 0)
        return false;
    if (!newest)
        return true;
    if (kind == KEEP_DAILY)
        return !is_same_day(newest->created_seconds, now_seconds);
    return newest->created_seconds / HOUR_SECONDS != now_seconds / HOUR_SECONDS;
}

/* ---- what is over ---- */

size_t keep_over(const struct keep_rules *rules, const struct keep_snapshot *snapshots, size_t count, size_t *over)
{
    size_t left[KEEP_KINDS] = {0};
    size_t found = 0;
    enum keep_kind kind;

    for (size_t i = 0; i < count; i++) {
        if (keep_kind_of(snapshots[i].name, &kind))
            left[kind]++;
    }
    for (size_t i = 0; i < count; i++) {
        if (keep_kind_of(snapshots[i].name, &kind) && left[kind] > rules->keep[kind]) {
            left[kind]--;
            over[found++] = i;
        }
    }
    return found;
}
