/*
 * A folder: a directory tree on the server that a machine sees as a file system of its own.
 *
 * Everything in it belongs to the account that farboot runs as. What the machine sees of owners, modes and
 * kinds is data: constant root in a boot folder (as FAT has it), kept in extended attributes in a root
 * folder. Symbolic links, devices, FIFOs and sockets are plain files here, marked in an attribute, so that
 * nothing of it ever means anything to the server's own kernel; links are never followed. All opening is by
 * openat2 below the folder's top.
 *
 *   user.farboot.folder   on the top: its identity and its kind of ownership
 *   user.farboot.object   on an object: kind, mode, owner, group, device
 *   user.farboot.create   on a file: the verifier of the exclusive creation that made it
 *   user.farboot.xattr.*  on an object: the machine's own attributes (capabilities and the like)
 *
 * An object has an identity for ever (inode and birth time), found again by an index in memory: inode →
 * parent and name. The index is filled as names are looked up, and by one walk when an identity is asked for
 * that it does not know (after a restart). Changes of names are durable when a call returns. All calls may
 * block; any thread.
 */
#pragma once

#include "base/error.h"

#include <sys/types.h>
#include <time.h>

struct folder;
struct folder_file;

enum { FOLDER_NAME_MAX = 255, FOLDER_TARGET_MAX = 4095, FOLDER_VERIFIER_BYTES = 8 };

enum folder_owner {
    FOLDER_OWNER_ROOT,   /* everything is root's, modes are fixed */
    FOLDER_OWNER_MAPPED, /* owners and modes are remembered */
};

enum folder_kind {
    FOLDER_FILE,
    FOLDER_DIRECTORY,
    FOLDER_SYMLINK,
    FOLDER_FIFO,
    FOLDER_SOCKET,
    FOLDER_BLOCK,
    FOLDER_CHARACTER,
};

/* Where a machine's folder of a kind ("boot", "root") stands. The caller frees. */
char *folder_place(const char *store_path, const char *kind, uint64_t machine_id);

/* One object's identity within its folder; survives renames and restarts, never means another object. */
struct folder_object {
    uint64_t inode;
    uint64_t generation;
};

struct folder_attributes {
    struct folder_object object;
    enum folder_kind kind;
    uint32_t mode; /* permission bits */
    uint32_t uid;
    uint32_t gid;
    uint32_t links;
    uint32_t major; /* of a device */
    uint32_t minor;
    uint64_t size_bytes;
    uint64_t used_bytes;
    uint64_t change; /* another value after every change */
    struct timespec accessed;
    struct timespec modified;
    struct timespec changed;
};

/* ---- life ---- */

/* Makes an empty folder at `path` (whose parent exists). -EEXIST if there is one. */
int folder_create(const char *path, enum folder_owner owner, struct error *error);
/* The caller owns a reference. */
int folder_open(const char *path, struct folder **folder, struct error *error);
struct folder *folder_ref(struct folder *folder);
void folder_unref(struct folder *folder);
DEFINE_CLEANUP(folder, struct folder *, folder_unref)

/* What distinguishes it from every other folder; kept with it. Never 0. */
uint64_t folder_id(const struct folder *folder);
enum folder_owner folder_owner(const struct folder *folder);
struct folder_object folder_top(const struct folder *folder);

/* While it is being filled nothing is made durable one by one; `folder_sync` does it for all. */
void folder_set_filling(struct folder *folder, bool filling);
int folder_sync(struct folder *folder);

struct folder_space {
    uint64_t total_bytes, free_bytes, available_bytes;
    uint64_t total_files, free_files;
};

int folder_space(struct folder *folder, struct folder_space *space);

/* ---- objects ----
 *
 * Negative errno; -ESTALE when the object is no more. Names are one component without '/', neither "." nor
 * "..", at most FOLDER_NAME_MAX bytes (else -EINVAL, -ENAMETOOLONG). */

int folder_attributes(struct folder *folder, struct folder_object object,
                      struct folder_attributes *attributes);
