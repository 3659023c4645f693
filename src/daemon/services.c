/*
 * Reads from top to bottom as it runs: open what needs privilege, give privilege up, start what serves, wait, stop in
 * the opposite order. Everything begins as NULL, so that a start that fails half way is undone by the same functions.
 */
#include "daemon/services.h"

#include "api/api.h"
#include "base/clock.h"
#include "base/text.h"
#include "bootfiles/bootfiles.h"
#include "daemon/confine.h"
#include "daemon/notify.h"
#include "dhcp/service.h"
#include "eeprom/rollout.h"
#include "http/service.h"
#include "iscsi/service.h"
#include "lan/foreign.h"
#include "lan/newcomers.h"
#include "nfs/folders.h"
#include "nfs/service.h"
#include "rpc/portmap.h"
#include "tftp/packet.h"
#include "tftp/service.h"

#include <event2/event.h>
#include <ifaddrs.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

enum {
    DATA_LOOPS_MAX = 8,
    WORKERS_PER_CPU = 4,
    WORKERS_MIN = 8,
    WORKERS_MAX = 32,
    WORK_QUEUE_MAX = 65536,
    PRESENCE_MAX = 16384,
    OPEN_FILES_WANTED = 65536,
    DRAIN_MS = 3000,
};

struct services {
    const struct config *config;
    uint64_t started_ms;

    struct dhcp_service *dhcp;
    struct tftp_service *tftp;
    struct http_service *http;
    struct iscsi_service *iscsi;
    struct nfs_service *nfs;
    struct nfs_folders *folders;
    bool nfs_runs;
    struct api_sockets *api_sockets;
    struct api *api;

    struct loop *control;
    struct loop *data[DATA_LOOPS_MAX];
    size_t data_count;
    struct workers *workers;
    struct disk_gate *gate;
    struct catalog *catalog;
    struct presence *presence;
    struct store *store;
    struct boot_folders *boot_folders;
    struct bootfiles *bootfiles;
    struct journal *journal;
    struct rollout *rollout;
    struct event_sink sink;
    struct foreign_servers *foreign;
    struct newcomers *newcomers;

    struct event *signals[2];
    unsigned draining; /* services that have not yet said that they stopped */
};

/* ---- open: what needs privilege, on one thread ---- */

static void raise_open_files_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= OPEN_FILES_WANTED)
        return;
    limit.rlim_max = geteuid() == 0 ? MAX(limit.rlim_max, (rlim_t)OPEN_FILES_WANTED) : limit.rlim_max;
    limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)OPEN_FILES_WANTED);
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_api(struct services *s, struct error *error)
{
    const struct passwd *account = *s->config->user ? getpwnam(s->config->user) : NULL;

    return api_open(s->config->socket, account ? account->pw_uid : (uid_t)-1, account ? account->pw_gid : (gid_t)-1,
                    &s->api_sockets, error);
}

/* Many a server has a web server already, and boots its machines all the same. */
static int open_http(struct services *s, struct error *error)
{
    const struct config *config = s->config;
    int r = http_service_open((const char *const *)config->interfaces, config->interface_count, config->http_port,
                              &s->http, error);

    if (r != -EADDRINUSE || config->http_port_named)
        return r;
    log_warning("HTTP port %u is taken by another program: machines get no boot files and no cloud-init data over HTTP "
                "(name another port in the configuration, http: port:)",
                config->http_port);
    *error = (struct error){0};
    return 0;
}

/* Another NFS server on this host is a reason to do without, unless the configuration asks for ours. */
static int open_nfs(struct services *s, struct error *error)
{
    const struct nfs_service_ports ports = {
        .port = s->config->nfs_port,
        .port_mapper = s->config->nfs_port_mapper ? PORTMAP_PORT : 0,
    };
    int r = s->config->nfs_enabled ? nfs_service_open(&ports, &s->nfs, error) : 0;

    if (r < 0 && !s->config->nfs_asked_for) {
        log_warning("%s: machines get no folders over NFS (nfs: enabled: false in the configuration silences this)",
                    error->text);
        r = 0;
    }
    return r;
}

