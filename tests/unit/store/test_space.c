/* Little space: what is refused, what goes on, and when it is over. */
#include "fixture.h"

#include "store/io.h"

enum { IMAGE_BYTES = 64 << 10 };

static uint64_t free_mib;

static int statfs_as_told(void *context, const char *path, struct store_fs_stat *stat)
{
    *stat = (struct store_fs_stat){.total_bytes = 1000ull << 20, .free_bytes = free_mib << 20};
    return 0;
}

static const struct store_mark marks[STORE_SPACES] = {
    [STORE_SPACE_LOW] = {.percent = 10},
    [STORE_SPACE_REFUSING] = {.bytes = 50 << 20},
    [STORE_SPACE_FULL] = {.percent = 1},
};

static struct store_io io;

static int set_up(void **state)
{
    static const uint8_t image[IMAGE_BYTES];
    struct fixture *f = xcalloc(1, sizeof(*f));

    io = store_io_system;
    io.statfs = statfs_as_told;
    free_mib = 500;
    fixture_open(f, &io);
    store_set_marks(f->store, marks);
    fixture_import(f, "image", image, sizeof(image));
    fixture_clone(f, "image", NULL, "v", 1 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

static enum store_space look(struct fixture *f, uint64_t mib)
{
    struct store_space_report report;

    free_mib = mib;
    assert_int_equal(store_look_at_space(f->store, &report), 0);
    assert_int_equal(report.free_bytes, mib << 20);
    assert_int_equal(report.mark_bytes[STORE_SPACE_LOW], 100 << 20);
    return report.space;
}

static void marks_are_passed_and_left_with_some_distance(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look(f, 100), STORE_SPACE_ENOUGH);
    assert_int_equal(look(f, 99), STORE_SPACE_LOW);
    assert_int_equal(look(f, 104), STORE_SPACE_LOW);
    assert_int_equal(look(f, 107), STORE_SPACE_ENOUGH);
    assert_int_equal(look(f, 49), STORE_SPACE_REFUSING);
    assert_int_equal(look(f, 9), STORE_SPACE_FULL);
    assert_int_equal(look(f, 60), STORE_SPACE_LOW);
    assert_int_equal(look(f, 500), STORE_SPACE_ENOUGH);
}

static void nothing_new_is_made_when_it_is_low(void **state)
{
    struct fixture *f = *state;
    static const uint8_t zeros[IMAGE_BYTES];
    struct store_import *running, *import;
    char kept[STORE_NAME_SIZE];
    struct error error = {0};

    assert_int_equal(store_import_begin(f->store, "half", 1 << 20, &running, &error), 0);
    look(f, 40);
    assert_int_equal(store_volume_clone(f->store, "image", NULL, "w", 0, &error), -ENOSPC);
    assert_non_null(strstr(error.text, "are free in the store, and nothing new is made below"));
    assert_int_equal(store_volume_create(f->store, "w", 1 << 20, &error), -ENOSPC);
    assert_int_equal(snapshot_create(f->store, "v", "s", NULL, &error), -ENOSPC);
    assert_int_equal(store_import_begin(f->store, "i", 1 << 20, &import, &error), -ENOSPC);
    assert_int_equal(store_import_append(running, zeros, sizeof(zeros)) ?: store_import_commit(running, &error), -ENOSPC);
    store_import_abort(running);
    assert_int_equal(roll_back(f->store, "v", "pristine", kept, &error), 0);
    assert_int_equal(snapshot_remove(f->store, "v", kept, &error), 0);
    free_mib = 500; /* nobody has looked since */
    assert_int_equal(store_volume_clone(f->store, "image", NULL, "w", 0, &error), 0);
}

static void a_full_store_takes_overwrites_only(void **state)
{
    struct fixture *f = *state;
    uint8_t block[8192] = {7}, found[4096];
    struct volume *v = fixture_volume(f, "v");

    assert_int_equal(write_bytes(v, block, 4096, 4096, true), 0);
    assert_int_equal(look(f, 5), STORE_SPACE_FULL);
    assert_int_equal(write_bytes(v, block, 4096, 4096, true), 0);
    assert_int_equal(write_bytes(v, block, 512, 4096 + 512, true), 0);
    assert_int_equal(write_bytes(v, block, 4096, 8192, false), -ENOSPC);
    assert_int_equal(write_bytes(v, block, 512, 0, false), -ENOSPC);
    assert_int_equal(write_bytes(v, block, 8192, 4096, false), -ENOSPC);
    assert_int_equal(read_bytes(v, found, 4096, 8192, VOLUME_MAY_WAIT), 0);
    assert_int_equal(found[0], 0);
    assert_int_equal(volume_discard(v, 4096, 4096), 0);
    assert_int_equal(volume_flush(v), 0);
    assert_int_equal(look(f, 200), STORE_SPACE_ENOUGH);
    assert_int_equal(write_bytes(v, block, 8192, 4096, false), 0);
    volume_unref(v);
}

int main(void)
{
#define SPACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SPACE_TEST(marks_are_passed_and_left_with_some_distance),
        SPACE_TEST(nothing_new_is_made_when_it_is_low),
        SPACE_TEST(a_full_store_takes_overwrites_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
