/*
 * Boot files over HTTP, for firmware and boot loaders that speak it, and cloud-init's data.
 *
 * Read-only, and by the same rules as TFTP: a machine reaches its own files only, by its address. It is not the
 * administrator's door (api/) and knows nothing of it. Connections are accepted on the control loop and live on a data
 * loop, chosen by the client's address.
 */
#pragma once

#include "bootfiles/bootfiles.h"
#include "catalog/catalog.h"
#include "catalog/disk_gate.h"
#include "catalog/presence.h"
#include "fleet/event.h"
#include "loop/workers.h"

struct http_service;

struct http_service_options {
    struct loop *control;
    struct loop *const *loops; /* data loops; at least one */
    size_t loop_count;
    struct workers *workers;
    struct disk_gate *gate; /* through which files are opened */
    struct catalog *catalog;
    struct presence *presence;
    struct bootfiles *bootfiles;
    const struct event_sink *events;
};

/* Binds, which needs the privilege to; clients in the networks of `interfaces` will be served. Negative errno with a
 * sentence. */
int http_service_open(const char *const *interfaces, size_t interface_count, uint16_t port,
                      struct http_service **service, struct error *error);
/* Begins to answer. On the control loop, or before it runs. What `options` points to outlives the service; `options`
 * itself and its array of loops are copied. */
void http_service_start(struct http_service *service, const struct http_service_options *options);
/* Takes no more connections and lets answers end for up to `drain_ms`; then the rest is cut off and `stopped(arg)` runs
 * on the control loop. All loops and the workers must still run until then. On the control loop, once, after start. */
void http_service_stop(struct http_service *service, uint64_t drain_ms, void (*stopped)(void *arg), void *arg);
/* Before start, or after `stopped` ran. NULL is fine. */
void http_service_free(struct http_service *service);
