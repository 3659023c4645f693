#include "ctl/command.h"

#include "base/text.h"
#include "ctl/terminal.h"

#include <stdio.h>

enum { HELP_COLUMN = 27 };

#define DEFAULT_SOCKET "/run/farboot/farboot.sock"

#define JSON_OPTION {"--json", NULL, "prints what the daemon answers, for programs", false}

const struct command commands[] = {
    {"serve", NULL, {NULL}, "runs the daemon in the foreground", NULL,
     {{"--config", "FILE", "the configuration; /etc/farboot/farboot.yaml by default", false}}},
    {"status", NULL, {NULL}, "shows the daemon, its network and every machine's stage", status_command,
     {JSON_OPTION}},
    {"session", "list", {NULL}, "lists who uses a disk now, how much and how fast", session_list_command,
     {JSON_OPTION}},
    {"watch", NULL, {"[MACHINE]"}, "shows what happens, of one machine or all, until Ctrl-C", watch_command,
     {{"--json", NULL, "prints one JSON object per line, for programs", false}}},
    {"image", "import", {"FILE"}, "takes a disk image in; - reads standard input", image_import_command,
     {{"--name", "NAME", "what to call it; by default the file's name without its endings", false},
      {"--new-version", NULL, "adds a version to an image that exists", false},
      {"--comment", "TEXT", "what this version is", false},
      JSON_OPTION}},
    {"image", "export", {"SOURCE", "FILE"},
     "writes the disk pi-01, pi-01@name or ubuntu:2 to a file; - is a pipe",
     image_export_command, {JSON_OPTION}},
    {"image", "capture", {"MACHINE[@NAME]"}, "makes an image of a machine that is off, or of a snapshot",
     image_capture_command,
     {{"--as", "IMAGE", "what to call it; an existing image gets a version", true},
      {"--comment", "TEXT", "what this version is", false},
      {"--keep-identity", NULL, "keeps machine-id, host keys and the like", false},
      JSON_OPTION}},
    {"image", "list", {NULL}, "lists the images", image_list_command, {JSON_OPTION}},
    {"image", "show", {"NAME"}, "shows an image and what was seen inside", image_show_command, {JSON_OPTION}},
    {"image", "remove", {"NAME"}, "removes an image that no machine uses", image_remove_command, {{NULL}}},
    {"machine", "add", {"NAME", "MAC"}, "adds a machine with its own disk, a clone of an image", machine_add_command,
     {{"--image", "IMAGE", "the image that its disk begins as; by default its group's", false},
      {"--size", "SIZE", "the size of its disk, like 64G; by default the image's", false},
      {"--address", "ADDRESS", "the IPv4 address reserved for it", false},
      {"--serial", "SERIAL", "a Raspberry Pi's serial number, 8 or 16 digits", false},
      {"--group", "GROUP", "the group whose settings it inherits", false},
      JSON_OPTION},
     SETTING_FROM_MACHINE},
    {"machine", "discovered", {NULL}, "lists machines that asked to boot and are not known", machine_discovered_command,
     {JSON_OPTION}},
    {"machine", "adopt", {"MAC", "[NAME]"}, "adds a machine that asked to boot, or with --next NAME the next that does",
     machine_adopt_command,
     {{"--next", NULL, "waits for the next unknown machine; NAME alone is said", false},
      {"--image", "IMAGE", "the image that its disk begins as; by default its group's", false},
      {"--size", "SIZE", "the size of its disk, like 64G; by default the image's", false},
      {"--address", "ADDRESS", "the IPv4 address reserved for it", false},
      {"--group", "GROUP", "the group whose settings it inherits", false},
      JSON_OPTION},
     SETTING_FROM_MACHINE},
    {"machine", "replace", {"NAME", "MAC"}, "gives a machine another board, which takes over its disk",
     machine_replace_command, {JSON_OPTION}},
    {"machine", "list", {NULL}, "lists the machines", machine_list_command, {JSON_OPTION}},
    {"machine", "show", {"NAME"}, "shows a machine, its disk and its newest boot", machine_show_command,
     {{"--user-data", NULL, "prints what its cloud-init is told, and nothing else", false}, JSON_OPTION}},
    {"machine", "set", {"NAME"}, "changes a machine; an empty value clears it", machine_set_command,
     {{"--name", "NAME", "a new name", false},
      {"--mac", "MAC", "another network card", false},
      {"--size", "SIZE", "a larger disk", false},
      {"--address", "ADDRESS", "the IPv4 address reserved for it", false},
      {"--serial", "SERIAL", "a Raspberry Pi's serial number, 8 or 16 digits", false},
      {"--group", "GROUP", "the group whose settings it inherits", false},
      {"--discard-folder", NULL, "gives its boot folder up, with what only that holds", false},
      JSON_OPTION},
     SETTING_FROM_MACHINE},
    {"machine", "chap", {"NAME", "[on|mutual|off]"}, "shows or sets how a machine authenticates itself to its disk",
     machine_chap_command,
     {{"--new-secret", NULL, "makes new secrets", false},
      {"--show-secret", NULL, "prints them, for an initiator that is set up by hand", false},
      {"--force", NULL, "even while the machine uses its disk", false},
      JSON_OPTION}},
    {"machine", "reset", {"NAME"}, "begins a machine's disk anew, at its image or a snapshot", machine_reset_command,
     {{"--to", "image|SNAPSHOT", "where it begins; by default as its settings say", false},
      {"--drop", NULL, "does not keep what was there as a snapshot", false},
      {"--force", NULL, "cuts the machine off if it uses its disk", false},
      JSON_OPTION}},
    {"machine", "remove", {"NAME"}, "removes a machine and its disk", machine_remove_command, {{NULL}}},
    {"disk", "add", {"MACHINE", "NAME"}, "gives a machine one more disk, empty or of an image", disk_add_command,
     {{"--size", "SIZE", "its size, like 20G", false},
      {"--image", "IMAGE", "the image itself, shared and read-only", false},
      {"--writable", NULL, "with --image: a copy of its own that it may change", false},
      {"--read-only", NULL, "a disk of its own that it may not change", false},
      {"--lun", "N", "1 to 7; by default the lowest that is free", false},
      JSON_OPTION}},
    {"disk", "list", {"[MACHINE]"}, "lists disks beside those that machines boot from", disk_list_command, {JSON_OPTION}},
    {"disk", "set", {"MACHINE", "NAME"}, "changes a disk, also of a machine that runs", disk_set_command,
     {{"--name", "NAME", "a new name", false},
      {"--size", "SIZE", "a larger size", false},
      {"--read-only", NULL, "the machine may only read it; when it is off", false},
      {"--writable", NULL, "the machine may write to it", false},
      JSON_OPTION}},
    {"disk", "remove", {"MACHINE", "NAME"}, "removes a disk and what is on it", disk_remove_command,
     {{"--force", NULL, "takes it away from the machine while that runs", false}}},
    {"group", "add", {"NAME"}, "adds a group of machines, which inherit its settings", group_add_command,
     {JSON_OPTION}, SETTING_FROM_GROUP},
    {"group", "list", {NULL}, "lists the groups", group_list_command, {JSON_OPTION}},
    {"group", "show", {"NAME"}, "shows a group, its machines and its settings", group_show_command, {JSON_OPTION}},
    {"group", "set", {"NAME"}, "changes a group; an empty value is inherited again", group_set_command,
     {{"--name", "NAME", "a new name", false}, JSON_OPTION}, SETTING_FROM_GROUP},
    {"group", "remove", {"NAME"}, "removes a group that no machine is in", group_remove_command, {{NULL}}},
    {"defaults", "show", {NULL}, "shows what machines and groups inherit", defaults_show_command, {JSON_OPTION}},
    {"defaults", "set", {NULL}, "changes what machines and groups inherit", defaults_set_command, {JSON_OPTION},
     SETTING_FROM_DEFAULTS},
    {"eeprom", "show", {"MACHINE"}, "shows the bootloader configuration that a board shall have",
     eeprom_show_command, {JSON_OPTION}},
    {"eeprom", "set", {"MACHINE", "KEY=VALUE..."},
     "changes it for a machine, a group or defaults; KEY= removes one", eeprom_set_command,
     {JSON_OPTION}},
    {"eeprom", "push", {"MACHINE..."}, "offers boards their configuration: one, then the others",
     eeprom_push_command,
     {{"--image", "FILE", "the bootloader image to change, pieeprom-....bin", true}, JSON_OPTION}},
    {"eeprom", "status", {NULL}, "shows how far a push is", eeprom_status_command, {JSON_OPTION}},
    {"eeprom", "withdraw", {NULL}, "ends a push; who has it keeps it", eeprom_withdraw_command, {{NULL}}},
    {"eeprom", "card", {"FILE"}, "makes the image of a card that sets a factory-fresh board",
     eeprom_card_command,
     {{"--image", "FILE", "the bootloader image to change, pieeprom-....bin", true},
      {"--recovery", "FILE", "recovery.bin from the same place", true},
      {"--for", "MACHINE", "whose configuration: a machine or a group; by default the defaults", false}}},
    {"snapshot", "create", {"MACHINE@NAME"}, "keeps what a machine's disk holds now", snapshot_create_command,
     {{"--comment", "TEXT", "what it is for", false}}},
    {"snapshot", "list", {"MACHINE"}, "lists a machine's snapshots by age", snapshot_list_command, {JSON_OPTION}},
    {"snapshot", "remove", {"MACHINE@NAME"}, "removes a snapshot; its space is given back in the background",
     snapshot_remove_command, {{NULL}}},
    {"snapshot", "rename", {"MACHINE@NAME", "NEW"}, "gives a snapshot another name", snapshot_rename_command, {{NULL}}},
    {"rollback", NULL, {"MACHINE@NAME"}, "takes a machine's disk back to a snapshot; can be undone", rollback_command,
     {{"--force", NULL, "cuts the machine off if it uses its disk", false}, JSON_OPTION}},
    {"store", "status", {NULL}, "shows the store's space, and what goes on in it", store_status_command, {JSON_OPTION}},
    {"store", "check", {NULL}, "goes through all images and disks and tells what is not well", store_check_command,
     {{"--repair", NULL, "repairs what can be without guessing", false},
      {"--path", "DIR", "checks the store in a folder, of a farboot that does not run", false},
      JSON_OPTION}},
    {NULL},
};

