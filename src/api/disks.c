/*
 * Further disks of machines: asked about, added, changed, removed.
 */
#include "api/disks.h"
#include "api/answer.h"
#include "api/live.h"
#include "api/store_names.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <unistd.h>

enum {
    CLOSING_MS = 5000,  /* how long commands that have begun may keep a removed disk */
    FORCING_MS = 15000, /* after that its sessions are cut off, until then */
    TRY_AGAIN_MS = 20,
};

/* ---- as a client sees them ---- */

static json_t *disk_json(const struct machine *machine, const struct machine_disk *disk)
{
    return json_pack("{s:s, s:i, s:s, s:I, s:b, s:o, s:I, s:b, s:I}", "machine", machine->name, "lun",
                     (int)disk->lun, "name", disk->name, "size_bytes", (json_int_t)disk->size_bytes,
                     "read_only", (int)disk->read_only, "image", json_text(disk->image), "image_version",
                     (json_int_t)disk->image_version, "shared", (int)disk->shared, "created",
                     (json_int_t)disk->created_seconds);
}

json_t *disks_json(const struct machine *machine)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < machine->disk_count; i++)
        json_array_append_new(list, disk_json(machine, &machine->disks[i]));
    return list;
}

void disks_add_space(struct store *store, const struct machine *machine, json_t *list)
{
    for (unsigned i = 0; i < machine->disk_count; i++) {
        struct store_volume_info info;
        if (machine->disks[i].shared || store_volume_info(store, machine->disks[i].volume, &info) < 0)
            continue;
        json_t *disk = json_array_get(list, i);
        json_object_set_new(disk, "own_bytes", json_integer((json_int_t)info.own_bytes));
        json_object_set_new(disk, "shared_bytes", json_integer((json_int_t)info.shared_bytes));
    }
}

void disks_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(call->api->options.catalog);
    json_t *all = json_array();
    size_t count;
    const struct machine *machines = catalog_machines(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        json_t *list = disks_json(&machines[i]);
        json_array_extend(all, list);
        json_decref(list);
    }
    call->reply = json_pack("{s:o}", "disks", all);
}

void machine_disks_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, snapshot);

    if (!machine)
        return;
    json_t *list = disks_json(machine);
    disks_add_space(call->api->options.store, machine, list);
    call->reply = json_pack("{s:o}", "disks", list);
}

/* ---- what a request may say of a disk ---- */

struct wanted_disk {
    struct machine_disk disk;
    bool has_size;
    bool writable; /* of an image: a clone of it instead of itself */
};

static int read_name(struct wanted_disk *wanted, const json_t *value, struct error *error)
{
    if (!json_is_string(value) || !is_valid_name(json_string_value(value)))
        return error_set(error, -EINVAL,
                         "name: must be letters, digits, '-', '_' and '.', beginning with a letter or "
                         "digit, at most 63");
    COPY_STRING(wanted->disk.name, json_string_value(value));
    return 0;
}

static int read_lun(struct wanted_disk *wanted, const json_t *value, struct error *error)
{
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > MACHINE_DISKS_MAX)
        return error_set(error, -EINVAL,
                         "lun: must be a number from 1 to %d; 0 is the disk that the machine boots from",
                         MACHINE_DISKS_MAX);
    wanted->disk.lun = (unsigned)json_integer_value(value);
    return 0;
}

static int read_size(struct wanted_disk *wanted, const json_t *value, struct error *error)
{
    if (!json_is_integer(value) || json_integer_value(value) <= 0 ||
        json_integer_value(value) > (json_int_t)API_DISK_MAX_BYTES)
        return error_set(error, -EINVAL, "size: must be a number of bytes, at most 64 TiB");
    uint64_t size_bytes = (uint64_t)json_integer_value(value);
    wanted->disk.size_bytes = (size_bytes + VOLUME_BLOCK_BYTES - 1) / VOLUME_BLOCK_BYTES * VOLUME_BLOCK_BYTES;
    wanted->has_size = true;
    return 0;
}

static int read_image(struct wanted_disk *wanted, const json_t *value, struct error *error)
{
    struct machine_disk *disk = &wanted->disk;

    if (json_is_string(value) &&
        image_name_parse(json_string_value(value), disk->image, &disk->image_version))
        return 0;
    return error_set(error, -EINVAL, "image: must be the name of an image (see farboot image list)");
}

static int read_writable(struct wanted_disk *wanted, const json_t *value, struct error *error)
{
    wanted->writable = json_is_true(value);
    return json_is_boolean(value) ? 0 : error_set(error, -EINVAL, "writable: must be true or false");
}

