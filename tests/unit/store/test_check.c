/* Looking whether all is well: what is damaged on purpose is found, named and, where that can be, repaired. */
#include "fixture.h"

#include "store/layer.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

enum { IMAGE_BYTES = 10 << 20, FINDINGS_MAX = 16 };

struct check_test {
    struct fixture f;
    uint8_t image[IMAGE_BYTES];
    struct store_finding findings[FINDINGS_MAX];
    char first_volume[FINDINGS_MAX][STORE_NAME_SIZE];
    size_t count;
    bool stop;
};

static int set_up(void **state)
{
    struct check_test *t = xcalloc(1, sizeof(*t));
    struct random random = {5};

    fixture_open(&t->f, NULL);
    random_fill(&random, t->image, sizeof(t->image));
    memset(t->image + (3 << 20), 0, 1 << 20);
    fixture_import(&t->f, "image", t->image, sizeof(t->image));
    fixture_clone(&t->f, "image", NULL, "v", 64 << 20);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct check_test *t = *state;

    fixture_close(&t->f);
    free(t);
    return 0;
}

static void note(void *arg, const struct store_finding *finding)
{
    struct check_test *t = arg;

    assert_in_range(t->count, 0, FINDINGS_MAX - 1);
    t->findings[t->count] = *finding;
    if (finding->volume_count)
        COPY_STRING(t->first_volume[t->count], finding->volumes[0]);
    t->count++;
}

static bool keep_going(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
    struct check_test *t = arg;

    assert_in_range(done_bytes, 0, total_bytes);
    return !t->stop;
}

static int check(struct check_test *t, bool repair)
{
    const struct store_check how = {.repair = repair, .listener = {note, t}, .progress = keep_going};
    struct error error = {0};

    t->count = 0;
    return store_check(t->f.store, &how, &error);
}

/* Looks until nothing is left to do for now. */
static void verify(struct check_test *t)
{
    const struct store_listener listener = {note, t};
    uint64_t read_bytes = 0;
    bool more = true;

    t->count = 0;
    while (more)
        assert_int_equal(store_verify_step(t->f.store, 0, &listener, &read_bytes, &more), 0);
}

