/*
 * The writer thread, and the questions and changes that others bring to it.
 *
 * All changes that wait share one transaction (group commit): each runs in a savepoint of its own, so that one that
 * is refused takes nothing of the others with it, then one COMMIT makes them durable, then the new snapshot is
 * published, then all are told.
 */
#include "catalog/catalog.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "catalog/disk_states.h"
#include "catalog/disks.h"
#include "catalog/groups.h"
#include "catalog/images.h"
#include "catalog/leases.h"
#include "catalog/machines.h"
#include "catalog/settings.h"
#include "catalog/snapshot.h"
#include "catalog/volumes.h"

#include <pthread.h>

enum { BUSY_SENTENCE_NAMES_MAX = 3 };

struct change {
    int (*run)(sqlite3 *db, struct change *change);
    /* Told on the writer's thread once the outcome is certain; the change is its receiver's from then on. */
    void (*finish)(struct catalog *catalog, struct change *change);
    bool publish; /* readers must see it */
    int result;
    struct change *next;
};

struct catalog {
    sqlite3 *db; /* the writer thread's, once it runs */
    pthread_t thread;

    pthread_mutex_t lock; /* guards the queue, `stopping` and `current` */
    pthread_cond_t arrived;
    pthread_cond_t finished;
    struct change *first;
    struct change **last;
    bool stopping;
    const struct catalog_snapshot *current;
};

/* ---- the writer ---- */

static struct change *take_changes(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->lock);
    while (!catalog->first && !catalog->stopping)
        pthread_cond_wait(&catalog->arrived, &catalog->lock);
    struct change *first = catalog->first;
    catalog->first = NULL;
    catalog->last = &catalog->first;
    pthread_mutex_unlock(&catalog->lock);
    return first;
}

static void run_change(sqlite3 *db, struct change *change)
{
    change->result = database_execute(db, "SAVEPOINT change");
    if (change->result < 0)
        return;
    change->result = change->run(db, change);
    if (change->result < 0)
        database_execute(db, "ROLLBACK TO change");
    database_execute(db, "RELEASE change");
}

static void fail_all(struct change *first, int result)
{
    for (struct change *change = first; change; change = change->next) {
        if (change->result == 0)
            change->result = result;
    }
}

static void commit_changes(struct catalog *catalog, struct change *first)
{
    int r = database_execute(catalog->db, "BEGIN IMMEDIATE");

    for (struct change *change = first; r == 0 && change; change = change->next)
        run_change(catalog->db, change);
    if (r == 0)
        r = database_execute(catalog->db, "COMMIT");
    if (r < 0) {
        database_execute(catalog->db, "ROLLBACK");
        fail_all(first, r);
    }
}

static void publish(struct catalog *catalog)
{
    const struct catalog_snapshot *fresh;

    if (snapshot_load(catalog->db, &fresh) < 0) {
        log_error("catalog: cannot read back what was written; machines go on with the state before");
        return;
    }
    pthread_mutex_lock(&catalog->lock);
    const struct catalog_snapshot *old = catalog->current;
    catalog->current = fresh;
    pthread_mutex_unlock(&catalog->lock);
    catalog_snapshot_unref(old);
}

static bool worth_publishing(const struct change *first)
{
    for (; first; first = first->next) {
        if (first->publish && first->result == 0)
            return true;
    }
    return false;
}

static void *writer_thread(void *arg)
{
    struct catalog *catalog = arg;
    struct change *first;

    pthread_setname_np(pthread_self(), "catalog");
    while ((first = take_changes(catalog))) {
        commit_changes(catalog, first);
        if (worth_publishing(first))
            publish(catalog);
        while (first) {
            struct change *next = first->next;
            first->finish(catalog, first);
            first = next;
        }
    }
    return NULL;
}