static int read_read_only(struct wanted_disk *wanted, const json_t *value, struct error *error)
{
    wanted->disk.read_only = json_is_true(value);
    return json_is_boolean(value) ? 0 : error_set(error, -EINVAL, "read_only: must be true or false");
}

static const struct {
    const char *key;
    int (*read)(struct wanted_disk *wanted, const json_t *value, struct error *error);
    bool changeable;
} fields[] = {
    {"name", read_name, true},    {"lun", read_lun, false},           {"size_bytes", read_size, true},
    {"image", read_image, false}, {"writable", read_writable, false}, {"read_only", read_read_only, true},
};

/* Writes over `wanted` what the request says. */
static int read_disk(struct api_call *call, struct wanted_disk *wanted, bool adding)
{
    const char *keys[ARRAY_SIZE(fields)];
    size_t known = 0;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (adding || fields[i].changeable)
            keys[known++] = fields[i].key;
    }
    int r = call_check_keys(call, keys, known);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fields); i++) {
        const json_t *value = json_object_get(call->body, fields[i].key);
        if (value)
            r = fields[i].read(wanted, value, &call->error);
    }
    return r;
}

/* ---- the rules ---- */

static const struct machine_disk *find_disk(struct api_call *call, const struct machine *machine)
{
    const struct machine_disk *disk = machine_disk_by_name(machine, call->item);
    char quoted[NAME_SIZE];

    if (!disk)
        error_set(&call->error, -ENOENT, "%s: has no disk %s (see farboot disk list %s)", machine->name,
                  quote_into(quoted, sizeof(quoted), call->item, strlen(call->item)), machine->name);
    return disk;
}

static int check_name(struct api_call *call, const struct machine *machine, const char *name)
{
    if (!*name)
        return error_set(&call->error, -EINVAL, "name: is needed to add a disk");
    if (machine_disk_by_name(machine, name))
        return error_set(&call->error, -EEXIST, "%s: has a disk %s already; choose another name",
                         machine->name, name);
    return 0;
}

/* The lowest free one unless it was said. */
static int choose_lun(struct api_call *call, const struct machine *machine, struct machine_disk *disk)
{
    const struct machine_disk *other = disk->lun ? machine_disk_by_lun(machine, disk->lun) : NULL;

    if (other)
        return error_set(&call->error, -EEXIST, "%s: LUN %u is its disk %s already", machine->name, disk->lun,
                         other->name);
    for (unsigned lun = 1; !disk->lun && lun <= MACHINE_DISKS_MAX; lun++) {
        if (!machine_disk_by_lun(machine, lun))
            disk->lun = lun;
    }
    return disk->lun ? 0
                     : error_set(&call->error, -ENOSPC, "%s: a machine has at most %d further disks",
                                 machine->name, MACHINE_DISKS_MAX);
}

/* Two LUNs with one serial number are two ways to one disk, to an initiator. */
static int check_not_twice(struct api_call *call, const struct machine *machine, const struct image *image)
{
    for (unsigned i = 0; i < machine->disk_count; i++) {
        const struct machine_disk *disk = &machine->disks[i];
        if (disk->shared && disk->image_id == image->id)
            return error_set(&call->error, -EEXIST, "%s: sees the image %s as its disk %s already",
                             machine->name, image->name, disk->name);
    }
    return 0;
}

static int share_image(struct api_call *call, const struct machine *machine, const struct image *image,
                       struct wanted_disk *wanted)
{
    struct machine_disk *disk = &wanted->disk;

    if (wanted->has_size)
        return error_set(&call->error, -EINVAL,
                         "%s: an image that is shared has its own size; --writable makes a copy of "
                         "it that may be larger",
                         disk->name);
    disk->shared = true;
    disk->read_only = true;
    disk->size_bytes = image->size_bytes;
    COPY_STRING(disk->volume, image->volume);
    return check_not_twice(call, machine, image);
}

static int copy_image(struct api_call *call, const struct image *image, struct wanted_disk *wanted)
{
    struct machine_disk *disk = &wanted->disk;
    char size[16], least[16];

    if (!wanted->has_size)
        disk->size_bytes = image->size_bytes;
    if (disk->size_bytes >= image->size_bytes)
        return 0;
    return error_set(&call->error, -EINVAL, "%s: a disk of %s cannot hold the image %s, which needs %s",
                     disk->name, format_size(size, sizeof(size), disk->size_bytes), image->name,
                     format_size(least, sizeof(least), image->size_bytes));
}

