/*
 * Where the objects of a folder are: inode → the names it is known by.
 *
 * What it says is a hint that its user verifies against the file system; so nothing but speed is lost when
 * somebody else changed a name. No lock of its own: its folder's.
 */
#pragma once

#include "folder/folder.h"

enum {
    INDEX_NODES_MAX = 1 << 20, /* some 100 MiB */
    INDEX_DEPTH_MAX = 256,
};

struct index_name {
    struct index_name *next;
    uint64_t parent;
    char name[];
};

struct index_node {
    struct index_node *next;
    struct folder_object object;
    uint64_t changes; /* by us; the clock of the file system is too coarse to tell two of them apart */
    struct index_name *names;
    struct folder_file *file; /* open */
};

struct index {
    struct index_node **buckets;
    size_t bucket_count;
    size_t count;
};

void index_init(struct index *index);
/* No file may be open any more. */
void index_end(struct index *index);

struct index_node *index_find(const struct index *index, uint64_t inode);
/* The object is known from now on, also by this name (NULL for none). NULL when the index is full. */
struct index_node *index_note(struct index *index, struct folder_object object, uint64_t parent,
                              const char *name);
/* It has this name no more. */
void index_forget(struct index *index, uint64_t inode, uint64_t parent, const char *name);
/* Frees a node that has neither names nor an open file. */
void index_drop_if_unused(struct index *index, struct index_node *node);
/* The path from the top to the object by one of its names, without a leading '/'. -ENOENT if the way up is
 * not known, -ENAMETOOLONG. `path` points into `buffer`. */
int index_path(const struct index *index, uint64_t top, const struct index_name *name, char *buffer,
               size_t buffer_bytes, const char **path);