static void submit(struct catalog *catalog, struct change *change)
{
    pthread_mutex_lock(&catalog->lock);
    CHECK(!catalog->stopping);
    change->next = NULL;
    *catalog->last = change;
    catalog->last = &change->next;
    pthread_cond_signal(&catalog->arrived);
    pthread_mutex_unlock(&catalog->lock);
}

/* ---- changes whose sender waits ---- */

struct waited_change {
    struct change change;
    bool finished;
    struct machine *machine;
    struct machine_disk *disk;
    struct removed_disk **removed;
    struct image *image;
    struct machine_group *group;
    const struct settings *defaults;
    uint64_t id;
    const char *volume;
    struct lease **leases;
    struct pending_volume **volumes;
    size_t *count;
    const void *state;
    uint8_t **loaded_state;
    size_t state_bytes;
};

static void wake_sender(struct catalog *catalog, struct change *change)
{
    struct waited_change *waited = CONTAINER_OF(change, struct waited_change, change);

    pthread_mutex_lock(&catalog->lock);
    waited->finished = true;
    pthread_cond_broadcast(&catalog->finished);
    pthread_mutex_unlock(&catalog->lock);
}

static int submit_and_wait(struct catalog *catalog, struct waited_change *waited)
{
    waited->change.finish = wake_sender;
    submit(catalog, &waited->change);
    pthread_mutex_lock(&catalog->lock);
    while (!waited->finished)
        pthread_cond_wait(&catalog->finished, &catalog->lock);
    pthread_mutex_unlock(&catalog->lock);
    return waited->change.result;
}

static int run_machine_insert(sqlite3 *db, struct change *change)
{
    return machines_insert(db, CONTAINER_OF(change, struct waited_change, change)->machine);
}

static int run_machine_update(sqlite3 *db, struct change *change)
{
    return machines_update(db, CONTAINER_OF(change, struct waited_change, change)->machine);
}

static int run_machine_set_chap(sqlite3 *db, struct change *change)
{
    return machines_set_chap(db, CONTAINER_OF(change, struct waited_change, change)->machine);
}

static int run_machine_delete(sqlite3 *db, struct change *change)
{
    return machines_delete(db, CONTAINER_OF(change, struct waited_change, change)->id);
}

static int run_image_insert(sqlite3 *db, struct change *change)
{
    return images_insert(db, CONTAINER_OF(change, struct waited_change, change)->image);
}

static int run_image_delete(sqlite3 *db, struct change *change)
{
    return images_delete(db, CONTAINER_OF(change, struct waited_change, change)->id);
}

static int run_lease_list(sqlite3 *db, struct change *change)
{
    struct waited_change *waited = CONTAINER_OF(change, struct waited_change, change);

    return leases_load(db, waited->leases, waited->count);
}

/* Which of a machine's names is taken, and by whom. */
static int explain_conflict(struct catalog *catalog, const struct machine *machine, struct error *error)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(catalog);
    const struct machine *other = catalog_machine_by_name(snapshot, machine->name);
    char text[MAC_TEXT_SIZE]; /* an IPv4 address is shorter */

    if (other && other->id != machine->id)
        return error_set(error, -EEXIST, "%s: a machine of that name exists; choose another name", machine->name);
    other = catalog_machine_by_mac(snapshot, &machine->mac);
    if (other && other->id != machine->id)
        return error_set(error, -EEXIST, "%s: the MAC address %s belongs to the machine %s", machine->name,
                         mac_format(text, &machine->mac, ':'), other->name);
    other = catalog_machine_by_address(snapshot, machine->address);
    if (other && other->id != machine->id)
        return error_set(error, -EEXIST, "%s: the address %s is reserved for the machine %s", machine->name,
                         inet_format(text, machine->address), other->name);
    other = catalog_machine_by_serial(snapshot, machine->serial);
    if (other && other->id != machine->id)
        return error_set(error, -EEXIST, "%s: the serial number %08x belongs to the machine %s", machine->name,
                         machine->serial, other->name);
    return error_set(error, -EEXIST, "%s: its name, address or volume is taken", machine->name);
}

