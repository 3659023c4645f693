/*
 * A whole server in this process: store, catalog, journal and api in a folder of their own, the control loop on a
 * thread; and a client that asks it one thing at a time.
 */
#pragma once

#include "../test.h"

#include "api/api.h"
#include "base/log.h"
#include "base/text.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { ANSWER_MAX_BYTES = 1 << 20, IMAGE_BYTES = 1 << 20 };

struct server {
    char folder[64];
    char socket[96];
    struct loop *loop;
    struct workers *workers;
    struct store *store;
    struct catalog *catalog;
    struct presence *presence;
    struct journal *journal;
    struct api *api;
    char busy[NAME_SIZE]; /* the machine whose disk is in use */
};

static size_t tell_busy(void *arg, struct api_session *to, size_t max)
{
    struct server *server = arg;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(server->catalog);
    const struct machine *machine = catalog_machine_by_name(snapshot, server->busy);

    if (!machine)
        return 0;
    to[0] = (struct api_session){.machine_id = machine->id, .address = 0xc0a8141f};
    return 1;
}

static void must(int result, const struct error *error)
{
    if (result < 0)
        fail_msg("%s", error->text);
}

/* An image "debian" of IMAGE_BYTES, made as an import would. */
static void add_image(struct server *server)
{
    struct image image = {.name = "debian", .volume = "image-1", .size_bytes = IMAGE_BYTES, .report = "{}"};
    CLEANUP_FREE char *bytes = xcalloc(1, IMAGE_BYTES);
    struct store_import *import;
    struct error error = {0};

    memset(bytes, 'x', 65536);
    must(store_import_begin(server->store, image.volume, IMAGE_BYTES, &import, &error), &error);
    assert_int_equal(store_import_append(import, bytes, IMAGE_BYTES), 0);
    must(store_import_commit(import, &error), &error);
    must(catalog_image_insert(server->catalog, &image, &error), &error);
}

static void start_api(struct server *server)
{
    struct api_sockets *sockets;
    struct error error = {0};
    const struct api_options options = {
        .loop = server->loop,
        .workers = server->workers,
        .catalog = server->catalog,
        .presence = server->presence,
        .store = server->store,
        .journal = server->journal,
        .sources = {.sessions = tell_busy, .arg = server},
        .iqn_prefix = "iqn.2026-11.internal.farboot",
        .dhcp_mode = "proxy",
        .store_path = server->folder,
    };

    must(api_open(server->socket, (uid_t)-1, (gid_t)-1, &sockets, &error), &error);
    server->api = api_start(&options, sockets);
}

static int server_begin(void **state)
{
    struct server *server = xcalloc(1, sizeof(*server));
    CLEANUP_FREE char *store_path = NULL, *catalog_path = NULL;
    struct error error = {0};

    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    COPY_STRING(server->folder, "/tmp/farboot-api-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->socket, sizeof(server->socket), "%s/farboot.sock", server->folder);
    store_path = xasprintf("%s/store", server->folder);
    catalog_path = xasprintf("%s/catalog.db", server->folder);
    must(store_open(store_path, NULL, &server->store, &error), &error);
    must(catalog_open(catalog_path, &server->catalog, &error), &error);
    add_image(server);
    server->loop = loop_new("control");
    server->workers = workers_new(2, 64);
    server->presence = presence_new(64);
    server->journal = journal_new(server->loop);
    start_api(server);
    loop_start(server->loop);
    *state = server;
    return 0;
}

static void stop_api(void *arg)
{
    struct server *server = arg;

    api_stop(server->api);
    loop_stop(server->loop);
}

static void remove_folder(const char *folder)
{
    pid_t child = fork();

    if (child == 0) {
        execlp("rm", "rm", "-rf", folder, NULL);
        _exit(127);
    }
    waitpid(child, NULL, 0);
}

/* In the daemon's order. */
static int server_end(void **state)
{
    struct server *server = *state;

    loop_call(server->loop, stop_api, server);
    loop_join(server->loop);
    workers_free(server->workers);
    api_free(server->api);
    catalog_close(server->catalog);
    loop_free(server->loop);
    journal_free(server->journal);
    presence_free(server->presence);
    store_close(server->store);
    remove_folder(server->folder);
    free(server);
    return 0;
}

/* ---- a client ---- */

static int connect_to(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    COPY_STRING(address.sun_path, path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Gives the HTTP status; `reply` is the JSON of the answer, NULL if it is none. The caller unrefs. */
static int read_answer(int fd, json_t **reply)
{
    CLEANUP_FREE char *answer = xcalloc(1, ANSWER_MAX_BYTES);
    size_t length = 0;
    ssize_t got;
    int status = 0;

    while ((got = recv(fd, answer + length, ANSWER_MAX_BYTES - 1 - length, 0)) > 0)
        length += (size_t)got;
    const char *body = strstr(answer, "\r\n\r\n");
    assert_int_equal(sscanf(answer, "HTTP/1.1 %d", &status), 1);
    *reply = body ? json_loads(body + 4, JSON_DECODE_ANY, NULL) : NULL;
    return status;
}

static void send_request(int fd, const char *method, const char *path, const char *body)
{
    CLEANUP_FREE char *request = xasprintf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n"
                                           "\r\n%s",
                                           method, path, body ? strlen(body) : 0, body ? body : "");

    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
}

static int ask(struct server *server, const char *method, const char *path, const char *body, json_t **reply)
{
    CLEANUP_FD int fd = connect_to(server->socket, SOCK_STREAM);

    send_request(fd, method, path, body);
    return read_answer(fd, reply);
}

/* Asks, and expects this status; `says`, if not NULL, is part of the error's sentence. */
static void expect(struct server *server, const char *method, const char *path, const char *body, int status,
                   const char *says)
{
    json_t *reply;
    int got = ask(server, method, path, body, &reply);
    const char *sentence = json_string_value(json_object_get(reply, "error"));

    if (got != status)
        fail_msg("%s %s %s: status %d, expected %d: %s", method, path, body ? body : "", got, status,
                 sentence ? sentence : "");
    if (says && (!sentence || !strstr(sentence, says)))
        fail_msg("%s %s %s: \"%s\" does not say \"%s\"", method, path, body ? body : "", sentence ? sentence : "", says);
    json_decref(reply);
}
