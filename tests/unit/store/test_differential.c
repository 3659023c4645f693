/* Random operations at odd places, beside an array in memory that says what must be read. */
#include "fixture.h"

#include <limits.h>
#include <stdio.h>

enum {
    IMAGE_BYTES = 40 * 4096,
    SIZE_MAX_BYTES = 64 * 4096,
    OPERATIONS = 6000,
    VOLUMES_MAX = 6,
    SNAPSHOTS_MAX = 12,
};

struct shadow {
    char name[16];
    uint8_t bytes[SIZE_MAX_BYTES];
    size_t size_bytes;
    struct volume *volume;
};

struct shadow_snapshot {
    char volume[16];
    char name[STORE_NAME_SIZE];
    uint8_t bytes[SIZE_MAX_BYTES];
    size_t size_bytes;
};

struct world {
    struct fixture f;
    struct random random;
    uint8_t image[IMAGE_BYTES];
    struct shadow volumes[VOLUMES_MAX];
    int volume_count;
    struct shadow_snapshot snapshots[SNAPSHOTS_MAX];
    int snapshot_count;
    unsigned snapshots_made;
    unsigned merges;
};

static void pick_range(struct world *w, const struct shadow *s, size_t *offset, size_t *length_bytes)
{
    size_t sectors = s->size_bytes / VOLUME_SECTOR_BYTES;
    size_t most = random_below(&w->random, 4) ? 24 : sectors;

    *offset = random_below(&w->random, sectors);
    *length_bytes = (1 + random_below(&w->random, MIN(most, sectors - *offset))) * VOLUME_SECTOR_BYTES;
    *offset *= VOLUME_SECTOR_BYTES;
}

/* Cuts a buffer into a few uneven entries, an empty one among them now and then. */
static int scatter(struct world *w, uint8_t *bytes, size_t length_bytes, struct iovec *vec, int max)
{
    int count = 0;

    while (length_bytes > 0 && count < max - 1) {
        size_t step = random_below(&w->random, length_bytes + 1);
        vec[count++] = (struct iovec){bytes, step};
        bytes += step;
        length_bytes -= step;
    }
    vec[count++] = (struct iovec){bytes, length_bytes};
    return count;
}

static void do_write(struct world *w, struct shadow *s)
{
    size_t offset, length_bytes;
    struct iovec vec[5];

    pick_range(w, s, &offset, &length_bytes);
    random_fill(&w->random, s->bytes + offset, length_bytes);
    int count = scatter(w, s->bytes + offset, length_bytes, vec, ARRAY_SIZE(vec));
    bool fua = random_below(&w->random, 8) == 0;
    enum volume_wait wait = random_below(&w->random, 2) ? VOLUME_NO_WAIT : VOLUME_MAY_WAIT;
    int rc = volume_write(s->volume, vec, count, offset, fua, wait);
    if (rc == -EAGAIN && wait == VOLUME_NO_WAIT)
        rc = volume_write(s->volume, vec, count, offset, fua, VOLUME_MAY_WAIT);
    assert_int_equal(rc, 0);
}

static void do_read(struct world *w, struct shadow *s)
{
    uint8_t found[SIZE_MAX_BYTES];
    size_t offset, length_bytes;
    struct iovec vec[5];

    pick_range(w, s, &offset, &length_bytes);
    int count = scatter(w, found, length_bytes, vec, ARRAY_SIZE(vec));
    enum volume_wait wait = random_below(&w->random, 2) ? VOLUME_NO_WAIT : VOLUME_MAY_WAIT;
    int rc = volume_read(s->volume, vec, count, offset, wait);
    if (rc == -EAGAIN && wait == VOLUME_NO_WAIT)
        rc = volume_read(s->volume, vec, count, offset, VOLUME_MAY_WAIT);
    assert_int_equal(rc, 0);
    assert_memory_equal(found, s->bytes + offset, length_bytes);
}

static void do_zero(struct world *w, struct shadow *s)
{
    size_t offset, length_bytes;

    pick_range(w, s, &offset, &length_bytes);
    memset(s->bytes + offset, 0, length_bytes);
    if (random_below(&w->random, 2))
        assert_int_equal(volume_discard(s->volume, offset, length_bytes), 0);
    else
        assert_int_equal(volume_write_zeroes(s->volume, offset, length_bytes), 0);
}

