#include "fixture.h"

#include "api/connections.h"
#include "api/routes.h"

#include <poll.h>

#define ADD_PI "{\"name\":\"pi-01\",\"mac\":\"dc:a6:32:01:02:03\",\"image\":\"debian\"}"

static void every_route_is_found(void **state)
{
    static const struct {
        enum evhttp_cmd_type method;
        const char *path;
        enum route_match match;
        const char *name;
    } rows[] = {
        {EVHTTP_REQ_GET, "/v1/status", ROUTE_FOUND, ""},
        {EVHTTP_REQ_GET, "/v1/machines", ROUTE_FOUND, ""},
        {EVHTTP_REQ_GET, "/v1/machines/pi-01", ROUTE_FOUND, "pi-01"},
        {EVHTTP_REQ_DELETE, "/v1/jobs/12", ROUTE_FOUND, "12"},
        {EVHTTP_REQ_POST, "/v1/machines/pi-01/rollback", ROUTE_FOUND, "pi-01"},
        {EVHTTP_REQ_DELETE, "/v1/machines/pi-01/snapshots/a", ROUTE_FOUND, "pi-01"},
        {EVHTTP_REQ_GET, "/v1/machines/pi-01/snapshots/a", ROUTE_NO_METHOD, NULL},
        {EVHTTP_REQ_DELETE, "/v1/machines/pi-01/snapshots/", ROUTE_NO_PATH, NULL},
        {EVHTTP_REQ_DELETE, "/v1/machines//snapshots/a", ROUTE_NO_PATH, NULL},
        {EVHTTP_REQ_PATCH, "/v1/machines", ROUTE_NO_METHOD, NULL},
        {EVHTTP_REQ_POST, "/v1/status", ROUTE_NO_METHOD, NULL},
        {EVHTTP_REQ_GET, "/v1/machines/", ROUTE_NO_PATH, NULL},
        {EVHTTP_REQ_GET, "/v1/machines/a/b", ROUTE_NO_PATH, NULL},
        {EVHTTP_REQ_GET, "/v1/statuses", ROUTE_NO_PATH, NULL},
        {EVHTTP_REQ_GET, "/v2/status", ROUTE_NO_PATH, NULL},
        {EVHTTP_REQ_GET, "/", ROUTE_NO_PATH, NULL},
        {EVHTTP_REQ_GET, "", ROUTE_NO_PATH, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct route *route;
        char name[NAME_SIZE], item[NAME_SIZE];
        assert_int_equal(route_find(rows[i].method, rows[i].path, &route, name, item), rows[i].match);
        if (rows[i].match == ROUTE_FOUND)
            assert_string_equal(name, rows[i].name);
    }
}

static void a_name_that_is_too_long_is_no_path(void **state)
{
    CLEANUP_FREE char *path = xasprintf("/v1/machines/%0*d", NAME_SIZE, 0);
    const struct route *route;
    char name[NAME_SIZE], item[NAME_SIZE];

    assert_int_equal(route_find(EVHTTP_REQ_GET, path, &route, name, item), ROUTE_NO_PATH);
}

static void what_is_wrong_with_a_machine_is_said(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *says;
    } rows[] = {
        {"", 400, "needs a JSON object"},
        {"{", 400, "not JSON"},
        {"[]", 400, "needs a JSON object"},
        {"{\"name\":\"a\",\"name\":\"b\"}", 400, "not JSON"},
        {"{\"nam\":\"a\"}", 400, "unknown key \"nam\""},
        {"{}", 400, "name: is needed"},
        {"{\"name\":1}", 400, "name: must be"},
        {"{\"name\":\"../x\"}", 400, "\"../x\" is not a name"},
        {"{\"name\":\"a\"}", 400, "mac: is needed"},
        {"{\"name\":\"a\",\"mac\":\"ff:ff:ff:ff:ff:ff\"}", 400, "is not the MAC address"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\"}", 400, "image: is needed"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"image\":\"none\"}", 404, "none: no such image"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"image\":\"debian\",\"size_bytes\":4096}", 400, "cannot hold"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"image\":\"debian\",\"size_bytes\":-1}", 400, "size: must be"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"image\":\"debian\",\"size_bytes\":9223372036854775807}", 400,
         "at most 64 TiB"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"image\":\"debian\",\"address\":\"127.0.0.1\"}", 400,
         "is not the IPv4 address"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"image\":\"debian\",\"serial\":\"00000000\"}", 400,
         "is not a serial number"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"image\":\"debian\","
         "\"settings\":{\"boot\":\"usb\"}}", 400, "\"usb\" is not a way to boot"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"settings\":{\"bot\":\"disk\"}}", 400,
         "unknown setting \"bot\""},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"settings\":[]}", 400, "settings: must be an object"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"settings\":{\"boot\":1}}", 400, "boot: must be a text"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"settings\":{\"image\":\"debian\"}}", 400,
         "image: is settled when a machine is added"},
        {"{\"name\":\"a\",\"mac\":\"dc:a6:32:01:02:03\",\"image\":\"debian\",\"group\":\"none\"}", 404,
         "none: no such group"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        expect(*state, "POST", "/v1/machines", rows[i].body, rows[i].status, rows[i].says);
    expect(*state, "GET", "/v1/machines/a", NULL, 404, "a: no such machine");
}

static void a_refused_machine_leaves_no_disk(void **state)
{
    struct server *server = *state;
    CLEANUP_FREE struct store_volume_info *infos = NULL;
    size_t count;

    expect(server, "POST", "/v1/machines", ADD_PI, 200, NULL);
    expect(server, "POST", "/v1/machines", ADD_PI, 409, "of that name exists");
    expect(server, "POST", "/v1/machines", "{\"name\":\"b\",\"mac\":\"DC-A6-32-01-02-03\",\"image\":\"debian\"}", 409,
           "belongs to the machine pi-01");
    assert_int_equal(store_volume_list(server->store, &infos, &count), 0);
    assert_int_equal(count, 2);
}

static void a_machine_is_added_changed_and_removed(void **state)
{
    struct server *server = *state;
    json_t *reply;

    expect(server, "POST", "/v1/machines", ADD_PI, 200, NULL);
    expect(server, "PATCH", "/v1/machines/pi-01", "{\"image\":\"debian\"}", 400, "image cannot be changed");
    expect(server, "PATCH", "/v1/machines/pi-01", "{\"size_bytes\":4096}", 400, "cannot become smaller");
    expect(server, "PATCH", "/v1/machines/pi-01",
           "{\"name\":\"pi-02\",\"size_bytes\":2097152,\"address\":\"192.168.20.31\",\"serial\":\"10000000ABCD1234\"}",
           200, NULL);
    expect(server, "GET", "/v1/machines/pi-01", NULL, 404, NULL);
    assert_int_equal(ask(server, "GET", "/v1/machines/pi-02", NULL, &reply), 200);
    assert_string_equal(json_string_value(json_object_get(reply, "serial")), "abcd1234");
    assert_string_equal(json_string_value(json_object_get(reply, "address")), "192.168.20.31");
    assert_string_equal(json_string_value(json_object_get(reply, "target")),
                        "iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03");
    assert_int_equal(json_integer_value(json_object_get(reply, "size_bytes")), 2097152);
    json_decref(reply);
    expect(server, "PATCH", "/v1/machines/pi-02", "{\"address\":null,\"serial\":null}", 200, NULL);
    expect(server, "DELETE", "/v1/images/debian", NULL, 409, "pi-02");
    expect(server, "DELETE", "/v1/machines/pi-02", NULL, 200, NULL);
    expect(server, "DELETE", "/v1/machines/pi-02", NULL, 404, "no such machine");
    expect(server, "DELETE", "/v1/images/debian", NULL, 200, NULL);
    expect(server, "DELETE", "/v1/images/debian", NULL, 404, "no such image");
}

/* "value from source" of a setting. */
static void assert_setting(struct server *server, const char *path, const char *key, const char *expected)
{
    json_t *reply;
    const char *value, *from;
    char found[128];

    assert_int_equal(ask(server, "GET", path, NULL, &reply), 200);
    assert_int_equal(json_unpack(reply, "{s:{s:{s:s, s:s}}}", "settings", key, "value", &value, "from", &from), 0);
    snprintf(found, sizeof(found), "%s from %s", value, from);
    assert_string_equal(found, expected);
    json_decref(reply);
}

static void a_machine_inherits_from_its_group_and_the_defaults(void **state)
{
    struct server *server = *state;

    expect(server, "PATCH", "/v1/defaults", "{\"settings\":{\"cmdline-add\":\"a\",\"cmdline-remove\":\"b\"}}", 200, NULL);
    expect(server, "POST", "/v1/groups",
           "{\"name\":\"kiosks\",\"settings\":{\"cmdline-add\":\"c\",\"boot\":\"san\",\"image\":\"debian\"}}", 200, NULL);
    expect(server, "POST", "/v1/groups", "{\"name\":\"kiosks\"}", 409, "a group of that name exists");
    expect(server, "POST", "/v1/groups", "{}", 400, "name: must be a name");
    /* The image is its group's. */
    expect(server, "POST", "/v1/machines", "{\"name\":\"pi-01\",\"mac\":\"dc:a6:32:01:02:03\",\"group\":\"kiosks\"}", 200,
           NULL);
    assert_setting(server, "/v1/machines/pi-01", "boot", "san from group");
    assert_setting(server, "/v1/machines/pi-01", "cmdline-add", "c from group");
    assert_setting(server, "/v1/machines/pi-01", "cmdline-remove", "b from defaults");
    expect(server, "PATCH", "/v1/machines/pi-01", "{\"settings\":{\"cmdline-add\":\"d\"}}", 200, NULL);
    assert_setting(server, "/v1/machines/pi-01", "cmdline-add", "d from machine");
    expect(server, "PATCH", "/v1/machines/pi-01", "{\"settings\":{\"cmdline-add\":\"\"}}", 200, NULL);
    assert_setting(server, "/v1/machines/pi-01", "cmdline-add", "c from group");
    expect(server, "PATCH", "/v1/groups/kiosks", "{\"name\":\"walls\",\"settings\":{\"cmdline-add\":null}}", 200, NULL);
    assert_setting(server, "/v1/groups/walls", "cmdline-add", "a from defaults");
    assert_setting(server, "/v1/machines/pi-01", "cmdline-add", "a from defaults");
    expect(server, "DELETE", "/v1/groups/walls", NULL, 409, "while machines are in it: pi-01");
    expect(server, "PATCH", "/v1/machines/pi-01", "{\"group\":null}", 200, NULL);
    assert_setting(server, "/v1/machines/pi-01", "boot", "disk from program");
    expect(server, "DELETE", "/v1/groups/walls", NULL, 200, NULL);
    expect(server, "DELETE", "/v1/groups/walls", NULL, 404, "walls: no such group");
}

static void set_busy(void *arg)
{
    struct server *server = arg;

    COPY_STRING(server->busy, "pi-01");
}

static void clear_busy(void *arg)
{
    struct server *server = arg;

    server->busy[0] = '\0';
}

static void a_disk_in_use_is_kept(void **state)
{
    struct server *server = *state;
    CLEANUP(cleanup_volume) struct volume *volume = NULL;
    char name[NAME_SIZE];

    expect(server, "POST", "/v1/machines", ADD_PI, 200, NULL);
    loop_call(server->loop, set_busy, server);
    expect(server, "DELETE", "/v1/machines/pi-01", NULL, 409, "in use by 192.168.20.31");
    loop_call(server->loop, clear_busy, server);

    /* One that logged in after it was looked at. */
    {
        CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(server->catalog);
        COPY_STRING(name, catalog_machine_by_name(snapshot, "pi-01")->volume);
    }
    assert_int_equal(store_volume_open(server->store, name, &volume), 0);
    expect(server, "DELETE", "/v1/machines/pi-01", NULL, 409, "while its disk is in use");
    expect(server, "GET", "/v1/machines/pi-01", NULL, 200, NULL);
    volume_unref(TAKE_PTR(volume));
    expect(server, "DELETE", "/v1/machines/pi-01", NULL, 200, NULL);
}

static void status_tells_of_strangers_and_machines(void **state)
{
    struct server *server = *state;
    struct event_sink sink = journal_sink(server->journal);
    struct mac stranger = {{0xdc, 0xa6, 0x32, 9, 9, 9}};
    json_t *reply, *machine, *unknown;

    expect(server, "POST", "/v1/machines", ADD_PI, 200, NULL);
    event_post(&sink, NULL, &stranger, STAGE_DHCP, EVENT_INFO, "dhcp.discover", "asked for an address");
    assert_int_equal(ask(server, "GET", "/v1/status", NULL, &reply), 200);
    machine = json_array_get(json_object_get(reply, "machines"), 0);
    unknown = json_array_get(json_object_get(reply, "unknown"), 0);
    assert_string_equal(json_string_value(json_object_get(machine, "name")), "pi-01");
    assert_string_equal(json_string_value(json_object_get(unknown, "mac")), "dc:a6:32:09:09:09");
    assert_true(json_integer_value(json_object_get(json_object_get(reply, "store"), "total_bytes")) > 0);
    json_decref(reply);
}

/* ---- events ---- */

static void an_event_answers_who_waits_for_it(void **state)
{
    struct server *server = *state;
    CLEANUP_FD int any = connect_to(server->socket, SOCK_STREAM);
    CLEANUP_FD int other = connect_to(server->socket, SOCK_STREAM);
    json_t *reply;

    send_request(any, "GET", "/v1/events?since=99&wait=30", NULL);
    send_request(other, "GET", "/v1/events?since=99&wait=1&machine=other", NULL);
    /* Both are surely waiting once a later request was answered. */
    expect(server, "GET", "/v1/sessions", NULL, 200, NULL);
    expect(server, "POST", "/v1/machines", ADD_PI, 200, NULL);
    assert_int_equal(read_answer(any, &reply), 200);
    assert_int_equal(json_array_size(json_object_get(reply, "events")), 1);
    json_decref(reply);
    assert_int_equal(read_answer(other, &reply), 200);
    assert_int_equal(json_array_size(json_object_get(reply, "events")), 0);
    assert_int_equal(json_integer_value(json_object_get(reply, "newest")), 1);
    json_decref(reply);
}

static void who_gives_up_waiting_makes_room(void **state)
{
    struct server *server = *state;
    int fds[API_WAITING_MAX];
    json_t *reply;

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = connect_to(server->socket, SOCK_STREAM);
        send_request(fds[i], "GET", "/v1/events?wait=60", NULL);
    }
    expect(server, "GET", "/v1/sessions", NULL, 200, NULL);
    expect(server, "GET", "/v1/events?wait=1", NULL, 503, "wait for events already");
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    for (int tries = 0; ask(server, "GET", "/v1/events?wait=1", NULL, &reply) != 200; tries++) {
        json_decref(reply);
        assert_true(tries < 100);
        usleep(100 * 1000);
    }
    json_decref(reply);
}

