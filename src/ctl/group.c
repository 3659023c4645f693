/*
 * farboot group add, list, show, set, remove; farboot defaults show, set.
 */
#include "base/text.h"
#include "ctl/ask.h"
#include "ctl/client.h"
#include "ctl/setting.h"
#include "ctl/table.h"

enum { MEMBERS_MAX_BYTES = TABLE_CELL_SIZE };

static int nothing_to_change(const char *what)
{
    fprintf(stderr, "farboot: %s: nothing to change: say what, for example --cmdline-add quiet\n", what);
    return CTL_EXIT_USAGE;
}

/* ---- add, set, remove ---- */

static void tell_added(const json_t *group)
{
    printf("%s: added\n", json_member_text(group, "name"));
}

int group_add_command(const struct arguments *arguments)
{
    json_t *body = json_object();
    int status = CTL_EXIT_USAGE;

    json_object_set_new(body, "name", json_string(arguments->operands[0]));
    if (setting_options(arguments, body))
        status = ask_and_tell(arguments, "POST", "/v1/groups", body, tell_added);
    json_decref(body);
    return status;
}

static void tell_changed(const json_t *group)
{
    printf("%s: changed\n", json_member_text(group, "name"));
}

int group_set_command(const struct arguments *arguments)
{
    const char *name = arguments_value(arguments, "--name");
    char path[CLIENT_PATH_SIZE];
    json_t *body = json_object();
    int status = CTL_EXIT_USAGE;

    if (name)
        json_object_set_new(body, "name", json_string(name));
    if (client_path(path, "groups", arguments->operands[0]) && setting_options(arguments, body))
        status = json_object_size(body) > 0 ? ask_and_tell(arguments, "PATCH", path, body, tell_changed)
                                            : nothing_to_change(arguments->operands[0]);
    json_decref(body);
    return status;
}

int group_remove_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE];
    json_t *reply;

    if (!client_path(path, "groups", arguments->operands[0]))
        return CTL_EXIT_USAGE;
    int status = client_ask(arguments->socket, "DELETE", path, NULL, &reply);
    if (status == CTL_EXIT_OK)
        printf("%s: removed\n", arguments->operands[0]);
    json_decref(reply);
    return status;
}

/* ---- list, show ---- */

static void append_members(struct text *to, const json_t *group)
{
    const json_t *names = json_object_get(group, "machines"), *name;
    size_t i;

    json_array_foreach(names, i, name)
        text_appendf(to, "%s%s", i ? ", " : "", json_string_value(name));
    if (json_array_size(names) == 0)
        text_append(to, "-");
}

static void print_list(const json_t *reply)
{
    static const char *const titles[] = {"NAME", "COUNT", "MACHINES", NULL};
    CLEANUP(cleanup_table) struct table *table = table_new(titles);
    const json_t *groups = json_object_get(reply, "groups"), *group;
    char number[24];
    size_t i;

    json_array_foreach(groups, i, group) {
        CLEANUP_TEXT struct text members = text_with_max(MEMBERS_MAX_BYTES);
        append_members(&members, group);
        snprintf(number, sizeof(number), "%zu", json_array_size(json_object_get(group, "machines")));
        table_cell(table, json_member_text(group, "name"));
        table_cell(table, number);
        table_cell(table, text_string(&members));
    }
    table_print(table, stdout);
    if (json_array_size(groups) == 0)
        fprintf(stderr, "no groups yet; add one: farboot group add NAME\n");
}

int group_list_command(const struct arguments *arguments)
{
    return ask_and_tell(arguments, "GET", "/v1/groups", NULL, print_list);
}

static void print_group(const json_t *group)
{
    CLEANUP_TEXT struct text members = text_with_max(CLIENT_ANSWER_MAX_BYTES);

    append_members(&members, group);
    print_safe(stdout, json_member_text(group, "name"));
    printf("\n  machines     ");
    print_wrapped(stdout, text_string(&members), 15, 15);
    print_settings(group, true);
}

int group_show_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE];

    if (!client_path(path, "groups", arguments->operands[0]))
        return CTL_EXIT_USAGE;
    return ask_and_tell(arguments, "GET", path, NULL, print_group);
}

/* ---- the defaults ---- */

static void print_defaults(const json_t *reply)
{
    print_settings(reply, true);
}

int defaults_show_command(const struct arguments *arguments)
{
    return ask_and_tell(arguments, "GET", "/v1/defaults", NULL, print_defaults);
}

static void tell_defaults_changed(const json_t *reply)
{
    printf("defaults: changed\n");
}

int defaults_set_command(const struct arguments *arguments)
{
    json_t *body = json_object();
    int status = CTL_EXIT_USAGE;

    if (setting_options(arguments, body))
        status = json_object_size(body) > 0
                     ? ask_and_tell(arguments, "PATCH", "/v1/defaults", body, tell_defaults_changed)
                     : nothing_to_change("defaults");
    json_decref(body);
    return status;
}
