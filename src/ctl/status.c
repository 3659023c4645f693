/*
 * farboot status.
 */
#include "ctl/ask.h"

#include "base/text.h"
#include "ctl/table.h"

#include <time.h>

static void print_daemon(const json_t *status)
{
    const json_t *interfaces = json_object_get(status, "interfaces"), *interface;
    char uptime[32];
    size_t i;

    printf("farboot %s, up %s, DHCP %s", json_member_text(status, "version"),
           format_duration(uptime, sizeof(uptime), json_member_u64(status, "uptime_seconds")),
           json_member_text(status, "dhcp_mode"));
    json_array_foreach(interfaces, i, interface)
        printf("%s %s %s", i == 0 ? " on" : ",", json_member_text(interface, "name"),
               json_member_text(interface, "address"));
    fputc('\n', stdout);
}

static void print_store(const json_t *status)
{
    const json_t *store = json_object_get(status, "store");
    char free_space[16], total[16], used[16];

    if (!store)
        return;
    printf("store %s: %s used, %s of %s free\n", json_member_text(store, "path"),
           format_size(used, sizeof(used), json_member_u64(store, "used_bytes")),
           format_size(free_space, sizeof(free_space), json_member_u64(store, "free_bytes")),
           format_size(total, sizeof(total), json_member_u64(store, "total_bytes")));
}

static void print_dhcp_servers(const json_t *status)
{
    const json_t *servers = json_object_get(status, "dhcp_servers"), *server;
    uint64_t now_seconds = (uint64_t)time(NULL);
    char ago[40];
    size_t i;

    json_array_foreach(servers, i, server)
        printf("another DHCP server answers: %s on %s, heard %s\n", json_member_text(server, "address"),
               json_member_text(server, "interface"),
               format_ago(ago, sizeof(ago), now_seconds, json_member_u64(server, "last_seen")));
}

static void print_warnings(const json_t *status)
{
    const json_t *warnings = json_object_get(status, "warnings"), *warning;
    size_t i;

    json_array_foreach(warnings, i, warning) {
        printf("%swarning:%s ", colour_begin(stdout, COLOUR_YELLOW), colour_end(stdout));
        print_wrapped(stdout, json_string_value(warning), 9, 9);
    }
}

/* ---- machines ---- */

static enum colour stage_colour(const json_t *machine)
{
    if (*json_member_text(machine, "diagnosis"))
        return COLOUR_YELLOW;
    return string_equal(json_member_text(machine, "stage"), "up") ? COLOUR_GREEN : COLOUR_NONE;
}

static void add_row(struct table *table, const json_t *machine, uint64_t now_seconds)
{
    const char *stage = json_member_text(machine, "stage"), *address = json_member_text(machine, "present_address");
    uint64_t last_seconds = json_member_u64(machine, "last_ms") / 1000;
    char ago[40];

    table_cell(table, json_member_text(machine, "name"));
    table_cell_coloured(table, stage_colour(machine), *stage ? stage : "-");
    table_cell(table, *address ? address : "-");
    table_cell(table, last_seconds ? format_ago(ago, sizeof(ago), now_seconds, last_seconds) : "-");
    table_cell(table, last_seconds ? json_member_text(machine, "last") : "not seen since farboot started");
}

static void print_diagnosis(const json_t *machine)
{
    const char *diagnosis = json_member_text(machine, "diagnosis"), *name = json_member_text(machine, "name");

    if (!*diagnosis)
        return;
    printf("%s%s:%s ", colour_begin(stdout, COLOUR_YELLOW), name, colour_end(stdout));
    print_wrapped(stdout, diagnosis, (unsigned)strlen(name) + 2, 4);
}

static void print_machines(const json_t *status)
{
    static const char *const titles[] = {"MACHINE", "STAGE", "ADDRESS", "SEEN", "LAST", NULL};
    CLEANUP(cleanup_table) struct table *table = table_new(titles);
    const json_t *machines = json_object_get(status, "machines"), *machine;
    size_t i;

    json_array_foreach(machines, i, machine)
        add_row(table, machine, (uint64_t)time(NULL));
    if (json_array_size(machines) > 0)
        fputc('\n', stdout);
    table_print(table, stdout);
    json_array_foreach(machines, i, machine)
        print_diagnosis(machine);
}

/* Whoever asked for an address and is no machine yet, with the command that makes it one. */
static void print_unknown(const json_t *status)
{
    const json_t *unknown = json_object_get(status, "unknown"), *stranger;
    uint64_t now_seconds = (uint64_t)time(NULL);
    char ago[40];
    size_t i;

    if (json_array_size(unknown) > 0)
        printf("\nseen, but no machine (farboot machine add NAME MAC --image IMAGE):\n");
    json_array_foreach(unknown, i, stranger) {
        printf("  %s  %s  ", json_member_text(stranger, "mac"),
               format_ago(ago, sizeof(ago), now_seconds, json_member_u64(stranger, "last_ms") / 1000));
        print_wrapped(stdout, json_member_text(stranger, "last"), 23 + (unsigned)strlen(ago), 23);
    }
}

static void print_status(const json_t *status)
{
    print_daemon(status);
    print_store(status);
    print_dhcp_servers(status);
    print_warnings(status);
    print_machines(status);
    print_unknown(status);
}

int status_command(const struct arguments *arguments)
{
    return ask_and_tell(arguments, "GET", "/v1/status", NULL, print_status);
}