static int open_all(struct services *s, struct error *error)
{
    const struct config *config = s->config;
    const char *const *interfaces = (const char *const *)config->interfaces;
    int r;

    raise_open_files_limit();
    r = confine_prepare_folder(config->store, config->user, error);
    if (r == 0)
        r = open_api(s, error);
    if (r == 0 && config->dhcp_mode != CONFIG_DHCP_OFF)
        r = dhcp_service_open(interfaces, config->interface_count, &s->dhcp, error);
    if (r == 0 && config->tftp_enabled)
        r = tftp_service_open(interfaces, config->interface_count, TFTP_PORT, &s->tftp, error);
    if (r == 0 && config->http_enabled)
        r = open_http(s, error);
    if (r == 0)
        r = open_nfs(s, error);
    return r;
}

/* ---- drop and confine ---- */

static int drop_privilege(struct services *s, struct error *error)
{
    CLEANUP_FREE char *socket_folder = xstrdup(s->config->socket);
    char *slash = strrchr(socket_folder, '/');
    const char *folders[] = {s->config->store, socket_folder, NULL};
    int r = confine_become(s->config->user, error);

    if (r < 0)
        return r;
    if (slash && slash != socket_folder)
        *slash = '\0';
    confine_apply(folders, s->config->program_folder);
    return 0;
}

/* ---- start: what serves, and what it stands on ---- */

static int open_state(struct services *s, struct error *error)
{
    CLEANUP_FREE char *catalog_path = xasprintf("%s/catalog.db", s->config->store);
    CLEANUP_FREE char *store_path = xasprintf("%s/store", s->config->store);
    int r = store_open(store_path, NULL, &s->store, error);

    if (r < 0)
        return r;
    store_set_marks(s->store, s->config->store_marks);
    r = catalog_open(catalog_path, &s->catalog, error);
    if (r == 0)
        api_sweep(s->catalog, s->store);
    return r;
}

static void start_threads(struct services *s)
{
    size_t cpus = (size_t)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);

    s->control = loop_new("control");
    s->data_count = MIN(cpus, (size_t)DATA_LOOPS_MAX);
    for (size_t i = 0; i < s->data_count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "data-%zu", i + 1);
        s->data[i] = loop_new(name);
        loop_start(s->data[i]);
    }
    size_t workers = MAX(cpus * WORKERS_PER_CPU, (size_t)WORKERS_MIN);
    s->workers = workers_new((unsigned)MIN(workers, (size_t)WORKERS_MAX), WORK_QUEUE_MAX);
}

/* A board that reaches its disk after its bootloader was changed lets the change go on to the next. */
static void follow_rollout(struct services *s, const struct event *event)
{
    const struct event_sink journal = journal_sink(s->journal);
    struct machine named = {.id = event->machine_id};
    enum rollout_state state;

    if (event->stage < STAGE_DISK || event->level >= EVENT_WARNING || !event->machine_id ||
        !rollout_booted(s->rollout, event->machine_id, &state))
        return;
    COPY_STRING(named.name, event->machine);
    event_post(&journal, &named, NULL, STAGE_NONE, EVENT_INFO, "eeprom.booted", "%s",
               state == ROLLOUT_DONE ? "boots with its new bootloader configuration"
                                     : "did not take the bootloader: it has it already, or its self-update is off");
}

static void post_event(void *arg, const struct event *event)
{
    struct services *s = arg;
    const struct event_sink journal = journal_sink(s->journal);

    journal.post(journal.arg, event);
    follow_rollout(s, event);
}

static void prepare_shared(struct services *s)
{
    s->boot_folders = boot_folders_new(s->store, s->config->store);
    s->rollout = rollout_new();
    const struct bootfiles_options files = {
        .store = s->store, .folders = s->boot_folders, .iqn_prefix = s->config->iqn_prefix,
        .iscsi_port = s->config->iscsi_port,
        .http_port = s->http ? s->config->http_port : 0,
        .boot_path = s->config->nfs_boot_path,
        .program_folder = s->config->program_folder,
        .rollout = s->rollout};

    s->gate = disk_gate_new(s->workers);
    s->presence = presence_new(PRESENCE_MAX);
    s->journal = journal_new(s->control);
    s->sink = (struct event_sink){post_event, s};
    s->foreign = foreign_servers_new(&s->sink, s->config->dhcp_mode == CONFIG_DHCP_SERVER);
    s->newcomers = newcomers_new();
    s->bootfiles = bootfiles_new(&files);
}

static void fill_subnet(struct dhcp_subnet *to, const struct config_subnet *from)
{
    *to = (struct dhcp_subnet){.network = from->network,
                               .range_first = from->range_first,
                               .range_last = from->range_last,
                               .router = from->router,
                               .dns_count = from->dns_count,
                               .ntp_count = from->ntp_count,
                               .lease_seconds = from->lease_seconds};
    memcpy(to->dns, from->dns, from->dns_count * sizeof(from->dns[0]));
    memcpy(to->ntp, from->ntp, from->ntp_count * sizeof(from->ntp[0]));
    COPY_STRING(to->domain, from->domain);
}

