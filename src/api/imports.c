#include "api/imports.h"

#include "api/answer.h"
#include "api/eeprom.h"
#include "api/export_work.h"
#include "api/import_work.h"
#include "api/jobs.h"
#include "api/reclaim.h"
#include "api/sockets.h"

#include "base/text.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { TRANSFER_NICENESS = 10 };

enum import_state { IMPORT_UNUSED, IMPORT_AWAITS_MESSAGE, IMPORT_RUNNING };

struct import;

/* In which direction. */
struct direction {
    const char *job;
    int (*accept)(struct import *import, const json_t *message, int fd, struct job **job, struct error *error);
    void (*prepare)(struct import *import);
    int (*run)(struct import *import);
    const char *done, *cancelled, *failed; /* kinds of events, and what they say of a name */
    const char *done_text, *cancelled_text, *failed_text;
};

/* One connection. Its thread reads `in` or `out` and writes `result` and `error`, and ends by raising `ended_fd`. */
struct import {
    struct imports *imports;
    const struct direction *direction;
    enum import_state state;
    int client_fd;
    struct loop_watch *client_watch;
    struct loop_timer *timer;

    pthread_t thread;
    int ended_fd;
    struct loop_watch *ended_watch;
    struct job *job;
    int fd;
    struct import_work in;
    struct export_work out;
    struct eeprom_push push;
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

static int check_name_free(const struct import *import, const char *name, struct error *error)
{
    const struct api *api = import->imports->api;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(api->options.catalog);

    if (!import->in.new_version && catalog_image_by_name(snapshot, name))
        return error_set(error, -EEXIST,
                         "%s: an image of that name exists; choose another with --name, or add --new-version", name);
    if (jobs_running(api->jobs, "import", name))
        return error_set(error, -EEXIST, "%s: an image of that name is being imported; choose another with --name", name);
    return 0;
}

/* ---- in ---- */

static int add_job(struct import *import, const char *name, struct job **job, struct error *error)
{
    struct imports *imports = import->imports;

    if (imports->running_count >= IMPORTS_RUNNING_MAX)
        return error_set(error, -EBUSY, "%s: %d imports and exports are running already: wait for one to end", name,
                         IMPORTS_RUNNING_MAX);
    *job = jobs_add(imports->api->jobs, import->direction->job, name);
    return *job ? 0 : error_set(error, -EBUSY, "%s: too many jobs are running: wait for one to end", name);
}

static int accept_import(struct import *import, const json_t *message, int fd, struct job **job, struct error *error)
{
    char name[NAME_SIZE];
    int result = read_name(message, import->file, name, error);

    import->in.new_version = json_is_true(json_object_get(message, "new_version"));
    if (result == 0 && !COPY_STRING(import->in.comment, optional_string(message, "comment")))
        result = error_set(error, -EINVAL, "comment: at most %d bytes", COMMENT_SIZE - 1);
    if (result == 0)
        result = check_name_free(import, name, error);
    return result ?: add_job(import, name, job, error);
}

static void prepare_import(struct import *import)
{
    const struct api_options *options = &import->imports->api->options;

    import->in.catalog = options->catalog;
    import->in.store = options->store;
    import->in.job = import->job;
    import->in.fd = import->fd;
    import->in.file = import->file;
    import->in.temporary_folder = options->store_path;
}

static int run_import(struct import *import)
{
    return import_run(&import->in, &import->result, &import->error);
}

static const struct direction inwards = {
    "import", accept_import, prepare_import, run_import, "image.imported", "image.cancelled", "image.failed",
    "image %s was imported", "import of %s was cancelled", "import of %s failed: %s",
};

/* ---- out ---- */

/* A name that ends in none of these is a raw disk. */
static int read_format(struct import *import, const json_t *message, struct error *error)
{
    static const enum export_format formats[] = {EXPORT_GZIP, EXPORT_XZ, EXPORT_ZSTD};
    const char *wanted = optional_string(message, "format");
    const char *dot = strrchr(import->file, '.');

    if (*wanted && !export_format_from_name(wanted, &import->out.format))
        return error_set(error, -EINVAL, "format: is one of raw, gz, xz, zst");
    for (size_t i = 0; !*wanted && dot && i < ARRAY_SIZE(formats); i++) {
        if (string_equal(dot + 1, export_format_name(formats[i])))
            import->out.format = formats[i];
    }
    return 0;
}

static int accept_export(struct import *import, const json_t *message, int fd, struct job **job, struct error *error)
{
    int flags = fcntl(fd, F_GETFL);
    int result = read_format(import, message, error);

    if (result == 0 && (flags < 0 || (flags & O_ACCMODE) == O_RDONLY))
        result = error_set(error, -EINVAL, "%s: is not open for writing", import->file);
    if (result == 0)
        result = frozen_source_find(import->imports->api, optional_string(message, "export"), &import->out.source, error);
    if (result == 0)
        result = frozen_source_check_off(import->imports->api, &import->out.source, error);
    if (result < 0)
        return result;
    const struct frozen_source *source = &import->out.source;
    return add_job(import, source->machine.id ? source->machine.name : source->image.name, job, error);
}

static void prepare_export(struct import *import)
{
    import->out.options = &import->imports->api->options;
    import->out.job = import->job;
    import->out.fd = import->fd;
    import->out.file = import->file;
}

static int run_export(struct import *import)
{
    return export_run(&import->out, &import->result, &import->error);
}

static const struct direction outwards = {
    "export", accept_export, prepare_export, run_export, "image.exported", "image.cancelled", "image.failed",
    "the disk of %s was exported", "export of %s was cancelled", "export of %s failed: %s",
};

/* ---- to the boards' bootloaders ---- */

static int accept_push(struct import *import, const json_t *message, int fd, struct job **job, struct error *error)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(import->imports->api->options.catalog);
    int result = eeprom_push_find(&import->push, snapshot, json_object_get(message, "eeprom"), error);

