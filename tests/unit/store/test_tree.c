/* What a store does as a whole: images, clones, snapshots, sizes, usage, sweeping, refusing. */
#include "fixture.h"

#include "base/crc32c.h"
#include "store/layer.h"
#include "store/sum.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { IMAGE_BYTES = 3 << 20 };

struct tree_test {
    struct fixture f;
    uint8_t image[IMAGE_BYTES];
};

static int set_up(void **state)
{
    struct tree_test *t = xcalloc(1, sizeof(*t));
    struct random random = {3};

    fixture_open(&t->f, NULL);
    random_fill(&random, t->image, sizeof(t->image));
    memset(t->image + (1 << 20), 0, (1 << 20) + 4096);
    fixture_import(&t->f, "image", t->image, sizeof(t->image));
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct tree_test *t = *state;

    fixture_close(&t->f);
    free(t);
    return 0;
}

static struct stat stat_of(struct tree_test *t, uint64_t layer, const char *file)
{
    char path[LAYER_PATH_SIZE];
    struct stat st;

    assert_int_equal(stat(layer_path(path, t->f.folder, layer, file), &st), 0);
    return st;
}

static bool layer_exists(struct tree_test *t, uint64_t layer)
{
    char path[LAYER_PATH_SIZE];

    return access(layer_path(path, t->f.folder, layer, NULL), F_OK) == 0;
}

/* ---- images ---- */

static void an_image_keeps_its_holes_and_its_sums(void **state)
{
    struct tree_test *t = *state;
    char path[LAYER_PATH_SIZE];
    struct stat st = stat_of(t, 1, "data");
    struct sum sum = {0};

    assert_int_equal(st.st_size, IMAGE_BYTES);
    assert_in_range(st.st_blocks * 512, 0, (2 << 20) + 65536);
    assert_int_equal(sum_read(&store_io_system, layer_path(path, t->f.folder, 1, "sum"), 1, 48, &sum), 0);
    for (size_t i = 0; i < sum.count; i++)
        assert_int_equal(sum.values[i], crc32c(0, t->image + i * SUM_CHUNK_BYTES, SUM_CHUNK_BYTES));
    sum_free(&sum);

    struct volume *image = fixture_volume(&t->f, "image");
    uint64_t length_bytes;
    bool mapped;
    assert_volume_equals(image, t->image, IMAGE_BYTES);
    assert_true(volume_is_read_only(image));
    assert_int_equal(write_bytes(image, t->image, 512, 0, false), -EROFS);
    assert_int_equal(volume_discard(image, 0, 4096), -EROFS);
    assert_int_equal(volume_flush(image), 0);
    assert_int_equal(volume_extent(image, 0, UINT64_MAX, &length_bytes, &mapped), 0);
    assert_true(mapped);
    assert_int_equal(length_bytes, 1 << 20);
    assert_int_equal(volume_extent(image, 1 << 20, UINT64_MAX, &length_bytes, &mapped), 0);
    assert_false(mapped);
    assert_int_equal(length_bytes, (1 << 20) + 4096);
    volume_unref(image);
}

static void an_image_of_odd_length_is_padded(void **state)
{
    struct tree_test *t = *state;
    uint8_t expected[3 * 4096] = {0};
    struct store_import *import;
    struct sum sum = {0};
    struct error error;
    char path[LAYER_PATH_SIZE];

    memset(expected, 7, 2 * 4096 + 100);
    assert_int_equal(store_import_begin(t->f.store, "odd", 1 << 20, &import, &error), 0);
    for (size_t i = 0; i < 2 * 4096 + 100; i++)
        assert_int_equal(store_import_append(import, expected + i, 1), 0);
    assert_int_equal(store_import_commit(import, &error), 0);
    struct volume *volume = fixture_volume(&t->f, "odd");
    assert_volume_equals(volume, expected, sizeof(expected));
    volume_unref(volume);
    assert_int_equal(sum_read(&store_io_system, layer_path(path, t->f.folder, 2, "sum"), 2, 1, &sum), 0);
    assert_int_equal(sum.values[0], crc32c(0, expected, sizeof(expected)));
    sum_free(&sum);
}

