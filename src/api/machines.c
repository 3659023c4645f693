/*
 * Machines: asked about, added, changed, removed.
 */
#include "api/answer.h"
#include "api/disks.h"
#include "api/live.h"
#include "api/reclaim.h"
#include "api/settings.h"
#include "api/store_names.h"

#include "base/clock.h"
#include "base/text.h"
#include "fleet/cloud_init.h"

#include <stdio.h>
#include <time.h>

/* ---- what a request may say of a machine ---- */

/* `key: "what was said" is not ...`. */
static int refuse(const char *key, const json_t *value, const char *expected, struct error *error)
{
    const char *said = json_string_value(value);
    char quoted[80];

    if (!said)
        return error_set(error, -EINVAL, "%s: must be %s", key, expected);
    return error_set(error, -EINVAL, "%s: \"%s\" is not %s", key, quote_into(quoted, sizeof(quoted), said, strlen(said)),
                     expected);
}

static int read_name(struct machine *machine, const json_t *value, struct error *error)
{
    if (!json_is_string(value) || !is_valid_name(json_string_value(value)))
        return refuse("name", value,
                      "a name: letters, digits, '-', '_' and '.', beginning with a letter or digit, at most 63", error);
    COPY_STRING(machine->name, json_string_value(value));
    return 0;
}

static int read_mac(struct machine *machine, const json_t *value, struct error *error)
{
    if (!json_is_string(value) || !mac_parse(json_string_value(value), &machine->mac))
        return refuse("mac", value, "the MAC address of a machine, which looks like dc:a6:32:01:02:03", error);
    return 0;
}

static int read_image(struct machine *machine, const json_t *value, struct error *error)
{
    if (!json_is_string(value) ||
        !image_name_parse(json_string_value(value), machine->image, &machine->image_version))
        return refuse("image", value, "an image, like ubuntu or ubuntu:2 (see farboot image list)", error);
    return 0;
}

static int read_size(struct machine *machine, const json_t *value, struct error *error)
{
    if (!json_is_integer(value) || json_integer_value(value) <= 0 ||
        json_integer_value(value) > (json_int_t)API_DISK_MAX_BYTES)
        return refuse("size", value, "a number of bytes, at most 64 TiB", error);
    uint64_t size_bytes = (uint64_t)json_integer_value(value);
    machine->size_bytes = (size_bytes + VOLUME_BLOCK_BYTES - 1) / VOLUME_BLOCK_BYTES * VOLUME_BLOCK_BYTES;
    return 0;
}

static bool is_host_address(uint32_t address)
{
    uint32_t first = address >> 24;

    return first != 0 && first != 127 && first < 224;
}

static int read_address(struct machine *machine, const json_t *value, struct error *error)
{
    uint32_t address = 0;

    if (!json_is_null(value) && (!json_is_string(value) || !inet_parse(json_string_value(value), &address) ||
                                 !is_host_address(address)))
        return refuse("address", value, "the IPv4 address of a machine, which looks like 192.168.20.31", error);
    machine->address = address;
    return 0;
}

/* A Pi prints sixteen digits, of which its boot loader uses the last eight. */
static bool parse_serial(const char *text, uint32_t *serial)
{
    size_t length = strlen(text);

    if ((length != 8 && length != 16) || strspn(text, "0123456789abcdefABCDEF") != length)
        return false;
    *serial = (uint32_t)strtoul(text + length - 8, NULL, 16);
    return *serial != 0;
}

static int read_serial(struct machine *machine, const json_t *value, struct error *error)
{
    uint32_t serial = 0;

    if (!json_is_null(value) && (!json_is_string(value) || !parse_serial(json_string_value(value), &serial)))
        return refuse("serial", value, "a serial number: 8 or 16 hexadecimal digits, as in /proc/cpuinfo", error);
    machine->serial = serial;
    return 0;
}

static int read_group(struct machine *machine, const json_t *value, struct error *error)
{
    if (!json_is_null(value) && (!json_is_string(value) || !is_valid_name(json_string_value(value))))
        return refuse("group", value, "the name of a group (see farboot group list)", error);
    COPY_STRING(machine->group, json_is_null(value) ? "" : json_string_value(value));
    return 0;
}

struct machine_field {
    const char *key;
    int (*read)(struct machine *machine, const json_t *value, struct error *error);
    bool needed_to_add;
    bool changeable;
};

static const struct machine_field fields[] = {
    {"name", read_name, true, true},        {"mac", read_mac, true, true},
    {"image", read_image, false, false},    {"size_bytes", read_size, false, true},
    {"address", read_address, false, true}, {"serial", read_serial, false, true},
    {"group", read_group, false, true},
};

