#include "fixture.h"

#include "api/imports.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { DISK_BYTES = 4 << 20 };

static void names_follow_from_files(void **state)
{
    static const struct {
        const char *file;
        const char *name; /* NULL: none follows */
    } rows[] = {
        {"raspios-lite.img.xz", "raspios-lite"},
        {"/tmp/a/ubuntu-24.04-preinstalled-server-arm64+raspi.img.xz", "ubuntu-24.04-preinstalled-server-arm64-raspi"},
        {"ubuntu-24.04.img.xz", "ubuntu-24.04"},
        {"disk", "disk"},
        {"disk.raw", "disk"},
        {"a.qcow2", "a"},
        {"-", NULL},
        {"", NULL},
        {".img", NULL},
        {"dir/", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char name[NAME_SIZE];
        assert_int_equal(import_name_of_file(rows[i].file, name), rows[i].name != NULL);
        if (rows[i].name)
            assert_string_equal(name, rows[i].name);
    }
}

/* ---- over the socket ---- */

static int connect_import(struct server *server)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/import.sock", server->folder);
    return connect_to(path, SOCK_SEQPACKET);
}

static void send_message(int socket_fd, const char *message, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec vec = {.iov_base = (char *)message, .iov_len = strlen(message)};
    struct msghdr header = {.msg_iov = &vec, .msg_iovlen = 1};

    if (fd >= 0) {
        control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                                          .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        header.msg_control = &control;
        header.msg_controllen = sizeof(control);
    }
    assert_true(sendmsg(socket_fd, &header, MSG_NOSIGNAL) > 0);
}

static json_t *receive_answer(int socket_fd)
{
    char bytes[4096];
    ssize_t length = recv(socket_fd, bytes, sizeof(bytes), 0);

    assert_true(length > 0);
    json_t *answer = json_loadb(bytes, (size_t)length, 0, NULL);
    assert_non_null(answer);
    return answer;
}

/* A disk with one partition, written to `fd`. */
static void write_disk(int fd)
{
    static const uint8_t partition[] = {0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0};
    CLEANUP_FREE uint8_t *disk = xcalloc(1, DISK_BYTES);

    memcpy(disk + 446, partition, sizeof(partition));
    disk[510] = 0x55;
    disk[511] = 0xaa;
    memset(disk + (1 << 20), 'x', 1 << 20);
    for (size_t done = 0; done < DISK_BYTES;) {
        ssize_t written = write(fd, disk + done, DISK_BYTES - done);
        assert_true(written > 0);
        done += (size_t)written;
    }
}