static void an_aborted_import_leaves_nothing(void **state)
{
    struct tree_test *t = *state;
    struct store_import *import;
    struct store_volume_info info;
    struct error error;

    assert_int_equal(store_import_begin(t->f.store, "x", 1 << 20, &import, &error), 0);
    assert_int_equal(store_import_append(import, t->image, 1 << 19), 0);
    assert_true(layer_exists(t, 2));
    assert_int_equal(store_import_append(import, t->image, (1 << 19) + 1), -EFBIG);
    store_import_abort(import);
    assert_false(layer_exists(t, 2));
    assert_int_equal(store_volume_info(t->f.store, "x", &info), -ENOENT);
    store_import_abort(NULL);
}

static void a_name_is_taken_while_its_import_runs(void **state)
{
    struct tree_test *t = *state;
    struct store_import *import, *second;
    struct error error;

    assert_int_equal(store_import_begin(t->f.store, "image", 1, &second, &error), -EEXIST);
    assert_int_equal(store_import_begin(t->f.store, "../x", 1, &second, &error), -EINVAL);
    assert_int_equal(store_import_begin(t->f.store, "new", 1 << 20, &import, &error), 0);
    assert_int_equal(store_import_begin(t->f.store, "new", 1, &second, &error), -EEXIST);
    assert_int_equal(store_volume_clone(t->f.store, "image", NULL, "new", 0, &error), -EEXIST);
    assert_int_equal(store_import_commit(import, &error), -EINVAL); /* empty */
    store_import_abort(import);
}

/* ---- volumes ---- */

static void clones_share_and_part(void **state)
{
    struct tree_test *t = *state;
    struct store_volume_info info;
    uint8_t block[4096];

    fixture_clone(&t->f, "image", NULL, "a", 64ull << 30);
    fixture_clone(&t->f, "image", NULL, "b", 0);
    struct volume *a = fixture_volume(&t->f, "a");
    struct volume *b = fixture_volume(&t->f, "b");
    assert_int_equal(volume_size_bytes(a), 64ull << 30);
    assert_memory_not_equal(volume_uuid(a), volume_uuid(b), 16);
    memset(block, 1, sizeof(block));
    assert_int_equal(write_bytes(a, block, 512, 512, false), 0);
    assert_int_equal(write_bytes(a, block, 4096, 60ull << 30, false), 0);
    assert_volume_equals(b, t->image, IMAGE_BYTES);
    assert_int_equal(read_bytes(a, block, 4096, 0, VOLUME_MAY_WAIT), 0);
    assert_memory_equal(block, t->image, 512);
    assert_int_equal(block[512], 1);
    assert_memory_equal(block + 1024, t->image + 1024, 3072);
    assert_int_equal(read_bytes(a, block, 4096, 30ull << 30, VOLUME_MAY_WAIT), 0);
    assert_int_equal(block[0], 0);
    assert_int_equal(volume_flush(a), 0);

    assert_int_equal(store_volume_info(t->f.store, "a", &info), 0);
    assert_int_equal(info.depth, 2);
    assert_in_range(info.own_bytes, 8192, 3 << 20);
    assert_in_range(info.shared_bytes, 1 << 20, 3 << 20);
    assert_int_equal(store_volume_info(t->f.store, "image", &info), 0);
    assert_int_equal(info.own_bytes, 0);
    assert_true(info.read_only);
    volume_unref(a);
    volume_unref(b);
}

static void an_empty_volume_is_zeros_and_then_what_is_written(void **state)
{
    struct tree_test *t = *state;
    uint8_t *expected = xcalloc(1, IMAGE_BYTES);
    char kept[STORE_NAME_SIZE];
    struct store_snapshot_info *infos;
    struct error error;
    size_t count;

    assert_int_equal(store_volume_create(t->f.store, "e", 0, &error), -EINVAL);
    assert_int_equal(store_volume_create(t->f.store, "e", 1ull << 50, &error), -EFBIG);
    assert_int_equal(store_volume_create(t->f.store, "image", 4096, &error), -EEXIST);
    assert_int_equal(store_volume_create(t->f.store, "e", IMAGE_BYTES - 100, &error), 0);
    struct volume *volume = fixture_volume(&t->f, "e");
    assert_volume_equals(volume, expected, IMAGE_BYTES);
    memcpy(expected + 8192, t->image, 4096);
    assert_int_equal(write_bytes(volume, t->image, 4096, 8192, false), 0);
    fixture_snapshot(&t->f, "e", "s");
    assert_int_equal(store_snapshot_list(t->f.store, "e", &infos, &count), 0);
    assert_int_equal(count, 1); /* it began as nothing, and that has no name */
    free(infos);
    assert_int_equal(write_bytes(volume, t->image, 8192, 1 << 20, false), 0);
    volume_unref(volume);
    fixture_reopen(&t->f);

    assert_int_equal(roll_back(t->f.store, "e", "s", kept, &error), 0);
    volume = fixture_volume(&t->f, "e");
    assert_volume_equals(volume, expected, IMAGE_BYTES);
    volume_unref(volume);
    free(expected);
}

