#include "../test.h"

#include "iscsi/buffers.h"

static void a_large_buffer_is_used_again(void **state)
{
    struct buffers *buffers = buffers_new();
    uint8_t *first = buffers_take(buffers, 100000);

    first[131071] = 1; /* rounded up to a power of two */
    buffers_give(buffers, first, 100000);
    assert_ptr_equal(buffers_take(buffers, 131072), first);
    buffers_give(buffers, first, 131072);
    buffers_free(buffers);
}

static void only_so_many_are_kept(void **state)
{
    struct buffers *buffers = buffers_new();
    uint8_t *many[BUFFERS_KEPT_MAX + 4];

    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = buffers_take(buffers, BUFFERS_MAX_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        buffers_give(buffers, many[i], BUFFERS_MAX_BYTES);
    buffers_free(buffers);
}

/* Filled to its last byte, with the sanitizer looking on. */
static void every_size_is_as_large_as_it_says(void **state)
{
    struct buffers *buffers = buffers_new();

    for (size_t size = 1; size <= BUFFERS_MAX_BYTES; size += size < 2000 ? 1 : size / 7) {
        uint8_t *buffer = buffers_take(buffers, size);
        memset(buffer, 0, size);
        buffers_give(buffers, buffer, size);
    }
    buffers_free(buffers);
}

static void odd_sizes_are_plain_memory(void **state)
{
    static const size_t sizes[] = {0, BUFFERS_MAX_BYTES + 1, 8 << 20};
    struct buffers *buffers = buffers_new();

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        buffers_give(buffers, buffers_take(buffers, sizes[i]), sizes[i]);
    buffers_give(buffers, NULL, 0);
    buffers_give(NULL, buffers_take(NULL, BUFFERS_MAX_BYTES), BUFFERS_MAX_BYTES);
    buffers_free(buffers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_buffer_is_used_again),
        cmocka_unit_test(only_so_many_are_kept),
        cmocka_unit_test(every_size_is_as_large_as_it_says),
        cmocka_unit_test(odd_sizes_are_plain_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
