/*
 * What the files of this folder share. Nothing outside includes it.
 */
#pragma once

#include "folder/index.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define FOLDER_XATTR_IDENTITY "user.farboot.folder"
#define FOLDER_XATTR_OBJECT "user.farboot.object"
#define FOLDER_XATTR_CREATE "user.farboot.create"
#define FOLDER_XATTR_OWN "user.farboot.xattr."

enum {
    FOLDER_IDLE_FILES_MAX = 64, /* kept open after their last use */
    /* A plain file with this bit is something else for the machine; see FOLDER_XATTR_OBJECT. */
    FOLDER_MARK = S_ISVTX,
    FOLDER_FILE_MODE = 0600,
    FOLDER_DIRECTORY_MODE = 0700,
};

struct folder_file {
    struct folder *folder;
    struct index_node *node;
    int fd;
    unsigned users;
    struct folder_file *older, *newer; /* among the idle ones */
};

struct folder {
    int fd;
    uint64_t id;
    enum folder_owner owner;
    struct folder_object top;
    atomic_uint references;
    atomic_bool filling;

    pthread_mutex_t lock; /* guards all below */
    struct index index;
    uint64_t next_walk_ms;
    struct folder_file *oldest, *newest; /* idle */
    unsigned idle_count;
};

/* ---- object.c: what an open descriptor is ---- */

/* -ENOENT for what is neither a directory nor a plain file: farboot made no such thing. */
int object_stat(int fd, struct statx *st);
struct folder_object object_identity(const struct statx *st);
/* `node` (or NULL) counts our changes. */
int object_attributes(const struct folder *folder, int fd, const struct statx *st,
                      const struct index_node *node, struct folder_attributes *attributes);
int object_set_kind(const struct folder *folder, int fd, const struct folder_attributes *attributes);
uint64_t object_change(const struct statx *st, const struct index_node *node);

/* ---- resolve.c: from identities and names to descriptors; the lock is held ---- */

/* Opens one component below `directory`. */
int resolve_name(int directory, const char *name, int flags);
/* -ESTALE if it is no more. */
int resolve_object(struct folder *folder, struct folder_object object, int flags, int *fd, struct statx *st);
int resolve_directory(struct folder *folder, struct folder_object object, int *fd, struct statx *st);
/* A name of the object, verified, as a path below the top. */
int resolve_path(struct folder *folder, struct folder_object object, char *buffer, size_t buffer_bytes,
                 const char **path);
/* One directory's entries by getdents, until `fn` gives false. */
struct raw_entry {
    uint64_t inode;
    uint64_t cookie;
    unsigned char type;
    const char *name;
};
int resolve_list(int directory, uint64_t cookie, bool (*fn)(void *arg, const struct raw_entry *entry),
                 void *arg, bool *ended);

/* ---- file.c ---- */

/* The object lost its last name: it is not kept open for nothing. The lock is held. */
void file_name_is_gone(struct folder *folder, uint64_t inode);
void file_close_idle(struct folder *folder);
