/*
 * farboot snapshot create, list, remove, rename; farboot rollback; farboot machine reset.
 */
#include "ctl/command.h"

#include "base/text.h"
#include "ctl/client.h"
#include "ctl/table.h"

#include <time.h>

/* What MACHINE@NAME names, as paths of the API. */
struct place {
    char machine[CLIENT_PATH_SIZE];  /* "/v1/machines/MACHINE" */
    char snapshot[CLIENT_PATH_SIZE]; /* that with "/snapshots/NAME" */
    const char *name;
};

static bool read_place(const char *given, struct place *place)
{
    CLEANUP_FREE char *machine = xstrdup(given);
    char *at = strchr(machine, '@');

    if (!at || !is_valid_name(at + 1)) {
        fputs("farboot: ", stderr);
        print_safe(stderr, given);
        fprintf(stderr, ": not a snapshot of a machine, which looks like pi-01@before-upgrade\n");
        return false;
    }
    *at = '\0';
    place->name = strchr(given, '@') + 1;
    if (!client_path(place->machine, "machines", machine))
        return false;
    int length = snprintf(place->snapshot, sizeof(place->snapshot), "%s/snapshots/%s", place->machine, place->name);
    return length < (int)sizeof(place->snapshot);
}

/* Asks; what came back is of interest to nobody but `reply`, which may be NULL. */
static int ask(const struct arguments *arguments, const char *method, const char *path, json_t *body, json_t **reply)
{
    json_t *ignored = NULL;
    int status = client_ask(arguments->socket, method, path, body, reply ? reply : &ignored);

    json_decref(ignored);
    json_decref(body);
    return status;
}

/* ---- create, remove, rename ---- */

int snapshot_create_command(const struct arguments *arguments)
{
    const char *comment = arguments_value(arguments, "--comment");
    char path[CLIENT_PATH_SIZE + sizeof("/snapshots")];
    struct place place;

    if (!read_place(arguments->operands[0], &place))
        return CTL_EXIT_USAGE;
    snprintf(path, sizeof(path), "%s/snapshots", place.machine);
    json_t *body = json_pack("{s:s, s:s}", "name", place.name, "comment", comment ? comment : "");
    if (!body) {
        fprintf(stderr, "farboot: --comment: not UTF-8\n");
        return CTL_EXIT_USAGE;
    }
    int status = ask(arguments, "POST", path, body, NULL);
    if (status == CTL_EXIT_OK)
        printf("%s: made\n", arguments->operands[0]);
    return status;
}

int snapshot_remove_command(const struct arguments *arguments)
{
    struct place place;

    if (!read_place(arguments->operands[0], &place))
        return CTL_EXIT_USAGE;
    int status = ask(arguments, "DELETE", place.snapshot, NULL, NULL);
    if (status == CTL_EXIT_OK)
        printf("%s: removed\n", arguments->operands[0]);
    return status;
}

int snapshot_rename_command(const struct arguments *arguments)
{
    const char *name = arguments->operands[1];
    struct place place;

    if (!read_place(arguments->operands[0], &place))
        return CTL_EXIT_USAGE;
    if (!is_valid_name(name)) {
        fputs("farboot: ", stderr);
        print_safe(stderr, name);
        fprintf(stderr, ": not a name for a snapshot: letters, digits, '-', '_' and '.'\n");
        return CTL_EXIT_USAGE;
    }
    int status = ask(arguments, "PATCH", place.snapshot, json_pack("{s:s}", "name", name), NULL);
    if (status == CTL_EXIT_OK)
        printf("%s: is called %s now\n", arguments->operands[0], name);
    return status;
}

/* ---- list ---- */

static void name_cell(struct table *table, const json_t *names)
{
    CLEANUP_TEXT struct text line = text_with_max(TABLE_CELL_SIZE - 1);
    const json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
        text_appendf(&line, "%s%s", i ? ", " : "", json_string_value(name));
    table_cell(table, text_string(&line));
}

static void date_cell(struct table *table, uint64_t seconds)
{
    time_t moment = (time_t)seconds;
    char date[20];
    struct tm local;

    localtime_r(&moment, &local);
    strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &local);
    table_cell(table, date);
}

