/*
 * farboot session list.
 */
#include "ctl/ask.h"

#include "base/text.h"
#include "ctl/table.h"

enum { CELL_SIZE = 64 };

static const char *format_us(char *to, size_t to_size, uint64_t us)
{
    if (us < 1000)
        snprintf(to, to_size, "%llu us", (unsigned long long)us);
    else if (us < 1000000)
        snprintf(to, to_size, "%llu ms", (unsigned long long)us / 1000);
    else
        snprintf(to, to_size, "%llu s", (unsigned long long)us / 1000000);
    return to;
}

/* "64 us / 1 ms": what half of them, and nearly all, stayed below. */
static void add_latency(struct table *table, const json_t *session, const char *kind)
{
    const json_t *counted = json_object_get(json_object_get(session, "commands"), kind);
    char cell[CELL_SIZE] = "-", half[24], most[24];

    if (json_member_u64(counted, "count"))
        snprintf(cell, sizeof(cell), "%s / %s",
                 format_us(half, sizeof(half), json_member_u64(counted, "p50_us")),
                 format_us(most, sizeof(most), json_member_u64(counted, "p99_us")));
    table_cell(table, cell);
}

static void add_row(struct table *table, const json_t *session)
{
    char cell[CELL_SIZE];
    const char *machine = json_member_text(session, "machine");

    table_cell(table, *machine ? machine : "-");
    table_cell(table, json_member_text(session, "address"));
    snprintf(cell, sizeof(cell), "%llu",
             (unsigned long long)json_member_u64(session, "operations_per_second"));
    table_cell(table, cell);
    snprintf(cell, sizeof(cell), "%llu / %llu", (unsigned long long)json_member_u64(session, "queue_depth"),
             (unsigned long long)json_member_u64(session, "queue_depth_max"));
    table_cell(table, cell);
    table_cell(table, format_size(cell, sizeof(cell), json_member_u64(session, "read_bytes")));
    table_cell(table, format_size(cell, sizeof(cell), json_member_u64(session, "written_bytes")));
    add_latency(table, session, "read");
    add_latency(table, session, "write");
}

static void print_list(const json_t *reply)
{
    static const char *const titles[] = {"MACHINE", "ADDRESS", "IO/S",   "QUEUE", "READ",
                                         "WRITTEN", "READS",   "WRITES", NULL};
    CLEANUP(cleanup_table) struct table *table = table_new(titles);
    const json_t *sessions = json_object_get(reply, "sessions"), *session;
    size_t i;

    json_array_foreach(sessions, i, session) add_row(table, session);
    table_print(table, stdout);
    if (json_array_size(sessions) == 0)
        fprintf(stderr, "nobody is logged in to a disk\n");
}

int session_list_command(const struct arguments *arguments)
{
    return ask_and_tell(arguments, "GET", "/v1/sessions", NULL, print_list);
}
