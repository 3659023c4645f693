#include "api/routes.h"

#include "base/text.h"

static const struct route routes[] = {
    {EVHTTP_REQ_GET, "/v1/status", status_get, status_get_store},
    {EVHTTP_REQ_GET, "/v1/sessions", sessions_get, NULL},
    {EVHTTP_REQ_GET, "/v1/events", events_get, NULL},
    {EVHTTP_REQ_GET, "/v1/discovered", discovered_get, NULL},
    {EVHTTP_REQ_GET, "/v1/machines", machines_get, NULL},
    {EVHTTP_REQ_POST, "/v1/machines", NULL, machine_add},
    {EVHTTP_REQ_GET, "/v1/machines/NAME", machine_get, machine_get_store},
    {EVHTTP_REQ_PATCH, "/v1/machines/NAME", NULL, machine_set},
    {EVHTTP_REQ_DELETE, "/v1/machines/NAME", machine_remove_check, machine_remove},
    {EVHTTP_REQ_GET, "/v1/machines/NAME/chap", chap_get, NULL},
    {EVHTTP_REQ_PATCH, "/v1/machines/NAME/chap", chap_set_check, chap_set},
    {EVHTTP_REQ_GET, "/v1/machines/NAME/chap/secret", chap_secret_get, NULL},
    {EVHTTP_REQ_GET, "/v1/machines/NAME/cloud-init", machine_get_cloud_init, NULL},
    {EVHTTP_REQ_GET, "/v1/machines/NAME/snapshots", NULL, snapshots_get},
    {EVHTTP_REQ_POST, "/v1/machines/NAME/snapshots", NULL, snapshot_create},
    {EVHTTP_REQ_PATCH, "/v1/machines/NAME/snapshots/ITEM", NULL, snapshot_rename},
    {EVHTTP_REQ_DELETE, "/v1/machines/NAME/snapshots/ITEM", NULL, snapshot_remove},
    {EVHTTP_REQ_POST, "/v1/machines/NAME/rollback", machine_rollback_check, machine_rollback},
    {EVHTTP_REQ_POST, "/v1/machines/NAME/reset", machine_reset_check, machine_reset},
    {EVHTTP_REQ_GET, "/v1/disks", disks_get, NULL},
    {EVHTTP_REQ_GET, "/v1/machines/NAME/disks", NULL, machine_disks_get},
    {EVHTTP_REQ_POST, "/v1/machines/NAME/disks", NULL, disk_add},
    {EVHTTP_REQ_PATCH, "/v1/machines/NAME/disks/ITEM", disk_set_check, disk_set},
    {EVHTTP_REQ_DELETE, "/v1/machines/NAME/disks/ITEM", disk_remove_check, disk_remove},
    {EVHTTP_REQ_GET, "/v1/groups", groups_get, NULL},
    {EVHTTP_REQ_POST, "/v1/groups", NULL, group_add},
    {EVHTTP_REQ_GET, "/v1/groups/NAME", group_get, NULL},
    {EVHTTP_REQ_PATCH, "/v1/groups/NAME", NULL, group_set},
    {EVHTTP_REQ_DELETE, "/v1/groups/NAME", NULL, group_remove},
    {EVHTTP_REQ_GET, "/v1/defaults", defaults_get, NULL},
    {EVHTTP_REQ_PATCH, "/v1/defaults", NULL, defaults_set},
    {EVHTTP_REQ_GET, "/v1/store", NULL, store_get},
    {EVHTTP_REQ_POST, "/v1/store/check", store_check_begin, NULL},
    {EVHTTP_REQ_GET, "/v1/eeprom", eeprom_get, NULL},
    {EVHTTP_REQ_DELETE, "/v1/eeprom", eeprom_withdraw, NULL},
    {EVHTTP_REQ_GET, "/v1/images", images_get, NULL},
    {EVHTTP_REQ_POST, "/v1/images", image_capture_check, image_capture},
    {EVHTTP_REQ_GET, "/v1/images/NAME", image_get, image_get_store},
    {EVHTTP_REQ_DELETE, "/v1/images/NAME", NULL, image_remove},
    {EVHTTP_REQ_GET, "/v1/jobs", jobs_get, NULL},
    {EVHTTP_REQ_GET, "/v1/jobs/NAME", job_get, NULL},
    {EVHTTP_REQ_DELETE, "/v1/jobs/NAME", job_cancel, NULL},
};

/* Moves `*path` behind one segment, which is copied to `to`. */
static bool take_segment(const char **path, char to[NAME_SIZE])
{
    size_t length = strcspn(*path, "/");

    if (length == 0 || length >= NAME_SIZE)
        return false;
    memcpy(to, *path, length);
    to[length] = '\0';
    *path += length;
    return true;
}

static bool path_matches(const char *pattern, const char *path, char name[NAME_SIZE], char item[NAME_SIZE])
{
    name[0] = item[0] = '\0';
    while (*pattern) {
        bool is_name = string_starts_with(pattern, "NAME");
        if (is_name || string_starts_with(pattern, "ITEM")) {
            if (!take_segment(&path, is_name ? name : item))
                return false;
            pattern += strlen("NAME");
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

enum route_match route_find(enum evhttp_cmd_type method, const char *path, const struct route **route,
                            char name[NAME_SIZE], char item[NAME_SIZE])
{
    enum route_match match = ROUTE_NO_PATH;

    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        if (!path_matches(routes[i].path, path, name, item))
            continue;
        if (routes[i].method == method) {
            *route = &routes[i];
            return ROUTE_FOUND;
        }
        match = ROUTE_NO_METHOD;
    }
    return match;
}
