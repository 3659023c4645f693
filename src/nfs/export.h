/*
 * What one machine may see: folders, each under the path that its fstab names.
 *
 * Whoever knows machines and addresses answers the question "who asks?"; the protocol engines only use the
 * answer, anew for every call, so that a machine that loses a folder loses it at once.
 */
#pragma once

#include "folder/folder.h"

enum { NFS_PATH_SIZE = 256, NFS_EXPORTS_MAX = 8 };

struct nfs_export {
    char path[NFS_PATH_SIZE]; /* "/srv/tftp/dc-a6-32-01-02-03": begins with '/', does not end with it */
    struct folder *folder;    /* a reference */
    bool read_only;
};

struct nfs_exports {
    struct nfs_export list[NFS_EXPORTS_MAX];
    size_t count;
};

struct nfs_export_source {
    /* The folders of whoever has this address now. May block; any thread. */
    void (*find)(void *arg, uint32_t address, struct nfs_exports *exports);
    /* It asked for a path that it does not have: to be logged, with the reason. Any thread. */
    void (*refused)(void *arg, uint32_t address, const char *path);
    void *arg;
};

static inline void nfs_exports_release(struct nfs_exports *exports)
{
    for (size_t i = 0; i < exports->count; i++)
        folder_unref(exports->list[i].folder);
    exports->count = 0;
}
