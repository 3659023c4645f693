#include "iscsi/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "iscsi/connection.h"
#include "loop/listener.h"

/* ---- disks that are open ---- */

static struct open_disk **find_disk(struct iscsi_service *service, uint64_t machine_id, const char *volume)
{
    struct open_disk **at = &service->disks;

    while (*at && ((*at)->machine_id != machine_id || !string_equal((*at)->volume, volume)))
        at = &(*at)->next;
    return at;
}

static struct open_disk *add_disk(struct iscsi_service *service, uint64_t machine_id, const char *name)
{
    struct open_disk *disk = xcalloc(1, sizeof(*disk));

    disk->machine_id = machine_id;
    disk->service = service;
    COPY_STRING(disk->volume, name);
    disk->next = service->disks;
    service->disks = disk;
    return disk;
}

static void remove_disk(struct iscsi_service *service, struct open_disk *disk)
{
    *find_disk(service, disk->machine_id, disk->volume) = disk->next;
    reservations_free(&disk->kept);
    free(disk);
}

/* Registrations stand until farboot ends (SPC-4 5.13.5), or longer if an initiator asked for it: sessions
 * come and go. */
static void close_volume(struct iscsi_service *service, struct open_disk *disk)
{
    disk->reservations_kept = disk->disk->reservations_kept;
    disk->kept = scsi_disk_take_reservations(disk->disk);
    scsi_disk_unref(TAKE_PTR(disk->disk));
    if (!disk->kept.generation)
        remove_disk(service, disk);
}

static int save_state(void *arg, const void *bytes, size_t length_bytes)
{
    struct open_disk *disk = arg;
    int r = catalog_disk_state_put(disk->service->options.catalog, disk->volume, bytes, length_bytes);

    if (r < 0)
        log_error("%s: what must outlive a restart cannot be written: %s", disk->volume, strerror(-r));
    return r;
}

static void do_work(struct work *work)
{
    struct open_disk *disk = CONTAINER_OF(work, struct open_disk, work);
    struct iscsi_service *service = disk->service;

    while (!atomic_load(&service->stopping) && scsi_disk_work(disk->disk))
        ;
    pthread_mutex_lock(&service->disks_lock);
    atomic_store(&disk->working, false);
    if (!disk->users)
        close_volume(service, disk);
    pthread_mutex_unlock(&service->disks_lock);
}

static bool begin_work(void *arg)
{
    struct open_disk *disk = arg;
    struct iscsi_service *service = disk->service;

    if (atomic_load(&service->stopping) || atomic_exchange(&disk->working, true))
        return false;
    disk->work = (struct work){.run = do_work};
    if (workers_submit(service->options.workers, &disk->work))
        return true;
    atomic_store(&disk->working, false);
    return false;
}

/* A volume of the same name may be another one by now. */
static void forget_other_volume(struct open_disk *disk, const struct volume *volume)
{
    if (memcmp(disk->uuid, volume_uuid(volume), sizeof(disk->uuid)) == 0)
        return;
    reservations_free(&disk->kept);
    disk->kept = (struct reservations){0};
    disk->reservations_kept = false;
    memcpy(disk->uuid, volume_uuid(volume), sizeof(disk->uuid));
}

/* Registrations come from the last time it was open, or else from before farboot was started. An image belongs to
 * nobody, and nothing is kept with it. */
static void make_disk(struct open_disk *found, struct volume *volume, const uint8_t *saved,
                      size_t saved_bytes)
{
    const struct scsi_keeper keeper = {save_state, begin_work, found};

    forget_other_volume(found, volume);
    found->disk = scsi_disk_new(volume);
    if (!volume_is_read_only(volume))
        scsi_disk_keep(found->disk, &keeper, saved, saved_bytes);
    if (found->kept.generation)
        scsi_disk_give_reservations(found->disk, found->kept, found->reservations_kept);
    found->kept = (struct reservations){0};
}

/* `found` is the disk if something of it is kept, else NULL. */
static int open_volume(struct iscsi_service *service, uint64_t machine_id, const char *name, struct open_disk **found)
{
    struct volume *volume;
    CLEANUP_FREE uint8_t *saved = NULL;
    size_t saved_bytes;
    int r = catalog_disk_state_get(service->options.catalog, name, &saved, &saved_bytes);

    if (r == 0)
        r = store_volume_open(service->options.store, name, &volume);
    if (r < 0)
        return r;
    if (!*found)
        *found = add_disk(service, machine_id, name);
    make_disk(*found, volume, saved, saved_bytes);
    volume_unref(volume);
    return 0;
}

int service_open_disk(struct iscsi_service *service, uint64_t machine_id, const char *volume, bool read_only,
                      struct open_disk **disk)
{
    int r = 0;