/* Its lowest layer has a map and nothing below: it is merged like any other. */
static void the_lowest_layer_of_an_empty_volume_is_merged(void **state)
{
    struct tree_test *t = *state;
    uint8_t *expected = xcalloc(1, IMAGE_BYTES);
    struct error error;
    bool more = true;

    assert_int_equal(store_volume_create(t->f.store, "e", IMAGE_BYTES, &error), 0); /* layer 2 */
    struct volume *volume = fixture_volume(&t->f, "e");
    memcpy(expected + 4096, t->image, 1 << 20);
    assert_int_equal(write_bytes(volume, t->image, 1 << 20, 4096, false), 0);
    fixture_snapshot(&t->f, "e", "s");
    memcpy(expected + 8192, t->image, 4096);
    assert_int_equal(write_bytes(volume, t->image, 4096, 8192, false), 0);
    assert_int_equal(snapshot_remove(t->f.store, "e", "s", &error), 0);
    while (more)
        assert_int_equal(store_reclaim_step(t->f.store, &more), 0);
    assert_false(layer_exists(t, 2));
    assert_volume_equals(volume, expected, IMAGE_BYTES);
    volume_unref(volume);
    fixture_reopen(&t->f);
    volume = fixture_volume(&t->f, "e");
    assert_volume_equals(volume, expected, IMAGE_BYTES);
    volume_unref(volume);
    free(expected);
}

static void a_name_opens_one_object(void **state)
{
    struct tree_test *t = *state;

    fixture_clone(&t->f, "image", NULL, "a", 0);
    struct volume *first = fixture_volume(&t->f, "a");
    struct volume *second = fixture_volume(&t->f, "a");
    struct volume *none = NULL;
    assert_ptr_equal(first, second);
    assert_int_equal(store_volume_open(t->f.store, "nobody", &none), -ENOENT);
    volume_unref(second);
    volume_unref(volume_ref(first));
    volume_unref(first);
}

static void what_cannot_be_is_refused(void **state)
{
    struct tree_test *t = *state;
    struct error error = {0};
    uint8_t sector[512] = {0};
    size_t mismatch;

    assert_int_equal(store_volume_clone(t->f.store, "nobody", NULL, "a", 0, &error), -ENOENT);
    assert_int_equal(store_volume_clone(t->f.store, "image", NULL, "a/b", 0, &error), -EINVAL);
    assert_int_equal(store_volume_clone(t->f.store, "image", NULL, "a", 4096, &error), -EINVAL);
    assert_int_equal(store_volume_clone(t->f.store, "image", NULL, "a", 1ull << 50, &error), -EFBIG);
    fixture_clone(&t->f, "image", NULL, "a", 0);
    assert_int_equal(store_volume_clone(t->f.store, "a", NULL, "b", 0, &error), -EINVAL);
    assert_int_equal(store_volume_clone(t->f.store, "a", "nothing", "b", 0, &error), -ENOENT);
    assert_int_equal(store_volume_resize(t->f.store, "a", 4096, &error), -EINVAL);
    assert_int_equal(store_volume_resize(t->f.store, "image", 1 << 30, &error), -EROFS);
    assert_int_equal(snapshot_create(t->f.store, "image", "s", NULL, &error), -EROFS);
    assert_int_equal(snapshot_create(t->f.store, "a", "pristine", NULL, &error), -EEXIST);
    assert_int_equal(snapshot_create(t->f.store, "a", "", NULL, &error), -EINVAL);

    struct volume *a = fixture_volume(&t->f, "a");
    assert_int_equal(read_bytes(a, sector, 511, 0, VOLUME_MAY_WAIT), -EINVAL);
    assert_int_equal(read_bytes(a, sector, 512, 1, VOLUME_MAY_WAIT), -EINVAL);
    assert_int_equal(read_bytes(a, sector, 512, IMAGE_BYTES, VOLUME_MAY_WAIT), -EINVAL);
    assert_int_equal(write_bytes(a, sector, 512, UINT64_MAX - 511, false), -EINVAL);
    assert_int_equal(volume_discard(a, 512, IMAGE_BYTES), -EINVAL);
    assert_int_equal(volume_compare_and_write(a, sector, sector, 512, IMAGE_BYTES, &mismatch), -EINVAL);
    volume_unref(a);
}