static void flip(struct check_test *t, uint64_t layer, const char *file, off_t at)
{
    char path[LAYER_PATH_SIZE];
    uint8_t byte;
    int fd = open(layer_path(path, t->f.folder, layer, file), O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static bool exists(struct check_test *t, uint64_t layer, const char *file)
{
    char path[LAYER_PATH_SIZE];

    return access(layer_path(path, t->f.folder, layer, file), F_OK) == 0;
}

static void write_at(struct check_test *t, const char *name, uint64_t offset, uint8_t with)
{
    uint8_t block[4096];
    struct volume *volume = fixture_volume(&t->f, name);

    memset(block, with, sizeof(block));
    assert_int_equal(write_bytes(volume, block, sizeof(block), offset, false), 0);
    volume_unref(volume);
}

static void a_sound_store_has_no_findings(void **state)
{
    struct check_test *t = *state;

    write_at(t, "v", 4096, 1);
    fixture_snapshot(&t->f, "v", "s");
    assert_int_equal(check(t, false), 0);
    assert_int_equal(t->count, 0);
    assert_false(exists(t, 2, "sum")); /* looking only looks */
    assert_int_equal(check(t, true), 0);
    assert_int_equal(t->count, 0);
    assert_true(exists(t, 2, "sum"));
    assert_int_equal(check(t, false), 0);
    assert_int_equal(t->count, 0);
    t->stop = true;
    assert_int_equal(check(t, false), -ECANCELED);
}

static void a_flipped_bit_is_found_where_it_is(void **state)
{
    struct check_test *t = *state;

    flip(t, 1, "data", 8 << 20 | 5000);
    assert_int_equal(check(t, true), 0);
    assert_int_equal(t->count, 1);
    assert_int_equal(t->findings[0].problem, STORE_PROBLEM_DATA);
    assert_int_equal(t->findings[0].layer, 1);
    assert_int_equal(t->findings[0].offset, 8 << 20);
    assert_int_equal(t->findings[0].length_bytes, 65536);
    assert_int_equal(t->findings[0].volume_count, 2);
    assert_string_equal(t->first_volume[0], "image");
    assert_false(t->findings[0].repaired); /* nobody knows what was there */
}

static void verification_tells_once_and_remembers(void **state)
{
    struct check_test *t = *state;
    const struct store_listener listener = {note, t};
    struct store_verify status;

    write_at(t, "v", 0, 7);
    fixture_snapshot(&t->f, "v", "s");
    assert_int_equal(store_verify_status(t->f.store, &status), 0);
    assert_int_equal(status.finished_seconds, 0);
    verify(t); /* makes the sums of the snapshot */
    assert_int_equal(t->count, 0);
    assert_true(exists(t, 2, "sum"));
    flip(t, 2, "data", 100);
    verify(t);
    assert_int_equal(t->count, 1);
    assert_int_equal(t->findings[0].layer, 2);
    assert_string_equal(t->first_volume[0], "v");
    fixture_reopen(&t->f);
    verify(t);
    assert_int_equal(t->count, 0);
    assert_int_equal(store_verify_status(t->f.store, &status), 0);
    assert_int_equal(status.damaged, 1);
    assert_true(status.finished_seconds > 0);
    assert_int_equal(store_tell_damage(t->f.store, &listener), 0);
    assert_int_equal(t->count, 1);
    flip(t, 2, "data", 100);
    verify(t);
    assert_int_equal(store_verify_status(t->f.store, &status), 0);
    assert_int_equal(status.damaged, 0);
}

static void what_was_gone_through_lately_is_left_alone(void **state)
{
    struct check_test *t = *state;
    const struct store_listener listener = {note, t};
    uint64_t read_bytes = 0;
    bool more = true;

    verify(t);
    assert_int_equal(store_verify_step(t->f.store, 3600, &listener, &read_bytes, &more), 0);
    assert_false(more);
    assert_int_equal(read_bytes, 0);
    write_at(t, "v", 0, 7);
    fixture_snapshot(&t->f, "v", "s"); /* what is new is looked at in any case */
    for (more = true; more;)
        assert_int_equal(store_verify_step(t->f.store, 3600, &listener, &read_bytes, &more), 0);
    assert_in_range(read_bytes, 65536, 65536);
    assert_true(exists(t, 2, "sum"));
}

static void a_verification_goes_on_where_it_stood(void **state)
{
    struct check_test *t = *state;
    const struct store_listener listener = {note, t};
    uint64_t read_bytes = 0, first_bytes;
    bool more = true;

    fixture_clone(&t->f, "v", "pristine", "w", 0);
    write_at(t, "w", 0, 1);
    fixture_snapshot(&t->f, "w", "s");
    verify(t);
    while (read_bytes == 0)
        assert_int_equal(store_verify_step(t->f.store, 0, &listener, &read_bytes, &more), 0);
    while (read_bytes < IMAGE_BYTES)
        assert_int_equal(store_verify_step(t->f.store, 0, &listener, &read_bytes, &more), 0);
    first_bytes = read_bytes;
    fixture_reopen(&t->f);
    for (more = true; more;)
        assert_int_equal(store_verify_step(t->f.store, 3600, &listener, &read_bytes, &more), 0);
    assert_in_range(read_bytes - first_bytes, 65536, 65536); /* the image is not read twice */
}

static void merged_layers_get_their_sums_again(void **state)
{
    struct check_test *t = *state;
    struct error error;
    bool more = true;

    write_at(t, "v", 0, 1);
    fixture_snapshot(&t->f, "v", "a");
    write_at(t, "v", 1 << 20, 2);
    fixture_snapshot(&t->f, "v", "b");
    verify(t);
    assert_true(exists(t, 3, "sum"));
    assert_int_equal(snapshot_remove(t->f.store, "v", "a", &error), 0);
    while (more)
        assert_int_equal(store_reclaim_step(t->f.store, &more), 0);
    assert_false(exists(t, 3, "sum"));
    verify(t);
    assert_true(exists(t, 3, "sum"));
    assert_int_equal(t->count, 0);
    flip(t, 3, "data", 0);
    verify(t);
    assert_int_equal(t->count, 1);
}

/* Sums that are being made of a layer know nothing of what a merge puts into it meanwhile. */
static void a_merge_makes_a_walk_stale(void **state)
{
    struct check_test *t = *state;
    const struct store_listener listener = {note, t};
    struct error error;
    uint64_t read_bytes = 0;
    bool more = true;

    write_at(t, "v", 0, 1);
    write_at(t, "v", 40 << 20, 1);
    fixture_snapshot(&t->f, "v", "a");
    write_at(t, "v", 1 << 20, 2);
    write_at(t, "v", 50 << 20, 2);
    fixture_snapshot(&t->f, "v", "b");
    while (!exists(t, 3, "sum.new")) /* the sums of layer 2 are made, those of 3 begun */
        assert_int_equal(store_verify_step(t->f.store, 0, &listener, &read_bytes, &more), 0);
    assert_true(exists(t, 2, "sum"));
    assert_int_equal(snapshot_remove(t->f.store, "v", "a", &error), 0);
    for (more = true; more;)
        assert_int_equal(store_reclaim_step(t->f.store, &more), 0);
    assert_false(exists(t, 3, "sum"));
    verify(t);
    assert_true(exists(t, 3, "sum"));
    assert_int_equal(t->count, 0);
    assert_int_equal(check(t, false), 0);
    assert_int_equal(t->count, 0);
}

static void damaged_sums_are_made_again_when_asked(void **state)
{
    struct check_test *t = *state;

    flip(t, 1, "sum", (off_t)unit_offset(0) + 3);
    assert_int_equal(check(t, false), 0);
    assert_int_equal(t->count, 1);
    assert_int_equal(t->findings[0].problem, STORE_PROBLEM_SUMS);
    assert_int_equal(check(t, true), 0);
    assert_int_equal(t->count, 1);
    assert_true(t->findings[0].repaired);
    assert_int_equal(check(t, false), 0);
    assert_int_equal(t->count, 0);
}

static void a_damaged_map_is_told_with_its_range(void **state)
{
    struct check_test *t = *state;

    write_at(t, "v", 17 << 20, 1);
    fixture_snapshot(&t->f, "v", "s");
    flip(t, 2, "map", (off_t)unit_offset(1) + 40);
    assert_int_equal(check(t, false), 0);
    assert_int_equal(t->count, 1);
    assert_int_equal(t->findings[0].problem, STORE_PROBLEM_MAP);
    assert_int_equal(t->findings[0].offset, 4032 * 4096);
    assert_int_equal(t->findings[0].length_bytes, 4032 * 4096);
    assert_string_equal(t->first_volume[0], "v");
}

static void orphans_are_told_and_removed(void **state)
{
    struct check_test *t = *state;
    char path[LAYER_PATH_SIZE];
    struct error error = {0};

    assert_int_equal(mkdir(layer_path(path, t->f.folder, 77, NULL), 0700), 0);
    store_close(t->f.store);
    assert_int_equal(store_open_as_found(t->f.folder, NULL, &t->f.store, &error), 0);
    assert_int_equal(check(t, false), 0);
    assert_int_equal(t->count, 1);
    assert_int_equal(t->findings[0].problem, STORE_PROBLEM_ORPHAN);
    assert_int_equal(check(t, true), 0);
    assert_true(t->findings[0].repaired);
    assert_false(exists(t, 77, NULL));
    assert_int_equal(check(t, false), 0);
    assert_int_equal(t->count, 0);
}

static void a_lost_file_is_told(void **state)
{
    struct check_test *t = *state;
    char path[LAYER_PATH_SIZE];

    assert_int_equal(truncate(layer_path(path, t->f.folder, 1, "data"), 9 << 20), 0);
    assert_int_equal(unlink(layer_path(path, t->f.folder, 2, "map")), 0);
    assert_int_equal(check(t, true), 0);
    assert_in_range(t->count, 2, FINDINGS_MAX);
    assert_int_equal(t->findings[0].problem, STORE_PROBLEM_FILES);
    assert_non_null(strstr(t->findings[0].sentence, "layers/1/data has 9437184 bytes, not 10485760"));
    assert_non_null(strstr(t->findings[1].sentence, "layers/2/map: No such file"));
}

static void no_store_is_no_store(void **state)
{
    struct check_test *t = *state;
    struct store *store;
    struct error error = {0};

    assert_int_equal(store_open_as_found("/tmp", NULL, &store, &error), -ENOENT);
    assert_non_null(strstr(error.text, "there is no store in /tmp"));
    assert_int_equal(store_open_as_found(t->f.folder, NULL, &store, &error), -EBUSY);
}

int main(void)
{
#define CHECK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CHECK_TEST(a_sound_store_has_no_findings),
        CHECK_TEST(a_flipped_bit_is_found_where_it_is),
        CHECK_TEST(verification_tells_once_and_remembers),
        CHECK_TEST(what_was_gone_through_lately_is_left_alone),
        CHECK_TEST(a_verification_goes_on_where_it_stood),
        CHECK_TEST(merged_layers_get_their_sums_again),
        CHECK_TEST(a_merge_makes_a_walk_stale),
        CHECK_TEST(damaged_sums_are_made_again_when_asked),
        CHECK_TEST(a_damaged_map_is_told_with_its_range),
        CHECK_TEST(orphans_are_told_and_removed),
        CHECK_TEST(a_lost_file_is_told),
        CHECK_TEST(no_store_is_no_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