/* Fills in what follows from the image, if it has one. */
static int choose_source(struct api_call *call, const struct catalog_snapshot *snapshot,
                         const struct machine *machine, struct wanted_disk *wanted,
                         const struct image **image)
{
    struct machine_disk *disk = &wanted->disk;

    *image = *disk->image ? catalog_image_version(snapshot, disk->image, disk->image_version) : NULL;
    if (*disk->image && !*image)
        return error_set(&call->error, -ENOENT, "%s: no such image (see farboot image list)",
                         json_string_value(json_object_get(call->body, "image")));
    if (*image) {
        disk->image_id = (*image)->id;
        disk->image_version = (*image)->version;
        return wanted->writable || disk->read_only ? copy_image(call, *image, wanted)
                                                   : share_image(call, machine, *image, wanted);
    }
    if (!wanted->has_size)
        return error_set(&call->error, -EINVAL,
                         "%s: say how large it is (--size 20G) or which image it is (--image IMAGE)",
                         disk->name);
    return 0;
}

/* ---- telling the sessions ---- */

static void renew_disks(struct api *api, const struct machine *machine)
{
    const struct api_sources *sources = &api->options.sources;

    if (sources->renew_disks)
        sources->renew_disks(sources->arg, machine->id);
}

/* ---- adding ---- */

/* Its first state gets no name: a disk that came later than the machine is in none of its snapshots. */
static int make_volume(struct store *store, const struct image *image, const struct machine_disk *disk,
                       struct error *error)
{
    if (!image)
        return store_volume_create(store, disk->volume, disk->size_bytes, error);
    int r = store_volume_clone(store, image->volume, NULL, disk->volume, disk->size_bytes, error);
    return r ?: store_snapshot_remove_group(store, &(const char *){disk->volume}, 1, "pristine", error);
}

/* As with machines: noted, made, recorded. */
static int create_disk(struct api_call *call, const struct machine *machine, const struct image *image,
                       struct machine_disk *disk)
{
    const struct api_options *options = &call->api->options;
    int r = 0;

    if (!disk->shared) {
        store_name_new(disk->volume, STORE_NAME_DISK);
        r = catalog_pending_put(options->catalog, disk->volume, &call->error);
        r = r ?: make_volume(options->store, image, disk, &call->error);
    }
    disk->created_seconds = clock_wall_seconds();
    r = r ?: catalog_disk_insert(options->catalog, machine->id, disk, &call->error);
    if (r == 0 || disk->shared)
        return r;
    int deleted = store_volume_delete(options->store, disk->volume, NULL);
    if (deleted == 0 || deleted == -ENOENT)
        catalog_pending_drop(options->catalog, disk->volume);
    return r;
}

static void add_under_lock(struct api_call *call, struct wanted_disk *wanted)
{
    struct api *api = call->api;
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(api->options.catalog);
    const struct machine *machine = call_find_machine(call, snapshot);
    struct machine_disk *disk = &wanted->disk;
    const struct image *image;

    if (!machine || check_name(call, machine, disk->name) < 0 || choose_lun(call, machine, disk) < 0 ||
        choose_source(call, snapshot, machine, wanted, &image) < 0 ||
        create_disk(call, machine, image, disk) < 0)
        return;
    renew_disks(api, machine);
    api_tell(api, machine, "disk.added", "disk %s was added as LUN %u", disk->name, disk->lun);
    call->reply = disk_json(machine, disk);
}

void disk_add(struct api_call *call)
{
    struct wanted_disk wanted = {0};

    if (read_disk(call, &wanted, true) < 0)
        return;
    pthread_mutex_lock(&call->api->change_lock);
    add_under_lock(call, &wanted);
    pthread_mutex_unlock(&call->api->change_lock);
}

/* ---- changing ---- */

/* A file system that is mounted would not bear it. */
void disk_set_check(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, snapshot);
    const struct machine_disk *disk = machine ? find_disk(call, machine) : NULL;
    char text[INET_TEXT_SIZE];
    uint32_t address;

    if (disk && !disk->read_only && json_is_true(json_object_get(call->body, "read_only")) &&
        api_disk_users(call->api, machine->id, &address) > 0)
        error_set(
            &call->error, -EBUSY,
            "%s: its disk %s cannot become read-only while it is in use by %s: shut the machine down first",
            machine->name, disk->name, inet_format(text, address));
}

static int check_change(struct api_call *call, const struct machine *machine, const struct machine_disk *old,
                        const struct machine_disk *wanted)
{
    char size[16];

    if (!string_equal(old->name, wanted->name) && check_name(call, machine, wanted->name) < 0)
        return call->error.code;
    if (old->shared && (wanted->size_bytes != old->size_bytes || !wanted->read_only))
        return error_set(&call->error, -EINVAL,
                         "%s: its disk %s is the image %s itself, which never changes; for a copy of it, "
                         "remove the disk and "
                         "add it again with --image %s --writable",
                         machine->name, old->name, old->image, old->image);
    if (wanted->size_bytes < old->size_bytes)
        return error_set(&call->error, -EINVAL, "%s: its disk %s has %s and cannot become smaller",
                         machine->name, old->name, format_size(size, sizeof(size), old->size_bytes));
    return 0;
}

