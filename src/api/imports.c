#include "api/imports.h"

#include "api/answer.h"
#include "api/import_work.h"
#include "api/jobs.h"
#include "api/sockets.h"

#include "base/text.h"

#include <ctype.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum import_state { IMPORT_UNUSED, IMPORT_AWAITS_MESSAGE, IMPORT_RUNNING };

/* One connection. Its thread reads `work` and writes `result` and `error`, and ends by raising `ended_fd`. */
struct import {
    struct imports *imports;
    enum import_state state;
    int client_fd;
    struct loop_watch *client_watch;
    struct loop_timer *timer;

    pthread_t thread;
    int ended_fd;
    struct loop_watch *ended_watch;
    struct import_work work;
    char file[NAME_SIZE * 4];
    int code;
    json_t *result;
    struct error error;
};

struct imports {
    struct api *api;
    int listen_fd;
    struct loop_watch *listen_watch;
    unsigned used_count;
    unsigned running_count;
    struct import slots[IMPORT_CLIENTS_MAX];
};

/* ---- names ---- */

bool import_name_of_file(const char *file, char name[NAME_SIZE])
{
    static const char *const suffixes[] = {".xz", ".gz", ".zst", ".bz2", ".zip", ".img", ".raw", ".qcow2", ".wic"};
    const char *slash = strrchr(file, '/');

    if (!copy_string(name, NAME_SIZE, slash ? slash + 1 : file))
        return false;
    for (bool cut = true; cut;) {
        cut = false;
        for (size_t i = 0; i < ARRAY_SIZE(suffixes) && !cut; i++) {
            cut = string_ends_with(name, suffixes[i]);
            if (cut)
                name[strlen(name) - strlen(suffixes[i])] = '\0';
        }
    }
    for (char *c = name; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
            *c = '-';
    }
    return is_valid_name(name);
}

/* ---- the message ---- */

/* One message and at most one descriptor, which is the caller's; -1 if none came. Gives the length. */
static ssize_t receive_message(int socket_fd, char *to, size_t capacity_bytes, int *fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec vec = {.iov_base = to, .iov_len = capacity_bytes};
    struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t length = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    *fd = -1;
    if (length < 0)
        return -errno;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(fd, CMSG_DATA(header), sizeof(int));
    return message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EMSGSIZE : length;
}

static void send_answer(const struct import *import, json_t *answer)
{
    CLEANUP_FREE char *text = json_dumps(answer, JSON_COMPACT);

    /* A client that is gone already is seen as a closed connection. */
    if (text && send(import->client_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        errno = 0;
    json_decref(answer);
}

static int check_descriptor(int fd, const char *file, struct error *error)
{
    struct stat info;

    if (fd < 0 || fstat(fd, &info) < 0)
        return error_set(error, -EINVAL, "no open file came with the request");
    if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode) && !S_ISBLK(info.st_mode) && !S_ISSOCK(info.st_mode))
        return error_set(error, -EINVAL, "%s: is neither a file nor a stream nor a disk", file);
    return 0;
}

static const char *optional_string(const json_t *message, const char *key)
{
    const char *s = json_string_value(json_object_get(message, key));

    return s ? s : "";
}

static int read_name(const json_t *message, const char *quoted_file, char name[NAME_SIZE], struct error *error)
{
    const char *wanted = optional_string(message, "name");

    if (*wanted) {
        if (is_valid_name(wanted) && copy_string(name, NAME_SIZE, wanted))
            return 0;
        char quoted[NAME_SIZE];
        return error_set(error, -EINVAL,
                         "name: \"%s\" is not a name: letters, digits, '-', '_' and '.', beginning with a letter or "
                         "digit, at most 63",
                         quote_into(quoted, sizeof(quoted), wanted, strlen(wanted)));
    }
    if (import_name_of_file(optional_string(message, "file"), name))
        return 0;
    return error_set(error, -EINVAL, "%s: no name for an image follows from this: give one with --name", quoted_file);
}

