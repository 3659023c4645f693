#include "iscsi/buffers.h"

enum { SIZES = 5 };

_Static_assert(BUFFERS_MIN_BYTES << (SIZES - 1) == BUFFERS_MAX_BYTES, "one list for each power of two");

struct kept {
    uint8_t *buffers[BUFFERS_KEPT_MAX];
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
    int index = 0;

    if (length_bytes < BUFFERS_MIN_BYTES || length_bytes > BUFFERS_MAX_BYTES)
        return -1;
    while ((size_t)BUFFERS_MIN_BYTES << index < length_bytes)
        index++;
    return index;
}

uint8_t *buffers_take(struct buffers *buffers, size_t length_bytes)
{
    int index = buffers ? size_index(length_bytes) : -1;

    if (index >= 0 && buffers->kept[index].count)
        return buffers->kept[index].buffers[--buffers->kept[index].count];
    size_t capacity = index >= 0 ? (size_t)BUFFERS_MIN_BYTES << index : MAX(length_bytes, (size_t)1);
    uint8_t *buffer = malloc(capacity);
    CHECK(buffer != NULL);
    return buffer;
}

void buffers_give(struct buffers *buffers, uint8_t *buffer, size_t length_bytes)
{
    int index = buffers && buffer ? size_index(length_bytes) : -1;

    if (index >= 0 && buffers->kept[index].count < BUFFERS_KEPT_MAX)
        buffers->kept[index].buffers[buffers->kept[index].count++] = buffer;
    else
        free(buffer);
}
