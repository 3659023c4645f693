/* Disks that are slow, full or broken, by exchanging single functions of the table. */
#include "fixture.h"

#include "store/layer.h"

#include <fcntl.h>
#include <stdatomic.h>

enum { IMAGE_BYTES = 16 * 4096, FDS = 1024 };

/* What the table does otherwise than the system. Unset: nothing. */
static struct faults {
    bool map_fd[FDS];          /* descriptors of maps, seen at open */
    int write_error;           /* of writes to data */
    unsigned write_delay_us;   /* of writes to data */
    uint64_t write_error_from; /* the first bytes of a request are written before it */
    int map_write_error;
    int sync_error;
    int punch_error;
    bool nothing_cached;    /* every no_wait read would wait */
    bool waiting_forbidden; /* a read that may wait fails the test */
    unsigned opens_of_layer_1;
    unsigned syncs;
    unsigned map_writes;
    unsigned drops;
} faults;

static int faulty_open(void *context, const char *path, int flags)
{
    int fd = store_io_system.open(context, path, flags);

    if (fd >= 0 && fd < FDS)
        faults.map_fd[fd] = strstr(path, "/map") != NULL;
    faults.opens_of_layer_1 += strstr(path, "layers/1/data") != NULL;
    return fd;
}

static ssize_t faulty_preadv(void *context, int fd, const struct iovec *vec, int count, uint64_t offset,
                             bool no_wait)
{
    if (no_wait && faults.nothing_cached)
        return -EAGAIN;
    if (!no_wait && faults.waiting_forbidden)
        fail_msg("a read waited that must not");
    return store_io_system.preadv(context, fd, vec, count, offset, no_wait);
}

static ssize_t faulty_pwritev(void *context, int fd, const struct iovec *vec, int count, uint64_t offset)
{
    bool map = faults.map_fd[fd];

    faults.map_writes += map;
    if (map && faults.map_write_error)
        return faults.map_write_error;
    if (!map && faults.write_delay_us)
        usleep(faults.write_delay_us);
    if (map || !faults.write_error)
        return store_io_system.pwritev(context, fd, vec, count, offset);
    if (faults.write_error_from == 0)
        return faults.write_error;
    struct iovec part = {vec[0].iov_base, MIN(vec[0].iov_len, faults.write_error_from)};
    faults.write_error_from = 0;
    return store_io_system.pwritev(context, fd, &part, 1, offset);
}

static int faulty_fdatasync(void *context, int fd)
{
    faults.syncs++;
    return faults.sync_error ?: store_io_system.fdatasync(context, fd);
}

static int faulty_punch(void *context, int fd, uint64_t offset, uint64_t length_bytes)
{
    return faults.punch_error ?: store_io_system.punch(context, fd, offset, length_bytes);
}

static void counting_drop_cache(void *context, int fd)
{
    faults.drops++;
    store_io_system.drop_cache(context, fd);
}

struct fault_test {
    struct fixture f;
    struct store_io io;
    struct volume *volume;
    uint8_t expected[IMAGE_BYTES];
};

static int set_up(void **state)
{
    struct fault_test *t = xcalloc(1, sizeof(*t));
    struct random random = {5};

    faults = (struct faults){0};
    t->io = store_io_system;
    t->io.open = faulty_open;
    t->io.preadv = faulty_preadv;
    t->io.pwritev = faulty_pwritev;
    t->io.fdatasync = faulty_fdatasync;
    t->io.punch = faulty_punch;
    t->io.drop_cache = counting_drop_cache;
    fixture_open(&t->f, &t->io);
    random_fill(&random, t->expected, sizeof(t->expected));
    fixture_import(&t->f, "image", t->expected, sizeof(t->expected));
    fixture_clone(&t->f, "image", NULL, "v", 0);
    t->volume = fixture_volume(&t->f, "v");
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct fault_test *t = *state;

    faults = (struct faults){0};
    volume_unref(t->volume);
    fixture_close(&t->f);
    free(t);
    return 0;
}

static int put(struct fault_test *t, uint8_t value, size_t offset, size_t length_bytes)
{
    uint8_t bytes[IMAGE_BYTES];

    memset(bytes, value, length_bytes);
    int rc = write_bytes(t->volume, bytes, length_bytes, offset, false);
    if (rc == 0)
        memset(t->expected + offset, value, length_bytes);
    return rc;
}