static int check_body(struct api_call *call)
{
    const char *keys[ARRAY_SIZE(fields) + 2];

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        keys[i] = fields[i].key;
    keys[ARRAY_SIZE(fields)] = "settings";
    keys[ARRAY_SIZE(fields) + 1] = "discard_folder"; /* of a change only, where it means something */
    return call_check_keys(call, keys, ARRAY_SIZE(keys));
}

static int read_field(struct api_call *call, const struct machine_field *field, struct machine *machine, bool adding)
{
    const json_t *value = json_object_get(call->body, field->key);

    if (!value && adding && field->needed_to_add)
        return error_set(&call->error, -EINVAL, "%s: is needed to add a machine", field->key);
    if (!value)
        return 0;
    if (!adding && !field->changeable)
        return error_set(&call->error, -EINVAL, "%s: %s cannot be changed: remove the machine and add it again",
                         machine->name, field->key);
    return field->read(machine, value, &call->error);
}

/* Writes over `machine` what the request says; its settings are `settings` from then on. */
static int read_machine(struct api_call *call, struct machine *machine, struct settings *settings, bool adding)
{
    int result = check_body(call);

    for (size_t i = 0; result == 0 && i < ARRAY_SIZE(fields); i++)
        result = read_field(call, &fields[i], machine, adding);
    if (result == 0)
        result = settings_read(settings, SETTING_FROM_MACHINE, json_object_get(call->body, "settings"), &call->error);
    machine->settings = settings;
    return result;
}

/* ---- asking ---- */

const struct machine *call_find_machine(struct api_call *call, const struct catalog_snapshot *snapshot)
{
    const struct machine *machine = catalog_machine_by_name(snapshot, call->name);
    char quoted[NAME_SIZE];

    if (!machine)
        error_set(&call->error, -ENOENT, "%s: no such machine (see farboot machine list)",
                  quote_into(quoted, sizeof(quoted), call->name, strlen(call->name)));
    return machine;
}

int call_no_group(struct api_call *call, const char *name)
{
    char quoted[NAME_SIZE];

    return error_set(&call->error, -ENOENT, "%s: no such group (see farboot group list)",
                     quote_into(quoted, sizeof(quoted), name, strlen(name)));
}

/* What the catalog says of it; the rest is added where it is known. */
static json_t *record_json(const struct api *api, const struct machine *machine)
{
    char target[IQN_SIZE], initiator[IQN_SIZE], serial[9] = "";

    if (machine->serial)
        snprintf(serial, sizeof(serial), "%08x", machine->serial);
    machine_target_name(target, api->options.iqn_prefix, &machine->mac);
    machine_initiator_name(initiator, api->options.iqn_prefix, &machine->mac);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:o, s:o}", "name", machine->name, "mac",
                     json_mac(&machine->mac), "serial", json_text(serial), "address", json_address(machine->address),
                     "group", json_text(machine->group), "boot", machine_boot_name(machine->boot), "image",
                     machine->image, "image_version", (json_int_t)machine->image_version, "size_bytes", (json_int_t)machine->size_bytes, "created",
                     (json_int_t)machine->created_seconds, "target", target, "initiator", initiator, "chap",
                     machine_chap_mode_name(machine->chap.mode), "disks", disks_json(machine), "settings",
                     settings_json(machine->settings, SETTING_FROM_MACHINE));
}

/* As it is in the catalog now. */
static void reply_record(struct api_call *call, const struct mac *mac)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = catalog_machine_by_mac(snapshot, mac);

    if (machine)
        call->reply = record_json(call->api, machine);
}

static json_t *machine_json(const struct live *live, const struct api *api, const struct machine *machine)
{
    json_t *value = record_json(api, machine);

    live_add_machine(live, machine, value);
    return value;
}

void machines_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    CLEANUP(cleanup_live) struct live *live = live_new(call->api);
    json_t *list = json_array();
    size_t count;
    const struct machine *machines = catalog_machines(snapshot, &count);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, machine_json(live, call->api, &machines[i]));
    call->reply = json_pack("{s:o}", "machines", list);
}

void machine_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    CLEANUP(cleanup_live) struct live *live = live_new(call->api);
    const struct machine *machine = call_find_machine(call, snapshot);

    if (machine)
        call->reply = machine_json(live, call->api, machine);
}