static void print_list(const json_t *reply)
{
    static const char *const titles[] = {"NAME", "MADE", "SIZE", "NEEDED BY", "COMMENT", NULL};
    CLEANUP(cleanup_table) struct table *table = table_new(titles);
    const json_t *list = json_object_get(reply, "snapshots"), *snapshot;
    char size[16];
    size_t i;

    json_array_foreach(list, i, snapshot) {
        table_cell(table, json_member_text(snapshot, "name"));
        date_cell(table, json_member_u64(snapshot, "created"));
        table_cell(table, format_size(size, sizeof(size), json_member_u64(snapshot, "own_bytes")));
        name_cell(table, json_object_get(snapshot, "dependents"));
        table_cell(table, json_member_text(snapshot, "comment"));
    }
    table_print(table, stdout);
    if (json_array_size(list) == 0)
        fprintf(stderr, "no snapshots; make one: farboot snapshot create MACHINE@NAME\n");
}

int snapshot_list_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE], list_path[CLIENT_PATH_SIZE + sizeof("/snapshots")];
    json_t *reply;

    if (!client_path(path, "machines", arguments->operands[0]))
        return CTL_EXIT_USAGE;
    snprintf(list_path, sizeof(list_path), "%s/snapshots", path);
    int status = ask(arguments, "GET", list_path, NULL, &reply);
    if (status != CTL_EXIT_OK)
        return status;
    if (arguments_value(arguments, "--json"))
        print_json(reply, false);
    else
        print_list(reply);
    json_decref(reply);
    return CTL_EXIT_OK;
}

/* ---- rollback ---- */

static void tell_disks(const json_t *reply, const char *key, const char *sentence)
{
    const json_t *list = json_object_get(reply, key), *name;
    size_t i;

    json_array_foreach(list, i, name)
        printf("  disk %s %s\n", json_string_value(name), sentence);
}

static void tell_rollback(const json_t *reply)
{
    const char *machine = json_member_text(reply, "machine");

    printf("%s: rolled back to %s; what was before: %s@%s\n", machine, json_member_text(reply, "snapshot"), machine,
           json_member_text(reply, "kept"));
    tell_disks(reply, "untouched_disks", "came after that snapshot and stays as it is");
    tell_disks(reply, "gone_disks", "was removed since and does not come back");
    if (json_is_true(json_object_get(reply, "folder_kept")))
        printf("  its boot folder stays as it was: snapshots are of disks only\n");
}

int rollback_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE + sizeof("/rollback")];
    bool force = arguments_value(arguments, "--force");
    struct place place;
    json_t *reply;

    if (!read_place(arguments->operands[0], &place))
        return CTL_EXIT_USAGE;
    snprintf(path, sizeof(path), "%s/rollback", place.machine);
    int status =
        ask(arguments, "POST", path, json_pack("{s:s, s:b}", "snapshot", place.name, "force", (int)force), &reply);
    if (status != CTL_EXIT_OK)
        return status;
    if (arguments_value(arguments, "--json"))
        print_json(reply, false);
    else
        tell_rollback(reply);
    json_decref(reply);
    return CTL_EXIT_OK;
}

/* ---- reset ---- */

static void print_reset(const json_t *reply)
{
    const char *machine = json_member_text(reply, "machine"), *kept = json_member_text(reply, "kept");

    printf("%s: begins at %s", machine, json_member_text(reply, "began"));
    if (*kept)
        printf("; what was before: %s@%s", machine, kept);
    putchar('\n');
}

int machine_reset_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE], reset_path[CLIENT_PATH_SIZE + sizeof("/reset")];
    json_t *reply;

    if (!client_path(path, "machines", arguments->operands[0]))
        return CTL_EXIT_USAGE;
    snprintf(reset_path, sizeof(reset_path), "%s/reset", path);
    json_t *body = json_pack("{s:s*, s:b, s:b}", "to", arguments_value(arguments, "--to"), "drop",
                             arguments_value(arguments, "--drop") != NULL, "force",
                             arguments_value(arguments, "--force") != NULL);
    int status = ask(arguments, "POST", reset_path, body, &reply);
    if (status != CTL_EXIT_OK)
        return status;
    if (arguments_value(arguments, "--json"))
        print_json(reply, false);
    else
        print_reset(reply);
    json_decref(reply);
    return CTL_EXIT_OK;
}