static int check_name_free(const struct api *api, const char *name, struct error *error)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(api->options.catalog);

    if (catalog_image_by_name(snapshot, name))
        return error_set(error, -EEXIST, "%s: an image of that name exists; choose another with --name", name);
    if (jobs_running(api->jobs, "import", name))
        return error_set(error, -EEXIST, "%s: an image of that name is being imported; choose another with --name", name);
    return 0;
}

/* ---- one import's life ---- */

static void watch_listener(struct imports *imports)
{
    if (imports->listen_watch)
        loop_watch_set(imports->listen_watch, imports->used_count < IMPORT_CLIENTS_MAX ? LOOP_READ : 0);
}

static void import_release(struct import *import)
{
    struct imports *imports = import->imports;

    loop_watch_free(TAKE_PTR(import->client_watch));
    loop_watch_free(TAKE_PTR(import->ended_watch));
    loop_timer_free(TAKE_PTR(import->timer));
    if (import->client_fd >= 0)
        close(TAKE_FD(import->client_fd));
    if (import->ended_fd >= 0)
        close(TAKE_FD(import->ended_fd));
    import->state = IMPORT_UNUSED;
    imports->used_count--;
    watch_listener(imports);
}

static void *import_thread(void *arg)
{
    struct import *import = arg;

    pthread_setname_np(pthread_self(), "import");
    import->code = import_run(&import->work, &import->result, &import->error);
    CHECK(eventfd_write(import->ended_fd, 1) == 0);
    return NULL;
}

static void tell_end(const struct import *import)
{
    struct event_sink sink = journal_sink(import->imports->api->options.journal);
    const char *name = import->work.job->name;

    if (import->code == 0)
        event_post(&sink, NULL, NULL, STAGE_NONE, EVENT_INFO, "image.imported", "image %s was imported", name);
    else if (import->code == -ECANCELED)
        event_post(&sink, NULL, NULL, STAGE_NONE, EVENT_INFO, "image.cancelled", "import of %s was cancelled", name);
    else
        event_post(&sink, NULL, NULL, STAGE_NONE, EVENT_WARNING, "image.failed", "import of %s failed: %s", name,
                   import->error.text);
}

static void import_finish(struct import *import)
{
    pthread_join(import->thread, NULL);
    import->imports->running_count--;
    tell_end(import);
    job_end(import->work.job, import->code, &import->error, TAKE_PTR(import->result));
    close(import->work.fd);
    import_release(import);
}

static void on_ended(void *arg, int events)
{
    import_finish(arg);
}

static void start_thread(struct import *import, struct job *job, int fd)
{
    struct imports *imports = import->imports;
    const struct api_options *options = &imports->api->options;

    import->work = (struct import_work){.catalog = options->catalog, .store = options->store, .job = job, .fd = fd,
                                        .temporary_folder = options->store_path,
                                        .file = import->file};
    import->state = IMPORT_RUNNING;
    import->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(import->ended_fd >= 0);
    import->ended_watch = loop_watch_new(options->loop, import->ended_fd, on_ended, import);
    loop_watch_set(import->ended_watch, LOOP_READ);
    imports->running_count++;
    CHECK(pthread_create(&import->thread, NULL, import_thread, import) == 0);
}

/* Fills `job` when the import may begin. */
static int accept_message(struct import *import, const json_t *message, int fd, struct job **job, struct error *error)
{
    struct imports *imports = import->imports;
    struct api *api = imports->api;
    const char *file = optional_string(message, "file");
    char name[NAME_SIZE];

    quote_into(import->file, sizeof(import->file), file, strlen(file));
    int result = check_descriptor(fd, import->file, error);
    if (result == 0)
        result = read_name(message, import->file, name, error);
    if (result == 0)
        result = check_name_free(api, name, error);
    if (result < 0)
        return result;
    if (imports->running_count >= IMPORTS_RUNNING_MAX)
        return error_set(error, -EBUSY, "%s: %d imports are running already: wait for one to end", name,
                         IMPORTS_RUNNING_MAX);
    *job = jobs_add(api->jobs, "import", name);
    return *job ? 0 : error_set(error, -EBUSY, "%s: too many jobs are running: wait for one to end", name);
}