static void reopen_volume(struct fault_test *t)
{
    volume_unref(t->volume);
    t->volume = fixture_volume(&t->f, "v");
}

/* ---- waiting ---- */

static void a_read_that_must_not_wait_does_not(void **state)
{
    struct fault_test *t = *state;
    uint8_t found[IMAGE_BYTES];

    assert_int_equal(put(t, 1, 4096, 8192), 0);
    assert_volume_equals(t->volume, t->expected, IMAGE_BYTES);
    faults.waiting_forbidden = true;
    int rc = read_bytes(t->volume, found, IMAGE_BYTES, 0, VOLUME_NO_WAIT);
    if (rc != -EAGAIN) { /* what a file system without RWF_NOWAIT answers */
        assert_int_equal(rc, 0);
        assert_memory_equal(found, t->expected, IMAGE_BYTES);
    }
    faults.nothing_cached = true;
    assert_int_equal(read_bytes(t->volume, found, 4096, 0, VOLUME_NO_WAIT), -EAGAIN);
    assert_int_equal(read_bytes(t->volume, found, 4096, 4096, VOLUME_NO_WAIT), -EAGAIN);
    faults.waiting_forbidden = false;
    assert_int_equal(read_bytes(t->volume, found, IMAGE_BYTES, 0, VOLUME_MAY_WAIT), 0);
    assert_memory_equal(found, t->expected, IMAGE_BYTES);
}

static int put_now(struct fault_test *t, size_t offset, size_t length_bytes, bool fua)
{
    const struct iovec vec = {t->expected + offset, length_bytes};

    return volume_write(t->volume, &vec, 1, offset, fua, VOLUME_NO_WAIT);
}

static void only_whole_blocks_that_are_owned_are_written_without_waiting(void **state)
{
    struct fault_test *t = *state;

    assert_int_equal(put_now(t, 4096, 8192, false), -EAGAIN); /* a copy-up */
    assert_int_equal(put(t, 1, 4096, 8192), 0);
    memset(t->expected + 4096, 2, 8192);
    assert_int_equal(put_now(t, 4096, 8192, false), 0);
    assert_volume_equals(t->volume, t->expected, IMAGE_BYTES);
    assert_int_equal(put_now(t, 4096, 512, false), -EAGAIN);
    assert_int_equal(put_now(t, 4608, 4096, false), -EAGAIN);
    assert_int_equal(put_now(t, 4096, 12288, false), -EAGAIN);
    assert_int_equal(put_now(t, 4096, 4096, true), -EAGAIN);
    assert_int_equal(put_now(t, IMAGE_BYTES, 4096, false), -EINVAL);
}

static void a_write_without_waiting_is_part_of_the_next_flush(void **state)
{
    struct fault_test *t = *state;

    assert_int_equal(put(t, 1, 0, 4096), 0);
    assert_int_equal(volume_flush(t->volume), 0);
    unsigned before = faults.syncs;
    assert_int_equal(put_now(t, 0, 4096, false), 0);
    assert_int_equal(volume_flush(t->volume), 0);
    assert_true(faults.syncs > before);
}

static void after_a_slow_write_others_wait_for_the_disk(void **state)
{
    struct fault_test *t = *state;

    assert_int_equal(put(t, 1, 0, 4096), 0);
    faults.write_delay_us = 20000;
    assert_int_equal(put_now(t, 0, 4096, false), 0);
    faults.write_delay_us = 0;
    assert_int_equal(put_now(t, 0, 4096, false), -EAGAIN);
    usleep(150000);
    assert_int_equal(put_now(t, 0, 4096, false), 0);
}

static void a_failed_write_without_waiting_stops_the_volume(void **state)
{
    struct fault_test *t = *state;

    assert_int_equal(put(t, 1, 0, 4096), 0);
    faults.write_error = -EIO;
    assert_int_equal(put_now(t, 0, 4096, false), -EIO);
    faults.write_error = 0;
    assert_int_equal(put(t, 1, 0, 4096), -EIO);
}

