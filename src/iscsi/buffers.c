#include "iscsi/buffers.h"

enum { SIZES = 12 };

_Static_assert(BUFFERS_MIN_BYTES << (SIZES - 1) == BUFFERS_MAX_BYTES, "one list for each power of two");

struct kept {
    void *buffers[BUFFERS_KEPT_SMALL_MAX];
    unsigned count;
};

struct buffers {
    struct kept kept[SIZES];
};

struct buffers *buffers_new(void)
{
    return xcalloc(1, sizeof(struct buffers));
}

void buffers_free(struct buffers *buffers)
{
    for (unsigned size = 0; buffers && size < SIZES; size++) {
        for (unsigned i = 0; i < buffers->kept[size].count; i++)
            free(buffers->kept[size].buffers[i]);
    }
    free(buffers);
}

/* The list that a length belongs to; -1 if such buffers are not kept. */
static int size_index(size_t length_bytes)
{
    if (length_bytes < 1 || length_bytes > BUFFERS_MAX_BYTES)
        return -1;
    if (length_bytes <= BUFFERS_MIN_BYTES)
        return 0;
    return __builtin_clzl(BUFFERS_MIN_BYTES) + 1 - __builtin_clzl(length_bytes - 1);
}

static size_t size_of(int index)
{
    return (size_t)BUFFERS_MIN_BYTES << index;
}

static unsigned kept_max(int index)
{
    return size_of(index) < BUFFERS_LARGE_BYTES ? BUFFERS_KEPT_SMALL_MAX : BUFFERS_KEPT_MAX;
}

void *buffers_take(struct buffers *buffers, size_t length_bytes)
{
    int index = buffers ? size_index(length_bytes) : -1;

    if (index >= 0 && buffers->kept[index].count)
        return buffers->kept[index].buffers[--buffers->kept[index].count];
    void *buffer = malloc(index >= 0 ? size_of(index) : MAX(length_bytes, (size_t)1));
    CHECK(buffer != NULL);
    return buffer;
}

void buffers_give(struct buffers *buffers, void *buffer, size_t length_bytes)
{
    int index = buffers && buffer ? size_index(length_bytes) : -1;

    if (index >= 0 && buffers->kept[index].count < kept_max(index))
        buffers->kept[index].buffers[buffers->kept[index].count++] = buffer;
    else
        free(buffer);
}