static void on_message(struct import *import)
{
    char bytes[IMPORT_MESSAGE_MAX_BYTES];
    struct error error = {0};
    struct job *job;
    CLEANUP_FD int fd = -1;
    ssize_t length = receive_message(import->client_fd, bytes, sizeof(bytes), &fd);

    if (length == -EAGAIN)
        return;
    json_t *message = length > 0 ? json_loadb(bytes, (size_t)length, 0, NULL) : NULL;
    int result = json_is_object(message) ? accept_message(import, message, fd, &job, &error)
                                         : error_set(&error, -EINVAL, "the request to import is not a JSON object");
    json_decref(message);
    loop_timer_cancel(import->timer);
    if (result < 0) {
        send_answer(import, answer_error(&error));
        import_release(import);
        return;
    }
    send_answer(import, json_pack("{s:I, s:s}", "job", (json_int_t)job->number, "name", job->name));
    start_thread(import, job, TAKE_FD(fd));
}

static void on_client(void *arg, int events)
{
    struct import *import = arg;

    if (import->state == IMPORT_AWAITS_MESSAGE) {
        on_message(import);
        return;
    }
    /* Readable while it runs: closed, or a client that talks out of turn. Either way it no longer waits for us. */
    atomic_store(&import->work.job->cancelled, true);
    loop_watch_set(import->client_watch, 0);
}

static void on_silence(void *arg)
{
    import_release(arg);
}

static void begin_client(struct imports *imports, int fd)
{
    struct import *import = imports->slots;
    struct loop *loop = imports->api->options.loop;

    while (import->state != IMPORT_UNUSED)
        import++;
    *import = (struct import){.imports = imports, .state = IMPORT_AWAITS_MESSAGE, .client_fd = fd, .ended_fd = -1};
    imports->used_count++;
    import->client_watch = loop_watch_new(loop, fd, on_client, import);
    loop_watch_set(import->client_watch, LOOP_READ);
    import->timer = loop_timer_new(loop, on_silence, import);
    loop_timer_set(import->timer, IMPORT_MESSAGE_SECONDS * 1000);
}

static void on_listener(void *arg, int events)
{
    struct imports *imports = arg;
    int fd = accept4(imports->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0)
        begin_client(imports, fd);
    watch_listener(imports);
}

/* ---- life ---- */

struct imports *imports_start(struct api *api)
{
    struct imports *imports = xcalloc(1, sizeof(*imports));

    imports->api = api;
    imports->listen_fd = TAKE_FD(api->sockets->import_fd);
    imports->listen_watch = loop_watch_new(api->options.loop, imports->listen_fd, on_listener, imports);
    watch_listener(imports);
    return imports;
}

void imports_stop(struct imports *imports)
{
    loop_watch_free(TAKE_PTR(imports->listen_watch));
    close(TAKE_FD(imports->listen_fd));
    for (size_t i = 0; i < IMPORT_CLIENTS_MAX; i++) {
        struct import *import = &imports->slots[i];
        if (import->state == IMPORT_AWAITS_MESSAGE)
            import_release(import);
        else if (import->state == IMPORT_RUNNING)
            atomic_store(&import->work.job->cancelled, true);
    }
}

void imports_free(struct imports *imports)
{
    if (!imports)
        return;
    for (size_t i = 0; i < IMPORT_CLIENTS_MAX; i++) {
        if (imports->slots[i].state == IMPORT_RUNNING)
            import_finish(&imports->slots[i]);
    }
    free(imports);
}