static void what_nobody_owns_needs_no_disk(void **state)
{
    struct fault_test *t = *state;
    struct error error;
    uint8_t found[4096];

    assert_int_equal(store_volume_resize(t->f.store, "v", 2 * IMAGE_BYTES, &error), 0);
    faults.nothing_cached = true;
    faults.waiting_forbidden = true;
    memset(found, 1, sizeof(found));
    assert_int_equal(read_bytes(t->volume, found, 4096, IMAGE_BYTES, VOLUME_NO_WAIT), 0);
    assert_int_equal(found[0] | found[4095], 0);
}

static void clones_share_one_descriptor(void **state)
{
    struct fault_test *t = *state;
    struct volume *more[4];
    char name[8] = "c0";

    faults.opens_of_layer_1 = 0;
    for (size_t i = 0; i < ARRAY_SIZE(more); i++, name[1]++) {
        fixture_clone(&t->f, "image", NULL, name, 0);
        more[i] = fixture_volume(&t->f, name);
    }
    assert_int_equal(faults.opens_of_layer_1, 0);
    for (size_t i = 0; i < ARRAY_SIZE(more); i++)
        volume_unref(more[i]);
}

/* ---- flushing ---- */

static void a_flush_does_what_is_needed(void **state)
{
    struct fault_test *t = *state;

    assert_int_equal(volume_flush(t->volume), 0);
    faults.syncs = faults.map_writes = 0;
    assert_int_equal(volume_flush(t->volume), 0);
    assert_int_equal(faults.syncs, 0);
    assert_int_equal(put(t, 1, 0, 4096), 0);
    assert_int_equal(put(t, 1, 8192, 512), 0);
    assert_int_equal(volume_flush(t->volume), 0);
    assert_int_equal(faults.syncs, 2);
    assert_int_equal(faults.map_writes, 1);
    assert_int_equal(put(t, 2, 0, 4096), 0);
    assert_int_equal(volume_flush(t->volume), 0);
    assert_int_equal(faults.syncs, 3);
    assert_int_equal(faults.map_writes, 1);
}

static void the_first_flush_after_opening_syncs_all(void **state)
{
    struct fault_test *t = *state;

    faults.syncs = 0;
    assert_int_equal(volume_flush(t->volume), 0);
    assert_int_equal(faults.syncs, 2);
}

/* ---- full ---- */

static void a_full_disk_harms_nothing(void **state)
{
    struct fault_test *t = *state;

    assert_int_equal(put(t, 1, 0, 4096), 0);
    faults.write_error = -ENOSPC;
    assert_int_equal(put(t, 2, 8192, 8192), -ENOSPC);
    assert_int_equal(put(t, 2, 16384 + 512, 512), -ENOSPC);
    faults.write_error = -EDQUOT;
    assert_int_equal(put(t, 2, 8192, 4096), -ENOSPC);
    faults.write_error = 0;
    faults.punch_error = -ENOSPC;
    assert_int_equal(volume_discard(t->volume, 0, 8192), -ENOSPC);
    faults.punch_error = 0;
    assert_volume_equals(t->volume, t->expected, IMAGE_BYTES);
    assert_int_equal(volume_flush(t->volume), 0);
    assert_int_equal(put(t, 3, 8192, 4096), 0);
    reopen_volume(t);
    assert_volume_equals(t->volume, t->expected, IMAGE_BYTES);
}

static void half_a_write_leaves_old_or_new(void **state)
{
    struct fault_test *t = *state;

    faults.write_error = -ENOSPC;
    faults.write_error_from = 4096;
    assert_int_equal(put(t, 2, 0, 8192), -ENOSPC); /* two blocks not owned: neither counts */
    faults.write_error = 0;
    assert_volume_equals(t->volume, t->expected, IMAGE_BYTES);
    assert_int_equal(put(t, 1, 512, 512), 0); /* what was left in the block is not trusted */
    assert_volume_equals(t->volume, t->expected, IMAGE_BYTES);
}

static void a_map_that_finds_no_room_is_written_later(void **state)
{
    struct fault_test *t = *state;

    assert_int_equal(put(t, 1, 0, 4096), 0);
    faults.map_write_error = -ENOSPC;
    assert_int_equal(volume_flush(t->volume), -ENOSPC);
    faults.map_write_error = 0;
    assert_volume_equals(t->volume, t->expected, IMAGE_BYTES);
    assert_int_equal(volume_flush(t->volume), 0);
    reopen_volume(t);
    assert_volume_equals(t->volume, t->expected, IMAGE_BYTES);
}

/* ---- broken ---- */