static int disk_file(void)
{
    int fd = memfd_create("disk", MFD_CLOEXEC);

    assert_true(fd >= 0);
    write_disk(fd);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Waits until the job has ended; gives its last state, which the caller unrefs. */
static json_t *wait_for_job(struct server *server, json_int_t number)
{
    CLEANUP_FREE char *path = xasprintf("/v1/jobs/%lld", (long long)number);

    for (int tries = 0; tries < 1000; tries++) {
        json_t *job;
        assert_int_equal(ask(server, "GET", path, NULL, &job), 200);
        if (strcmp(json_string_value(json_object_get(job, "state")), "running") != 0)
            return job;
        json_decref(job);
        usleep(20 * 1000);
    }
    fail_msg("job %lld does not end", (long long)number);
    return NULL;
}

static json_int_t started_job(int socket_fd)
{
    json_t *answer = receive_answer(socket_fd);
    json_int_t number = json_integer_value(json_object_get(answer, "job"));

    assert_true(number > 0);
    json_decref(answer);
    return number;
}

static size_t volume_count(struct server *server)
{
    CLEANUP_FREE struct store_volume_info *infos = NULL;
    size_t count;

    assert_int_equal(store_volume_list(server->store, &infos, &count), 0);
    return count;
}

static void a_disk_becomes_an_image(void **state)
{
    struct server *server = *state;
    CLEANUP_FD int file = disk_file();
    CLEANUP_FD int fd = connect_import(server);
    json_t *image;

    send_message(fd, "{\"file\":\"/home/me/pi.img\"}", file);
    json_t *job = wait_for_job(server, started_job(fd));
    assert_string_equal(json_string_value(json_object_get(job, "state")), "done");
    assert_int_equal(json_integer_value(json_object_get(job, "written_bytes")), DISK_BYTES);
    json_decref(job);
    assert_int_equal(ask(server, "GET", "/v1/images/pi", NULL, &image), 200);
    assert_string_equal(json_string_value(json_object_get(json_object_get(image, "report"), "table")), "mbr");
    json_decref(image);
}

static void closing_the_connection_cancels(void **state)
{
    struct server *server = *state;
    size_t before = volume_count(server);
    int pipes[2];
    int fd = connect_import(server);

    assert_int_equal(pipe(pipes), 0);
    send_message(fd, "{\"file\":\"-\",\"name\":\"slow\"}", pipes[0]);
    json_int_t number = started_job(fd);
    write_disk(pipes[1]);
    close(fd);
    json_t *job = wait_for_job(server, number);
    assert_string_equal(json_string_value(json_object_get(job, "state")), "cancelled");
    json_decref(job);
    close(pipes[0]);
    close(pipes[1]);
    expect(server, "GET", "/v1/images/slow", NULL, 404, NULL);
    assert_int_equal(volume_count(server), before);
}

static void a_request_cancels_too(void **state)
{
    struct server *server = *state;
    CLEANUP_FD int fd = connect_import(server);
    int pipes[2];

    assert_int_equal(pipe(pipes), 0);
    send_message(fd, "{\"file\":\"-\",\"name\":\"slow\"}", pipes[0]);
    json_int_t number = started_job(fd);
    CLEANUP_FREE char *path = xasprintf("/v1/jobs/%lld", (long long)number);
    expect(server, "DELETE", path, NULL, 200, NULL);
    json_decref(wait_for_job(server, number));
    close(pipes[0]);
    close(pipes[1]);
}

static void an_import_that_runs_at_the_end_is_cut(void **state)
{
    struct server *server = *state;
    int fd = connect_import(server); /* open until the process ends: nobody but the server cuts it */
    int pipes[2];

    assert_int_equal(pipe(pipes), 0);
    send_message(fd, "{\"file\":\"-\",\"name\":\"slow\"}", pipes[0]);
    started_job(fd);
}

static void what_cannot_be_imported_is_said(void **state)
{
    static const struct {
        const char *message;
        bool with_file;
        const char *says;
    } rows[] = {
        {"{\"file\":\"a.img\"}", false, "no open file"},
        {"hello", true, "not a JSON object"},
        {"[]", true, "not a JSON object"},
        {"{\"file\":\"-\"}", true, "give one with --name"},
        {"{}", true, "give one with --name"},
        {"{\"file\":\"a.img\",\"name\":\"../a\"}", true, "\"../a\" is not a name"},
        {"{\"file\":\"debian.img.xz\"}", true, "debian: an image of that name exists"},
    };
    CLEANUP_FD int file = disk_file();

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FD int fd = connect_import(*state);
        send_message(fd, rows[i].message, rows[i].with_file ? file : -1);
        json_t *answer = receive_answer(fd);
        const char *sentence = json_string_value(json_object_get(answer, "error"));
        if (!sentence || !strstr(sentence, rows[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].message, sentence ? sentence : "", rows[i].says);
        json_decref(answer);
    }
}

static void a_folder_is_no_image(void **state)
{
    CLEANUP_FD int fd = connect_import(*state);
    CLEANUP_FD int folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    send_message(fd, "{\"file\":\"tmp\"}", folder);
    json_t *answer = receive_answer(fd);
    assert_non_null(strstr(json_string_value(json_object_get(answer, "error")), "neither a file"));
    json_decref(answer);
}

static void no_more_than_some_run_at_once(void **state)
{
    int fds[IMPORTS_RUNNING_MAX + 1], pipes[2];
    json_t *answer;

    assert_int_equal(pipe(pipes), 0);
    for (int i = 0; i <= IMPORTS_RUNNING_MAX; i++) {
        CLEANUP_FREE char *message = xasprintf("{\"file\":\"-\",\"name\":\"slow-%d\"}", i);
        fds[i] = connect_import(*state);
        send_message(fds[i], message, pipes[0]);
        answer = receive_answer(fds[i]);
        assert_int_equal(json_object_get(answer, "error") != NULL, i == IMPORTS_RUNNING_MAX);
        json_decref(answer);
    }
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    close(pipes[0]);
    close(pipes[1]);
}

/* ---- sockets and leftovers ---- */

static void a_second_daemon_is_refused_and_a_dead_ones_socket_replaced(void **state)
{
    struct server *server = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct api_sockets *sockets;
    struct error error = {0};
    struct stat info;

    assert_int_equal(api_open(server->socket, (uid_t)-1, (gid_t)-1, &sockets, &error), -EADDRINUSE);
    assert_non_null(strstr(error.text, "another farboot"));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/dead.sock", server->folder);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dead, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(dead);
    CLEANUP_FREE char *path = xasprintf("%s/new/farboot.sock", server->folder);
    CLEANUP_FREE char *folder = xasprintf("%s/new", server->folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(rename(address.sun_path, path), 0);
    must(api_open(path, (uid_t)-1, (gid_t)-1, &sockets, &error), &error);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0660);
    api_sockets_free(sockets);
    assert_int_equal(stat(path, &info), -1);
}

static void what_a_crash_left_is_swept(void **state)
{
    struct server *server = *state;
    struct error error = {0};

    must(store_volume_clone(server->store, "image-1", NULL, "machine-left", 0, &error), &error);
    must(catalog_pending_put(server->catalog, "machine-left", &error), &error);
    must(catalog_pending_put(server->catalog, "machine-never-made", &error), &error);
    assert_int_equal(volume_count(server), 2);
    api_sweep(server->catalog, server->store);
    assert_int_equal(volume_count(server), 1);
}

static void a_disk_without_a_record_is_kept(void **state)
{
    struct server *server = *state;
    struct error error = {0};

    must(store_volume_clone(server->store, "image-1", NULL, "machine-of-a-lost-catalog", 0, &error), &error);
    api_sweep(server->catalog, server->store);
    assert_int_equal(volume_count(server), 2);
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, server_begin, server_end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_from_files),
        WITH_SERVER(a_disk_becomes_an_image),
        WITH_SERVER(closing_the_connection_cancels),
        WITH_SERVER(a_request_cancels_too),
        WITH_SERVER(an_import_that_runs_at_the_end_is_cut),
        WITH_SERVER(what_cannot_be_imported_is_said),
        WITH_SERVER(a_folder_is_no_image),
        WITH_SERVER(no_more_than_some_run_at_once),
        WITH_SERVER(a_second_daemon_is_refused_and_a_dead_ones_socket_replaced),
        WITH_SERVER(what_a_crash_left_is_swept),
        WITH_SERVER(a_disk_without_a_record_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
