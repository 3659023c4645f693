/*
 * A command as data: what it is called, what it takes, what it says of itself, what it does.
 */
#pragma once

#include "base/base.h"
#include "ctl/ctl.h"
#include "fleet/setting.h"

enum { COMMAND_OPTIONS_MAX = 8, COMMAND_OPERANDS_MAX = 2, COMMAND_MORE_MAX = 255 };

struct command_option {
    const char *name;  /* "--size" */
    const char *value; /* "SIZE"; NULL: the option takes none */
    const char *help;
    bool needed;
};

struct arguments;

struct command {
    const char *noun;
    const char *verb;                           /* NULL: the noun alone is the command */
    const char *operands[COMMAND_OPERANDS_MAX]; /* "NAME"; "[NAME]" may be left out; the last may be "NAME..." */
    const char *help;                           /* one sentence without its full stop */
    int (*run)(const struct arguments *arguments);
    struct command_option options[COMMAND_OPTIONS_MAX]; /* ends with a NULL name */
    enum setting_source settings; /* whose settings are options, too; SETTING_FROM_PROGRAM: nobody's */
};

/* What was given on the command line. */
struct arguments {
    const struct command *command;
    const struct ctl_hooks *hooks;
    const char *socket;
    const char *operands[COMMAND_OPERANDS_MAX]; /* NULL: left out */
    const char *more[COMMAND_MORE_MAX];         /* further words for an operand "NAME..." */
    size_t more_count;
    const char *values[COMMAND_OPTIONS_MAX];    /* by place in `options`; "" for one without a value; NULL: not given */
    const char *settings[SETTING_COUNT];      /* "": to be inherited again; NULL: not given */
};

/* All commands; ends with a NULL noun. */
extern const struct command commands[];

/* The value of an option of this command, or NULL when it was not given. */
const char *arguments_value(const struct arguments *arguments, const char *option);

/* Fills `arguments` from the words behind noun and verb. False when they do not fit, with `error` saying why in one
 * sentence. `wants_help` is set, and the rest is not looked at, when --help is among them. */
bool arguments_parse(struct arguments *arguments, int argc, char **argv, bool *wants_help, char *error,
                     size_t error_size);

/* "farboot machine add NAME MAC --image IMAGE [--size SIZE]", wrapped at 80 columns with an indent; the first line
 * begins in column `begins_at`. The caller frees. */
char *command_usage(const struct command *command, size_t begins_at);

/* The known word nearest to `word`, or NULL when none is near: for "did you mean". */
const char *suggest(const char *word, const char *const *known, size_t count);

/* ---- the functions behind the table ---- */

int status_command(const struct arguments *arguments);
int watch_command(const struct arguments *arguments);
int session_list_command(const struct arguments *arguments);
int image_import_command(const struct arguments *arguments);
int image_export_command(const struct arguments *arguments);
int image_capture_command(const struct arguments *arguments);
int image_list_command(const struct arguments *arguments);
int image_show_command(const struct arguments *arguments);
int image_remove_command(const struct arguments *arguments);
int machine_add_command(const struct arguments *arguments);
int machine_discovered_command(const struct arguments *arguments);
int machine_adopt_command(const struct arguments *arguments);
int machine_replace_command(const struct arguments *arguments);
int machine_list_command(const struct arguments *arguments);
int machine_show_command(const struct arguments *arguments);
int machine_set_command(const struct arguments *arguments);
int machine_chap_command(const struct arguments *arguments);
int machine_remove_command(const struct arguments *arguments);
int disk_add_command(const struct arguments *arguments);
int disk_list_command(const struct arguments *arguments);
int disk_set_command(const struct arguments *arguments);
int disk_remove_command(const struct arguments *arguments);
int group_add_command(const struct arguments *arguments);
int group_list_command(const struct arguments *arguments);
int group_show_command(const struct arguments *arguments);
int group_set_command(const struct arguments *arguments);
int group_remove_command(const struct arguments *arguments);
int defaults_show_command(const struct arguments *arguments);
int defaults_set_command(const struct arguments *arguments);
int eeprom_show_command(const struct arguments *arguments);
int eeprom_set_command(const struct arguments *arguments);
int eeprom_push_command(const struct arguments *arguments);
int eeprom_status_command(const struct arguments *arguments);
int eeprom_withdraw_command(const struct arguments *arguments);
int eeprom_card_command(const struct arguments *arguments);
int snapshot_create_command(const struct arguments *arguments);
int snapshot_list_command(const struct arguments *arguments);
int snapshot_remove_command(const struct arguments *arguments);
int snapshot_rename_command(const struct arguments *arguments);
int machine_reset_command(const struct arguments *arguments);
int store_status_command(const struct arguments *arguments);
int store_check_command(const struct arguments *arguments);
int rollback_command(const struct arguments *arguments);
