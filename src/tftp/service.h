/*
 * Boot files over TFTP: the well-known port on every served interface, and the transfers that follow.
 *
 * Read-only. Requests are taken in on the control loop; everything after that happens on one data loop,
 * chosen by the client's address, so that what one client does needs no lock and never delays a DHCP answer.
 * Files are opened on a worker, read on the loop where the page cache has them, and by a worker where it has
 * not.
 */
#pragma once

#include "bootfiles/bootfiles.h"
#include "catalog/catalog.h"
#include "catalog/disk_gate.h"
#include "catalog/presence.h"
#include "fleet/event.h"
#include "loop/workers.h"

struct tftp_service;

struct tftp_service_options {
    struct loop *control;
    struct loop *const *loops; /* data loops; none: the control loop does their work */
    size_t loop_count;
    struct workers *workers;
    struct disk_gate *gate; /* through which files are opened */
    struct catalog *catalog;
    struct presence *presence;
    struct bootfiles *bootfiles;
    const struct event_sink *events;
};

/* Binds one socket per interface, which needs the privilege to. `port` is TFTP_PORT but in tests. Negative
 * errno with a sentence that names the interface. */
int tftp_service_open(const char *const *interfaces, size_t interface_count, uint16_t port,
                      struct tftp_service **service, struct error *error);
/* Begins to answer. On the control loop, or before it runs. What `options` points to outlives the service;
 * `options` itself and its array of loops are copied. */
void tftp_service_start(struct tftp_service *service, const struct tftp_service_options *options);
/* Takes no more requests and lets transfers end for up to `drain_ms`; then the rest is cut off and
 * `stopped(arg)` runs on the control loop. All loops and the workers must still run until then. On the
 * control loop, once, after start. */
void tftp_service_stop(struct tftp_service *service, uint64_t drain_ms, void (*stopped)(void *arg),
                       void *arg);
/* Before start, or after `stopped` ran. NULL is fine. */
void tftp_service_free(struct tftp_service *service);