int folder_lookup(struct folder *folder, struct folder_object directory, const char *name,
                  struct folder_attributes *attributes);
/* The directory that holds it; the top holds itself. */
int folder_parent(struct folder *folder, struct folder_object object, struct folder_object *parent);
/* The link's target, NUL-terminated. -EINVAL if it is no symbolic link. */
int folder_read_link(struct folder *folder, struct folder_object object, char target[FOLDER_TARGET_MAX + 1]);

enum folder_time { FOLDER_TIME_KEEP, FOLDER_TIME_NOW, FOLDER_TIME_GIVEN };

/* What to change; ownership and modes are ignored where they are constant. */
struct folder_change {
    bool set_mode, set_uid, set_gid, set_size;
    uint32_t mode, uid, gid;
    uint64_t size_bytes;
    enum folder_time set_accessed, set_modified;
    struct timespec accessed, modified;
};

int folder_change(struct folder *folder, struct folder_object object, const struct folder_change *change);

/* A directory's `change` before and after. */
struct folder_step {
    uint64_t before;
    uint64_t after;
};

struct folder_make {
    enum folder_kind kind;
    uint32_t mode, uid, gid;
    uint32_t major, minor;
    const char *target;      /* of a symbolic link */
    const uint8_t *verifier; /* FOLDER_VERIFIER_BYTES of an exclusive creation, or NULL */
};

/* -EEXIST if the name is taken; with a verifier that made what is there, it is given instead. */
int folder_make(struct folder *folder, struct folder_object directory, const char *name,
                const struct folder_make *make, struct folder_attributes *attributes,
                struct folder_step *step);

enum folder_remove { FOLDER_REMOVE_ANY, FOLDER_REMOVE_DIRECTORY, FOLDER_REMOVE_OTHER };

/* -ENOTDIR or -EISDIR if it is not what was meant. */
int folder_remove(struct folder *folder, struct folder_object directory, const char *name,
                  enum folder_remove what, struct folder_step *step);
int folder_rename(struct folder *folder, struct folder_object from, const char *from_name,
                  struct folder_object to, const char *to_name, struct folder_step *from_step,
                  struct folder_step *to_step);
int folder_link(struct folder *folder, struct folder_object object, struct folder_object directory,
                const char *name, struct folder_step *step);

struct folder_entry {
    const char *name;
    uint64_t inode;
    uint64_t cookie;                            /* where the listing goes on after it; never below 3 */
    const struct folder_attributes *attributes; /* NULL if not asked for */
};

/* Calls `fn` for each entry after `cookie` (0: from the beginning) until it gives false; `ended` says whether
 * all were shown. "." and ".." are not entries. */
int folder_list(struct folder *folder, struct folder_object directory, uint64_t cookie, bool with_attributes,
                bool (*fn)(void *arg, const struct folder_entry *entry), void *arg, bool *ended);

/* An attribute of the machine's own ("security.capability"), for whoever fills a folder. */
int folder_set_xattr(struct folder *folder, struct folder_object object, const char *name, const void *value,
                     size_t length_bytes);

/* ---- contents ---- */

/* A plain file, open; it stays readable when its last name goes. -EISDIR, -EINVAL for what has no contents.
 */
int folder_file_open(struct folder *folder, struct folder_object object, struct folder_file **file);
struct folder_file *folder_file_ref(struct folder_file *file);
/* NULL is fine. */
void folder_file_put(struct folder_file *file);
DEFINE_CLEANUP(folder_file, struct folder_file *, folder_file_put)

int folder_file_attributes(struct folder_file *file, struct folder_attributes *attributes);
int folder_file_size(struct folder_file *file, uint64_t *size_bytes);
/* How many bytes; fewer than asked for only at the end of the file. */
ssize_t folder_file_read(struct folder_file *file, void *to, size_t length_bytes, uint64_t offset);
/* All or a negative errno. */
int folder_file_write(struct folder_file *file, const void *from, size_t length_bytes, uint64_t offset);
int folder_file_sync(struct folder_file *file);