void machine_get_store(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    struct store *store = call->api->options.store;
    const struct machine *machine = call_find_machine(call, snapshot);
    struct store_volume_info info;

    if (!machine)
        return;
    if (store_volume_info(store, machine->volume, &info) == 0) {
        json_object_set_new(call->reply, "own_bytes", json_integer((json_int_t)info.own_bytes));
        json_object_set_new(call->reply, "shared_bytes", json_integer((json_int_t)info.shared_bytes));
    }
    disks_add_space(store, machine, json_object_get(call->reply, "disks"));
    json_object_set_new(call->reply, "snapshots", snapshots_json(store, machine));
}

enum { INTERFACES_MAX = 32 };

/* Where machines reach us: at the first interface that has an address. */
static uint32_t server_address(const struct api *api)
{
    const struct api_sources *sources = &api->options.sources;
    struct api_interface interfaces[INTERFACES_MAX];
    size_t count = sources->interfaces ? sources->interfaces(sources->arg, interfaces, INTERFACES_MAX) : 0;

    for (size_t i = 0; i < count; i++) {
        if (interfaces[i].address)
            return interfaces[i].address;
    }
    return 0;
}

/* What its cloud-init is told, by the names of the files. */
void machine_get_cloud_init(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, snapshot);
    json_t *files = machine ? json_object() : NULL;

    for (enum cloud_init_file file = 0; files && file <= CLOUD_INIT_NETWORK_CONFIG; file++) {
        CLEANUP_TEXT struct text text = text_with_max(CLOUD_INIT_MAX_BYTES);
        if (bootfiles_cloud_init(call->api->options.bootfiles, machine, server_address(call->api), file, &text) < 0)
            error_set(&call->error, -EFBIG, "%s: what its settings tell cloud-init is too long", machine->name);
        json_object_set_new(files, cloud_init_name(file), json_string(text_string(&text)));
    }
    call->reply = files;
}

/* ---- boot folders ---- */

static enum machine_boot wanted_boot(const struct catalog_snapshot *snapshot, const struct machine *wanted)
{
    const struct machine_group *group = catalog_group_by_name(snapshot, wanted->group);
    const struct settings *inherited = group ? group->settings : catalog_defaults(snapshot);
    bool own = wanted->settings->sources[SETTING_BOOT] == SETTING_FROM_MACHINE;
    enum machine_boot boot = MACHINE_BOOT_DISK;

    machine_boot_from_name((own ? wanted->settings : inherited)->values[SETTING_BOOT], &boot);
    return boot;
}

/* Nothing is copied back from a folder: so it is not left behind before somebody has seen what is in it. */
static int refuse_to_leave_folder(struct api_call *call, const struct machine *machine)
{
    struct boot_folder_difference difference;
    time_t changed;
    char when[32] = "";
    struct tm t;
    int r = boot_folder_compare(call->api->options.folders, machine, &difference, &call->error);

    if (r < 0 || difference.files == 0)
        return r;
    changed = (time_t)difference.changed_seconds;
    if (gmtime_r(&changed, &t))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M UTC", &t);
    return error_set(&call->error, -EBUSY,
                     "%s: %u files of its boot folder are not as in its disk, %s among them; the newest was changed %s, and "
                     "its disk knows nothing of it (copy what you need into the disk's boot partition, then use "
                     "--discard-folder)",
                     machine->name, difference.files, difference.example, when);
}

static bool is_discarded(const struct api_call *call)
{
    return json_is_true(json_object_get(call->body, "discard_folder"));
}

static int remove_folder(struct api_call *call, uint64_t machine_id)
{
    const struct api_options *options = &call->api->options;
    int r = options->folders ? boot_folder_remove(options->folders, machine_id, &call->error) : 0;

    if (r == 0 && options->sources.folder_changed)
        options->sources.folder_changed(options->sources.arg, machine_id);
    return r;
}

/* What the change means for the machine's boot folder, done before it is written: a folder that is missing would leave
 * the machine without boot files. */
static int arrange_folder(struct api_call *call, const struct catalog_snapshot *snapshot, const struct machine *old,
                          const struct machine *wanted)
{
    struct boot_folders *folders = call->api->options.folders;
    bool is_folder = wanted_boot(snapshot, wanted) == MACHINE_BOOT_FOLDER;
    int r = 0;

    if (!folders)
        return 0;
    if (is_discarded(call))
        r = remove_folder(call, old->id);
    else if (!is_folder && old->boot == MACHINE_BOOT_FOLDER && boot_folder_exists(folders, old))
        r = refuse_to_leave_folder(call, old) ?: remove_folder(call, old->id);
    return r == 0 && is_folder ? boot_folder_make(folders, wanted, &call->error) : r;
}

/* ---- adding ---- */