static int start_dhcp(struct services *s, struct error *error)
{
    CLEANUP_FREE struct dhcp_config *config = xcalloc(1, sizeof(*config));
    const struct dhcp_service_options options = {
        .config = config,
        .loop = s->control,
        .catalog = s->catalog,
        .presence = s->presence,
        .sink = &s->sink,
        .iqn_prefix = s->config->iqn_prefix,
        .iscsi_port = s->config->iscsi_port,
        .http_port = s->http ? s->config->http_port : 0,
        .other_server = foreign_servers_heard,
        .other_server_arg = s->foreign,
        .newcomer = newcomers_seen,
        .newcomer_arg = s->newcomers,
    };

    if (!s->dhcp)
        return 0;
    CHECK(s->config->subnet_count <= ARRAY_SIZE(config->subnets));
    config->mode = s->config->dhcp_mode == CONFIG_DHCP_SERVER ? DHCP_MODE_SERVER : DHCP_MODE_PROXY;
    config->authoritative = s->config->dhcp_authoritative;
    config->known_only = s->config->dhcp_known_only;
    config->subnet_count = s->config->subnet_count;
    for (size_t i = 0; i < config->subnet_count; i++)
        fill_subnet(&config->subnets[i], &s->config->subnets[i]);
    int r = dhcp_config_check(config, error);
    return r < 0 ? r : dhcp_service_start(s->dhcp, &options, error);
}

static void start_tftp(struct services *s)
{
    const struct tftp_service_options options = {
        .control = s->control,
        .loops = s->data,
        .loop_count = s->data_count,
        .workers = s->workers,
        .gate = s->gate,
        .catalog = s->catalog,
        .presence = s->presence,
        .bootfiles = s->bootfiles,
        .events = &s->sink,
    };

    if (s->tftp)
        tftp_service_start(s->tftp, &options);
}

static void start_http(struct services *s)
{
    const struct http_service_options options = {
        .control = s->control,
        .loops = s->data,
        .loop_count = s->data_count,
        .workers = s->workers,
        .gate = s->gate,
        .catalog = s->catalog,
        .presence = s->presence,
        .bootfiles = s->bootfiles,
        .events = &s->sink,
    };

    if (s->http)
        http_service_start(s->http, &options);
}

static int start_iscsi(struct services *s, struct error *error)
{
    const struct iscsi_options options = {
        .port = s->config->iscsi_port,
        .control = s->control,
        .loops = s->data,
        .loop_count = (unsigned)s->data_count,
        .workers = s->workers,
        .gate = s->gate,
        .catalog = s->catalog,
        .presence = s->presence,
        .store = s->store,
        .events = s->sink,
        .iqn_prefix = s->config->iqn_prefix,
        .chap_algorithms = s->config->chap_algorithms,
        .discovery_needs_chap = s->config->discovery_auth,
    };
    int r = iscsi_service_open(&options, &s->iscsi);

    if (r < 0)
        return error_set_errno(error, r, "iSCSI port %u cannot be bound", s->config->iscsi_port);
    iscsi_service_start(s->iscsi);
    return 0;
}

static int start_nfs(struct services *s, struct error *error)
{
    CLEANUP_FREE char *key_path = xasprintf("%s/nfs.key", s->config->store);
    const struct nfs_folders_options folders = {
        .catalog = s->catalog,
        .presence = s->presence,
        .store_path = s->config->store,
        .paths = {[NFS_FOLDER_BOOT] = s->config->nfs_boot_path, [NFS_FOLDER_ROOT] = s->config->nfs_root_path},
        .events = s->sink,
    };
    struct nfs_service_options options = {
        .key_path = key_path,
        .control = s->control,
        .loops = s->data,
        .loop_count = s->data_count,
        .workers = s->workers,
    };

    if (!s->nfs)
        return 0;
    s->folders = nfs_folders_new(&folders);
    options.source = nfs_folders_source(s->folders);
    int r = nfs_service_start(s->nfs, &options, error);
    s->nfs_runs = r == 0;
    return r;
}

/* ---- what the API asks of the services ---- */

_Static_assert(sizeof(((struct api_session *)0)->latency) == sizeof(((struct statistics_view *)0)->latency),
               "both count the same");

