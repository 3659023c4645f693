/*
 * farboot machine discovered, adopt, replace: how a board that only asked to boot becomes a machine.
 */
#include "ctl/machine.h"

#include "base/mac.h"
#include "base/text.h"
#include "ctl/ask.h"
#include "ctl/client.h"
#include "ctl/table.h"

#include <time.h>

enum { POLL_MS = 500 };

/* ---- discovered ---- */

static void print_discovered(const json_t *reply)
{
    static const char *const titles[] = {"MAC", "MODEL", "SERIAL", "ON", "FIRST SEEN", "LAST SEEN", NULL};
    CLEANUP(cleanup_table) struct table *table = table_new(titles);
    const json_t *list = json_object_get(reply, "discovered"), *seen;
    uint64_t now_seconds = (uint64_t)time(NULL);
    char ago[40];
    size_t i;

    json_array_foreach(list, i, seen) {
        table_cell(table, json_member_text(seen, "mac"));
        table_cell(table, json_member_text(seen, "model"));
        table_cell(table, or_dash(json_member_text(seen, "serial")));
        table_cell(table, json_member_text(seen, "interface"));
        table_cell(table, format_ago(ago, sizeof(ago), now_seconds, json_member_u64(seen, "first_seen_ms") / 1000));
        table_cell(table, format_ago(ago, sizeof(ago), now_seconds, json_member_u64(seen, "last_seen_ms") / 1000));
    }
    table_print(table, stdout);
    if (json_array_size(list) == 0)
        fprintf(stderr, "nobody unknown has asked to boot since farboot started\n");
}

int machine_discovered_command(const struct arguments *arguments)
{
    return ask_and_tell(arguments, "GET", "/v1/discovered", NULL, print_discovered);
}

/* ---- adopt ---- */

/* The one with this address; with NULL, the newest that asked after `since_ms`. NULL: nobody yet. */
static const json_t *find_seen(const json_t *reply, const struct mac *mac, uint64_t since_ms)
{
    const json_t *list = json_object_get(reply, "discovered"), *seen;
    struct mac its_mac;
    size_t i;

    json_array_foreach(list, i, seen) {
        if (!mac && json_member_u64(seen, "last_seen_ms") > since_ms)
            return seen;
        if (mac && mac_parse(json_member_text(seen, "mac"), &its_mac) && mac_equal(mac, &its_mac))
            return seen;
    }
    return NULL;
}

static int add_seen(const struct arguments *arguments, const char *name, const json_t *seen)
{
    const char *serial = json_member_text(seen, "serial");

    if (!arguments_value(arguments, "--json"))
        printf("%s: %s%s%s, %s\n", name, json_member_text(seen, "model"), *serial ? ", serial " : "", serial,
               json_member_text(seen, "mac"));
    return machine_add_as(arguments, name, json_member_text(seen, "mac"), serial);
}

static int adopt_by_address(const struct arguments *arguments, const char *text, const char *name)
{
    struct mac mac;
    json_t *reply;

    if (!mac_parse(text, &mac)) {
        fprintf(stderr, "farboot: ");
        print_safe(stderr, text);
        fprintf(stderr, ": not the MAC address of a machine, which looks like dc:a6:32:01:02:03\n");
        return CTL_EXIT_USAGE;
    }
    int status = client_ask(arguments->socket, "GET", "/v1/discovered", NULL, &reply);
    if (status != CTL_EXIT_OK)
        return status;
    const json_t *seen = find_seen(reply, &mac, 0);
    if (seen) {
        status = add_seen(arguments, name, seen);
    } else {
        fprintf(stderr, "farboot: %s has not asked to boot, or is a machine already (see farboot machine discovered); to add "
                        "it all the same: farboot machine add %s %s --image IMAGE\n", text, name, text);
        status = CTL_EXIT_FAILED;
    }
    json_decref(reply);
    return status;
}

static uint64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Until somebody comes, or the person who waits has had enough. */
static int adopt_next(const struct arguments *arguments, const char *name)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    uint64_t since_ms = wall_ms();
    json_t *reply;

    fprintf(stderr, "waiting for a machine that is not known yet; switch it on now\n");
    for (;;) {
        int status = client_ask(arguments->socket, "GET", "/v1/discovered", NULL, &reply);
        if (status != CTL_EXIT_OK)
            return status;
        const json_t *seen = find_seen(reply, NULL, since_ms);
        if (seen)
            status = add_seen(arguments, name, seen);
        json_decref(reply);
        if (seen)
            return status;
        nanosleep(&pause, NULL);
    }
}

int machine_adopt_command(const struct arguments *arguments)
{
    bool next = arguments_value(arguments, "--next");

    if (next != !arguments->operands[1]) {
        fprintf(stderr, next ? "farboot: say a MAC address or --next, not both\n"
                             : "farboot: say which: farboot machine adopt MAC NAME, or farboot machine adopt --next "
                               "NAME\n");
        return CTL_EXIT_USAGE;
    }
    if (next)
        return adopt_next(arguments, arguments->operands[0]);
    return adopt_by_address(arguments, arguments->operands[0], arguments->operands[1]);
}

/* ---- replace ---- */

int machine_replace_command(const struct arguments *arguments)
{
    const char *name = arguments->operands[0];
    char path[CLIENT_PATH_SIZE];
    json_t *reply;

    if (!client_path(path, "machines", name))
        return CTL_EXIT_USAGE;
    json_t *body = json_pack("{s:s, s:n}", "mac", arguments->operands[1], "serial");
    int status = client_ask(arguments->socket, "PATCH", path, body, &reply);
    json_decref(body);
    if (status != CTL_EXIT_OK)
        return status;
    if (arguments_value(arguments, "--json"))
        print_json(reply, false);
    else
        printf("%s: is %s from now on, with the disk that it had\n", name, json_member_text(reply, "mac"));
    json_decref(reply);
    return CTL_EXIT_OK;
}