static void a_volume_goes_and_leaves_what_others_stand_on(void **state)
{
    struct tree_test *t = *state;
    struct error error = {0};
    uint8_t text[512] = "in a";

    fixture_clone(&t->f, "image", NULL, "a", 0); /* layer 2 */
    struct volume *a = fixture_volume(&t->f, "a");
    assert_int_equal(write_bytes(a, text, sizeof(text), 0, false), 0);
    fixture_snapshot(&t->f, "a", "s");             /* layer 3 */
    fixture_clone(&t->f, "a", "s", "b", 0);        /* layer 4, on layer 2 */
    fixture_clone(&t->f, "a", "pristine", "c", 0); /* layer 5, on the image */
    assert_int_equal(store_volume_delete(t->f.store, "a", &error), -EBUSY);
    volume_unref(a);
    assert_int_equal(store_volume_delete(t->f.store, "a", &error), 0);
    assert_true(layer_exists(t, 2) && !layer_exists(t, 3));
    struct volume *b = fixture_volume(&t->f, "b");
    uint8_t found[512];
    assert_int_equal(read_bytes(b, found, sizeof(found), 0, VOLUME_MAY_WAIT), 0);
    assert_memory_equal(found, text, sizeof(text));
    volume_unref(b);
    assert_int_equal(store_volume_delete(t->f.store, "image", &error), 0);
    assert_true(layer_exists(t, 1) && layer_exists(t, 4) && layer_exists(t, 5));
    assert_int_equal(store_volume_delete(t->f.store, "b", &error), 0);
    assert_int_equal(store_volume_delete(t->f.store, "c", &error), 0);
    assert_false(layer_exists(t, 1) || layer_exists(t, 2) || layer_exists(t, 4) || layer_exists(t, 5));
    fixture_import(&t->f, "image", t->image, IMAGE_BYTES);
    assert_true(layer_exists(t, 6)); /* ids do not come back */
}

static void snapshots_are_listed_with_pristine_first(void **state)
{
    struct tree_test *t = *state;
    struct store_snapshot_info *infos;
    struct store_volume_info *volumes;
    struct error error;
    size_t count;

    fixture_clone(&t->f, "image", NULL, "a", 0);
    assert_int_equal(snapshot_create(t->f.store, "a", "before-upgrade", "kernel 6.1", &error), 0);
    assert_int_equal(store_snapshot_list(t->f.store, "a", &infos, &count), 0);
    assert_int_equal(count, 2);
    assert_string_equal(infos[0].name, "pristine");
    assert_string_equal(infos[1].name, "before-upgrade");
    assert_string_equal(infos[1].comment, "kernel 6.1");
    free(infos);
    assert_int_equal(store_volume_list(t->f.store, &volumes, &count), 0);
    assert_int_equal(count, 2);
    assert_string_equal(volumes[0].name, "a");
    assert_string_equal(volumes[1].name, "image");
    free(volumes);
}

static void chains_do_not_grow_for_ever(void **state)
{
    struct tree_test *t = *state;
    struct error error;
    char name[16];
    int rc = 0;
    int made = 0;

    fixture_clone(&t->f, "image", NULL, "a", 0);
    for (; !rc && made < 200; made++) {
        snprintf(name, sizeof(name), "s%d", made);
        rc = snapshot_create(t->f.store, "a", name, NULL, &error);
    }
    assert_int_equal(rc, -EMLINK);
    struct volume *a = fixture_volume(&t->f, "a");
    assert_volume_equals(a, t->image, IMAGE_BYTES);
    volume_unref(a);
}

/* ---- after a crash ---- */

static void write_file(const char *path, const void *bytes, size_t length_bytes, off_t offset)
{
    CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, length_bytes, offset), length_bytes);
}