static size_t tell_sessions(void *arg, struct api_session *to, size_t max)
{
    const struct services *s = arg;
    struct iscsi_session_info *infos;
    size_t count;

    iscsi_service_sessions(s->iscsi, &infos, &count);
    count = MIN(count, max);
    for (size_t i = 0; i < count; i++) {
        to[i] = (struct api_session){.machine_id = infos[i].machine_id,
                                     .address = infos[i].address,
                                     .since_seconds = infos[i].since_seconds,
                                     .read_bytes = infos[i].read_bytes,
                                     .written_bytes = infos[i].written_bytes,
                                     .operations_per_second = infos[i].statistics.operations_per_second,
                                     .queue_depth = infos[i].statistics.depth,
                                     .queue_depth_max = infos[i].statistics.depth_max};
        memcpy(to[i].latency, infos[i].statistics.latency, sizeof(to[i].latency));
        COPY_STRING(to[i].machine, infos[i].machine);
        COPY_STRING(to[i].initiator, infos[i].initiator_name);
    }
    free(infos);
    return count;
}

static size_t tell_dhcp_servers(void *arg, struct api_dhcp_server *to, size_t max)
{
    const struct services *s = arg;
    struct foreign_server servers[FOREIGN_SERVERS_MAX];
    size_t count = foreign_servers_list(s->foreign, servers, MIN(max, ARRAY_SIZE(servers)));

    for (size_t i = 0; i < count; i++) {
        to[i] = (struct api_dhcp_server){.address = servers[i].address, .last_seen_seconds = servers[i].last_seen_seconds};
        COPY_STRING(to[i].interface, servers[i].interface);
    }
    return count;
}

static size_t tell_discovered(void *arg, struct api_discovered *to, size_t max)
{
    const struct services *s = arg;
    struct newcomer seen[NEWCOMERS_MAX];
    size_t count = newcomers_list(s->newcomers, seen, MIN(max, ARRAY_SIZE(seen)));

    for (size_t i = 0; i < count; i++) {
        to[i] = (struct api_discovered){.mac = seen[i].mac,
                                        .model = firmware_name(seen[i].seen.firmware),
                                        .serial = seen[i].seen.serial,
                                        .first_seen_ms = seen[i].first_seen_ms,
                                        .last_seen_ms = seen[i].last_seen_ms};
        COPY_STRING(to[i].interface, seen[i].interface);
    }
    return count;
}

/* Those that are configured, with the addresses that they have now; one without an address is told, too. */
static size_t tell_interfaces(void *arg, struct api_interface *to, size_t max)
{
    const struct services *s = arg;
    size_t count = MIN(s->config->interface_count, max);
    struct ifaddrs *addresses = NULL;

    getifaddrs(&addresses);
    for (size_t i = 0; i < count; i++) {
        to[i] = (struct api_interface){0};
        COPY_STRING(to[i].name, s->config->interfaces[i]);
        for (const struct ifaddrs *a = addresses; a && !to[i].address; a = a->ifa_next) {
            if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET || !string_equal(a->ifa_name, to[i].name))
                continue;
            to[i].address = inet_of_sockaddr((const struct sockaddr_in *)a->ifa_addr);
            to[i].prefix_length =
                (uint8_t)__builtin_popcount(inet_of_sockaddr((const struct sockaddr_in *)a->ifa_netmask));
        }
    }
    freeifaddrs(addresses);
    return count;
}

static void disconnect_machine(void *arg, uint64_t machine_id)
{
    const struct services *s = arg;

    iscsi_service_disconnect(s->iscsi, machine_id);
}

static void forget_folder(void *arg, uint64_t machine_id)
{
    const struct services *s = arg;

    if (s->folders)
        nfs_folders_forget(s->folders, machine_id);
}

static void renew_disks(void *arg, uint64_t machine_id)
{
    const struct services *s = arg;

    iscsi_service_renew_disks(s->iscsi, machine_id);
}

static void watch_machine(void *arg, uint64_t machine_id, bool closely)
{
    const struct services *s = arg;

    iscsi_service_watch(s->iscsi, machine_id, closely);
}