    pthread_mutex_lock(&service->disks_lock);
    struct open_disk *found = *find_disk(service, machine_id, volume);
    if (!found || !found->disk)
        r = open_volume(service, machine_id, volume, &found);
    if (r == 0) {
        scsi_disk_set_read_only(found->disk, read_only);
        found->users++;
        *disk = found;
    }
    pthread_mutex_unlock(&service->disks_lock);
    return r;
}

void service_close_disk(struct iscsi_service *service, struct open_disk *disk)
{
    pthread_mutex_lock(&service->disks_lock);
    if (--disk->users == 0 && !atomic_load(&disk->working))
        close_volume(service, disk);
    pthread_mutex_unlock(&service->disks_lock);
}

/* ---- between loops ---- */

struct message {
    struct iscsi_loop *loop;
    uint64_t id;
    void (*fn)(struct iscsi_loop *loop, uint64_t id);
};

static void deliver(void *arg)
{
    struct message *message = arg;

    message->fn(message->loop, message->id);
    free(message);
}

void service_call(struct iscsi_service *service, unsigned loop_index, uint64_t id,
                  void (*fn)(struct iscsi_loop *loop, uint64_t id))
{
    struct message *message = xcalloc(1, sizeof(*message));

    *message = (struct message){&service->loops[loop_index], id, fn};
    loop_call(message->loop->loop, deliver, message);
}

struct newcomer {
    struct iscsi_loop *loop;
    int fd;
    struct sockaddr_in peer;
};

static void take_newcomer(void *arg)
{
    struct newcomer *newcomer = arg;

    connection_open(newcomer->loop, newcomer->fd, &newcomer->peer);
    free(newcomer);
}

static void accepted(void *arg, int fd, const struct sockaddr_in *peer)
{
    struct iscsi_service *service = arg;
    struct newcomer *newcomer = xcalloc(1, sizeof(*newcomer));

    newcomer->loop = &service->loops[service->next_loop++ % service->options.loop_count];
    newcomer->fd = fd;
    newcomer->peer = *peer;
    loop_call(newcomer->loop->loop, take_newcomer, newcomer);
}

/* ---- life ---- */

int iscsi_service_open(const struct iscsi_options *options, struct iscsi_service **service)
{
    struct listener_options where = {.address = options->address, .port = options->port};
    struct listener *listener;
    int r = listener_open(&where, &listener);

    if (r < 0)
        return r;
    CHECK(options->loop_count >= 1 && options->loop_count <= ISCSI_LOOPS_MAX);
    struct iscsi_service *s = xcalloc(1, sizeof(*s));
    s->options = *options;
    s->iqn_prefix = xstrdup(options->iqn_prefix);
    s->listener = listener;
    s->chap_policy.algorithms = options->chap_algorithms ? options->chap_algorithms : CHAP_ALGORITHMS_ALL;
    s->chap_policy.random = random_bytes;
    registry_init(&s->registry);
    pthread_mutex_init(&s->disks_lock, NULL);
    for (unsigned i = 0; i < options->loop_count; i++) {
        struct iscsi_loop *loop = &s->loops[i];
        *loop = (struct iscsi_loop){.service = s, .loop = options->loops[i], .index = i};
        loop->pool = stream_pool_new(loop->loop);
        loop->buffers = buffers_new();
    }
    *service = s;
    return 0;
}

/* 0 if it is no machine's disk. */
static uint64_t owner_of(const struct catalog_snapshot *snapshot, const char *volume, bool *read_only)
{
    size_t count;
    const struct machine *machines = catalog_machines(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        for (unsigned lun = 0; lun < SCSI_LUNS_MAX; lun++) {
            const char *name = machine_volume_at_lun(&machines[i], lun, read_only);
            if (name && string_equal(name, volume))
                return machines[i].id;
        }
    }
    return 0;
}

static void open_and_close(struct iscsi_service *service, const char *volume)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(service->options.catalog);
    struct open_disk *disk;
    bool read_only;
    uint64_t machine_id = owner_of(snapshot, volume, &read_only);

    if (!machine_id)
        return;
    int r = service_open_disk(service, machine_id, volume, read_only, &disk);
    if (r == 0)
        service_close_disk(service, disk);
    else
        log_error("%s: cannot open it to end what was interrupted: %s", volume, strerror(-r));
}

/* What was under way when farboot ended, an atomic write above all, is brought to its end before anybody can log in,
 * roll back or take a snapshot: opening a disk does that. */
static void finish_interrupted(struct iscsi_service *service)
{
    CLEANUP_FREE struct pending_volume *volumes = NULL;
    size_t count = 0;

    if (catalog_disk_state_list(service->options.catalog, &volumes, &count) < 0)
        log_error("what was interrupted at the last end cannot be read");
    for (size_t i = 0; i < count; i++)
        open_and_close(service, volumes[i].name);
}

void iscsi_service_start(struct iscsi_service *service)
{
    finish_interrupted(service);
    listener_start(service->listener, service->options.control, accepted, service);
}

