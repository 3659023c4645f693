/*
 * Several threads on one volume. Each writer has sectors of its own, and the sectors of different writers lie
 * in the same blocks: a copy-up that forgets a neighbour is seen. A sector's number only grows, so a reader
 * that sees it shrink has seen a write undone.
 */
#include "fixture.h"

#include "store/io.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum {
    BLOCKS = 64,
    SECTORS = BLOCKS * 8,
    WRITERS = 4,
    READERS = 2,
    ROUNDS = 1500,
    SNAPSHOTS = 9,
};

struct shared {
    struct fixture f;
    struct volume *volume;
    atomic_bool done;
    uint64_t last[SECTORS]; /* each written by one thread only */
    pthread_barrier_t barrier;
};

struct worker {
    pthread_t thread;
    struct shared *shared;
    unsigned number;
    struct random random;
    int rc; /* the first thing that went wrong */
};

static void fill_sector(uint8_t *sector, uint64_t stamp)
{
    for (size_t i = 0; i < VOLUME_SECTOR_BYTES; i += sizeof(stamp))
        memcpy(sector + i, &stamp, sizeof(stamp));
}

static uint64_t first_stamp(const uint8_t *sector)
{
    uint64_t stamp;

    memcpy(&stamp, sector, sizeof(stamp));
    return stamp;
}

/* Writers own every WRITERS-th sector. */
static void *write_own_sectors(void *arg)
{
    struct worker *w = arg;
    struct shared *s = w->shared;
    uint8_t sector[VOLUME_SECTOR_BYTES], old[VOLUME_SECTOR_BYTES];
    size_t mismatch;

    for (uint64_t round = 1; !w->rc && round <= ROUNDS; round++) {
        size_t at = random_below(&w->random, SECTORS / WRITERS) * WRITERS + w->number;
        fill_sector(sector, round);
        if (random_below(&w->random, 4) == 0) {
            fill_sector(old, s->last[at]);
            w->rc = volume_compare_and_write(s->volume, old, sector, sizeof(sector), at * sizeof(sector),
                                             &mismatch);
        } else {
            w->rc = write_bytes(s->volume, sector, sizeof(sector), at * sizeof(sector),
                                random_below(&w->random, 50) == 0);
        }
        s->last[at] = round;
    }
    return NULL;
}

static void *read_all_sectors(void *arg)
{
    struct worker *w = arg;
    struct shared *s = w->shared;
    CLEANUP_FREE uint64_t *seen = xcalloc(SECTORS, sizeof(uint64_t));
    uint8_t bytes[16 * VOLUME_SECTOR_BYTES];

    while (!w->rc && !atomic_load(&s->done)) {
        size_t first = random_below(&w->random, SECTORS - 16);
        enum volume_wait wait = random_below(&w->random, 2) ? VOLUME_NO_WAIT : VOLUME_MAY_WAIT;
        int rc = read_bytes(s->volume, bytes, sizeof(bytes), first * VOLUME_SECTOR_BYTES, wait);
        if (rc == -EAGAIN && wait == VOLUME_NO_WAIT)
            continue;
        w->rc = rc;
        for (size_t i = 0; !rc && i < 16; i++) {
            uint64_t stamp = first_stamp(bytes + i * VOLUME_SECTOR_BYTES);
            if (stamp < seen[first + i])
                w->rc = -ESTALE;
            seen[first + i] = stamp;
        }
    }
    return NULL;
}

static void *flush_often(void *arg)
{
    struct worker *w = arg;

    while (!w->rc && !atomic_load(&w->shared->done))
        w->rc = volume_flush(w->shared->volume);
    return NULL;
}

/* Those with odd numbers go again, below those who read and write: the layers of some are merged into the top, of
 * others into a frozen one. */
static int remove_after(struct store *store, int newest)
{
    int number = newest % 4 == 1 ? newest : newest - 1;
    char name[8];
    bool more = true;

    if (newest % 4 != 1 && (newest % 4 != 0 || newest == 0))
        return 0;
    snprintf(name, sizeof(name), "s%d", number);
    int rc = snapshot_remove(store, "v", name, NULL);
    while (!rc && more)
        rc = store_reclaim_step(store, &more);
    return rc;
}

static void *make_snapshots(void *arg)
{
    struct worker *w = arg;
    char name[8];

    for (int i = 0; !w->rc && i < SNAPSHOTS; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        w->rc = snapshot_create(w->shared->f.store, "v", name, NULL, NULL);
        w->rc = w->rc
                    ?: store_volume_resize(w->shared->f.store, "v",
                                           (uint64_t)(BLOCKS + i) * VOLUME_BLOCK_BYTES, NULL);
        usleep(3000);
        w->rc = w->rc ?: remove_after(w->shared->f.store, i);
    }
    return NULL;
}