static void start_api(struct services *s)
{
    static const char *const modes[] = {
        [CONFIG_DHCP_PROXY] = "proxy", [CONFIG_DHCP_SERVER] = "server", [CONFIG_DHCP_OFF] = "off"};
    const struct api_options options = {
        .loop = s->control,
        .workers = s->workers,
        .catalog = s->catalog,
        .presence = s->presence,
        .store = s->store,
        .gate = s->gate,
        .journal = s->journal,
        .folders = s->boot_folders,
        .bootfiles = s->bootfiles,
        .rollout = s->rollout,
        .sources = {.sessions = tell_sessions,
                    .dhcp_servers = tell_dhcp_servers,
                    .discovered = tell_discovered,
                    .interfaces = tell_interfaces,
                    .disconnect = disconnect_machine,
                    .watch = watch_machine,
                    .renew_disks = renew_disks,
                    .folder_changed = forget_folder,
                    .arg = s},
        .iqn_prefix = s->config->iqn_prefix,
        .dhcp_mode = modes[s->config->dhcp_mode],
        .store_path = s->config->store,
    };

    s->api = api_start(&options, TAKE_PTR(s->api_sockets));
}

static int start_all(struct services *s, struct error *error)
{
    int r = open_state(s, error);

    if (r < 0)
        return r;
    start_threads(s);
    prepare_shared(s);
    r = start_dhcp(s, error);
    if (r == 0)
        r = start_iscsi(s, error);
    if (r == 0)
        r = start_nfs(s, error);
    if (r < 0)
        return r;
    start_tftp(s);
    start_http(s);
    start_api(s);
    return 0;
}

/* ---- stop ---- */

static void one_drained(void *arg)
{
    struct services *s = arg;

    if (--s->draining == 0)
        loop_stop(s->control);
}

/* On the control loop: new clients are turned away, those being served may finish. */
static void begin_stop(struct services *s)
{
    s->draining = 1;
    if (s->api)
        api_stop(s->api);
    if (s->dhcp)
        dhcp_service_stop(TAKE_PTR(s->dhcp));
    if (s->tftp && ++s->draining)
        tftp_service_stop(s->tftp, DRAIN_MS, one_drained, s);
    if (s->http && ++s->draining)
        http_service_stop(s->http, DRAIN_MS, one_drained, s);
    if (s->iscsi && ++s->draining)
        iscsi_service_stop(s->iscsi, one_drained, s);
    if (s->nfs_runs && ++s->draining)
        nfs_service_stop(s->nfs, one_drained, s);
    one_drained(s);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct services *s = arg;

    if (s->draining)
        return;
    log_info("stopping: %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
    notify_manager("STOPPING=1");
    begin_stop(s);
}

static void watch_signals(struct services *s)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        s->signals[i] = evsignal_new(loop_event_base(s->control), numbers[i], on_signal, s);
        CHECK(s->signals[i] && event_add(s->signals[i], NULL) == 0);
    }
}

/* Whatever was started, whole or not. No loop runs any more but those of the data plane. */
static void free_all(struct services *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(s->signals); i++) {
        if (s->signals[i])
            event_free(s->signals[i]);
    }
    workers_free(s->workers);
    for (size_t i = 0; i < s->data_count; i++) {
        loop_stop(s->data[i]);
        loop_join(s->data[i]);
    }
    dhcp_service_stop(s->dhcp);
    tftp_service_free(s->tftp);
    http_service_free(s->http);
    iscsi_service_free(s->iscsi);
    nfs_service_free(s->nfs);
    nfs_folders_free(s->folders);
    api_free(s->api);
    api_sockets_free(s->api_sockets);
    catalog_close(s->catalog);
    for (size_t i = 0; i < s->data_count; i++)
        loop_free(s->data[i]);
    loop_free(s->control);
    bootfiles_free(s->bootfiles);
    boot_folders_free(s->boot_folders);
    rollout_free(s->rollout);
    foreign_servers_free(s->foreign);
    newcomers_free(s->newcomers);
    journal_free(s->journal);
    presence_free(s->presence);
    disk_gate_free(s->gate);
    store_close(s->store);
}

/* ---- serve ---- */

static void serve(struct services *s)
{
    watch_signals(s);
    log_info("ready after %u ms", (unsigned)(clock_monotonic_ms() - s->started_ms));
    notify_manager("READY=1");
    loop_run(s->control);
}

int services_run(const struct config *config, struct error *error)
{
    struct services *s = xcalloc(1, sizeof(*s));
    int r;

    s->config = config;
    s->started_ms = clock_monotonic_ms();
    signal(SIGPIPE, SIG_IGN);
    r = open_all(s, error);
    if (r == 0)
        r = drop_privilege(s, error);
    if (r == 0)
        r = start_all(s, error);
    if (r == 0)
        serve(s);
    free_all(s);
    free(s);
    log_info("stopped");
    return r;
}
