/*
 * The NFS service alone, over folders named on the command line: what its tests and benchmarks drive.
 *
 *   nfs_folder PORT PORT_MAPPER_PORT STATE EXPORT...
 *
 * EXPORT is ADDRESS:PATH:root|mapped: the folder STATE/NAME, with PATH's '/' as '_' and the address in front,
 * shown at PATH to clients from ADDRESS ("*" for all). It is made when it is missing. Listens on the loopback
 * interface alone; PORT 0 is any. Says "ready PORT" when it serves.
 */
#include "base/inet.h"
#include "base/log.h"
#include "nfs/service.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>

enum { EXPORTS_MAX = 64, LOOPS = 2, WORKERS = 8, QUEUE_MAX = 4096 };

struct shown {
    uint32_t address; /* 0: to all */
    struct nfs_export export;
};

static struct shown shown[EXPORTS_MAX];
static size_t shown_count;
static struct loop *control;
static struct nfs_service *service;

static void find(void *arg, uint32_t address, struct nfs_exports *exports)
{
    for (size_t i = 0; i < shown_count && exports->count < NFS_EXPORTS_MAX; i++) {
        if (shown[i].address && shown[i].address != address)
            continue;
        exports->list[exports->count] = shown[i].export;
        folder_ref(exports->list[exports->count++].folder);
    }
}

static void refused(void *arg, uint32_t address, const char *path)
{
    char text[INET_TEXT_SIZE];

    log_warning("refused: %s asked for %s", inet_format(text, address), path);
}

static int open_folder(const char *path, enum folder_owner owner, struct folder **folder, struct error *error)
{
    if (access(path, F_OK) < 0) {
        int r = folder_create(path, owner, error);
        if (r < 0)
            return r;
    }
    return folder_open(path, folder, error);
}

static int add_export(const char *state, char *text, struct error *error)
{
    struct shown *new = &shown[shown_count];
    char *path = strchr(text, ':');
    char *owner = path ? strchr(path + 1, ':') : NULL;

    if (!owner || shown_count == EXPORTS_MAX)
        return error_set(error, -EINVAL, "%s: not ADDRESS:PATH:root|mapped", text);
    *path++ = *owner++ = '\0';
    if (strcmp(text, "*") != 0 && !inet_parse(text, &new->address))
        return error_set(error, -EINVAL, "%s: not an address", text);
    COPY_STRING(new->export.path, path);
    CLEANUP_FREE char *place = xasprintf("%s/%s%s", state, strcmp(text, "*") == 0 ? "all" : text, path);
    for (char *slash = strchr(place + strlen(state) + 1, '/'); slash; slash = strchr(slash, '/'))
        *slash = '_';
    int r = open_folder(place, strcmp(owner, "mapped") == 0 ? FOLDER_OWNER_MAPPED : FOLDER_OWNER_ROOT,
                        &new->export.folder, error);
    shown_count += r == 0;
    return r;
}

static void stopped(void *arg)
{
    loop_stop(control);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    nfs_service_stop(service, stopped, NULL);
}

static void serve(struct nfs_service_options *options)
{
    struct event *end = evsignal_new(loop_event_base(control), SIGTERM, on_signal, NULL);

    event_add(end, NULL);
    printf("ready %u\n", nfs_service_port(service));
    fflush(stdout);
    loop_run(control);
    workers_free(options->workers);
    for (size_t i = 0; i < LOOPS; i++) {
        loop_stop(options->loops[i]);
        loop_join(options->loops[i]);
    }
    event_free(end);
}

static int run(char **arguments, int count, struct error *error)
{
    struct nfs_service_ports ports = {.address = INADDR_LOOPBACK,
                                      .port = (uint16_t)atoi(arguments[0]),
                                      .port_mapper = (uint16_t)atoi(arguments[1])};
    CLEANUP_FREE char *key = xasprintf("%s/nfs.key", arguments[2]);
    struct loop *loops[LOOPS];
    int r = nfs_service_open(&ports, &service, error);

    for (int i = 3; r == 0 && i < count; i++)
        r = add_export(arguments[2], arguments[i], error);
    if (r < 0)
        return r;
    control = loop_new("control");
    for (size_t i = 0; i < LOOPS; i++) {
        loops[i] = loop_new("data");
        loop_start(loops[i]);
    }
    struct nfs_service_options options = {
        .key_path = key,
        .control = control,
        .loops = loops,
        .loop_count = LOOPS,
        .workers = workers_new(WORKERS, QUEUE_MAX),
        .source = {.find = find, .refused = refused},
    };
    r = nfs_service_start(service, &options, error);
    if (r == 0)
        serve(&options);
    nfs_service_free(service);
    for (size_t i = 0; i < LOOPS; i++)
        loop_free(loops[i]);
    loop_free(control);
    return r;
}

int main(int argc, char **argv)
{
    struct error error = {0};

    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_DEBUG);
    if (argc < 5) {
        fprintf(stderr, "usage: nfs_folder PORT PORT_MAPPER_PORT STATE EXPORT...\n");
        return 2;
    }
    int r = run(argv + 1, argc - 1, &error);
    if (r < 0)
        fprintf(stderr, "nfs_folder: %s\n", error.text);
    for (size_t i = 0; i < shown_count; i++)
        folder_unref(shown[i].export.folder);
    return r < 0;
}