static int explain_machine_failure(struct catalog *catalog, const struct machine *machine, int r, struct error *error)
{
    if (r == -EEXIST)
        return explain_conflict(catalog, machine, error);
    if (r == -EBUSY)
        return error_set(error, r, "%s: its image or group was removed meanwhile", machine->name);
    if (r == -ENOENT)
        return error_set(error, r, "%s: no such machine", machine->name);
    return r < 0 ? error_set_errno(error, r, "%s: the catalog cannot be written", machine->name) : 0;
}

int catalog_machine_insert(struct catalog *catalog, struct machine *machine, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_machine_insert, .publish = true}, .machine = machine};

    return explain_machine_failure(catalog, machine, submit_and_wait(catalog, &waited), error);
}

int catalog_machine_update(struct catalog *catalog, const struct machine *machine, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_machine_update, .publish = true},
                                   .machine = (struct machine *)machine};

    return explain_machine_failure(catalog, machine, submit_and_wait(catalog, &waited), error);
}

int catalog_machine_set_chap(struct catalog *catalog, const struct machine *machine, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_machine_set_chap, .publish = true},
                                   .machine = (struct machine *)machine};
    int r = submit_and_wait(catalog, &waited);

    return explain_machine_failure(catalog, machine, r == -EBUSY ? -ENOENT : r, error);
}

int catalog_machine_delete(struct catalog *catalog, uint64_t id, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_machine_delete, .publish = true}, .id = id};
    int r = submit_and_wait(catalog, &waited);

    if (r == -ENOENT)
        return error_set(error, r, "no such machine");
    return r < 0 ? error_set_errno(error, r, "the catalog cannot be written") : 0;
}

/* ---- further disks ---- */

static int run_disk_insert(sqlite3 *db, struct change *change)
{
    struct waited_change *waited = CONTAINER_OF(change, struct waited_change, change);

    return disks_insert(db, waited->id, waited->disk);
}

static int run_disk_update(sqlite3 *db, struct change *change)
{
    return disks_update(db, CONTAINER_OF(change, struct waited_change, change)->disk);
}

static int run_disk_delete(sqlite3 *db, struct change *change)
{
    return disks_delete(db, CONTAINER_OF(change, struct waited_change, change)->id, clock_wall_seconds());
}

static int run_removed_list(sqlite3 *db, struct change *change)
{
    struct waited_change *waited = CONTAINER_OF(change, struct waited_change, change);

    return disks_load_removed(db, waited->id, waited->removed, waited->count);
}

static int explain_disk_failure(const char *name, int r, struct error *error)
{
    if (r == -EEXIST)
        return error_set(error, r, "%s: the machine has a disk of that name or LUN already", name);
    if (r == -EBUSY)
        return error_set(error, r, "%s: its machine or image was removed meanwhile", name);
    if (r == -ENOENT)
        return error_set(error, r, "%s: no such disk", name);
    return r < 0 ? error_set_errno(error, r, "%s: the catalog cannot be written", name) : 0;
}

int catalog_disk_insert(struct catalog *catalog, uint64_t machine_id, struct machine_disk *disk, struct error *error)
{
    struct waited_change waited = {
        .change = {.run = run_disk_insert, .publish = true}, .id = machine_id, .disk = disk};

    return explain_disk_failure(disk->name, submit_and_wait(catalog, &waited), error);
}

int catalog_disk_update(struct catalog *catalog, const struct machine_disk *disk, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_disk_update, .publish = true},
                                   .disk = (struct machine_disk *)disk};

    return explain_disk_failure(disk->name, submit_and_wait(catalog, &waited), error);
}

int catalog_disk_delete(struct catalog *catalog, uint64_t id, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_disk_delete, .publish = true}, .id = id};

    return explain_disk_failure("the disk", submit_and_wait(catalog, &waited), error);
}

