/*
 * What exists: machines, images and leases, kept in SQLite and published as immutable snapshots.
 *
 * One thread writes. Everyone else reads a snapshot in memory, so that answering a packet never touches the
 * database. Changes are durable when a call returns, and published before it returns. It never opens a volume and
 * decides nothing.
 */
#pragma once

#include "base/error.h"
#include "fleet/machine.h"
#include "loop/loop.h"

struct catalog;
struct catalog_snapshot;

/* Opens (creating, migrating) the database file at `path`, which holds secrets and is made unreadable to others, and
 * starts its writer thread. */
int catalog_open(const char *path, struct catalog **catalog, struct error *error);
void catalog_close(struct catalog *catalog);

/* ---- reading: any thread, never blocks on the disk ---- */

/* The present state; the caller unrefs. Pointers into it are valid as long as the snapshot is held. */
const struct catalog_snapshot *catalog_read(struct catalog *catalog);
void catalog_snapshot_unref(const struct catalog_snapshot *snapshot);
static inline void cleanup_catalog_snapshot(const struct catalog_snapshot **s)
{
    catalog_snapshot_unref(*s);
}

const struct machine *catalog_machine_by_id(const struct catalog_snapshot *snapshot, uint64_t id);
const struct machine *catalog_machine_by_name(const struct catalog_snapshot *snapshot, const char *name);
const struct machine *catalog_machine_by_mac(const struct catalog_snapshot *snapshot, const struct mac *mac);
const struct machine *catalog_machine_by_address(const struct catalog_snapshot *snapshot, uint32_t address);
const struct machine *catalog_machine_by_serial(const struct catalog_snapshot *snapshot, uint32_t serial);
/* Its newest version. */
const struct image *catalog_image_by_name(const struct catalog_snapshot *snapshot, const char *name);
/* 0: the newest. */
const struct image *catalog_image_version(const struct catalog_snapshot *snapshot, const char *name, uint32_t version);
const struct image *catalog_image_by_id(const struct catalog_snapshot *snapshot, uint64_t id);
const struct machine_group *catalog_group_by_name(const struct catalog_snapshot *snapshot, const char *name);
/* What machines in no group inherit. */
const struct settings *catalog_defaults(const struct catalog_snapshot *snapshot);
/* By name, images then by version; `count` is set. */
const struct machine *catalog_machines(const struct catalog_snapshot *snapshot, size_t *count);
const struct image *catalog_images(const struct catalog_snapshot *snapshot, size_t *count);
const struct machine_group *catalog_groups(const struct catalog_snapshot *snapshot, size_t *count);

/* ---- changing: may block, so not on a loop; any other thread ----
 *
 * Of `settings` those are kept whose source is the record itself; the rest is inherited and only passing through. */

/* -EEXIST with the sentence when name, MAC, address or serial is taken. `id` is filled, its disks' too. */
int catalog_machine_insert(struct catalog *catalog, struct machine *machine, struct error *error);
/* All columns by `id`, but neither its disks nor `chap`. */
int catalog_machine_update(struct catalog *catalog, const struct machine *machine, struct error *error);
/* Its `chap` alone, by `id`; nothing else changes that. */
int catalog_machine_set_chap(struct catalog *catalog, const struct machine *machine, struct error *error);
int catalog_machine_delete(struct catalog *catalog, uint64_t id, struct error *error);
int catalog_group_insert(struct catalog *catalog, struct machine_group *group, struct error *error);
int catalog_group_update(struct catalog *catalog, const struct machine_group *group, struct error *error);
/* -EBUSY with a sentence that names the machines in it. */
int catalog_group_delete(struct catalog *catalog, uint64_t id, struct error *error);
int catalog_defaults_update(struct catalog *catalog, const struct settings *defaults, struct error *error);
/* -EEXIST when its name or LUN is taken. `id` is filled. */
int catalog_disk_insert(struct catalog *catalog, uint64_t machine_id, struct machine_disk *disk, struct error *error);
/* Name, size and whether it is read-only, by `id`. */
int catalog_disk_update(struct catalog *catalog, const struct machine_disk *disk, struct error *error);
/* The machine is remembered to have had it. */
int catalog_disk_delete(struct catalog *catalog, uint64_t id, struct error *error);

/* A disk that a machine had once. */
struct removed_disk {
    char name[NAME_SIZE];
    uint64_t created_seconds;
    uint64_t removed_seconds;
};

/* The caller frees. */
int catalog_removed_disks(struct catalog *catalog, uint64_t machine_id, struct removed_disk **disks, size_t *count);

/* `version` 0 becomes the next of that name; -EEXIST for one that is there. `id` is filled. */
int catalog_image_insert(struct catalog *catalog, struct image *image, struct error *error);
/* One version. -EBUSY with a sentence that names the machines which use it. */
int catalog_image_delete(struct catalog *catalog, uint64_t id, struct error *error);

/* ---- volumes that no record names: being made, or being deleted ----
 *
 * Store and catalog have no common transaction. A volume is noted here before it is made; the record that is inserted
 * with it takes the note away, and one that is deleted leaves it, each in its own transaction. So after a crash exactly
 * these volumes may be removed from the store, and never one that merely has no record (a catalog that was lost or
 * restored must not cost anybody's disk). May block. */

struct pending_volume {
    char name[NAME_SIZE];
};

int catalog_pending_put(struct catalog *catalog, const char *volume, struct error *error);
/* The volume is gone, or was never made. */
int catalog_pending_drop(struct catalog *catalog, const char *volume);
/* The caller frees. */
int catalog_pending_list(struct catalog *catalog, struct pending_volume **volumes, size_t *count);

/* ---- what a disk must know again after a restart (scsi/keep.h), durable when the call returns; may block ---- */

/* Of no bytes: there is nothing to know. It goes when its volume does. */
int catalog_disk_state_put(struct catalog *catalog, const char *volume, const void *bytes, size_t length_bytes);
/* NULL and 0 if there is nothing; the caller frees. */
int catalog_disk_state_get(struct catalog *catalog, const char *volume, uint8_t **bytes, size_t *length_bytes);
/* The volumes of which there is something; the caller frees. */
int catalog_disk_state_list(struct catalog *catalog, struct pending_volume **volumes, size_t *count);

/* ---- leases: who has which address (DHCP server mode), durable before the ACK ---- */

enum lease_state { LEASE_OFFERED, LEASE_BOUND, LEASE_RELEASED, LEASE_DECLINED };

struct lease {
    uint32_t address;
    struct mac mac;
    enum lease_state state;
    uint64_t expires_seconds; /* wall clock */
    char host_name[NAME_SIZE];
};

/* Commits `count` leases in one transaction with whatever else waits (group commit), then runs `done(arg, result)` on
 * `home`. From any thread, never blocks. */
void catalog_lease_put(struct catalog *catalog, const struct lease *leases, size_t count, struct loop *home,
                       void (*done)(void *arg, int result), void *arg);
/* All leases, at start; the caller frees. May block. */
int catalog_lease_list(struct catalog *catalog, struct lease **leases, size_t *count);
