/* Volumes whose snapshots and rollbacks belong together: all of them or none. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { DISK_BYTES = 1 << 20, BOOT_BYTES = 64 << 10 };

static const char *const both[] = {"disk", "boot"};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    uint8_t *zeros = xcalloc(1, DISK_BYTES);

    fixture_open(f, NULL);
    fixture_import(f, "disk-image", zeros, DISK_BYTES);
    fixture_import(f, "boot-image", zeros, BOOT_BYTES);
    fixture_clone(f, "disk-image", NULL, "disk", 0);
    fixture_clone(f, "boot-image", NULL, "boot", 0);
    free(zeros);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

static void fill(struct fixture *f, const char *name, uint8_t with)
{
    uint8_t block[4096];
    struct volume *volume = fixture_volume(f, name);

    memset(block, with, sizeof(block));
    assert_int_equal(write_bytes(volume, block, sizeof(block), 4096, false), 0);
    volume_unref(volume);
}

static uint8_t found(struct fixture *f, const char *name)
{
    uint8_t block[4096];
    struct volume *volume = fixture_volume(f, name);

    assert_int_equal(read_bytes(volume, block, sizeof(block), 4096, VOLUME_MAY_WAIT), 0);
    volume_unref(volume);
    return block[17];
}

static bool has_snapshot(struct fixture *f, const char *volume, const char *name)
{
    CLEANUP_FREE struct store_snapshot_info *infos = NULL;
    size_t count;

    assert_int_equal(store_snapshot_list(f->store, volume, &infos, &count), 0);
    for (size_t i = 0; i < count; i++)
        if (strcmp(infos[i].name, name) == 0)
            return true;
    return false;
}

static void both_go_back_together(void **state)
{
    struct fixture *f = *state;
    char kept[STORE_NAME_SIZE];
    struct error error = {0};

    fill(f, "disk", 1);
    fill(f, "boot", 1);
    assert_int_equal(store_snapshot_create_group(f->store, both, 2, "one", "first", &error), 0);
    fill(f, "disk", 2);
    fill(f, "boot", 2);
    assert_int_equal(store_volume_rollback_group(f->store, both, 2, "one", kept, &error), 0);
    fixture_reopen(f);
    assert_int_equal(found(f, "disk"), 1);
    assert_int_equal(found(f, "boot"), 1);
    assert_int_equal(store_volume_rollback_group(f->store, both, 2, kept, kept, &error), 0);
    assert_int_equal(found(f, "disk"), 2);
    assert_int_equal(found(f, "boot"), 2);
}

static void one_that_cannot_keeps_the_other_as_it_was(void **state)
{
    struct fixture *f = *state;
    const char *const with_image[] = {"disk", "boot-image"};
    const char *const with_none[] = {"disk", "nothing"};
    const char *const twice[] = {"disk", "boot", "disk"};
    char kept[STORE_NAME_SIZE];
    struct error error = {0};

    fixture_snapshot(f, "boot", "taken");
    assert_int_equal(store_snapshot_create_group(f->store, both, 2, "taken", NULL, &error), -EEXIST);
    assert_non_null(strstr(error.text, "boot has a snapshot taken already"));
    assert_int_equal(store_snapshot_create_group(f->store, with_image, 2, "x", NULL, &error), -EROFS);
    assert_int_equal(store_snapshot_create_group(f->store, with_none, 2, "x", NULL, &error), -ENOENT);
    assert_int_equal(store_snapshot_create_group(f->store, twice, 3, "x", NULL, &error), -EINVAL);
    assert_int_equal(store_snapshot_create_group(f->store, both, 0, "x", NULL, &error), -EINVAL);
    assert_false(has_snapshot(f, "disk", "taken"));
    assert_false(has_snapshot(f, "disk", "x"));

    assert_int_equal(store_snapshot_remove_group(f->store, both, 2, "taken", &error), -ENOENT);
    assert_non_null(strstr(error.text, "disk has no snapshot taken"));
    assert_int_equal(store_volume_rollback_group(f->store, both, 2, "taken", kept, &error), -ENOENT);
    assert_true(has_snapshot(f, "boot", "taken"));

    assert_int_equal(store_snapshot_create_group(f->store, both, 2, "one", NULL, &error), 0);
    assert_int_equal(store_snapshot_rename_group(f->store, both, 2, "one", "taken", &error), -EEXIST);
    assert_true(has_snapshot(f, "disk", "one"));
    assert_false(has_snapshot(f, "disk", "taken"));

    fill(f, "disk", 3);
    struct volume *boot = fixture_volume(f, "boot");
    assert_int_equal(store_volume_rollback_group(f->store, both, 2, "one", kept, &error), -EBUSY);
    assert_non_null(strstr(error.text, "boot is in use"));
    volume_unref(boot);
    assert_int_equal(found(f, "disk"), 3);
}

static void names_change_and_go_together(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    bool more = true;

    assert_int_equal(store_snapshot_create_group(f->store, both, 2, "one", NULL, &error), 0);
    assert_int_equal(store_snapshot_rename_group(f->store, both, 2, "one", "two", &error), 0);
    assert_true(has_snapshot(f, "disk", "two") && has_snapshot(f, "boot", "two"));
    assert_int_equal(store_snapshot_rename_group(f->store, both, 2, "two", "no/name", &error), -EINVAL);
    assert_int_equal(store_snapshot_remove_group(f->store, both, 2, "two", &error), 0);
    assert_false(has_snapshot(f, "disk", "two") || has_snapshot(f, "boot", "two"));
    while (more)
        assert_int_equal(store_reclaim_step(f->store, &more), 0);
}

/* ---- one moment ---- */

struct writer {
    struct volume *disk;
    struct volume *boot;
    atomic_bool stop;
};

/* Whatever number the boot volume holds was on the disk before. */
static void *count_up(void *arg)
{
    struct writer *w = arg;
    uint64_t sector[512 / 8] = {0};

    while (!atomic_load(&w->stop)) {
        sector[0]++;
        assert_int_equal(write_bytes(w->disk, sector, sizeof(sector), 0, false), 0);
        assert_int_equal(write_bytes(w->boot, sector, sizeof(sector), 0, false), 0);
    }
    return NULL;
}

static uint64_t number_in(struct fixture *f, const char *from, const char *snapshot)
{
    uint64_t sector[512 / 8];
    struct error error = {0};

    fixture_clone(f, from, snapshot, "look", 0);
    struct volume *volume = fixture_volume(f, "look");
    assert_int_equal(read_bytes(volume, sector, sizeof(sector), 0, VOLUME_MAY_WAIT), 0);
    volume_unref(volume);
    assert_int_equal(store_volume_delete(f->store, "look", &error), 0);
    return sector[0];
}

static void snapshots_of_a_group_show_one_moment(void **state)
{
    struct fixture *f = *state;
    struct writer w = {.disk = fixture_volume(f, "disk"), .boot = fixture_volume(f, "boot")};
    struct error error = {0};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, count_up, &w), 0);
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "s%d", i);
        assert_int_equal(store_snapshot_create_group(f->store, both, 2, name, NULL, &error), 0);
        uint64_t disk = number_in(f, "disk", name);
        uint64_t boot = number_in(f, "boot", name);
        assert_true(disk == boot || disk == boot + 1);
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    volume_unref(w.disk);
    volume_unref(w.boot);
}

int main(void)
{
#define GROUP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        GROUP_TEST(both_go_back_together),
        GROUP_TEST(one_that_cannot_keeps_the_other_as_it_was),
        GROUP_TEST(names_change_and_go_together),
        GROUP_TEST(snapshots_of_a_group_show_one_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