static void assert_stopped(struct fault_test *t)
{
    struct error error;
    uint8_t sector[512];

    assert_int_equal(read_bytes(t->volume, sector, 512, 0, VOLUME_MAY_WAIT), -EIO);
    assert_int_equal(read_bytes(t->volume, sector, 512, 0, VOLUME_NO_WAIT), -EIO);
    assert_int_equal(put(t, 9, 0, 512), -EIO);
    assert_int_equal(volume_discard(t->volume, 0, 4096), -EIO);
    assert_int_equal(volume_flush(t->volume), -EIO);
    assert_int_equal(snapshot_create(t->f.store, "v", "s", NULL, &error), -EIO);
    assert_true(faults.drops >= 2);
}

static void a_failed_sync_stops_the_volume(void **state)
{
    struct fault_test *t = *state;

    assert_int_equal(put(t, 1, 0, 4096), 0);
    assert_int_equal(volume_flush(t->volume), 0);
    assert_int_equal(put(t, 2, 0, 4096), 0);
    faults.sync_error = -EIO;
    assert_int_equal(volume_flush(t->volume), -EIO);
    faults.sync_error = 0;
    assert_stopped(t);
    faults.syncs = 0;
    reopen_volume(t);
    assert_int_equal(faults.syncs, 0); /* closing does not try again */
    assert_volume_equals(t->volume, t->expected, IMAGE_BYTES);
}

static void a_failed_write_stops_the_volume(void **state)
{
    struct fault_test *t = *state;

    faults.write_error = -EIO;
    assert_int_equal(put(t, 1, 0, 4096), -EIO);
    faults.write_error = 0;
    assert_stopped(t);
    reopen_volume(t);
    assert_volume_equals(t->volume, t->expected, IMAGE_BYTES);
    assert_int_equal(put(t, 1, 0, 4096), 0);
}

static void a_failed_map_write_stops_the_volume(void **state)
{
    struct fault_test *t = *state;

    assert_int_equal(put(t, 1, 0, 4096), 0);
    faults.map_write_error = -EIO;
    assert_int_equal(volume_flush(t->volume), -EIO);
    faults.map_write_error = 0;
    assert_stopped(t);
}

static void a_failed_punch_stops_the_volume(void **state)
{
    struct fault_test *t = *state;

    faults.punch_error = -EIO;
    assert_int_equal(volume_discard(t->volume, 0, 4096), -EIO);
    faults.punch_error = 0;
    assert_stopped(t);
}

static void one_volume_stops_alone(void **state)
{
    struct fault_test *t = *state;
    uint8_t bytes[512] = {1};

    fixture_clone(&t->f, "image", NULL, "other", 0);
    struct volume *other = fixture_volume(&t->f, "other");
    faults.write_error = -EIO;
    assert_int_equal(put(t, 1, 0, 4096), -EIO);
    faults.write_error = 0;
    assert_int_equal(write_bytes(other, bytes, 512, 0, true), 0);
    assert_int_equal(read_bytes(other, bytes, 512, 8192, VOLUME_MAY_WAIT), 0);
    volume_unref(other);
}

int main(void)
{
#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FAULT_TEST(a_read_that_must_not_wait_does_not),
        FAULT_TEST(only_whole_blocks_that_are_owned_are_written_without_waiting),
        FAULT_TEST(a_write_without_waiting_is_part_of_the_next_flush),
        FAULT_TEST(after_a_slow_write_others_wait_for_the_disk),
        FAULT_TEST(a_failed_write_without_waiting_stops_the_volume),
        FAULT_TEST(what_nobody_owns_needs_no_disk),
        FAULT_TEST(clones_share_one_descriptor),
        FAULT_TEST(a_flush_does_what_is_needed),
        FAULT_TEST(the_first_flush_after_opening_syncs_all),
        FAULT_TEST(a_full_disk_harms_nothing),
        FAULT_TEST(half_a_write_leaves_old_or_new),
        FAULT_TEST(a_map_that_finds_no_room_is_written_later),
        FAULT_TEST(a_failed_sync_stops_the_volume),
        FAULT_TEST(a_failed_write_stops_the_volume),
        FAULT_TEST(a_failed_map_write_stops_the_volume),
        FAULT_TEST(a_failed_punch_stops_the_volume),
        FAULT_TEST(one_volume_stops_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
