/*
 * The file system as one caller sees it: his exports below a root that shows nothing else.
 *
 * What versions 3 and 4 have in common: objects and their handles, and operations under somebody's
 * credential. Gives negative errno; the versions put it into their own words. Handles are signed, so that
 * nobody can make one up; and one that leads outside the caller's exports is stale, whoever it was given to.
 */
#pragma once

#include "base/siphash.h"
#include "nfs/export.h"
#include "nfs/permission.h"

enum { NFS_HANDLE_BYTES = 32 };

struct nfs_object {
    const struct nfs_export *export; /* NULL: a directory above the exports */
    struct folder_object object;     /* inside the export */
    const char *path;                /* above: the first `path_bytes` of some export's path */
    size_t path_bytes;
    bool set;
};

struct nfs_view {
    const uint8_t *key; /* SIPHASH_KEY_BYTES, kept for ever */
    const struct nfs_exports *exports;
    const struct rpc_credential *credential;
    uint64_t started_ns; /* when this run of the server began: the times of what has none */
};

struct nfs_object view_root(const struct nfs_view *view);
/* The object of a path from the root of all exports ("/srv/tftp/…", also with slashes too many), inside an export,
 * too. -ENOENT, -ENOTDIR, -EACCES. */
int view_find(const struct nfs_view *view, const char *path, struct nfs_object *object);

void view_handle(const struct nfs_view *view, const struct nfs_object *object,
                 uint8_t handle[NFS_HANDLE_BYTES]);
/* -EBADF if we did not make it, -ESTALE if it is not this caller's (any more). */
int view_resolve(const struct nfs_view *view, const uint8_t *handle, size_t length_bytes,
                 struct nfs_object *object);

uint64_t view_file_system(const struct nfs_object *object);
/* The number that its parent's listing shows for it. */
uint64_t view_number_above(const struct nfs_view *view, const struct nfs_object *object,
                           const struct folder_attributes *attributes);

int view_attributes(const struct nfs_view *view, const struct nfs_object *object,
                    struct folder_attributes *a);
int view_lookup(const struct nfs_view *view, const struct nfs_object *directory, const char *name,
                struct nfs_object *object, struct folder_attributes *a);
/* -ENOENT above the root. */
int view_parent(const struct nfs_view *view, const struct nfs_object *object, struct nfs_object *parent);
int view_read_link(const struct nfs_object *object, char target[FOLDER_TARGET_MAX + 1]);
int view_list(const struct nfs_view *view, const struct nfs_object *directory, uint64_t cookie,
              bool with_attributes, bool (*fn)(void *arg, const struct folder_entry *entry), void *arg,
              bool *ended);

/* Contents, for those whom the mode lets (`may` of MAY_…). -EISDIR, -EINVAL for what has none. */
int view_open(const struct nfs_view *view, const struct nfs_object *object, uint32_t may,
              struct folder_file **file);
int view_may(const struct nfs_view *view, const struct folder_attributes *a, uint32_t may);

int view_change(const struct nfs_view *view, const struct nfs_object *object, struct folder_change *change,
                bool writable);
/* Owner, group and (if none was given) mode are the caller's. */
int view_make(const struct nfs_view *view, const struct nfs_object *directory, const char *name,
              struct folder_make *make, struct nfs_object *object, struct folder_attributes *a,
              struct folder_step *step);
int view_remove(const struct nfs_view *view, const struct nfs_object *directory, const char *name,
                enum folder_remove what, struct folder_step *step);
int view_rename(const struct nfs_view *view, const struct nfs_object *from, const char *from_name,
                const struct nfs_object *to, const char *to_name, struct folder_step *from_step,
                struct folder_step *to_step);
int view_link(const struct nfs_view *view, const struct nfs_object *object,
              const struct nfs_object *directory, const char *name, struct folder_step *step);