/* The record first, as with machines. */
static int update_disk(struct api_call *call, const struct machine_disk *old,
                       const struct machine_disk *wanted)
{
    const struct api_options *options = &call->api->options;
    int r = catalog_disk_update(options->catalog, wanted, &call->error);

    if (r < 0 || wanted->size_bytes == old->size_bytes)
        return r;
    r = store_volume_resize(options->store, wanted->volume, wanted->size_bytes, &call->error);
    if (r < 0)
        catalog_disk_update(options->catalog, old, NULL);
    return r;
}

static void set_under_lock(struct api_call *call)
{
    struct api *api = call->api;
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(api->options.catalog);
    const struct machine *machine = call_find_machine(call, snapshot);
    const struct machine_disk *old = machine ? find_disk(call, machine) : NULL;

    if (!old)
        return;
    struct wanted_disk wanted = {.disk = *old};
    if (read_disk(call, &wanted, false) < 0 || check_change(call, machine, old, &wanted.disk) < 0 ||
        update_disk(call, old, &wanted.disk) < 0)
        return;
    renew_disks(api, machine);
    api_tell(api, machine, "disk.changed", "disk %s was changed", old->name);
    call->reply = disk_json(machine, &wanted.disk);
}

void disk_set(struct api_call *call)
{
    pthread_mutex_lock(&call->api->change_lock);
    set_under_lock(call);
    pthread_mutex_unlock(&call->api->change_lock);
}

/* ---- removing ---- */

static bool is_forced(const struct api_call *call)
{
    const char *force = call_query(call, "force");

    return force && string_equal(force, "1");
}

void disk_remove_check(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, snapshot);
    const struct machine_disk *disk = machine ? find_disk(call, machine) : NULL;
    char text[INET_TEXT_SIZE];
    uint32_t address;

    if (disk && !is_forced(call) && api_disk_users(call->api, machine->id, &address) > 0)
        error_set(&call->error, -EBUSY,
                  "%s: its disk %s cannot be removed while it is in use by %s (use --force to take it away "
                  "from the running "
                  "machine)",
                  machine->name, disk->name, inet_format(text, address));
}

/* Its record is gone, so nobody opens it any more; whoever has it lets go of it when his commands have ended,
 * or is cut off. What stays is swept at the next start. */
static void delete_volume(struct api *api, const struct machine *machine, const struct machine_disk *disk)
{
    const struct api_options *options = &api->options;
    uint64_t begun_ms = clock_monotonic_ms();
    struct error error = {0};

    for (;;) {
        uint64_t waited_ms = clock_monotonic_ms() - begun_ms;
        int r = store_volume_delete(options->store, disk->volume, &error);
        if (r == 0)
            catalog_pending_drop(options->catalog, disk->volume);
        if (r == 0 || r != -EBUSY || waited_ms >= FORCING_MS)
            break;
        if (waited_ms >= CLOSING_MS && options->sources.disconnect)
            options->sources.disconnect(options->sources.arg, machine->id);
        error = (struct error){0};
        usleep(TRY_AGAIN_MS * 1000);
    }
    if (error.code)
        log_warning("%s: the space of its removed disk %s is given back at the next start: %s", machine->name,
                    disk->name, error.text);
}

/* True with copies of both when the record is gone. */
static bool forget_under_lock(struct api_call *call, struct machine *machine, struct machine_disk *disk)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(call->api->options.catalog);
    const struct machine *found = call_find_machine(call, snapshot);
    const struct machine_disk *found_disk = found ? find_disk(call, found) : NULL;

    if (!found_disk || catalog_disk_delete(call->api->options.catalog, found_disk->id, &call->error) < 0)
        return false;
    *machine = machine_copy(found);
    *disk = *found_disk;
    return true;
}

void disk_remove(struct api_call *call)
{
    struct machine machine;
    struct machine_disk disk;

    pthread_mutex_lock(&call->api->change_lock);
    bool forgotten = forget_under_lock(call, &machine, &disk);
    pthread_mutex_unlock(&call->api->change_lock);
    if (!forgotten)
        return;
    renew_disks(call->api, &machine);
    if (!disk.shared)
        delete_volume(call->api, &machine, &disk);
    api_tell(call->api, &machine, "disk.removed", "disk %s was removed", disk.name);
    call->reply = json_pack("{s:s, s:s}", "machine", machine.name, "removed", disk.name);
}