static void odd_questions_are_refused(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        int status;
    } rows[] = {
        {"GET", "/v1/events?wait=61", 400},   {"GET", "/v1/events?since=x", 400},
        {"GET", "/v1/events?machine=..", 400}, {"GET", "/v1/machines/..%2f..", 404},
        {"GET", "/v1/jobs/1", 404},           {"GET", "/v1/jobs/-1", 404},
        {"DELETE", "/v1/jobs/x", 404},        {"DELETE", "/v1/machines", 405},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        expect(*state, rows[i].method, rows[i].path, NULL, rows[i].status, NULL);
}

static void bodies_have_a_limit(void **state)
{
    CLEANUP_FREE char *body = xcalloc(1, API_BODY_MAX_BYTES + 2);

    memset(body, ' ', API_BODY_MAX_BYTES + 1);
    expect(*state, "POST", "/v1/machines", body, 413, NULL);
}

static bool answers_within(int fd, int ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, ms) > 0;
}

static void connections_have_a_limit_and_come_back(void **state)
{
    struct server *server = *state;
    int fds[CONNECTIONS_MAX];
    json_t *reply;

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = connect_to(server->socket, SOCK_STREAM);
    CLEANUP_FD int one_more = connect_to(server->socket, SOCK_STREAM);
    send_request(one_more, "GET", "/v1/sessions", NULL);
    assert_false(answers_within(one_more, 300));
    close(fds[0]);
    assert_true(answers_within(one_more, 5000));
    assert_int_equal(read_answer(one_more, &reply), 200);
    json_decref(reply);
    for (size_t i = 1; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    for (int i = 0; i < CONNECTIONS_MAX + 8; i++)
        expect(server, "GET", "/v1/sessions", NULL, 200, NULL);
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, server_begin, server_end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_found),
        cmocka_unit_test(a_name_that_is_too_long_is_no_path),
        WITH_SERVER(what_is_wrong_with_a_machine_is_said),
        WITH_SERVER(a_refused_machine_leaves_no_disk),
        WITH_SERVER(a_machine_is_added_changed_and_removed),
        WITH_SERVER(a_machine_inherits_from_its_group_and_the_defaults),
        WITH_SERVER(a_disk_in_use_is_kept),
        WITH_SERVER(status_tells_of_strangers_and_machines),
        WITH_SERVER(an_event_answers_who_waits_for_it),
        WITH_SERVER(who_gives_up_waiting_makes_room),
        WITH_SERVER(odd_questions_are_refused),
        WITH_SERVER(bodies_have_a_limit),
        WITH_SERVER(connections_have_a_limit_and_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