static void do_compare_and_write(struct world *w, struct shadow *s)
{
    uint8_t expected[24 * VOLUME_SECTOR_BYTES], update[sizeof(expected)];
    size_t offset, length_bytes, mismatch;

    pick_range(w, s, &offset, &length_bytes);
    length_bytes = MIN(length_bytes, sizeof(expected));
    memcpy(expected, s->bytes + offset, length_bytes);
    random_fill(&w->random, update, length_bytes);
    if (random_below(&w->random, 2)) {
        size_t at = random_below(&w->random, length_bytes);
        expected[at] ^= 0x10;
        assert_int_equal(
            volume_compare_and_write(s->volume, expected, update, length_bytes, offset, &mismatch), -EILSEQ);
        assert_int_equal(mismatch, at);
        return;
    }
    assert_int_equal(volume_compare_and_write(s->volume, expected, update, length_bytes, offset, &mismatch),
                     0);
    memcpy(s->bytes + offset, update, length_bytes);
}

static void do_flush(struct world *w, struct shadow *s)
{
    assert_int_equal(volume_flush(s->volume), 0);
}

static void do_extents(struct world *w, struct shadow *s)
{
    static const uint8_t zeros[SIZE_MAX_BYTES];

    for (uint64_t at = 0; at < s->size_bytes;) {
        uint64_t length_bytes;
        bool mapped;
        assert_int_equal(volume_extent(s->volume, at, s->size_bytes, &length_bytes, &mapped), 0);
        assert_in_range(length_bytes, 1, s->size_bytes - at);
        if (!mapped)
            assert_memory_equal(s->bytes + at, zeros, length_bytes);
        at += length_bytes;
    }
}

static void do_resize(struct world *w, struct shadow *s)
{
    struct error error;
    size_t blocks = s->size_bytes / VOLUME_BLOCK_BYTES;
    size_t grown =
        blocks + random_below(&w->random, MIN(SIZE_MAX_BYTES / VOLUME_BLOCK_BYTES - blocks + 1, (size_t)4));

    assert_int_equal(store_volume_resize(w->f.store, s->name, grown * VOLUME_BLOCK_BYTES, &error), 0);
    s->size_bytes = grown * VOLUME_BLOCK_BYTES;
}

static void do_snapshot(struct world *w, struct shadow *s)
{
    if (w->snapshot_count == SNAPSHOTS_MAX)
        return;
    struct shadow_snapshot *kept = &w->snapshots[w->snapshot_count];
    snprintf(kept->name, sizeof(kept->name), "s%u", w->snapshots_made++);
    w->snapshot_count++;
    COPY_STRING(kept->volume, s->name);
    memcpy(kept->bytes, s->bytes, sizeof(kept->bytes));
    kept->size_bytes = s->size_bytes;
    fixture_snapshot(&w->f, s->name, kept->name);
}

static void add_volume(struct world *w, const char *from, const char *snapshot, const uint8_t *bytes,
                       size_t size_bytes)
{
    struct shadow *s = &w->volumes[w->volume_count];

    snprintf(s->name, sizeof(s->name), "v%d", w->volume_count++);
    memset(s->bytes, 0, sizeof(s->bytes));
    memcpy(s->bytes, bytes, size_bytes);
    s->size_bytes = size_bytes;
    fixture_clone(&w->f, from, snapshot, s->name, random_below(&w->random, 2) ? 0 : size_bytes);
    s->volume = fixture_volume(&w->f, s->name);
}

static void do_clone(struct world *w, struct shadow *s)
{
    if (w->volume_count == VOLUMES_MAX)
        return;
    if (w->snapshot_count == 0) {
        add_volume(w, "image", NULL, w->image, IMAGE_BYTES);
        return;
    }
    const struct shadow_snapshot *from = &w->snapshots[random_below(&w->random, (uint64_t)w->snapshot_count)];
    add_volume(w, from->volume, from->name, from->bytes, from->size_bytes);
}

static void check_all(struct world *w)
{
    for (int i = 0; i < w->volume_count; i++)
        assert_volume_equals(w->volumes[i].volume, w->volumes[i].bytes, w->volumes[i].size_bytes);
}

