#include "folder/index.h"

enum { FIRST_BUCKETS = 256 };

void index_init(struct index *index)
{
    *index = (struct index){.bucket_count = FIRST_BUCKETS};
    index->buckets = xcalloc(index->bucket_count, sizeof(*index->buckets));
}

static void free_names(struct index_node *node)
{
    struct index_name *name;

    while ((name = node->names)) {
        node->names = name->next;
        free(name);
    }
}

void index_end(struct index *index)
{
    struct index_node *node;

    for (size_t i = 0; i < index->bucket_count; i++) {
        while ((node = index->buckets[i])) {
            CHECK(!node->file);
            index->buckets[i] = node->next;
            free_names(node);
            free(node);
        }
    }
    free(index->buckets);
}

static struct index_node **bucket_of(const struct index *index, uint64_t inode)
{
    return &index->buckets[inode * UINT64_C(0x9e3779b97f4a7c15) >> 32 & (index->bucket_count - 1)];
}

struct index_node *index_find(const struct index *index, uint64_t inode)
{
    struct index_node *node = *bucket_of(index, inode);

    while (node && node->object.inode != inode)
        node = node->next;
    return node;
}

static void insert(struct index *index, struct index_node *node)
{
    struct index_node **bucket = bucket_of(index, node->object.inode);

    node->next = *bucket;
    *bucket = node;
}

static void grow(struct index *index)
{
    struct index old = *index;
    struct index_node *node;

    index->bucket_count *= 2;
    index->buckets = xcalloc(index->bucket_count, sizeof(*index->buckets));
    for (size_t i = 0; i < old.bucket_count; i++) {
        while ((node = old.buckets[i])) {
            old.buckets[i] = node->next;
            insert(index, node);
        }
    }
    free(old.buckets);
}

static struct index_node *add(struct index *index, struct folder_object object)
{
    if (index->count >= INDEX_NODES_MAX)
        return NULL;
    if (index->count >= index->bucket_count)
        grow(index);
    struct index_node *node = xcalloc(1, sizeof(*node));
    node->object = object;
    insert(index, node);
    index->count++;
    return node;
}

static struct index_name **find_name(struct index_node *node, uint64_t parent, const char *name)
{
    struct index_name **at = &node->names;

    while (*at && ((*at)->parent != parent || strcmp((*at)->name, name) != 0))
        at = &(*at)->next;
    return at;
}

static void add_name(struct index_node *node, uint64_t parent, const char *text)
{
    size_t size = strlen(text) + 1;
    struct index_name *name = xcalloc(1, sizeof(*name) + size);

    name->parent = parent;
    memcpy(name->name, text, size);
    name->next = node->names;
    node->names = name;
}

struct index_node *index_note(struct index *index, struct folder_object object, uint64_t parent,
                              const char *name)
{
    struct index_node *node = index_find(index, object.inode);

    if (!node)
        node = add(index, object);
    if (!node)
        return NULL;
    if (node->object.generation != object.generation) { /* the number of one that went was given to another */
        free_names(node);
        node->object = object;
    }
    if (name && !*find_name(node, parent, name))
        add_name(node, parent, name);
    return node;
}

void index_drop_if_unused(struct index *index, struct index_node *node)
{
    struct index_node **at = bucket_of(index, node->object.inode);

    if (node->names || node->file)
        return;
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    index->count--;
    free(node);
}

void index_forget(struct index *index, uint64_t inode, uint64_t parent, const char *name)
{
    struct index_node *node = index_find(index, inode);
    struct index_name **at = node ? find_name(node, parent, name) : NULL;

    if (!at || !*at)
        return;
    struct index_name *gone = *at;
    *at = gone->next;
    free(gone);
    index_drop_if_unused(index, node);
}

int index_path(const struct index *index, uint64_t top, const struct index_name *name, char *buffer,
               size_t buffer_bytes, const char **path)
{
    char *at = buffer + buffer_bytes - 1;

    *at = '\0';
    for (unsigned depth = 0; depth < INDEX_DEPTH_MAX && name; depth++) {
        size_t length = strlen(name->name);
        if ((size_t)(at - buffer) < length + 1)
            return -ENAMETOOLONG;
        if (*at)
            *--at = '/';
        at -= length;
        memcpy(at, name->name, length);
        *path = at;
        if (name->parent == top)
            return 0;
        const struct index_node *parent = index_find(index, name->parent);
        name = parent ? parent->names : NULL;
    }
    return name ? -ENAMETOOLONG : -ENOENT;
}