/* ---- help ---- */

static void print_usage(FILE *to, const struct command *command)
{
    CLEANUP_FREE char *usage = command_usage(command, 2);

    fprintf(to, "  %s\n", usage);
}

static void print_commands(FILE *to, const char *noun)
{
    for (const struct command *command = commands; command->noun; command++) {
        if (noun && !string_equal(command->noun, noun))
            continue;
        print_usage(to, command);
        fprintf(to, "      %s\n", command->help);
    }
}

static int print_help(void)
{
    printf("farboot boots machines that have no disk.\n\n");
    print_commands(stdout, NULL);
    printf("\nEvery command also takes:\n"
           "  --socket PATH   where the daemon answers; by default $FARBOOT_SOCKET or\n"
           "                  " DEFAULT_SOCKET "\n"
           "  --help          what the command does and takes\n\n"
           "farboot --version prints the version. Exit status: 0 done, 1 failed, 2 not\n"
           "understood, 3 no daemon answers, 4 problems were found, 130 interrupted. See\n"
           "farboot(1).\n");
    return CTL_EXIT_OK;
}

static void print_option(const char *name, const char *value, const char *help)
{
    char left[40];

    snprintf(left, sizeof(left), "%s %s", name, value);
    printf("  %-*s ", HELP_COLUMN - 3, left);
    print_wrapped(stdout, help, (unsigned)MAX(strlen(left) + 3, (size_t)HELP_COLUMN), HELP_COLUMN);
}

