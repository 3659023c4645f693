#include "api/eeprom.h"

#include "api/answer.h"

#include "base/clock.h"
#include "base/text.h"
#include "eeprom/image.h"
#include "eeprom/rollout.h"

/* ---- whom ---- */

static int add_machine(struct eeprom_push *push, const struct machine *machine, struct error *error)
{
    for (size_t i = 0; i < push->count; i++) {
        if (push->ids[i] == machine->id)
            return 0;
    }
    if (push->count == ROLLOUT_MACHINES_MAX)
        return error_set(error, -E2BIG, "more than %d machines", ROLLOUT_MACHINES_MAX);
    push->ids[push->count++] = machine->id;
    return 0;
}

static int add_group(struct eeprom_push *push, const struct catalog_snapshot *snapshot, const struct machine_group *group,
                     struct error *error)
{
    size_t count;
    const struct machine *machines = catalog_machines(snapshot, &count);
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        if (machines[i].group_id == group->id)
            r = add_machine(push, &machines[i], error);
    }
    return r;
}

static int add_named(struct eeprom_push *push, const struct catalog_snapshot *snapshot, const char *name,
                     struct error *error)
{
    const struct machine *machine = catalog_machine_by_name(snapshot, name);
    const struct machine_group *group = catalog_group_by_name(snapshot, name);
    char quoted[80];

    if (machine)
        return add_machine(push, machine, error);
    if (group)
        return add_group(push, snapshot, group, error);
    return error_set(error, -ENOENT, "%s: neither a machine nor a group (see farboot machine list)",
                     quote_into(quoted, sizeof(quoted), name, strlen(name)));
}

int eeprom_push_find(struct eeprom_push *push, const struct catalog_snapshot *snapshot, const json_t *names,
                     struct error *error)
{
    json_t *name;
    size_t i;
    int r = 0;

    push->ids = xcalloc(ROLLOUT_MACHINES_MAX, sizeof(*push->ids));
    json_array_foreach((json_t *)names, i, name) {
        if (r == 0)
            r = json_is_string(name) ? add_named(push, snapshot, json_string_value(name), error)
                                     : error_set(error, -EINVAL, "eeprom: must be a list of names");
    }
    if (r == 0 && push->count == 0)
        r = error_set(error, -EINVAL, "there is no machine to push to");
    return r;
}

/* ---- what ---- */

struct source {
    uint8_t *bytes; /* one more than any image has */
    size_t length_bytes;
    const char *file;
    uint64_t time_seconds;
    char *config; /* of the newest package: neighbours are often alike */
    struct eeprom_package *package;
};

static void cleanup_source(struct source *source)
{
    free(source->bytes);
    free(source->config);
    eeprom_package_unref(source->package);
}

static int read_image(struct source *source, int fd, struct error *error)
{
    ssize_t got;

    source->bytes = xcalloc(1, EEPROM_BYTES_MAX + 1);
    while (source->length_bytes <= EEPROM_BYTES_MAX &&
           (got = read(fd, source->bytes + source->length_bytes, EEPROM_BYTES_MAX + 1 - source->length_bytes)) > 0)
        source->length_bytes += (size_t)got;
    if (source->length_bytes <= EEPROM_BYTES_MAX && got < 0)
        return error_set_errno(error, -errno, "%s: cannot be read", source->file);
    return 0;
}

static int make_package(struct source *source, const char *config, struct error *error)
{
    CLEANUP_FREE uint8_t *image = xcalloc(1, source->length_bytes + 1);
    struct error why = {0};

    memcpy(image, source->bytes, source->length_bytes);
    int r = eeprom_configure(image, source->length_bytes, config, &why);
    if (r < 0)
        return error_set(error, r, "%s: %s", source->file, why.text);
    eeprom_package_unref(source->package);
    free(source->config);
    source->package = eeprom_package_new(image, source->length_bytes, source->time_seconds);
    source->config = xstrdup(config);
    return 0;
}

static int fill_machines(const struct eeprom_push *push, struct source *source, struct rollout_machine *machines,
                         size_t *count, struct error *error)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(push->options->catalog);

    for (size_t i = 0; i < push->count; i++) {
        const struct machine *machine = catalog_machine_by_id(snapshot, push->ids[i]);
        const char *config = machine ? machine_setting(machine, SETTING_EEPROM) : NULL;
        if (!machine)
            continue; /* removed a moment ago */
        int r = source->config && strcmp(source->config, config) == 0 ? 0 : make_package(source, config, error);
        if (r < 0)
            return r;
        machines[(*count)++] = (struct rollout_machine){.id = machine->id, .package = eeprom_package_ref(source->package)};
    }
    return *count ? 0 : error_set(error, -ENOENT, "the machine was removed");
}

int eeprom_push_run(const struct eeprom_push *push, json_t **result, struct error *error)
{
    CLEANUP_FREE struct rollout_machine *machines = xcalloc(ROLLOUT_MACHINES_MAX, sizeof(*machines));
    CLEANUP(cleanup_source)
    struct source source = {.file = push->file, .time_seconds = clock_wall_seconds()};
    size_t count = 0;
    int r = read_image(&source, push->fd, error);

    if (r == 0)
        r = fill_machines(push, &source, machines, &count, error);
    if (r == 0)
        r = rollout_begin(push->options->rollout, machines, count, error);
    for (size_t i = 0; i < count; i++)
        eeprom_package_unref(machines[i].package);
    if (r == 0)
        *result = json_pack("{s:s, s:i, s:i}", "file", push->file, "machines", (int)count, "processor",
                            (int)eeprom_processor(source.length_bytes));
    return r;
}

/* ---- how far ---- */

void eeprom_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    CLEANUP_FREE struct rollout_machine *list = xcalloc(ROLLOUT_MACHINES_MAX, sizeof(*list));
    json_t *machines = json_array();
    bool stopped;
    size_t count = rollout_list(call->api->options.rollout, list, &stopped);

    for (size_t i = 0; i < count; i++) {
        const struct machine *machine = catalog_machine_by_id(snapshot, list[i].id);
        if (machine)
            json_array_append_new(machines, json_pack("{s:s, s:s}", "name", machine->name, "state",
                                                      rollout_state_name(list[i].state)));
    }
    call->reply = json_pack("{s:o, s:b}", "machines", machines, "stopped", stopped);
}

void eeprom_withdraw(struct api_call *call)
{
    rollout_withdraw(call->api->options.rollout);
    call->reply = json_pack("{s:b}", "withdrawn", true);
}