static void loop_has_stopped(void *arg)
{
    struct iscsi_service *service = arg;

    if (--service->loops_left == 0)
        service->stopped(service->stopped_arg);
}

void service_loop_is_empty(struct iscsi_loop *loop)
{
    loop_call(loop->service->options.control, loop_has_stopped, loop->service);
}

static void stop_loop(void *arg)
{
    struct iscsi_loop *loop = arg;

    loop->stopping = true;
    if (loop->connection_count)
        connection_close_all(loop);
    else
        service_loop_is_empty(loop);
}

void iscsi_service_stop(struct iscsi_service *service, void (*done)(void *arg), void *arg)
{
    listener_free(TAKE_PTR(service->listener));
    atomic_store(&service->stopping, true);
    service->stopped = done;
    service->stopped_arg = arg;
    service->loops_left = service->options.loop_count;
    for (unsigned i = 0; i < service->options.loop_count; i++)
        loop_call(service->loops[i].loop, stop_loop, &service->loops[i]);
}

void iscsi_service_free(struct iscsi_service *service)
{
    if (!service)
        return;
    listener_free(service->listener);
    for (unsigned i = 0; i < service->options.loop_count; i++) {
        stream_pool_free(service->loops[i].pool);
        buffers_free(service->loops[i].buffers);
    }
    registry_end(&service->registry);
    while (service->disks) {
        CHECK(!service->disks->disk);
        remove_disk(service, service->disks);
    }
    pthread_mutex_destroy(&service->disks_lock);
    free(service->iqn_prefix);
    free(service);
}

uint16_t iscsi_service_port(const struct iscsi_service *service)
{
    return listener_port(service->listener);
}

/* ---- for the API ---- */

struct collection {
    struct iscsi_session_info *infos;
    size_t count;
    size_t capacity;
    uint64_t now_ms;
    uint64_t now_ns;
};

static void collect(const struct registry_entry *entry, void *arg)
{
    struct collection *all = arg;

    if (all->count == all->capacity) {
        all->capacity = MAX(all->capacity * 2, (size_t)16);
        all->infos = xrealloc(all->infos, all->capacity, sizeof(*all->infos));
    }
    struct iscsi_session_info *info = &all->infos[all->count++];
    uint64_t active_ms = atomic_load(&entry->last_active_ms);
    *info = (struct iscsi_session_info){
        .machine_id = entry->machine_id,
        .address = entry->address,
        .port = entry->port,
        .since_seconds = entry->since_seconds,
        .idle_ms = all->now_ms > active_ms ? all->now_ms - active_ms : 0,
        .commands = atomic_load(&entry->commands),
        .read_bytes = atomic_load(&entry->read_bytes),
        .written_bytes = atomic_load(&entry->written_bytes),
    };
    statistics_view(&entry->statistics, all->now_ns, &info->statistics);
    COPY_STRING(info->machine, entry->machine);
    COPY_STRING(info->initiator_name, entry->initiator_name);
}

void iscsi_service_sessions(struct iscsi_service *service, struct iscsi_session_info **infos, size_t *count)
{
    struct collection all = {.now_ms = clock_monotonic_ms(), .now_ns = clock_monotonic_ns()};

    registry_for_each(&service->registry, collect, &all);
    *infos = all.infos;
    *count = all.count;
}

struct search {
    uint64_t machine_id;
    bool found;
    uint32_t address;
};

static void look(const struct registry_entry *entry, void *arg)
{
    struct search *search = arg;

    if (entry->machine_id != search->machine_id)
        return;
    search->found = true;
    search->address = entry->address;
}

bool iscsi_service_in_use(struct iscsi_service *service, uint64_t machine_id, uint32_t *address)
{
    struct search search = {.machine_id = machine_id};

    registry_for_each(&service->registry, look, &search);
    *address = search.address;
    return search.found;
}

void iscsi_service_watch(struct iscsi_service *service, uint64_t machine_id, bool closely)
{
    CHECK(machine_id != 0);
    registry_watch_machine(&service->registry, machine_id, closely);
}

void iscsi_service_disconnect(struct iscsi_service *service, uint64_t machine_id)
{
    CHECK(machine_id != 0);
    registry_close_machine(&service->registry, machine_id);
}

struct renewal {
    struct iscsi_service *service;
    uint64_t machine_id;
};

static void ask_to_renew(const struct registry_entry *entry, void *arg)
{
    const struct renewal *renewal = arg;

    if (entry->machine_id == renewal->machine_id)
        service_call(renewal->service, entry->loop_index, entry->id, connection_renew_by_id);
}

void iscsi_service_renew_disks(struct iscsi_service *service, uint64_t machine_id)
{
    struct renewal renewal = {service, machine_id};

    registry_for_each(&service->registry, ask_to_renew, &renewal);
}