static void print_setting_options(enum setting_source source)
{
    char option[40];

    if (source == SETTING_FROM_PROGRAM)
        return;
    printf("\nSettings, inherited where they are not said:\n");
    for (enum setting key = 0; key < SETTING_COUNT; key++) {
        if (!setting_is_for(key, source))
            continue;
        snprintf(option, sizeof(option), "--%s", setting_name(key));
        print_option(option, setting_value_name(key), setting_help(key));
    }
    print_option("--unset", "SETTING", "inherits it again; an empty value does the same");
}

static int print_command_help(const struct command *command)
{
    print_usage(stdout, command);
    printf("      %s\n", command->help);
    for (size_t i = 0; i < COMMAND_OPTIONS_MAX && command->options[i].name; i++) {
        const struct command_option *option = &command->options[i];
        printf("%s", i == 0 ? "\n" : "");
        print_option(option->name, option->value ? option->value : "", option->help);
    }
    print_setting_options(command->settings);
    return CTL_EXIT_OK;
}

/* ---- finding the command ---- */

static bool is_noun(const char *word)
{
    for (const struct command *command = commands; command->noun; command++) {
        if (string_equal(command->noun, word))
            return true;
    }
    return false;
}

static const struct command *find_command(const char *noun, const char *verb)
{
    for (const struct command *command = commands; command->noun; command++) {
        if (string_equal(command->noun, noun) && (!command->verb || (verb && string_equal(command->verb, verb))))
            return command;
    }
    return NULL;
}