static void what_no_row_names_is_swept(void **state)
{
    struct tree_test *t = *state;
    char path[LAYER_PATH_SIZE];

    assert_int_equal(mkdir(layer_path(path, t->f.folder, 77, NULL), 0700), 0);
    write_file(layer_path(path, t->f.folder, 77, "data"), "x", 1, 0);
    write_file(layer_path(path, t->f.folder, 77, "sum.new"), "x", 1, 0);
    fixture_reopen(&t->f);
    assert_false(layer_exists(t, 77));
    assert_true(layer_exists(t, 1));
}

/* What is left of an import whose process died: begun in a child that leaves without a word. */
static void an_unfinished_import_is_swept(void **state)
{
    struct tree_test *t = *state;
    struct store_import *import;
    struct store_volume_info info;
    struct error error;
    int status;

    store_close(t->f.store);
    pid_t child = fork();
    if (child == 0) {
        if (store_open(t->f.folder, NULL, &t->f.store, &error) ||
            store_import_begin(t->f.store, "lost", 1 << 30, &import, &error) ||
            store_import_append(import, t->image, IMAGE_BYTES))
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(layer_exists(t, 2));
    assert_int_equal(store_open(t->f.folder, NULL, &t->f.store, &error), 0);
    assert_false(layer_exists(t, 2));
    assert_int_equal(store_volume_info(t->f.store, "lost", &info), -ENOENT);
}

static void a_damaged_map_opens_read_only(void **state)
{
    struct tree_test *t = *state;
    char path[LAYER_PATH_SIZE];
    uint8_t block[4096] = {1};

    fixture_clone(&t->f, "image", NULL, "a", 100 << 20);
    write_file(layer_path(path, t->f.folder, 2, "map"), "damage", 6, (off_t)unit_offset(3));
    struct volume *a = fixture_volume(&t->f, "a");
    assert_true(volume_is_read_only(a));
    assert_int_equal(write_bytes(a, block, 4096, 0, false), -EROFS);
    assert_int_equal(read_bytes(a, block, 4096, 0, VOLUME_MAY_WAIT), 0);
    assert_memory_equal(block, t->image, 4096);
    assert_int_equal(read_bytes(a, block, 4096, 3 * 4032 * 4096ull, VOLUME_MAY_WAIT), -EIO);
    assert_int_equal(read_bytes(a, block, 4096, 4 * 4032 * 4096ull, VOLUME_MAY_WAIT), 0);
    volume_unref(a);
}

static void a_map_of_another_layer_is_refused(void **state)
{
    struct tree_test *t = *state;
    char from[LAYER_PATH_SIZE], to[LAYER_PATH_SIZE];
    struct volume *volume;

    fixture_clone(&t->f, "image", NULL, "a", 0);
    fixture_clone(&t->f, "image", NULL, "b", 0);
    assert_int_equal(rename(layer_path(from, t->f.folder, 2, "map"), layer_path(to, t->f.folder, 3, "map")),
                     0);
    assert_int_equal(store_volume_open(t->f.store, "b", &volume), -EUCLEAN);
}

/* ---- refusing ---- */

static void a_second_farboot_is_refused(void **state)
{
    struct tree_test *t = *state;
    struct store *second;
    struct error error = {0};

    assert_int_equal(store_open(t->f.folder, NULL, &second, &error), -EBUSY);
    assert_non_null(strstr(error.text, "in use by another farboot"));
}

static int statfs_of_nfs(void *context, const char *path, struct store_fs_stat *stat)
{
    *stat = (struct store_fs_stat){.total_bytes = 1ull << 40, .free_bytes = 1ull << 40, .type = 0x6969};
    return 0;
}

static int no_punch(void *context, int fd, uint64_t offset, uint64_t length_bytes)
{
    return -EOPNOTSUPP;
}

static void file_systems_that_break_promises_are_refused(void **state)
{
    struct tree_test *t = *state;
    struct store_io io = store_io_system;
    struct store *store;
    struct error error = {0};

    store_close(t->f.store);
    io.statfs = statfs_of_nfs;
    assert_int_equal(store_open(t->f.folder, &io, &store, &error), -EOPNOTSUPP);
    assert_non_null(strstr(error.text, "NFS"));
    io = store_io_system;
    io.punch = no_punch;
    assert_int_equal(store_open(t->f.folder, &io, &store, &error), -EOPNOTSUPP);
    assert_non_null(strstr(error.text, "punch holes"));
    assert_int_equal(store_open(t->f.folder, NULL, &t->f.store, &error), 0);
}

/* ---- rollback ---- */

static void a_rollback_is_there_after_opening_again_and_can_be_undone(void **state)
{
    struct tree_test *t = *state;
    uint8_t old[4096], new[4096], found[4096];
    char kept[STORE_NAME_SIZE], unused[STORE_NAME_SIZE];
    struct error error;

    memset(old, 1, sizeof(old));
    memset(new, 2, sizeof(new));
    fixture_clone(&t->f, "image", NULL, "v", 0);
    struct volume *volume = fixture_volume(&t->f, "v");
    assert_int_equal(write_bytes(volume, old, sizeof(old), 8192, false), 0);
    fixture_snapshot(&t->f, "v", "first");
    assert_int_equal(write_bytes(volume, new, sizeof(new), 8192, false), 0);
    assert_int_equal(store_volume_resize(t->f.store, "v", IMAGE_BYTES + 4096, &error), 0);
    assert_int_equal(roll_back(t->f.store, "v", "first", kept, &error), -EBUSY);
    volume_unref(volume);
    assert_int_equal(roll_back(t->f.store, "v", "none", kept, &error), -ENOENT);
    assert_int_equal(roll_back(t->f.store, "image", "first", kept, &error), -EROFS);

    const char *targets[] = {"first", kept};
    const uint8_t *expected[] = {old, new};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(roll_back(t->f.store, "v", targets[i], i ? unused : kept, &error), 0);
        fixture_reopen(&t->f);
        volume = fixture_volume(&t->f, "v");
        assert_int_equal(volume_size_bytes(volume), IMAGE_BYTES + 4096);
        assert_int_equal(read_bytes(volume, found, sizeof(found), 8192, VOLUME_MAY_WAIT), 0);
        assert_memory_equal(found, expected[i], sizeof(found));
        volume_unref(volume);
    }
}

