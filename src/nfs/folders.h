/*
 * Which machine has which folders: who is at an address, and what lies in the store for that machine.
 *
 * A machine's folder is exported as soon as it stands at its place, under a path made of the configured one
 * and the machine's hardware address. Whoever makes one fills it under another name and renames it to its
 * place.
 */
#pragma once

#include "catalog/catalog.h"
#include "catalog/presence.h"
#include "fleet/event.h"
#include "nfs/export.h"

enum nfs_folder_kind {
    NFS_FOLDER_BOOT, /* mounted at /boot/firmware */
    NFS_FOLDER_ROOT, /* the root file system */
    NFS_FOLDER_KINDS,
};

struct nfs_folders;

struct nfs_folders_options {
    struct catalog *catalog;
    struct presence *presence;
    const char *store_path;
    const char *paths[NFS_FOLDER_KINDS]; /* "/srv/tftp": what stands in front of the hardware address */
    struct event_sink events;
};

/* Options are copied; what they point to outlives it. */
struct nfs_folders *nfs_folders_new(const struct nfs_folders_options *options);
/* NULL is fine. */
void nfs_folders_free(struct nfs_folders *folders);
struct nfs_export_source nfs_folders_source(struct nfs_folders *folders);

/* "/srv/tftp/dc-a6-32-01-02-03" */
void nfs_folders_export_path(char to[NFS_PATH_SIZE], const char *path, const struct mac *mac);
/* A machine's folder was removed or replaced: it is closed, and looked for anew. From any thread. */
void nfs_folders_forget(struct nfs_folders *folders, uint64_t machine_id);