static int choose_size(struct api_call *call, const struct image *image, struct machine *machine)
{
    char wanted[16], least[16];

    if (machine->size_bytes == 0)
        machine->size_bytes = image->size_bytes;
    if (machine->size_bytes >= image->size_bytes)
        return 0;
    return error_set(&call->error, -EINVAL, "%s: a disk of %s cannot hold the image %s, which needs %s", machine->name,
                     format_size(wanted, sizeof(wanted), machine->size_bytes), image->name,
                     format_size(least, sizeof(least), image->size_bytes));
}

static int find_group(struct api_call *call, const struct catalog_snapshot *snapshot, struct machine *machine)
{
    const struct machine_group *group = catalog_group_by_name(snapshot, machine->group);

    machine->group_id = group ? group->id : 0;
    return group || !*machine->group ? 0 : call_no_group(call, machine->group);
}

/* A version that was named is not left by itself. */
static void pin_version(const struct machine *machine, struct settings *settings, char text[16])
{
    snprintf(text, 16, "%u", machine->image_version);
    settings->values[SETTING_IMAGE_VERSION] = text;
    settings->sources[SETTING_IMAGE_VERSION] = SETTING_FROM_MACHINE;
}

/* The one that was asked for, else the one that its group or the defaults name. */
static const struct image *find_image(struct api_call *call, const struct catalog_snapshot *snapshot,
                                      struct machine *machine)
{
    const struct machine_group *group = catalog_group_by_name(snapshot, machine->group);
    const struct settings *inherited = group ? group->settings : catalog_defaults(snapshot);
    const char *wanted = json_string_value(json_object_get(call->body, "image"));

    if (!wanted)
        wanted = inherited->values[SETTING_IMAGE];
    image_name_parse(wanted, machine->image, &machine->image_version);
    const struct image *image = catalog_image_version(snapshot, machine->image, machine->image_version);
    if (image) {
        machine->image_id = image->id;
        machine->image_version = image->version;
    } else if (*wanted) {
        error_set(&call->error, -ENOENT, "%s: no such image (see farboot image list)", wanted);
    } else {
        error_set(&call->error, -EINVAL, "image: is needed to add a machine, where neither its group nor the defaults "
                                         "name one");
    }
    return image;
}

/* Disk first, record second: what a crash leaves between the two is a disk that nobody names, which the next start
 * sweeps; never a machine without a disk. */
static int create_machine(struct api_call *call, const struct image *image, struct machine *machine)
{
    const struct api_options *options = &call->api->options;

    store_name_new(machine->volume, STORE_NAME_MACHINE);
    int result = catalog_pending_put(options->catalog, machine->volume, &call->error);
    if (result == 0)
        result = store_volume_clone(options->store, image->volume, NULL, machine->volume, machine->size_bytes,
                                    &call->error);
    if (result < 0) {
        catalog_pending_drop(options->catalog, machine->volume);
        return result;
    }
    machine->created_seconds = clock_wall_seconds();
    result = catalog_machine_insert(options->catalog, machine, &call->error);
    if (result < 0 && store_volume_delete(options->store, machine->volume, NULL) == 0)
        catalog_pending_drop(options->catalog, machine->volume);
    return result;
}

void api_tell(struct api *api, const struct machine *machine, const char *kind, const char *format, ...)
{
    struct event_sink sink = journal_sink(api->options.journal);
    struct machine named = *machine;
    char sentence[200];
    va_list values;

    va_start(values, format);
    vsnprintf(sentence, sizeof(sentence), format, values);
    va_end(values);
    named.mac = (struct mac){0};
    event_post(&sink, &named, NULL, STAGE_NONE, EVENT_INFO, kind, "%s", sentence);
}

static void add_under_lock(struct api_call *call, struct machine *machine)
{
    struct api *api = call->api;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(api->options.catalog);
    const struct image *image =
        find_group(call, snapshot, machine) == 0 ? find_image(call, snapshot, machine) : NULL;

    if (!image || choose_size(call, image, machine) < 0 || create_machine(call, image, machine) < 0)
        return;
    remove_folder(call, machine->id); /* of a machine that had its number before */
    if (api->options.folders && wanted_boot(snapshot, machine) == MACHINE_BOOT_FOLDER)
        boot_folder_make(api->options.folders, machine, NULL); /* else it is made when it is asked for */
    api_tell(api, machine, "machine.added", "was added");
    reply_record(call, &machine->mac);
}

