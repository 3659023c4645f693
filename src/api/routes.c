#include "api/routes.h"

#include "base/text.h"

static const struct route routes[] = {
    {EVHTTP_REQ_GET, "/v1/status", status_get, status_get_store},
    {EVHTTP_REQ_GET, "/v1/sessions", sessions_get, NULL},
    {EVHTTP_REQ_GET, "/v1/events", events_get, NULL},
    {EVHTTP_REQ_GET, "/v1/machines", machines_get, NULL},
    {EVHTTP_REQ_POST, "/v1/machines", NULL, machine_add},
    {EVHTTP_REQ_GET, "/v1/machines/NAME", machine_get, machine_get_store},
    {EVHTTP_REQ_PATCH, "/v1/machines/NAME", NULL, machine_set},
    {EVHTTP_REQ_DELETE, "/v1/machines/NAME", machine_remove_check, machine_remove},
    {EVHTTP_REQ_GET, "/v1/images", images_get, NULL},
    {EVHTTP_REQ_GET, "/v1/images/NAME", image_get, image_get_store},
    {EVHTTP_REQ_DELETE, "/v1/images/NAME", NULL, image_remove},
    {EVHTTP_REQ_GET, "/v1/jobs", jobs_get, NULL},
    {EVHTTP_REQ_GET, "/v1/jobs/NAME", job_get, NULL},
    {EVHTTP_REQ_DELETE, "/v1/jobs/NAME", job_cancel, NULL},
};

static bool path_matches(const char *pattern, const char *path, char name[NAME_SIZE])
{
    size_t fixed = string_ends_with(pattern, "/NAME") ? strlen(pattern) - strlen("NAME") : strlen(pattern);

    name[0] = '\0';
    if (strncmp(pattern, path, fixed) != 0)
        return false;
    if (!pattern[fixed])
        return path[fixed] == '\0';
    return path[fixed] && !strchr(path + fixed, '/') && copy_string(name, NAME_SIZE, path + fixed);
}

enum route_match route_find(enum evhttp_cmd_type method, const char *path, const struct route **route,
                            char name[NAME_SIZE])
{
    enum route_match match = ROUTE_NO_PATH;

    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        if (!path_matches(routes[i].path, path, name))
            continue;
        if (routes[i].method == method) {
            *route = &routes[i];
            return ROUTE_FOUND;
        }
        match = ROUTE_NO_METHOD;
    }
    return match;
}