/* Opens and lets go of the volume and of a clone of it, over and over. */
static void *open_and_close(void *arg)
{
    struct worker *w = arg;
    struct volume *volume;
    uint8_t sector[VOLUME_SECTOR_BYTES] = {1};

    while (!w->rc && !atomic_load(&w->shared->done)) {
        w->rc = store_volume_open(w->shared->f.store, "clone", &volume);
        w->rc = w->rc
                    ?: write_bytes(volume, sector, sizeof(sector), 4096 * random_below(&w->random, BLOCKS),
                                   false);
        if (!w->rc)
            volume_unref(volume);
    }
    return NULL;
}

static void start(struct worker *w, struct shared *s, unsigned number, void *(*run)(void *))
{
    *w = (struct worker){.shared = s, .number = number, .random = {number + 1}};
    assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
}

static void join(struct worker *w)
{
    pthread_join(w->thread, NULL);
    assert_int_equal(w->rc, 0);
}

static void check_final(struct shared *s)
{
    uint8_t sector[VOLUME_SECTOR_BYTES], expected[VOLUME_SECTOR_BYTES];

    for (size_t at = 0; at < SECTORS; at++) {
        assert_int_equal(read_bytes(s->volume, sector, sizeof(sector), at * sizeof(sector), VOLUME_MAY_WAIT),
                         0);
        fill_sector(expected, s->last[at]);
        assert_memory_equal(sector, expected, sizeof(sector));
    }
}

/* A later snapshot never shows an older sector, and none shows half a sector. */
static void check_snapshots(struct shared *s)
{
    CLEANUP_FREE uint64_t *before = xcalloc(SECTORS, sizeof(uint64_t));
    char name[8], clone[8];

    for (int i = 0; i < SNAPSHOTS; i += 2) {
        snprintf(name, sizeof(name), "s%d", i);
        snprintf(clone, sizeof(clone), "look%d", i);
        fixture_clone(&s->f, "v", name, clone, 0);
        struct volume *volume = fixture_volume(&s->f, clone);
        for (size_t at = 0; at < SECTORS; at++) {
            uint8_t sector[VOLUME_SECTOR_BYTES], whole[VOLUME_SECTOR_BYTES];
            assert_int_equal(read_bytes(volume, sector, sizeof(sector), at * sizeof(sector), VOLUME_MAY_WAIT),
                             0);
            fill_sector(whole, first_stamp(sector));
            assert_memory_equal(sector, whole, sizeof(sector));
            assert_in_range(first_stamp(sector), before[at], s->last[at]);
            before[at] = first_stamp(sector);
        }
        volume_unref(volume);
    }
}

static void neighbours_in_a_block_keep_their_bytes(void **state)
{
    static const uint8_t image[BLOCKS * VOLUME_BLOCK_BYTES];
    struct shared *s = xcalloc(1, sizeof(*s));
    struct worker writers[WRITERS], readers[READERS], flusher, snapshots, opener;

    fixture_open(&s->f, NULL);
    fixture_import(&s->f, "image", image, sizeof(image));
    fixture_clone(&s->f, "image", NULL, "v", 0);
    fixture_clone(&s->f, "image", NULL, "clone", 0);
    s->volume = fixture_volume(&s->f, "v");
    set_merge_step(s->f.store, 20);
    for (unsigned i = 0; i < READERS; i++)
        start(&readers[i], s, 100 + i, read_all_sectors);
    start(&flusher, s, 200, flush_often);
    start(&opener, s, 201, open_and_close);
    for (unsigned i = 0; i < WRITERS; i++)
        start(&writers[i], s, i, write_own_sectors);
    start(&snapshots, s, 300, make_snapshots);
    for (unsigned i = 0; i < WRITERS; i++)
        join(&writers[i]);
    join(&snapshots);
    atomic_store(&s->done, true);
    for (unsigned i = 0; i < READERS; i++)
        join(&readers[i]);
    join(&flusher);
    join(&opener);
    check_final(s);
    check_snapshots(s);
    volume_unref(s->volume);
    fixture_reopen(&s->f);
    s->volume = fixture_volume(&s->f, "v");
    check_final(s);
    volume_unref(s->volume);
    fixture_close(&s->f);
    free(s);
}

/* All writers hit one block that nobody owns, at the same moment, again and again. */
static void *hit_one_block(void *arg)
{
    struct worker *w = arg;
    uint8_t sector[VOLUME_SECTOR_BYTES];

    for (uint64_t block = 0; !w->rc && block < BLOCKS; block++) {
        pthread_barrier_wait(&w->shared->barrier);
        fill_sector(sector, block + 1);
        w->rc = write_bytes(w->shared->volume, sector, sizeof(sector),
                            block * 4096 + w->number * sizeof(sector), false);
    }
    return NULL;
}

