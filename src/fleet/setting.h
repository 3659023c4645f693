/*
 * Settings: what machines, groups of machines and the defaults may say, and which of them is heard.
 *
 * One table of keys, from which the command line, the API and the catalog work: a new key is one row in it. A machine
 * that says nothing has what its group says, a group what the defaults say, and the defaults what the program brings.
 * Pure: values are texts; whoever uses one reads it.
 */
#pragma once

#include "base/error.h"

struct machine;

enum setting {
    SETTING_BOOT,
    SETTING_IMAGE,
    SETTING_CMDLINE_ADD,
    SETTING_CMDLINE_REMOVE,
    SETTING_IMAGE_VERSION,
    SETTING_MODE,
    SETTING_RESET_TO,
    SETTING_KEEP_LAST,
    SETTING_SNAPSHOT_BEFORE_BOOT,
    SETTING_SNAPSHOT_HOURLY,
    SETTING_SNAPSHOT_DAILY,
    SETTING_KEEP_BEFORE_ROLLBACK,
    SETTING_CLOUD_INIT,
    SETTING_HOSTNAME,
    SETTING_TIMEZONE,
    SETTING_USERS,
    SETTING_SSH_KEYS,
    SETTING_PACKAGES,
    SETTING_RUN,
    SETTING_USER_DATA,
    SETTING_EEPROM,
    SETTING_DHCP_OPTION,
    SETTING_BOOT_SERVER,
    SETTING_BOOT_FILE,
    SETTING_COUNT,
};

enum {
    SETTING_VALUE_MAX_BYTES = 32 * 1024, /* of any value */
    SETTING_WORDS_MAX_BYTES = 1024,      /* of kernel parameters */
    SETTING_COUNT_MAX = 100,             /* snapshots of one kind */
};

/* Who said it. Later ones are heard rather than earlier ones. */
enum setting_source { SETTING_FROM_PROGRAM, SETTING_FROM_DEFAULTS, SETTING_FROM_GROUP, SETTING_FROM_MACHINE };

/* "program", "defaults", "group", "machine". */
const char *setting_source_name(enum setting_source source);
bool setting_source_from_name(const char *name, enum setting_source *source);

/* "cmdline-add": also the option `--cmdline-add`. */
const char *setting_name(enum setting key);
bool setting_from_name(const char *name, enum setting *key);
/* What stands for a value in help: "WORDS". */
const char *setting_value_name(enum setting key);
/* One line. */
const char *setting_help(enum setting key);
const char *setting_built_in(enum setting key);
/* Whether a value is long and so, on the command line, the content of a file. */
bool setting_is_file(enum setting key);
/* False for what is settled once when a machine is added: that can be said for groups and as a default only. */
bool setting_is_for(enum setting key, enum setting_source source);
/* -EINVAL with a sentence unless `value`, which is not empty, may be said by `source`. */
int setting_check(enum setting key, enum setting_source source, const char *value, struct error *error);

/* All keys as one machine, one group or the defaults have them. The texts belong to whoever made it. */
struct settings {
    const char *values[SETTING_COUNT]; /* never NULL */
    enum setting_source sources[SETTING_COUNT];
};

/* What the program brings. */
void settings_begin(struct settings *settings);

/* What a machine has, its own or inherited; never NULL, and valid as long as the machine's catalog snapshot. */
const char *machine_setting(const struct machine *machine, enum setting key);