static void a_removed_snapshot_is_merged_while_its_volume_is_open(void **state)
{
    struct tree_test *t = *state;
    struct store_volume_info info;
    struct error error;
    bool more = true;

    fixture_clone(&t->f, "image", NULL, "v", 0);
    struct volume *volume = fixture_volume(&t->f, "v");
    assert_int_equal(write_bytes(volume, t->image + 100 * 512, 4096, 0, false), 0);
    memcpy(t->image, t->image + 100 * 512, 4096);
    assert_int_equal(volume_discard(volume, 2 << 20, 65536), 0);
    memset(t->image + (2 << 20), 0, 65536);
    fixture_snapshot(&t->f, "v", "a");
    assert_int_equal(snapshot_rename(t->f.store, "v", "a", "pristine", &error), -EEXIST);
    assert_int_equal(snapshot_remove(t->f.store, "v", "b", &error), -ENOENT);
    assert_int_equal(snapshot_remove(t->f.store, "v", "a", &error), 0);
    while (more)
        assert_int_equal(store_reclaim_step(t->f.store, &more), 0);
    assert_int_equal(store_volume_info(t->f.store, "v", &info), 0);
    assert_int_equal(info.depth, 2);
    assert_false(layer_exists(t, 2));
    assert_volume_equals(volume, t->image, IMAGE_BYTES);
    volume_unref(volume);
    fixture_reopen(&t->f);
    volume = fixture_volume(&t->f, "v");
    assert_volume_equals(volume, t->image, IMAGE_BYTES);
    volume_unref(volume);
}

enum { MANY_BLOCKS = 12000 }; /* more than two steps of a merge */

static void write_many(struct volume *volume, uint8_t with)
{
    CLEANUP_FREE uint8_t *bytes = xcalloc(MANY_BLOCKS, 4096);

    memset(bytes, with, MANY_BLOCKS * 4096);
    assert_int_equal(write_bytes(volume, bytes, MANY_BLOCKS * 4096, 0, false), 0);
}

static uint64_t allocated(struct tree_test *t, uint64_t layer)
{
    return (uint64_t)stat_of(t, layer, "data").st_blocks * 512;
}