/* Long enough between what copy-up reads and what it writes for everyone else to come in. */
static ssize_t slow_preadv(void *context, int fd, const struct iovec *vec, int count, uint64_t offset,
                           bool no_wait)
{
    ssize_t got = store_io_system.preadv(context, fd, vec, count, offset, no_wait);

    usleep(500);
    return got;
}

/* Between finding a block and reading it. */
static ssize_t slow_preadv_first(void *context, int fd, const struct iovec *vec, int count, uint64_t offset,
                                 bool no_wait)
{
    usleep(500);
    return store_io_system.preadv(context, fd, vec, count, offset, no_wait);
}

static void a_block_is_copied_up_once(void **state)
{
    struct store_io io = store_io_system;
    static uint8_t image[BLOCKS * VOLUME_BLOCK_BYTES], expected[sizeof(image)];
    struct shared *s = xcalloc(1, sizeof(*s));
    struct worker writers[WRITERS];

    memset(image, 0xee, sizeof(image));
    memcpy(expected, image, sizeof(image));
    for (uint64_t block = 0; block < BLOCKS; block++)
        for (size_t i = 0; i < WRITERS; i++)
            fill_sector(expected + block * 4096 + i * VOLUME_SECTOR_BYTES, block + 1);
    pthread_barrier_init(&s->barrier, NULL, WRITERS);
    io.preadv = slow_preadv;
    fixture_open(&s->f, &io);
    fixture_import(&s->f, "image", image, sizeof(image));
    fixture_clone(&s->f, "image", NULL, "v", 0);
    s->volume = fixture_volume(&s->f, "v");
    for (unsigned i = 0; i < WRITERS; i++)
        start(&writers[i], s, i, hit_one_block);
    for (unsigned i = 0; i < WRITERS; i++)
        join(&writers[i]);
    assert_volume_equals(s->volume, expected, sizeof(expected));
    volume_unref(s->volume);
    fixture_close(&s->f);
    pthread_barrier_destroy(&s->barrier);
    free(s);
}

/* ---- a merge below those who read ---- */

static void *expect_one_pattern(void *arg)
{
    struct worker *w = arg;
    struct shared *s = w->shared;
    uint8_t block[VOLUME_BLOCK_BYTES];

    while (!w->rc && !atomic_load(&s->done)) {
        uint64_t at = random_below(&w->random, BLOCKS);
        w->rc = read_bytes(s->volume, block, sizeof(block), at * sizeof(block), VOLUME_MAY_WAIT);
        if (!w->rc && first_stamp(block) != at + 1)
            w->rc = -ESTALE;
    }
    return NULL;
}

static void write_pattern(struct shared *s)
{
    uint8_t block[VOLUME_BLOCK_BYTES];

    for (uint64_t at = 0; at < BLOCKS; at++) {
        for (size_t i = 0; i < 8; i++)
            fill_sector(block + i * VOLUME_SECTOR_BYTES, at + 1);
        assert_int_equal(write_bytes(s->volume, block, sizeof(block), at * sizeof(block), false), 0);
    }
}

/* Into the top, and into a layer that is frozen. */
static void merge_below(struct shared *s, bool frozen)
{
    bool more = true;

    fixture_snapshot(&s->f, "v", "a");
    if (frozen)
        fixture_snapshot(&s->f, "v", "b");
    assert_int_equal(snapshot_remove(s->f.store, "v", "a", NULL), 0);
    while (more)
        assert_int_equal(store_reclaim_step(s->f.store, &more), 0);
    if (frozen)
        assert_int_equal(snapshot_remove(s->f.store, "v", "b", NULL), 0);
    more = true;
    while (more)
        assert_int_equal(store_reclaim_step(s->f.store, &more), 0);
}

static void nobody_reads_what_a_merge_punched(void **state)
{
    static const uint8_t image[BLOCKS * VOLUME_BLOCK_BYTES];
    struct store_io io = store_io_system;
    struct shared *s = xcalloc(1, sizeof(*s));
    struct worker readers[2 * READERS];

    io.preadv = slow_preadv_first;
    fixture_open(&s->f, &io);
    fixture_import(&s->f, "image", image, sizeof(image));
    fixture_clone(&s->f, "image", NULL, "v", 0);
    s->volume = fixture_volume(&s->f, "v");
    set_merge_step(s->f.store, 3);
    write_pattern(s);
    for (unsigned i = 0; i < ARRAY_SIZE(readers); i++)
        start(&readers[i], s, i, expect_one_pattern);
    for (int i = 0; i < 4; i++)
        merge_below(s, i % 2);
    atomic_store(&s->done, true);
    for (unsigned i = 0; i < ARRAY_SIZE(readers); i++)
        join(&readers[i]);
    volume_unref(s->volume);
    fixture_close(&s->f);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_copied_up_once),
        cmocka_unit_test(neighbours_in_a_block_keep_their_bytes),
        cmocka_unit_test(nobody_reads_what_a_merge_punched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