static void complain(const char *what, const char *word, const char *near)
{
    char quoted[64];

    quote_into(quoted, sizeof(quoted), word, strlen(word));
    if (near)
        fprintf(stderr, "farboot: unknown %s %s; did you mean %s?\n", what, quoted, near);
    else
        fprintf(stderr, "farboot: unknown %s %s (see farboot help)\n", what, quoted);
}

static int unknown_noun(const char *word)
{
    const char *nouns[64];
    size_t count = 0;

    for (const struct command *command = commands; command->noun && count < ARRAY_SIZE(nouns); command++)
        nouns[count++] = command->noun;
    complain(word[0] == '-' ? "option" : "command", word, suggest(word, nouns, count));
    return CTL_EXIT_USAGE;
}

static int unknown_verb(const char *noun, const char *word)
{
    const char *verbs[32];
    size_t count = 0;

    for (const struct command *command = commands; command->noun && count < ARRAY_SIZE(verbs); command++) {
        if (string_equal(command->noun, noun))
            verbs[count++] = command->verb;
    }
    const char *near = suggest(word, verbs, count);
    complain("command", word, near);
    if (!near)
        print_commands(stderr, noun);
    return CTL_EXIT_USAGE;
}

static bool is_help(const char *word)
{
    return word && (string_equal(word, "--help") || string_equal(word, "-h") || string_equal(word, "help"));
}

static int noun_alone(const char *noun, bool asked)
{
    if (!asked)
        fprintf(stderr, "farboot: %s needs one more word:\n", noun);
    print_commands(asked ? stdout : stderr, noun);
    return asked ? CTL_EXIT_OK : CTL_EXIT_USAGE;
}

/* `farboot help [NOUN [VERB]]`. */
static int help_command(int argc, char **argv)
{
    if (argc == 0)
        return print_help();
    if (!is_noun(argv[0]))
        return unknown_noun(argv[0]);
    const struct command *command = find_command(argv[0], argc > 1 ? argv[1] : NULL);
    return command ? print_command_help(command) : noun_alone(argv[0], true);
}

/* ---- running it ---- */

static int run_command(const struct command *command, const struct ctl_hooks *hooks, const char *socket, int argc,
                       char **argv)
{
    struct arguments arguments = {.command = command, .hooks = hooks, .socket = socket};
    char error[160];
    bool wants_help;

    if (!arguments_parse(&arguments, argc, argv, &wants_help, error, sizeof(error))) {
        CLEANUP_FREE char *usage = command_usage(command, strlen("usage: "));
        fprintf(stderr, "farboot: %s\nusage: %s\n", error, usage);
        return CTL_EXIT_USAGE;
    }
    if (wants_help)
        return print_command_help(command);
    return command->run(&arguments);
}

/* The daemon reads its own options. */
static int run_serve(const struct command *command, int argc, char **argv, int (*serve)(int argc, char **argv))
{
    if (argc > 1 && is_help(argv[1]))
        return print_command_help(command);
    return serve(argc, argv);
}

static int find_and_run(const struct ctl_hooks *hooks, const char *socket, int argc, char **argv)
{
    if (!is_noun(argv[0]))
        return unknown_noun(argv[0]);
    const struct command *command = find_command(argv[0], argc > 1 ? argv[1] : NULL);
    if (!command)
        return argc < 2 || is_help(argv[1]) ? noun_alone(argv[0], argc > 1) : unknown_verb(argv[0], argv[1]);
    if (!command->run)
        return run_serve(command, argc, argv, hooks->serve);
    int words = command->verb ? 2 : 1;
    return run_command(command, hooks, socket, argc - words, argv + words);
}

static const char *default_socket(void)
{
    const char *path = getenv("FARBOOT_SOCKET");

    return path && *path ? path : DEFAULT_SOCKET;
}

int ctl_main(int argc, char **argv, const struct ctl_hooks *hooks)
{
    const char *socket = default_socket();
    int next = 1;

    if (next + 1 < argc && string_equal(argv[next], "--socket")) {
        socket = argv[next + 1];
        next += 2;
    } else if (next < argc && string_starts_with(argv[next], "--socket=")) {
        socket = argv[next++] + strlen("--socket=");
    }
    if (next == argc) {
        fprintf(stderr, "farboot: what should be done? (see farboot help)\n");
        return CTL_EXIT_USAGE;
    }
    if (string_equal(argv[next], "--version")) {
        printf("farboot %s\n", FARBOOT_VERSION);
        return CTL_EXIT_OK;
    }
    if (is_help(argv[next]))
        return help_command(argc - next - 1, argv + next + 1);
    return find_and_run(hooks, socket, argc - next, argv + next);
}