static void a_merge_needs_the_space_of_one_step(void **state)
{
    struct tree_test *t = *state;
    struct store_reclaim progress;
    struct error error;
    uint8_t block[4096];
    bool more = true;

    fixture_clone(&t->f, "image", NULL, "v", 64 << 20);
    struct volume *volume = fixture_volume(&t->f, "v");
    write_many(volume, 1);
    fixture_snapshot(&t->f, "v", "s");
    uint64_t before = allocated(t, 2);
    store_reclaim_progress(t->f.store, &progress);
    assert_int_equal(progress.layers, 0);
    assert_int_equal(snapshot_remove(t->f.store, "v", "s", &error), 0);
    uint64_t left = UINT64_MAX;
    while (assert_int_equal(store_reclaim_step(t->f.store, &more), 0), more && layer_exists(t, 2)) {
        assert_true(allocated(t, 2) + allocated(t, 3) <= before + (17 << 20));
        store_reclaim_progress(t->f.store, &progress);
        assert_int_equal(progress.layers, 1);
        assert_int_equal(progress.total_bytes, MANY_BLOCKS * 4096);
        assert_true(progress.left_bytes < left);
        left = progress.left_bytes;
        for (uint64_t b = 0; b < MANY_BLOCKS; b += 1000) {
            assert_int_equal(read_bytes(volume, block, 4096, b * 4096, VOLUME_MAY_WAIT), 0);
            assert_int_equal(block[99], 1);
        }
    }
    assert_int_equal(store_reclaim_step(t->f.store, &more), 0);
    assert_false(more || layer_exists(t, 2));
    store_reclaim_progress(t->f.store, &progress);
    assert_int_equal(progress.layers, 0);
    volume_unref(volume);
}

static void what_stands_on_a_snapshot_is_named(void **state)
{
    struct tree_test *t = *state;
    CLEANUP_FREE char (*names)[STORE_NAME_SIZE] = NULL;
    CLEANUP_FREE char (*none)[STORE_NAME_SIZE] = NULL;
    size_t count;

    fixture_clone(&t->f, "image", NULL, "v", 0);
    fixture_clone(&t->f, "image", NULL, "other", 0);
    fixture_snapshot(&t->f, "v", "s");
    fixture_clone(&t->f, "v", "s", "b", 0);
    fixture_clone(&t->f, "v", "s", "a", 0);
    fixture_snapshot(&t->f, "a", "on-a");
    fixture_clone(&t->f, "a", "on-a", "c", 0);
    assert_int_equal(store_snapshot_dependents(t->f.store, "v", "s", &names, &count), 0);
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "b");
    assert_string_equal(names[2], "c");
    assert_int_equal(store_snapshot_dependents(t->f.store, "v", "pristine", &none, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(store_snapshot_dependents(t->f.store, "v", "nothing", &none, &count), -ENOENT);
}

int main(void)
{
#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TREE_TEST(a_rollback_is_there_after_opening_again_and_can_be_undone),
        TREE_TEST(a_removed_snapshot_is_merged_while_its_volume_is_open),
        TREE_TEST(a_merge_needs_the_space_of_one_step),
        TREE_TEST(what_stands_on_a_snapshot_is_named),
        TREE_TEST(an_image_keeps_its_holes_and_its_sums),
        TREE_TEST(an_image_of_odd_length_is_padded),
        TREE_TEST(an_aborted_import_leaves_nothing),
        TREE_TEST(a_name_is_taken_while_its_import_runs),
        TREE_TEST(clones_share_and_part),
        TREE_TEST(an_empty_volume_is_zeros_and_then_what_is_written),
        TREE_TEST(the_lowest_layer_of_an_empty_volume_is_merged),
        TREE_TEST(a_name_opens_one_object),
        TREE_TEST(what_cannot_be_is_refused),
        TREE_TEST(a_volume_goes_and_leaves_what_others_stand_on),
        TREE_TEST(snapshots_are_listed_with_pristine_first),
        TREE_TEST(chains_do_not_grow_for_ever),
        TREE_TEST(what_no_row_names_is_swept),
        TREE_TEST(an_unfinished_import_is_swept),
        TREE_TEST(a_damaged_map_opens_read_only),
        TREE_TEST(a_map_of_another_layer_is_refused),
        TREE_TEST(a_second_farboot_is_refused),
        TREE_TEST(file_systems_that_break_promises_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