    return result ?: add_job(import, catalog_machine_by_id(snapshot, import->push.ids[0])->name, job, error);
}

static void prepare_push(struct import *import)
{
    import->push.options = &import->imports->api->options;
    import->push.fd = import->fd;
    import->push.file = import->file;
}

static int run_push(struct import *import)
{
    return eeprom_push_run(&import->push, &import->result, &import->error);
}

static const struct direction to_boards = {
    "push", accept_push, prepare_push, run_push, "eeprom.offered", "eeprom.cancelled", "eeprom.failed",
    "a bootloader for %s was taken in; it is offered at its next start", "the bootloader for %s was not taken in",
    "the bootloader for %s was not taken in: %s",
};

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
    free(TAKE_PTR(import->push.ids));
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

    pthread_setname_np(pthread_self(), import->direction->job);
    setpriority(PRIO_PROCESS, (id_t)gettid(), TRANSFER_NICENESS); /* machines go first; what it starts inherits this */
    import->code = import->direction->run(import);
    CHECK(eventfd_write(import->ended_fd, 1) == 0);
    return NULL;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void tell_end(const struct import *import)
{
    struct event_sink sink = journal_sink(import->imports->api->options.journal);
    const struct direction *direction = import->direction;
    const char *name = import->job->name;

    if (import->code == 0)
        event_post(&sink, NULL, NULL, STAGE_NONE, EVENT_INFO, direction->done, direction->done_text, name);
    else if (import->code == -ECANCELED)
        event_post(&sink, NULL, NULL, STAGE_NONE, EVENT_INFO, direction->cancelled, direction->cancelled_text, name);
    else
        event_post(&sink, NULL, NULL, STAGE_NONE, EVENT_WARNING, direction->failed, direction->failed_text, name,
                   import->error.text);
}
#pragma GCC diagnostic pop

static void import_finish(struct import *import)
{
    pthread_join(import->thread, NULL);
    import->imports->running_count--;
    tell_end(import);
    job_end(import->job, import->code, &import->error, TAKE_PTR(import->result));
    close(TAKE_FD(import->fd));
    reclaim_begin(import->imports->api->reclaim); /* what was frozen to be read */
    import_release(import);
}

static void on_ended(void *arg, int events)
{
    import_finish(arg);
}

static void start_thread(struct import *import, struct job *job, int fd)
{
    struct imports *imports = import->imports;

    import->job = job;
    import->fd = fd;
    import->direction->prepare(import);
    import->state = IMPORT_RUNNING;
    import->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(import->ended_fd >= 0);
    import->ended_watch = loop_watch_new(imports->api->options.loop, import->ended_fd, on_ended, import);
    loop_watch_set(import->ended_watch, LOOP_READ);
    imports->running_count++;
    CHECK(pthread_create(&import->thread, NULL, import_thread, import) == 0);
}

/* Fills `job` when it may begin. */
static int accept_message(struct import *import, const json_t *message, int fd, struct job **job, struct error *error)
{
    const char *file = optional_string(message, "file");

    quote_into(import->file, sizeof(import->file), file, strlen(file));
    import->direction = json_object_get(message, "export")   ? &outwards
                        : json_object_get(message, "eeprom") ? &to_boards
                                                             : &inwards;
    int result = check_descriptor(fd, import->file, error);
    return result ?: import->direction->accept(import, message, fd, job, error);
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
                                         : error_set(&error, -EINVAL, "the request is not a JSON object");
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
    atomic_store(&import->job->cancelled, true);
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
    *import = (struct import){.imports = imports, .state = IMPORT_AWAITS_MESSAGE, .client_fd = fd, .ended_fd = -1,
                               .fd = -1};
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
            atomic_store(&import->job->cancelled, true);
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
