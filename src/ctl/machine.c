/*
 * farboot machine add, list, show, set, remove.
 */
#include "ctl/machine.h"

#include "base/text.h"
#include "ctl/ask.h"
#include "ctl/client.h"
#include "ctl/setting.h"
#include "ctl/table.h"

#include <time.h>

/* ---- what add and set have in common ---- */

enum value_kind { VALUE_TEXT, VALUE_TEXT_OR_NULL, VALUE_SIZE };

static const struct {
    const char *option;
    const char *key;
    enum value_kind kind;
} options[] = {
    {"--name", "name", VALUE_TEXT},
    {"--mac", "mac", VALUE_TEXT},
    {"--image", "image", VALUE_TEXT},
    {"--size", "size_bytes", VALUE_SIZE},
    {"--address", "address", VALUE_TEXT_OR_NULL},
    {"--serial", "serial", VALUE_TEXT_OR_NULL},
    {"--group", "group", VALUE_TEXT_OR_NULL},
};

static bool has_option(const struct arguments *arguments, const char *name)
{
    const struct command_option *known = arguments->command->options;

    for (size_t i = 0; i < COMMAND_OPTIONS_MAX && known[i].name; i++) {
        if (string_equal(known[i].name, name))
            return true;
    }
    return false;
}

static json_t *read_value(const char *option, enum value_kind kind, const char *given)
{
    uint64_t size_bytes;

    switch (kind) {
    case VALUE_SIZE:
        if (parse_size(given, &size_bytes) && size_bytes > 0 && size_bytes <= INT64_MAX)
            return json_integer((json_int_t)size_bytes);
        fprintf(stderr, "farboot: %s ", option);
        print_safe(stderr, given);
        fprintf(stderr, ": not a size; it looks like 64G or 512M\n");
        return NULL;
    case VALUE_TEXT_OR_NULL:
        if (*given == '\0')
            return json_null();
        break;
    case VALUE_TEXT:
        break;
    }
    json_t *value = json_string(given);
    if (!value)
        fprintf(stderr, "farboot: %s: not UTF-8\n", option);
    return value;
}

/* Puts the options that were given into `body`. */
static bool read_options(const struct arguments *arguments, json_t *body)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const char *given =
            has_option(arguments, options[i].option) ? arguments_value(arguments, options[i].option) : NULL;
        if (!given)
            continue;
        json_t *value = read_value(options[i].option, options[i].kind, given);
        if (!value)
            return false;
        json_object_set_new(body, options[i].key, value);
    }
    return setting_options(arguments, body);
}

/* ---- add ---- */

static void tell_added(const json_t *machine)
{
    char size[16];

    printf("%s: disk of %s from %s\n", json_member_text(machine, "name"),
           format_size(size, sizeof(size), json_member_u64(machine, "size_bytes")), json_member_text(machine, "image"));
}

int machine_add_as(const struct arguments *arguments, const char *name, const char *mac, const char *serial)
{
    json_t *body = json_object();
    int status = CTL_EXIT_USAGE;

    json_object_set_new(body, "name", json_string(name));
    json_object_set_new(body, "mac", json_string(mac));
    if (*serial)
        json_object_set_new(body, "serial", json_string(serial));
    if (read_options(arguments, body))
        status = ask_and_tell(arguments, "POST", "/v1/machines", body, tell_added);
    json_decref(body);
    return status;
}

int machine_add_command(const struct arguments *arguments)
{
    return machine_add_as(arguments, arguments->operands[0], arguments->operands[1], "");
}

/* ---- set ---- */

static void tell_changed(const json_t *machine)
{
    printf("%s: changed\n", json_member_text(machine, "name"));
}

int machine_set_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE];
    json_t *body = json_object();
    int status = CTL_EXIT_USAGE;

    if (arguments_value(arguments, "--discard-folder"))
        json_object_set_new(body, "discard_folder", json_true());
    if (client_path(path, "machines", arguments->operands[0]) && read_options(arguments, body)) {
        if (json_object_size(body) > 0)
            status = ask_and_tell(arguments, "PATCH", path, body, tell_changed);
        else
            fprintf(stderr, "farboot: %s: nothing to change: say what, for example --address 192.168.20.31\n",
                    arguments->operands[0]);
    }
    json_decref(body);
    return status;
}

/* ---- remove ---- */

int machine_remove_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE];
    json_t *reply;

    if (!client_path(path, "machines", arguments->operands[0]))
        return CTL_EXIT_USAGE;
    int status = client_ask(arguments->socket, "DELETE", path, NULL, &reply);
    if (status == CTL_EXIT_OK)
        printf("%s: removed\n", arguments->operands[0]);
    json_decref(reply);
    return status;
}

/* ---- list ---- */

static const char *where(const json_t *machine)
{
    const char *present = json_member_text(machine, "present_address");

    return *present ? present : json_member_text(machine, "address");
}

static void add_row(struct table *table, const json_t *machine)
{
    char size[16];

    table_cell(table, json_member_text(machine, "name"));
    table_cell(table, json_member_text(machine, "mac"));
    table_cell(table, or_dash(where(machine)));
    table_cell(table, or_dash(json_member_text(machine, "stage")));
    table_cell(table, format_size(size, sizeof(size), json_member_u64(machine, "size_bytes")));
    table_cell(table, json_member_text(machine, "image"));
}

