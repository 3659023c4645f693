/*
 * Groups of machines and the defaults of all: asked about, added, changed, removed.
 */
#include "api/answer.h"
#include "api/settings.h"

#include "base/text.h"

/* ---- asking ---- */

static json_t *members_json(const struct catalog_snapshot *snapshot, uint64_t id)
{
    json_t *names = json_array();
    size_t count;
    const struct machine *machines = catalog_machines(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        if (machines[i].group_id == id)
            json_array_append_new(names, json_string(machines[i].name));
    }
    return names;
}

static json_t *group_json(const struct catalog_snapshot *snapshot, const struct machine_group *group)
{
    return json_pack("{s:s, s:o, s:o}", "name", group->name, "machines", members_json(snapshot, group->id), "settings",
                     settings_json(group->settings, SETTING_FROM_GROUP));
}

void groups_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    json_t *list = json_array();
    size_t count;
    const struct machine_group *groups = catalog_groups(snapshot, &count);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, group_json(snapshot, &groups[i]));
    call->reply = json_pack("{s:o}", "groups", list);
}

static const struct machine_group *find_group(struct api_call *call, const struct catalog_snapshot *snapshot)
{
    const struct machine_group *group = catalog_group_by_name(snapshot, call->name);

    if (!group)
        call_no_group(call, call->name);
    return group;
}

void group_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    const struct machine_group *group = find_group(call, snapshot);

    if (group)
        call->reply = group_json(snapshot, group);
}

static void reply_group(struct api_call *call, const char *name)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    const struct machine_group *group = catalog_group_by_name(snapshot, name);

    if (group)
        call->reply = group_json(snapshot, group);
}

/* ---- changing ---- */

static int read_name(struct api_call *call, struct machine_group *group)
{
    const json_t *name = json_object_get(call->body, "name");

    if (!name && *group->name)
        return 0;
    if (!json_is_string(name) || !is_valid_name(json_string_value(name)))
        return error_set(&call->error, -EINVAL, "name: must be a name: letters, digits, '-', '_' and '.', beginning with "
                                                "a letter or digit, at most 63");
    COPY_STRING(group->name, json_string_value(name));
    return 0;
}

/* Writes over `group` what the request says; its settings, which it has already, are `settings`. */
static int read_group(struct api_call *call, struct machine_group *group, struct settings *settings)
{
    static const char *const keys[] = {"name", "settings"};
    int r = call_check_keys(call, keys, ARRAY_SIZE(keys));

    if (r == 0)
        r = read_name(call, group);
    if (r == 0)
        r = settings_read(settings, SETTING_FROM_GROUP, json_object_get(call->body, "settings"), &call->error);
    group->settings = settings;
    return r;
}

void group_add(struct api_call *call)
{
    struct machine_group group = {0};
    struct settings settings;

    settings_begin(&settings);
    if (read_group(call, &group, &settings) == 0 &&
        catalog_group_insert(call->api->options.catalog, &group, &call->error) == 0)
        reply_group(call, group.name);
}

static void set_group_under_lock(struct api_call *call)
{
    struct catalog *catalog = call->api->options.catalog;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(catalog);
    const struct machine_group *old = find_group(call, snapshot);

    if (!old)
        return;
    struct machine_group group = *old;
    struct settings settings = *old->settings;
    if (read_group(call, &group, &settings) == 0 && catalog_group_update(catalog, &group, &call->error) == 0)
        reply_group(call, group.name);
}

void group_set(struct api_call *call)
{
    pthread_mutex_lock(&call->api->change_lock);
    set_group_under_lock(call);
    pthread_mutex_unlock(&call->api->change_lock);
}

void group_remove(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);
    const struct machine_group *group = find_group(call, snapshot);

    if (group && catalog_group_delete(call->api->options.catalog, group->id, &call->error) == 0)
        call->reply = json_pack("{s:s}", "removed", group->name);
}

/* ---- the defaults ---- */

void defaults_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot =
        catalog_read(call->api->options.catalog);

    call->reply = json_pack("{s:o}", "settings", settings_json(catalog_defaults(snapshot), SETTING_FROM_DEFAULTS));
}

static int set_defaults_under_lock(struct api_call *call)
{
    static const char *const keys[] = {"settings"};
    struct catalog *catalog = call->api->options.catalog;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(catalog);
    struct settings defaults = *catalog_defaults(snapshot);
    int r = call_check_keys(call, keys, ARRAY_SIZE(keys));

    if (r == 0)
        r = settings_read(&defaults, SETTING_FROM_DEFAULTS, json_object_get(call->body, "settings"), &call->error);
    return r < 0 ? r : catalog_defaults_update(catalog, &defaults, &call->error);
}

void defaults_set(struct api_call *call)
{
    pthread_mutex_lock(&call->api->change_lock);
    int r = set_defaults_under_lock(call);
    pthread_mutex_unlock(&call->api->change_lock);
    if (r == 0)
        defaults_get(call);
}