int catalog_removed_disks(struct catalog *catalog, uint64_t machine_id, struct removed_disk **disks, size_t *count)
{
    struct waited_change waited = {
        .change = {.run = run_removed_list}, .id = machine_id, .removed = disks, .count = count};

    return submit_and_wait(catalog, &waited);
}

/* ---- images ---- */

int catalog_image_insert(struct catalog *catalog, struct image *image, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_image_insert, .publish = true}, .image = image};
    int r = submit_and_wait(catalog, &waited);

    if (r == -EEXIST)
        return error_set(error, r, "%s: an image of that name exists; choose another with --name", image->name);
    return r < 0 ? error_set_errno(error, r, "%s: the catalog cannot be written", image->name) : 0;
}

static bool is_in_group(const struct machine *machine, uint64_t id)
{
    return machine->group_id == id;
}

/* "pi-01, pi-02, pi-03 and 2 more": the machines that `uses` is true of. Gives one of them, or NULL. */
static const struct machine *append_users(struct text *to, const struct catalog_snapshot *snapshot,
                                          bool (*uses)(const struct machine *machine, uint64_t id), uint64_t id)
{
    const struct machine *user = NULL;
    size_t users = 0;
    size_t count;
    const struct machine *machines = catalog_machines(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        if (!uses(&machines[i], id))
            continue;
        user = &machines[i];
        if (users++ < BUSY_SENTENCE_NAMES_MAX)
            text_appendf(to, "%s%s", users > 1 ? ", " : "", machines[i].name);
    }
    if (users > BUSY_SENTENCE_NAMES_MAX)
        text_appendf(to, " and %zu more", users - BUSY_SENTENCE_NAMES_MAX);
    return user;
}

static int explain_image_users(struct catalog *catalog, uint64_t id, struct error *error)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(catalog);
    CLEANUP_TEXT struct text names = text_with_max(sizeof(error->text));
    const struct image *image = catalog_image_by_id(snapshot, id);

    append_users(&names, snapshot, machine_uses_image, id);
    return error_set(error, -EBUSY, "%s: cannot be removed while machines use it: %s",
                     image ? image->name : "the image", text_string(&names));
}

static int explain_group_members(struct catalog *catalog, uint64_t id, struct error *error)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(catalog);
    CLEANUP_TEXT struct text names = text_with_max(sizeof(error->text));
    const struct machine *member = append_users(&names, snapshot, is_in_group, id);

    return error_set(error, -EBUSY, "%s: cannot be removed while machines are in it: %s", member ? member->group : "",
                     text_string(&names));
}

int catalog_image_delete(struct catalog *catalog, uint64_t id, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_image_delete, .publish = true}, .id = id};
    int r = submit_and_wait(catalog, &waited);

    if (r == -EBUSY)
        return explain_image_users(catalog, id, error);
    if (r == -ENOENT)
        return error_set(error, r, "no such image");
    return r < 0 ? error_set_errno(error, r, "the catalog cannot be written") : 0;
}

/* ---- groups and defaults ---- */

static int run_group_insert(sqlite3 *db, struct change *change)
{
    return groups_insert(db, CONTAINER_OF(change, struct waited_change, change)->group);
}

static int run_group_update(sqlite3 *db, struct change *change)
{
    return groups_update(db, CONTAINER_OF(change, struct waited_change, change)->group);
}

static int run_group_delete(sqlite3 *db, struct change *change)
{
    return groups_delete(db, CONTAINER_OF(change, struct waited_change, change)->id);
}

static int run_defaults_update(sqlite3 *db, struct change *change)
{
    return settings_store(db, SETTING_FROM_DEFAULTS, 0, CONTAINER_OF(change, struct waited_change, change)->defaults);
}