/* Clones of a snapshot keep their own name for its state. */
static void do_remove_snapshot(struct world *w, struct shadow *s)
{
    struct error error;

    if (w->snapshot_count == 0)
        return;
    struct shadow_snapshot *gone = &w->snapshots[random_below(&w->random, (uint64_t)w->snapshot_count)];
    assert_int_equal(snapshot_remove(w->f.store, gone->volume, gone->name, &error), 0);
    *gone = w->snapshots[--w->snapshot_count];
}

static void do_reclaim(struct world *w, struct shadow *s)
{
    bool more;

    assert_int_equal(store_reclaim_step(w->f.store, &more), 0);
    if (more)
        w->merges++;
}

static struct shadow_snapshot *snapshot_of(struct world *w, const struct shadow *s)
{
    for (int i = 0; i < w->snapshot_count; i++)
        if (strcmp(w->snapshots[i].volume, s->name) == 0)
            return &w->snapshots[i];
    return NULL;
}

/* What was there before is a snapshot from then on, as long as there is room to remember it. */
static void do_rollback(struct world *w, struct shadow *s)
{
    struct shadow_snapshot *to = snapshot_of(w, s);
    struct shadow_snapshot before = {.size_bytes = s->size_bytes};
    struct error error;

    if (!to)
        return;
    assert_int_equal(roll_back(w->f.store, s->name, to->name, before.name, &error), -EBUSY);
    volume_unref(s->volume);
    assert_int_equal(roll_back(w->f.store, s->name, to->name, before.name, &error), 0);
    s->volume = fixture_volume(&w->f, s->name);
    COPY_STRING(before.volume, s->name);
    memcpy(before.bytes, s->bytes, sizeof(before.bytes));
    memset(s->bytes, 0, sizeof(s->bytes));
    memcpy(s->bytes, to->bytes, to->size_bytes);
    assert_volume_equals(s->volume, s->bytes, s->size_bytes);
    if (w->snapshot_count < SNAPSHOTS_MAX)
        w->snapshots[w->snapshot_count++] = before;
}

static void do_reopen(struct world *w, struct shadow *s)
{
    for (int i = 0; i < w->volume_count; i++)
        volume_unref(w->volumes[i].volume);
    fixture_reopen(&w->f);
    for (int i = 0; i < w->volume_count; i++)
        w->volumes[i].volume = fixture_volume(&w->f, w->volumes[i].name);
    check_all(w);
}

static const struct {
    unsigned weight;
    void (*run)(struct world *w, struct shadow *s);
} operations[] = {
    {300, do_write}, {300, do_read},   {120, do_zero}, {60, do_compare_and_write},
    {40, do_flush},  {20, do_extents}, {8, do_resize}, {12, do_snapshot},
    {4, do_clone},   {6, do_reopen},   {4, do_rollback}, {8, do_remove_snapshot},
    {20, do_reclaim},
};

static void run_one(struct world *w)
{
    uint64_t pick = random_below(&w->random, 902);
    struct shadow *s = &w->volumes[random_below(&w->random, (uint64_t)w->volume_count)];

    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        if (pick < operations[i].weight) {
            operations[i].run(w, s);
            return;
        }
        pick -= operations[i].weight;
    }
}

/* What a snapshot shows is seen through a clone of it. */
static void check_snapshots(struct world *w)
{
    for (int i = 0; i < w->snapshot_count; i++) {
        const struct shadow_snapshot *kept = &w->snapshots[i];
        char name[24];
        snprintf(name, sizeof(name), "look%d", i);
        fixture_clone(&w->f, kept->volume, kept->name, name, 0);
        struct volume *volume = fixture_volume(&w->f, name);
        assert_volume_equals(volume, kept->bytes, kept->size_bytes);
        volume_unref(volume);
    }
}

static void the_store_reads_what_was_written(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->random.state = test_seed(20260707);
    fixture_open(&w->f, NULL);
    random_fill(&w->random, w->image, sizeof(w->image));
    memset(w->image + 7 * 4096, 0, 9 * 4096);
    fixture_import(&w->f, "image", w->image, sizeof(w->image));
    add_volume(w, "image", NULL, w->image, sizeof(w->image));
    for (int i = 0; i < OPERATIONS; i++)
        run_one(w);
    assert_in_range(w->merges, 5, UINT_MAX);
    check_all(w);
    check_snapshots(w);
    do_reopen(w, NULL);
    for (int i = 0; i < w->volume_count; i++)
        volume_unref(w->volumes[i].volume);
    fixture_close(&w->f);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_store_reads_what_was_written)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
