/*
 * farboot disk add, list, set, remove.
 */
#include "ctl/ask.h"

#include "base/text.h"
#include "ctl/client.h"
#include "ctl/table.h"

/* "/v1/machines/MACHINE/disks", and with "/NAME" behind it when `name` is not NULL. False if it is none. */
static bool disk_path(char path[CLIENT_PATH_SIZE], const char *machine, const char *name)
{
    char machine_path[CLIENT_PATH_SIZE];

    if (name && !is_valid_name(name)) {
        fputs("farboot: ", stderr);
        print_safe(stderr, name);
        fprintf(stderr, ": not a name for a disk: letters, digits, '-', '_' and '.'\n");
        return false;
    }
    if (!client_path(machine_path, "machines", machine))
        return false;
    int length =
        snprintf(path, CLIENT_PATH_SIZE, "%s/disks%s%s", machine_path, name ? "/" : "", name ? name : "");
    return length < CLIENT_PATH_SIZE;
}

static bool put_number(json_t *body, const char *key, const char *option, const char *given,
                       bool (*parse)(const char *text, uint64_t *value), const char *expected)
{
    uint64_t value;

    if (!given)
        return true;
    if (!parse(given, &value) || value == 0 || value > INT64_MAX) {
        fprintf(stderr, "farboot: %s ", option);
        print_safe(stderr, given);
        fprintf(stderr, ": %s\n", expected);
        return false;
    }
    json_object_set_new(body, key, json_integer((json_int_t)value));
    return true;
}

static bool parse_lun(const char *text, uint64_t *value)
{
    return parse_u64(text, 7, value);
}

static bool put_size(const struct arguments *arguments, json_t *body)
{
    return put_number(body, "size_bytes", "--size", arguments_value(arguments, "--size"), parse_size,
                      "not a size; it looks like 64G or 512M");
}

static bool put_text(json_t *body, const char *key, const char *option, const char *given)
{
    json_t *value = given ? json_string(given) : NULL;

    if (given && !value)
        fprintf(stderr, "farboot: %s: not UTF-8\n", option);
    if (value)
        json_object_set_new(body, key, value);
    return !given || value;
}

static bool is_contradiction(const struct arguments *arguments)
{
    bool both = arguments_value(arguments, "--read-only") && arguments_value(arguments, "--writable");

    if (both)
        fprintf(stderr, "farboot: --read-only and --writable contradict each other\n");
    return both;
}

/* ---- add and set ---- */

static const char *access_word(const json_t *disk)
{
    if (json_is_true(json_object_get(disk, "shared")))
        return "shared, read-only";
    return json_is_true(json_object_get(disk, "read_only")) ? "read-only" : "writable";
}

static void tell_disk(const json_t *disk)
{
    const char *image = json_member_text(disk, "image");
    char size[16];

    printf("%s: LUN %llu is %s, %s%s%s, %s\n", json_member_text(disk, "machine"),
           (unsigned long long)json_member_u64(disk, "lun"), json_member_text(disk, "name"),
           format_size(size, sizeof(size), json_member_u64(disk, "size_bytes")), *image ? " from " : "",
           image, access_word(disk));
}

int disk_add_command(const struct arguments *arguments)
{
    bool writable = arguments_value(arguments, "--writable");
    bool read_only = arguments_value(arguments, "--read-only");
    char path[CLIENT_PATH_SIZE];
    json_t *body = json_pack("{s:b, s:b}", "writable", (int)writable, "read_only", (int)read_only);
    int status = CTL_EXIT_USAGE;

    if (!is_contradiction(arguments) && disk_path(path, arguments->operands[0], NULL) &&
        put_text(body, "name", "NAME", arguments->operands[1]) &&
        put_text(body, "image", "--image", arguments_value(arguments, "--image")) &&
        put_size(arguments, body) &&
        put_number(body, "lun", "--lun", arguments_value(arguments, "--lun"), parse_lun,
                   "not a number from 1 to 7"))
        status = ask_and_tell(arguments, "POST", path, body, tell_disk);
    json_decref(body);
    return status;
}

int disk_set_command(const struct arguments *arguments)
{
    bool writable = arguments_value(arguments, "--writable");
    bool read_only = arguments_value(arguments, "--read-only");
    char path[CLIENT_PATH_SIZE];
    json_t *body = json_object();
    int status = CTL_EXIT_USAGE;

    if (writable || read_only)
        json_object_set_new(body, "read_only", json_boolean(read_only));
    if (!is_contradiction(arguments) && disk_path(path, arguments->operands[0], arguments->operands[1]) &&
        put_text(body, "name", "--name", arguments_value(arguments, "--name")) && put_size(arguments, body)) {
        if (json_object_size(body) > 0)
            status = ask_and_tell(arguments, "PATCH", path, body, tell_disk);
        else
            fprintf(stderr, "farboot: %s: nothing to change: say what, for example --size 40G\n",
                    arguments->operands[1]);
    }
    json_decref(body);
    return status;
}

/* ---- list ---- */

static void print_list(const json_t *reply)
{
    static const char *const titles[] = {"MACHINE", "LUN", "NAME", "SIZE", "ACCESS", "IMAGE", NULL};
    CLEANUP(cleanup_table) struct table *table = table_new(titles);
    const json_t *list = json_object_get(reply, "disks"), *disk;
    char size[16], lun[4];
    size_t i;

    json_array_foreach(list, i, disk)
    {
        snprintf(lun, sizeof(lun), "%u", (unsigned)json_member_u64(disk, "lun") % 100);
        table_cell(table, json_member_text(disk, "machine"));
        table_cell(table, lun);
        table_cell(table, json_member_text(disk, "name"));
        table_cell(table, format_size(size, sizeof(size), json_member_u64(disk, "size_bytes")));
        table_cell(table, access_word(disk));
        table_cell(table, or_dash(json_member_text(disk, "image")));
    }
    table_print(table, stdout);
    if (json_array_size(list) == 0)
        fprintf(stderr, "no disks beside those that machines boot from; add one: farboot disk add MACHINE "
                        "NAME --size SIZE\n");
}

int disk_list_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE] = "/v1/disks";

    if (arguments->operands[0] && !disk_path(path, arguments->operands[0], NULL))
        return CTL_EXIT_USAGE;
    return ask_and_tell(arguments, "GET", path, NULL, print_list);
}

/* ---- remove ---- */

int disk_remove_command(const struct arguments *arguments)
{
    const char *machine = arguments->operands[0], *name = arguments->operands[1];
    char path[CLIENT_PATH_SIZE], forced_path[CLIENT_PATH_SIZE + sizeof("?force=1")];
    json_t *reply;

    if (!disk_path(path, machine, name))
        return CTL_EXIT_USAGE;
    snprintf(forced_path, sizeof(forced_path), "%s%s", path,
             arguments_value(arguments, "--force") ? "?force=1" : "");
    int status = client_ask(arguments->socket, "DELETE", forced_path, NULL, &reply);
    if (status == CTL_EXIT_OK)
        printf("%s: disk %s removed\n", machine, name);
    json_decref(reply);
    return status;
}