static int explain_group_failure(const struct machine_group *group, int r, struct error *error)
{
    if (r == -EEXIST)
        return error_set(error, r, "%s: a group of that name exists; choose another name", group->name);
    if (r == -ENOENT)
        return error_set(error, r, "%s: no such group", group->name);
    return r < 0 ? error_set_errno(error, r, "%s: the catalog cannot be written", group->name) : 0;
}

int catalog_group_insert(struct catalog *catalog, struct machine_group *group, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_group_insert, .publish = true}, .group = group};

    return explain_group_failure(group, submit_and_wait(catalog, &waited), error);
}

int catalog_group_update(struct catalog *catalog, const struct machine_group *group, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_group_update, .publish = true},
                                   .group = (struct machine_group *)group};

    return explain_group_failure(group, submit_and_wait(catalog, &waited), error);
}

int catalog_group_delete(struct catalog *catalog, uint64_t id, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_group_delete, .publish = true}, .id = id};
    int r = submit_and_wait(catalog, &waited);

    if (r == -EBUSY)
        return explain_group_members(catalog, id, error);
    if (r == -ENOENT)
        return error_set(error, r, "no such group");
    return r < 0 ? error_set_errno(error, r, "the catalog cannot be written") : 0;
}

int catalog_defaults_update(struct catalog *catalog, const struct settings *defaults, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_defaults_update, .publish = true}, .defaults = defaults};
    int r = submit_and_wait(catalog, &waited);

    return r < 0 ? error_set_errno(error, r, "the catalog cannot be written") : 0;
}

int catalog_lease_list(struct catalog *catalog, struct lease **leases, size_t *count)
{
    struct waited_change waited = {.change = {.run = run_lease_list}, .leases = leases, .count = count};

    return submit_and_wait(catalog, &waited);
}

static int run_pending_put(sqlite3 *db, struct change *change)
{
    return volumes_put_pending(db, CONTAINER_OF(change, struct waited_change, change)->volume);
}

static int run_pending_drop(sqlite3 *db, struct change *change)
{
    return volumes_drop_pending(db, CONTAINER_OF(change, struct waited_change, change)->volume);
}

static int run_pending_list(sqlite3 *db, struct change *change)
{
    struct waited_change *waited = CONTAINER_OF(change, struct waited_change, change);

    return volumes_load_pending(db, waited->volumes, waited->count);
}

int catalog_pending_put(struct catalog *catalog, const char *volume, struct error *error)
{
    struct waited_change waited = {.change = {.run = run_pending_put}, .volume = volume};
    int r = submit_and_wait(catalog, &waited);

    return r < 0 ? error_set_errno(error, r, "the catalog cannot be written") : 0;
}

int catalog_pending_drop(struct catalog *catalog, const char *volume)
{
    struct waited_change waited = {.change = {.run = run_pending_drop}, .volume = volume};

    return submit_and_wait(catalog, &waited);
}

int catalog_pending_list(struct catalog *catalog, struct pending_volume **volumes, size_t *count)
{
    struct waited_change waited = {.change = {.run = run_pending_list}, .volumes = volumes, .count = count};

    return submit_and_wait(catalog, &waited);
}

static int run_disk_state_put(sqlite3 *db, struct change *change)
{
    struct waited_change *waited = CONTAINER_OF(change, struct waited_change, change);

    return disk_states_put(db, waited->volume, waited->state, waited->state_bytes);
}

static int run_disk_state_get(sqlite3 *db, struct change *change)
{
    struct waited_change *waited = CONTAINER_OF(change, struct waited_change, change);

    return disk_states_load(db, waited->volume, waited->loaded_state, &waited->state_bytes);
}

static int run_disk_state_list(sqlite3 *db, struct change *change)
{
    struct waited_change *waited = CONTAINER_OF(change, struct waited_change, change);

    return disk_states_list(db, waited->volumes, waited->count);
}

int catalog_disk_state_put(struct catalog *catalog, const char *volume, const void *bytes, size_t length_bytes)
{
    struct waited_change waited = {
        .change = {.run = run_disk_state_put}, .volume = volume, .state = bytes, .state_bytes = length_bytes};

    return submit_and_wait(catalog, &waited);
}

