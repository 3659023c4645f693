/* Volumes that begin again, and that become images. */
#include "fixture.h"

enum { IMAGE_BYTES = 1 << 20 };

struct reset_test {
    struct fixture f;
    uint8_t first[IMAGE_BYTES];
    uint8_t second[2 * IMAGE_BYTES];
    struct error error;
};

static int set_up(void **state)
{
    struct reset_test *t = xcalloc(1, sizeof(*t));
    struct random r = {.state = 7};

    random_fill(&r, t->first, sizeof(t->first));
    random_fill(&r, t->second, sizeof(t->second));
    fixture_open(&t->f, NULL);
    fixture_import(&t->f, "first", t->first, sizeof(t->first));
    fixture_import(&t->f, "second", t->second, sizeof(t->second));
    fixture_clone(&t->f, "first", NULL, "v", 0);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct reset_test *t = *state;

    fixture_close(&t->f);
    free(t);
    return 0;
}

static void write_text(struct reset_test *t, const char *text)
{
    struct volume *volume = fixture_volume(&t->f, "v");
    char sector[512] = "";

    COPY_STRING(sector, text);
    assert_int_equal(write_bytes(volume, sector, sizeof(sector), 4096, false), 0);
    volume_unref(volume);
}

static void assert_reads(struct reset_test *t, const char *text)
{
    struct volume *volume = fixture_volume(&t->f, "v");
    char sector[512];

    assert_int_equal(read_bytes(volume, sector, sizeof(sector), 4096, VOLUME_MAY_WAIT), 0);
    assert_string_equal(sector, text);
    volume_unref(volume);
}

static void assert_holds(struct reset_test *t, const char *name, const uint8_t *bytes, size_t length)
{
    struct volume *volume = fixture_volume(&t->f, name);

    assert_int_equal(volume_size_bytes(volume), length);
    assert_volume_equals(volume, bytes, length);
    volume_unref(volume);
}

static size_t snapshot_count(struct reset_test *t)
{
    CLEANUP_FREE struct store_snapshot_info *infos = NULL;
    size_t count = 0;

    assert_int_equal(store_snapshot_list(t->f.store, "v", &infos, &count), 0);
    return count;
}

static bool is_changed(struct reset_test *t)
{
    bool changed = false;

    assert_int_equal(store_volume_changed(t->f.store, "v", &changed), 0);
    return changed;
}

static void a_volume_begins_at_its_image_again(void **state)
{
    struct reset_test *t = *state;

    write_text(t, "old");
    assert_int_equal(store_volume_reset(t->f.store, "v", "first", NULL, NULL, &t->error), 0);
    assert_holds(t, "v", t->first, sizeof(t->first));
    fixture_reopen(&t->f);
    assert_holds(t, "v", t->first, sizeof(t->first));
    assert_int_equal(snapshot_count(t), 1);
}

static void a_volume_begins_at_its_own_snapshot_again(void **state)
{
    struct reset_test *t = *state;

    write_text(t, "clean");
    fixture_snapshot(&t->f, "v", "clean");
    for (int boot = 0; boot < 3; boot++) {
        assert_int_equal(store_volume_reset(t->f.store, "v", "v", "clean", NULL, &t->error), 0);
        assert_reads(t, "clean");
        write_text(t, "scribbled");
    }
}

static void what_was_is_kept_on_request(void **state)
{
    struct reset_test *t = *state;
    const struct store_snapshot_info keep = {.name = "last", .comment = "the last boot"};

    write_text(t, "old");
    assert_int_equal(store_volume_reset(t->f.store, "v", "first", NULL, &keep, &t->error), 0);
    assert_holds(t, "v", t->first, sizeof(t->first));
    write_text(t, "new");
    assert_int_equal(store_volume_reset(t->f.store, "v", "first", NULL, &keep, &t->error), -EEXIST);
    assert_reads(t, "new");
    assert_int_equal(store_volume_reset(t->f.store, "v", NULL, "last", NULL, &t->error), 0);
    assert_reads(t, "old");
    assert_int_equal(snapshot_count(t), 2);
}

static void it_may_begin_at_another_image_and_grows_with_it(void **state)
{
    struct reset_test *t = *state;

    write_text(t, "old");
    assert_int_equal(store_volume_reset(t->f.store, "v", "second", NULL, NULL, &t->error), 0);
    assert_holds(t, "v", t->second, sizeof(t->second));
    write_text(t, "new");
    assert_int_equal(store_volume_reset(t->f.store, "v", NULL, "pristine", NULL, &t->error), 0);
    assert_holds(t, "v", t->second, sizeof(t->second));
    assert_int_equal(store_volume_delete(t->f.store, "first", &t->error), 0);
}

static void a_volume_in_use_does_not(void **state)
{
    struct reset_test *t = *state;

    write_text(t, "old");
    struct volume *volume = fixture_volume(&t->f, "v");
    assert_int_equal(store_volume_reset(t->f.store, "v", "first", NULL, NULL, &t->error), -EBUSY);
    volume_unref(volume);
    assert_int_equal(store_volume_reset(t->f.store, "first", "second", NULL, NULL, &t->error), -EROFS);
    assert_int_equal(store_volume_reset(t->f.store, "v", NULL, "none", NULL, &t->error), -ENOENT);
    assert_reads(t, "old");
}

static void only_what_was_written_counts_as_changed(void **state)
{
    struct reset_test *t = *state;

    assert_false(is_changed(t));
    write_text(t, "old");
    assert_true(is_changed(t));
    fixture_snapshot(&t->f, "v", "one");
    assert_false(is_changed(t));
    fixture_reopen(&t->f);
    assert_false(is_changed(t));
    struct volume *volume = fixture_volume(&t->f, "v");
    assert_int_equal(volume_discard(volume, IMAGE_BYTES - 4096, 4096), 0);
    assert_true(is_changed(t));
    volume_unref(volume);
}

static void a_sealed_volume_is_an_image(void **state)
{
    struct reset_test *t = *state;

    write_text(t, "captured");
    struct volume *volume = fixture_volume(&t->f, "v");
    assert_int_equal(store_volume_seal(t->f.store, "v", &t->error), -EBUSY);
    volume_unref(volume);
    assert_int_equal(store_volume_seal(t->f.store, "v", &t->error), 0);
    fixture_reopen(&t->f);
    volume = fixture_volume(&t->f, "v");
    assert_true(volume_is_read_only(volume));
    volume_unref(volume);
    assert_reads(t, "captured");
    assert_int_equal(snapshot_count(t), 0);
    fixture_clone(&t->f, "v", NULL, "clone", 0);
    assert_int_equal(store_volume_delete(t->f.store, "v", &t->error), 0);
    assert_int_equal(store_volume_delete(t->f.store, "clone", &t->error), 0);
}

#define RESET_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESET_TEST(a_volume_begins_at_its_image_again),
        RESET_TEST(a_volume_begins_at_its_own_snapshot_again),
        RESET_TEST(what_was_is_kept_on_request),
        RESET_TEST(it_may_begin_at_another_image_and_grows_with_it),
        RESET_TEST(a_volume_in_use_does_not),
        RESET_TEST(only_what_was_written_counts_as_changed),
        RESET_TEST(a_sealed_volume_is_an_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