void machine_add(struct api_call *call)
{
    struct machine machine = {0};
    struct settings settings;
    char version[16];

    settings_begin(&settings);
    if (read_machine(call, &machine, &settings, true) < 0)
        return;
    if (machine.image_version)
        pin_version(&machine, &settings, version);
    pthread_mutex_lock(&call->api->change_lock);
    add_under_lock(call, &machine);
    pthread_mutex_unlock(&call->api->change_lock);
}

/* ---- changing ---- */

/* The record first: a name or address that is taken must not leave a grown disk. */
static int update_machine(struct api_call *call, const struct machine *old, const struct machine *wanted)
{
    const struct api_options *options = &call->api->options;
    int result = catalog_machine_update(options->catalog, wanted, &call->error);

    if (result < 0 || wanted->size_bytes == old->size_bytes)
        return result;
    result = store_volume_resize(options->store, wanted->volume, wanted->size_bytes, &call->error);
    if (result < 0)
        catalog_machine_update(options->catalog, old, NULL);
    return result;
}

static int check_growth(struct api_call *call, const struct machine *old, const struct machine *wanted)
{
    char size[16];

    if (wanted->size_bytes >= old->size_bytes)
        return 0;
    return error_set(&call->error, -EINVAL, "%s: its disk has %s and cannot become smaller", old->name,
                     format_size(size, sizeof(size), old->size_bytes));
}

static void set_under_lock(struct api_call *call)
{
    struct api *api = call->api;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(api->options.catalog);
    const struct machine *old = call_find_machine(call, snapshot);

    if (!old)
        return;
    struct machine wanted = *old;
    struct settings settings = *old->settings;
    if (read_machine(call, &wanted, &settings, false) < 0 || find_group(call, snapshot, &wanted) < 0 ||
        check_growth(call, old, &wanted) < 0 || arrange_folder(call, snapshot, old, &wanted) < 0 || update_machine(call, old, &wanted) < 0)
        return;
    api_tell(api, &wanted, "machine.changed", "was changed");
    reply_record(call, &wanted.mac);
}

void machine_set(struct api_call *call)
{
    pthread_mutex_lock(&call->api->change_lock);
    set_under_lock(call);
    pthread_mutex_unlock(&call->api->change_lock);
}

/* ---- removing ---- */

void machine_remove_check(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, snapshot);
    char text[INET_TEXT_SIZE];
    uint32_t address;

    if (machine && api_disk_users(call->api, machine->id, &address) > 0)
        error_set(&call->error, -EBUSY, "%s: cannot be removed while its disk is in use by %s: shut the machine down first",
                  machine->name, inet_format(text, address));
}

/* Whoever uses its disks has its boot disk open longest: when that is gone, all are free. What stays all the same is swept
 * at the next start. */
static int delete_volumes(const struct api_options *options, const struct machine *machine, struct error *error)
{
    const char *volumes[MACHINE_LUNS];
    size_t count = machine_own_volumes(machine, volumes);
    int first = store_volume_delete(options->store, volumes[0], error);

    if (first == 0)
        catalog_pending_drop(options->catalog, volumes[0]);
    for (size_t i = 1; first == 0 && i < count; i++) {
        if (store_volume_delete(options->store, volumes[i], NULL) == 0)
            catalog_pending_drop(options->catalog, volumes[i]);
    }
    return first;
}

/* The record first, so that nobody can log in any more. A machine that logged in a moment ago keeps its disk, and
 * gets its record back. */
static int delete_machine(struct api_call *call, const struct machine *machine)
{
    const struct api_options *options = &call->api->options;
    int result = catalog_machine_delete(options->catalog, machine->id, &call->error);

    if (result < 0)
        return result;
    result = delete_volumes(options, machine, &call->error);
    if (result == -EBUSY) {
        struct machine restored = *machine;
        error_set(&call->error, -EBUSY, "%s: cannot be removed while its disk is in use: try again when it is off",
                  machine->name);
        catalog_machine_insert(options->catalog, &restored, NULL);
    }
    if (result == 0)
        remove_folder(call, machine->id);
    return result;
}

static void remove_under_lock(struct api_call *call)
{
    struct api *api = call->api;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(api->options.catalog);
    const struct machine *machine = call_find_machine(call, snapshot);

    if (!machine || delete_machine(call, machine) < 0)
        return;
    reclaim_begin_soon(api);
    api_tell(api, machine, "machine.removed", "was removed");
    call->reply = json_pack("{s:s}", "removed", machine->name);
}

void machine_remove(struct api_call *call)
{
    pthread_mutex_lock(&call->api->change_lock);
    remove_under_lock(call);
    pthread_mutex_unlock(&call->api->change_lock);
}