int catalog_disk_state_get(struct catalog *catalog, const char *volume, uint8_t **bytes, size_t *length_bytes)
{
    struct waited_change waited = {
        .change = {.run = run_disk_state_get}, .volume = volume, .loaded_state = bytes};
    int r = submit_and_wait(catalog, &waited);

    *length_bytes = waited.state_bytes;
    return r;
}

int catalog_disk_state_list(struct catalog *catalog, struct pending_volume **volumes, size_t *count)
{
    struct waited_change waited = {.change = {.run = run_disk_state_list}, .volumes = volumes, .count = count};

    return submit_and_wait(catalog, &waited);
}

/* ---- leases, whose sender is told on its loop ---- */

struct lease_change {
    struct change change;
    struct loop *home;
    void (*done)(void *arg, int result);
    void *arg;
    size_t count;
    struct lease leases[];
};

static int run_lease_put(sqlite3 *db, struct change *change)
{
    struct lease_change *put = CONTAINER_OF(change, struct lease_change, change);
    int r = 0;

    for (size_t i = 0; r == 0 && i < put->count; i++)
        r = leases_put(db, &put->leases[i]);
    return r;
}

static void lease_put_done(void *arg)
{
    struct lease_change *put = arg;

    put->done(put->arg, put->change.result);
    free(put);
}

static void send_lease_home(struct catalog *catalog, struct change *change)
{
    struct lease_change *put = CONTAINER_OF(change, struct lease_change, change);

    loop_call(put->home, lease_put_done, put);
}

void catalog_lease_put(struct catalog *catalog, const struct lease *leases, size_t count, struct loop *home,
                       void (*done)(void *arg, int result), void *arg)
{
    struct lease_change *put = xcalloc(1, sizeof(*put) + count * sizeof(*leases));

    put->change = (struct change){.run = run_lease_put, .finish = send_lease_home};
    put->home = home;
    put->done = done;
    put->arg = arg;
    put->count = count;
    memcpy(put->leases, leases, count * sizeof(*leases));
    submit(catalog, &put->change);
}

/* ---- opening and reading ---- */

int catalog_open(const char *path, struct catalog **catalog, struct error *error)
{
    struct catalog *opened = xcalloc(1, sizeof(*opened));
    int r = database_open(path, &opened->db, error);

    if (r == 0) {
        r = snapshot_load(opened->db, &opened->current);
        if (r < 0)
            error_set(error, r, "%s: %s", path, sqlite3_errmsg(opened->db));
    }
    if (r < 0) {
        sqlite3_close(opened->db);
        free(opened);
        return r;
    }
    pthread_mutex_init(&opened->lock, NULL);
    pthread_cond_init(&opened->arrived, NULL);
    pthread_cond_init(&opened->finished, NULL);
    opened->last = &opened->first;
    CHECK(pthread_create(&opened->thread, NULL, writer_thread, opened) == 0);
    *catalog = opened;
    return 0;
}

void catalog_close(struct catalog *catalog)
{
    if (!catalog)
        return;
    pthread_mutex_lock(&catalog->lock);
    catalog->stopping = true;
    pthread_cond_signal(&catalog->arrived);
    pthread_mutex_unlock(&catalog->lock);
    pthread_join(catalog->thread, NULL);
    catalog_snapshot_unref(catalog->current);
    sqlite3_close(catalog->db);
    pthread_cond_destroy(&catalog->finished);
    pthread_cond_destroy(&catalog->arrived);
    pthread_mutex_destroy(&catalog->lock);
    free(catalog);
}

const struct catalog_snapshot *catalog_read(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->lock);
    const struct catalog_snapshot *snapshot = snapshot_ref(catalog->current);
    pthread_mutex_unlock(&catalog->lock);
    return snapshot;
}