static void print_list(const json_t *reply)
{
    static const char *const titles[] = {"NAME", "MAC", "ADDRESS", "STAGE", "DISK", "IMAGE", NULL};
    CLEANUP(cleanup_table) struct table *table = table_new(titles);
    const json_t *machines = json_object_get(reply, "machines"), *machine;
    size_t i;

    json_array_foreach(machines, i, machine)
        add_row(table, machine);
    table_print(table, stdout);
    if (json_array_size(machines) == 0)
        fprintf(stderr, "no machines yet; add one: farboot machine add NAME MAC --image IMAGE\n");
}

int machine_list_command(const struct arguments *arguments)
{
    return ask_and_tell(arguments, "GET", "/v1/machines", NULL, print_list);
}

/* ---- show ---- */

static void print_line(const char *title, const char *text)
{
    if (!*text)
        return;
    printf("  %-12s ", title);
    print_wrapped(stdout, text, 15, 15);
}

static void print_disk(const json_t *machine)
{
    char size[16], own[16], shared[16], line[128];

    snprintf(line, sizeof(line), "%s; %s its own, %s shared with its image",
             format_size(size, sizeof(size), json_member_u64(machine, "size_bytes")),
             format_size(own, sizeof(own), json_member_u64(machine, "own_bytes")),
             format_size(shared, sizeof(shared), json_member_u64(machine, "shared_bytes")));
    print_line("disk", line);
}

static void print_further_disks(const json_t *machine)
{
    const json_t *list = json_object_get(machine, "disks"), *disk;
    char size[16], line[256];
    size_t i;

    json_array_foreach(list, i, disk) {
        const char *image = json_member_text(disk, "image");
        snprintf(line, sizeof(line), "LUN %llu %s, %s%s%s%s%s", (unsigned long long)json_member_u64(disk, "lun"),
                 json_member_text(disk, "name"), format_size(size, sizeof(size), json_member_u64(disk, "size_bytes")),
                 *image ? " from " : "", image, json_is_true(json_object_get(disk, "shared")) ? ", shared" : "",
                 json_is_true(json_object_get(disk, "read_only")) ? ", read-only" : "");
        print_line(i == 0 ? "more disks" : "", line);
    }
}

static void print_stages(const json_t *machine)
{
    CLEANUP_TEXT struct text line = text_with_max(512);
    json_t *stages = json_object_get(machine, "stages");
    const char *stage;
    json_t *at_ms;

    /* The API gives them in the order in which a boot passes them. */
    json_object_foreach(stages, stage, at_ms)
        text_appendf(&line, "%s%s %.1f s", line.length_bytes ? ", " : "", stage,
                     (double)json_integer_value(at_ms) / 1000);
    print_line("boot", text_string(&line));
}

static void print_snapshots(const json_t *machine)
{
    const json_t *list = json_object_get(machine, "snapshots"), *snapshot;
    uint64_t now_seconds = (uint64_t)time(NULL);
    char line[160], ago[40];
    size_t i;

    json_array_foreach(list, i, snapshot) {
        snprintf(line, sizeof(line), "%s, %s", json_member_text(snapshot, "name"),
                 format_ago(ago, sizeof(ago), now_seconds, json_member_u64(snapshot, "created")));
        print_line(i == 0 ? "snapshots" : "", line);
    }
}

static void print_users(const json_t *machine)
{
    const json_t *list = json_object_get(machine, "in_use_by"), *address;
    size_t i;

    json_array_foreach(list, i, address)
        print_line(i == 0 ? "in use by" : "", json_string_value(address));
}

static void print_machine(const json_t *machine)
{
    print_safe(stdout, json_member_text(machine, "name"));
    fputc('\n', stdout);
    print_line("MAC", json_member_text(machine, "mac"));
    print_line("serial", json_member_text(machine, "serial"));
    print_line("reserved", json_member_text(machine, "address"));
    print_line("now at", json_member_text(machine, "present_address"));
    print_line("group", json_member_text(machine, "group"));
    print_line("image", json_member_text(machine, "image"));
    print_disk(machine);
    print_further_disks(machine);
    print_snapshots(machine);
    print_line("target", json_member_text(machine, "target"));
    print_line("initiator", json_member_text(machine, "initiator"));
    print_line("CHAP", json_member_text(machine, "chap"));
    print_users(machine);
    print_line("stage", or_dash(json_member_text(machine, "stage")));
    print_stages(machine);
    print_line("last", json_member_text(machine, "last"));
    print_line("stuck", json_member_text(machine, "diagnosis"));
    print_settings(machine, false);
}

static void print_user_data(const json_t *files)
{
    fputs(json_member_text(files, "user-data"), stdout);
}

int machine_show_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE], files_path[CLIENT_PATH_SIZE + sizeof("/cloud-init")];

    if (!client_path(path, "machines", arguments->operands[0]))
        return CTL_EXIT_USAGE;
    snprintf(files_path, sizeof(files_path), "%s/cloud-init", path);
    if (arguments_value(arguments, "--user-data"))
        return ask_and_tell(arguments, "GET", files_path, NULL, print_user_data);
    return ask_and_tell(arguments, "GET", path, NULL, print_machine);
}
