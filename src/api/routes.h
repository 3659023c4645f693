/*
 * What can be asked: one table of methods and paths, and who answers.
 */
#pragma once

#include "api/call.h"

#include <event2/http.h>

/* `loop_step` runs on the control loop and must not block; `worker_step` then runs on a worker. Either may be NULL. A
 * step that left an error ends the call. */
struct route {
    enum evhttp_cmd_type method;
    const char *path; /* NAME and ITEM stand for one path segment each */
    void (*loop_step)(struct api_call *call);
    void (*worker_step)(struct api_call *call);
};

enum route_match { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD };

/* Finds the route of a request and fills `name` and `item` with what stood for NAME and ITEM. */
enum route_match route_find(enum evhttp_cmd_type method, const char *path, const struct route **route,
                            char name[NAME_SIZE], char item[NAME_SIZE]);
