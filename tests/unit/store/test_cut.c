/*
 * The store on a disk that forgets (tests/store/simdisk): power cuts at every call of short random workloads,
 * a second one during recovery, and calls that fail.
 *
 * The oracle: every sector is what the last flush that was answered made of it, or something written later; a
 * snapshot that was answered is there, bit for bit; nothing is left that no row names.
 */
#include "fixture.h"

#include "../../store/simdisk.h"

#include <stdio.h>

enum {
    IMAGE_BLOCKS = 10,
    BLOCKS_MAX = 16,
    SECTORS_MAX = BLOCKS_MAX * 8,
    OPERATIONS = 24,
    WRITES_MAX = 160,
    SNAPSHOTS_MAX = 8,
    SEEDS = 30,
    REPLAY_SEEDS = 2, /* of workloads that are begun again for every call */
    THOROUGH_EVERY = 16,
};

#define REGRESSION_SEEDS 1, 501, 1001

struct written {
    uint64_t stamp;
    unsigned time;
    bool answered; /* a write that failed may have happened, or not */
};

struct kept {
    char name[STORE_NAME_SIZE];
    bool answered;
    bool removed; /* answered, too */
    size_t sectors;
    uint64_t stamps[SECTORS_MAX];
};

struct run {
    char folder[64];
    struct simdisk *disk;
    struct store *store;
    struct volume *volume;
    struct random random;
    struct error error;

    struct written history[SECTORS_MAX][WRITES_MAX];
    unsigned written_count[SECTORS_MAX];
    unsigned flushed[SECTORS_MAX]; /* its time */
    unsigned now;
    size_t sectors;
    size_t sectors_wanted; /* a growth that was asked for */
    bool empty;            /* it begins as nothing, else as a clone of an image */
    bool made;             /* answered */
    struct kept snapshots[SNAPSHOTS_MAX];
    int snapshot_count;
};

/* For the message when a check fails. */
static struct where {
    uint64_t seed;
    uint64_t call;
} where;

static unsigned long cuts;

/* ---- stamps: a sector is one number, over and over ---- */

static void fill_sector(uint8_t *sector, uint64_t stamp)
{
    for (size_t i = 0; i < VOLUME_SECTOR_BYTES; i += sizeof(stamp))
        memcpy(sector + i, &stamp, sizeof(stamp));
}

static uint64_t stamp_of(const uint8_t *sector)
{
    uint8_t whole[VOLUME_SECTOR_BYTES];
    uint64_t stamp;

    memcpy(&stamp, sector, sizeof(stamp));
    fill_sector(whole, stamp);
    return memcmp(whole, sector, sizeof(whole)) == 0 ? stamp : UINT64_MAX;
}

static void note(struct run *r, size_t sector, uint64_t stamp, bool answered)
{
    assert_in_range(r->written_count[sector], 0, WRITES_MAX - 1);
    r->history[sector][r->written_count[sector]++] = (struct written){stamp, ++r->now, answered};
}

/* The last note of these sectors was answered. */
static void answer(struct run *r, size_t first, size_t count)
{
    for (size_t s = first; s < first + count; s++)
        r->history[s][r->written_count[s] - 1].answered = true;
}

static void note_flushed(struct run *r, unsigned covered)
{
    for (size_t s = 0; s < r->sectors; s++)
        for (unsigned i = 0; i < r->written_count[s]; i++) {
            const struct written *w = &r->history[s][i];
            if (w->answered && w->time <= covered)
                r->flushed[s] = w->time;
        }
}

static bool may_be_found(const struct run *r, size_t sector, uint64_t stamp)
{
    for (unsigned i = r->written_count[sector]; i > 0; i--) {
        const struct written *w = &r->history[sector][i - 1];
        if (w->time < r->flushed[sector])
            return false;
        if (w->stamp == stamp)
            return true;
    }
    return false;
}

/* ---- a workload ---- */

static void pick_range(struct run *r, size_t *first, size_t *count)
{
    *first = random_below(&r->random, r->sectors);
    *count = 1 + random_below(&r->random, MIN(r->sectors - *first, (size_t)20));
}

static void do_write(struct run *r)
{
    uint8_t bytes[20 * VOLUME_SECTOR_BYTES];
    bool fua = random_below(&r->random, 6) == 0;
    size_t first, count;

    pick_range(r, &first, &count);
    for (size_t s = 0; s < count; s++) {
        uint64_t stamp = 1000 + r->now;
        fill_sector(bytes + s * VOLUME_SECTOR_BYTES, stamp);
        note(r, first + s, stamp, false);
    }
    if (write_bytes(r->volume, bytes, count * VOLUME_SECTOR_BYTES, first * VOLUME_SECTOR_BYTES, fua))
        return;
    answer(r, first, count);
    if (fua)
        note_flushed(r, r->now);
}

static void do_zero(struct run *r)
{
    size_t first, count;

    pick_range(r, &first, &count);
    if (random_below(&r->random, 2)) {
        first -= first % 8;
        count = MIN((count + 7) / 8 * 8, r->sectors - first);
    }
    for (size_t s = 0; s < count; s++)
        note(r, first + s, 0, false);
    if (volume_discard(r->volume, first * VOLUME_SECTOR_BYTES, count * VOLUME_SECTOR_BYTES) == 0)
        answer(r, first, count);
}

static void do_flush(struct run *r)
{
    unsigned covered = r->now;

    if (volume_flush(r->volume) == 0)
        note_flushed(r, covered);
}

static int read_stamps(struct volume *volume, size_t sectors, uint64_t *stamps)
{
    uint8_t bytes[SECTORS_MAX * VOLUME_SECTOR_BYTES];
    int rc = read_bytes(volume, bytes, sectors * VOLUME_SECTOR_BYTES, 0, VOLUME_MAY_WAIT);

    for (size_t s = 0; !rc && s < sectors; s++)
        stamps[s] = stamp_of(bytes + s * VOLUME_SECTOR_BYTES);
    return rc;
}

static void do_snapshot(struct run *r)
{
    struct kept *kept = &r->snapshots[r->snapshot_count];
    unsigned covered = r->now;

    if (r->snapshot_count == SNAPSHOTS_MAX || read_stamps(r->volume, r->sectors, kept->stamps))
        return;
    snprintf(kept->name, sizeof(kept->name), "s%d", r->snapshot_count++);
    kept->sectors = r->sectors;
    kept->answered = snapshot_create(r->store, "v", kept->name, NULL, &r->error) == 0;
    if (kept->answered)
        note_flushed(r, covered);
}

static void do_resize(struct run *r)
{
    r->sectors_wanted = MIN(r->sectors + 8, (size_t)SECTORS_MAX);
    if (store_volume_resize(r->store, "v", r->sectors_wanted * VOLUME_SECTOR_BYTES, &r->error) == 0)
        r->sectors = r->sectors_wanted;
}

static void do_clone_and_delete(struct run *r)
{
    if (store_volume_clone(r->store, "v", "pristine", "scratch", 0, &r->error) == 0)
        store_volume_delete(r->store, "scratch", &r->error);
}

/* What is read now is what later flushes are about, whatever was lost before. */
static bool note_what_is_there(struct run *r)
{
    uint64_t stamps[SECTORS_MAX];

    if (read_stamps(r->volume, r->sectors, stamps))
        return false;
    for (size_t s = 0; s < r->sectors; s++) {
        if (!may_be_found(r, s, stamps[s]))
            fail_msg("sector %zu holds %lld, which is neither flushed nor later", s, (long long)stamps[s]);
        note(r, s, stamps[s], true);
    }
    return true;
}

static void do_reopen_volume(struct run *r)
{
    volume_unref(TAKE_PTR(r->volume));
    if (store_volume_open(r->store, "v", &r->volume) == 0 && note_what_is_there(r))
        return;
    volume_unref(TAKE_PTR(r->volume));
}

static struct kept *pick_snapshot(struct run *r)
{
    if (r->snapshot_count == 0)
        return NULL;
    return &r->snapshots[random_below(&r->random, (uint64_t)r->snapshot_count)];
}

/* All sectors hold what the snapshot holds, zeros where it is shorter: or perhaps they do, if nobody answered. */
static void note_rollback(struct run *r, const struct kept *to, bool answered)
{
    for (size_t s = 0; s < r->sectors; s++)
        note(r, s, s < to->sectors ? to->stamps[s] : 0, answered);
    if (answered)
        note_flushed(r, r->now);
}

/* The name a rollback gives could come again within the same second. */
static void keep_what_was(struct run *r, struct kept *kept)
{
    char name[STORE_NAME_SIZE];

    snprintf(name, sizeof(name), "s%d", r->snapshot_count);
    kept->answered = false;
    kept->answered = snapshot_rename(r->store, "v", kept->name, name, &r->error) == 0;
    COPY_STRING(kept->name, name);
    r->snapshot_count++;
}

static void do_rollback(struct run *r)
{
    const struct kept *to = pick_snapshot(r);
    struct kept *kept = &r->snapshots[r->snapshot_count];

    /* What was not flushed may be lost when the volume is closed: then nobody knows what is kept. */
    do_flush(r);
    if (!to || to->removed || r->snapshot_count == SNAPSHOTS_MAX || read_stamps(r->volume, r->sectors, kept->stamps))
        return;
    kept->sectors = r->sectors;
    if (volume_flush(r->volume))
        return;
    volume_unref(TAKE_PTR(r->volume));
    note_rollback(r, to, false);
    if (roll_back(r->store, "v", to->name, kept->name, &r->error) == 0) {
        note_rollback(r, to, true);
        keep_what_was(r, kept);
    }
    if (store_volume_open(r->store, "v", &r->volume) == 0 && note_what_is_there(r))
        return;
    volume_unref(TAKE_PTR(r->volume));
}

static void do_reclaim(struct run *r)
{
    bool more = true;

    set_merge_step(r->store, 1 + random_below(&r->random, 6));
    for (int i = 0; i < 5 && more; i++)
        store_reclaim_step(r->store, &more);
}

static void do_verify(struct run *r)
{
    const struct store_listener nobody = {0};
    uint64_t read_bytes;
    bool more = true;

    for (int i = 0; i < 3 && more; i++)
        store_verify_step(r->store, 0, &nobody, &read_bytes, &more);
}

static void do_remove_snapshot(struct run *r)
{
    struct kept *kept = pick_snapshot(r);

    if (!kept || kept->removed)
        return;
    kept->answered = false;
    kept->removed = snapshot_remove(r->store, "v", kept->name, &r->error) == 0;
    if (random_below(&r->random, 2))
        do_reclaim(r);
}

static void (*const operations[])(struct run *r) = {
    do_write,         do_write, do_write,    do_write,  do_write,
    do_write,         do_zero,  do_zero,     do_zero,   do_flush,
    do_flush,         do_flush, do_snapshot, do_resize, do_clone_and_delete,
    do_reopen_volume, do_snapshot, do_rollback, do_remove_snapshot, do_reclaim,
    do_verify,
};

static int import_image(struct run *r)
{
    uint8_t bytes[IMAGE_BLOCKS * VOLUME_BLOCK_BYTES];
    struct store_import *import;

    for (size_t s = 0; s < IMAGE_BLOCKS * 8; s++)
        fill_sector(bytes + s * VOLUME_SECTOR_BYTES, s / 8 % 4 == 3 ? 0 : s + 1);
    int rc = store_import_begin(r->store, "i", 1 << 20, &import, &r->error);
    if (rc)
        return rc;
    rc = store_import_append(import, bytes, sizeof(bytes)) ?: store_import_commit(import, &r->error);
    if (rc)
        store_import_abort(import);
    return rc;
}

static int make_volume(struct run *r)
{
    if (r->empty)
        return store_volume_create(r->store, "v", IMAGE_BLOCKS * VOLUME_BLOCK_BYTES, &r->error);
    return import_image(r) ?: store_volume_clone(r->store, "i", NULL, "v", 0, &r->error);
}

static void work(struct run *r)
{
    if (store_open(r->folder, simdisk_io(r->disk), &r->store, &r->error))
        return;
    r->made = make_volume(r) == 0;
    if (r->made && store_volume_open(r->store, "v", &r->volume) == 0)
        for (int i = 0; i < OPERATIONS && r->volume && !simdisk_is_dead(r->disk); i++)
            operations[random_below(&r->random, ARRAY_SIZE(operations))](r);
    volume_unref(TAKE_PTR(r->volume));
    store_close(TAKE_PTR(r->store));
}

/* ---- afterwards ---- */

static void check_no_orphans(struct run *r)
{
    struct layer_count count;
    char layers[96];

    snprintf(layers, sizeof(layers), "%s/layers", r->folder);
    count_layers(r->store, &count);
    assert_int_equal(simdisk_entries(r->disk, layers), count.all);
    assert_int_equal(count.passing, 0);
}

static void check_sectors(struct run *r)
{
    uint64_t stamps[SECTORS_MAX];
    struct volume *volume = NULL;

    int rc = store_volume_open(r->store, "v", &volume);
    if (rc == -ENOENT && !r->made)
        return;
    assert_int_equal(rc, 0);
    assert_false(volume_is_read_only(volume));
    size_t sectors = volume_size_bytes(volume) / VOLUME_SECTOR_BYTES;
    assert_true(sectors == r->sectors || sectors == r->sectors_wanted);
    assert_int_equal(read_stamps(volume, sectors, stamps), 0);
    for (size_t s = 0; s < sectors; s++)
        if (!may_be_found(r, s, stamps[s]))
            fail_msg("sector %zu holds %lld, which is neither flushed nor later", s, (long long)stamps[s]);
    volume_unref(volume);
}

static void check_snapshot(struct run *r, const struct kept *kept)
{
    uint8_t bytes[SECTORS_MAX * VOLUME_SECTOR_BYTES];
    uint64_t size_bytes;
    int rc = read_snapshot(r->store, "v", kept->name, bytes, sizeof(bytes), &size_bytes);

    if (rc == -ENOENT && !kept->answered)
        return;
    assert_int_equal(rc, 0);
    assert_false(kept->removed);
    assert_int_equal(size_bytes, kept->sectors * VOLUME_SECTOR_BYTES);
    for (size_t s = 0; s < kept->sectors; s++)
        if (stamp_of(bytes + s * VOLUME_SECTOR_BYTES) != kept->stamps[s])
            fail_msg("sector %zu of snapshot %s changed", s, kept->name);
}

/* Opens after a cut; half of the time the power goes again on the way, some calls later. */
static void recover(struct run *r)
{
    simdisk_power_on(r->disk);
    if (random_below(&r->random, 2)) {
        simdisk_cut_at(r->disk, simdisk_calls(r->disk) + 1 + random_below(&r->random, 40));
        if (store_open(r->folder, simdisk_io(r->disk), &r->store, &r->error) == 0)
            store_close(TAKE_PTR(r->store));
        simdisk_power_on(r->disk);
    }
    if (store_open(r->folder, simdisk_io(r->disk), &r->store, &r->error))
        fail_msg("the store does not open again: %s", r->error.text);
}

static void fail_at_finding(void *arg, const struct store_finding *finding)
{
    fail_msg("%s", finding->sentence);
}

/* The tree, every map, and what frozen layers hold. */
static void check_soundness(struct run *r)
{
    const struct store_check how = {.listener = {fail_at_finding, r}};

    assert_int_equal(store_check(r->store, &how, &r->error), 0);
}

static void check_contents(struct run *r)
{
    check_no_orphans(r);
    check_sectors(r);
    for (int i = 0; i < r->snapshot_count; i++)
        check_snapshot(r, &r->snapshots[i]);
}

/* Everything that is left to be merged is, and nothing is seen to change. */
static void check_merged(struct run *r)
{
    struct layer_count count;
    bool more = true;

    set_merge_step(r->store, 1 + random_below(&r->random, 6));
    while (more)
        assert_int_equal(store_reclaim_step(r->store, &more), 0);
    count_layers(r->store, &count);
    assert_false(count.hidden);
    check_contents(r);
}

static void check(struct run *r, bool thoroughly)
{
    recover(r);
    check_contents(r);
    if (thoroughly) {
        check_soundness(r);
        check_merged(r);
        check_soundness(r);
    }
    store_close(TAKE_PTR(r->store));
}

/* ---- runs ---- */

static void begin(struct run *r, uint64_t seed, uint64_t salt)
{
    memset(r, 0, sizeof(*r));
    COPY_STRING(r->folder, "/disk/store");
    r->random.state = seed;
    r->empty = seed % 3 == 0;
    r->disk = simdisk_new(seed * 1000003 + salt);
    r->sectors = r->sectors_wanted = IMAGE_BLOCKS * 8;
    for (size_t s = 0; s < SECTORS_MAX; s++) {
        note(r, s, !r->empty && s < r->sectors && s / 8 % 4 != 3 ? s + 1 : 0, true);
        r->flushed[s] = r->now;
    }
}

static void end(struct run *r)
{
    simdisk_free(r->disk);
}

static uint64_t calls_of(struct run *r, uint64_t seed)
{
    begin(r, seed, 0);
    work(r);
    uint64_t calls = simdisk_calls(r->disk);
    check(r, true);
    end(r);
    return calls;
}

static uint64_t test_count(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* Workloads that are begun again for every call take longer: there are fewer of them, and at least one. */
static uint64_t replay_count(void)
{
    return MAX(test_count("FARBOOT_CUT_SEEDS", SEEDS) * REPLAY_SEEDS / SEEDS, 1ull);
}

/* What a cut at this moment leaves is opened beside the store that goes on, and held against what was promised. */
static void cut_here(void *arg)
{
    struct run *r = arg;
    struct simdisk *disk = r->disk;
    struct store *store = r->store;
    struct random random = r->random;
    struct error error = r->error;

    where = (struct where){where.seed, simdisk_calls(disk) + 1};
    r->random.state = where.seed << 32 | where.call;
    r->disk = simdisk_after_cut(disk, r->random.state);
    r->store = NULL;
    check(r, random_below(&r->random, THOROUGH_EVERY) == 0);
    simdisk_free(r->disk);
    r->disk = disk;
    r->store = store;
    r->random = random;
    r->error = error;
    cuts++;
}

/* Seeds at which something was found once, and is not any more. */
static const uint64_t regressions[] = {REGRESSION_SEEDS};

static void cut_everywhere(struct run *r, uint64_t seed)
{
    where.seed = seed;
    begin(r, seed, 0);
    simdisk_on_call(r->disk, cut_here, r);
    work(r);
    simdisk_on_call(r->disk, NULL, NULL);
    check(r, true);
    end(r);
}

/* FARBOOT_CUT_SEEDS: how many workloads; each is cut at every one of its calls, SQLite's included. */
static void no_power_cut_loses_what_was_promised(void **state)
{
    CLEANUP_FREE struct run *r = xcalloc(1, sizeof(*r));
    uint64_t seed = test_seed(1);
    uint64_t end_seed = seed + test_count("FARBOOT_CUT_SEEDS", SEEDS);

    cuts = 0;
    for (size_t i = 0; i < ARRAY_SIZE(regressions); i++)
        cut_everywhere(r, regressions[i]);
    for (; seed < end_seed; seed++)
        cut_everywhere(r, seed);
    printf("%lu cuts\n", cuts);
}

/* The process dies at a call, another one opens the store, reads and flushes; then the power goes. */
static void what_a_new_process_flushes_stays(void **state)
{
    CLEANUP_FREE struct run *r = xcalloc(1, sizeof(*r));
    uint64_t seed = test_seed(501);
    uint64_t end_seed = seed + replay_count();

    for (; seed < end_seed; seed++) {
        uint64_t calls = calls_of(r, seed);
        for (uint64_t at = 1; at <= calls; at++) {
            begin(r, seed, at);
            where = (struct where){seed, at};
            simdisk_cut_at(r->disk, at);
            work(r);
            simdisk_restart(r->disk);
            assert_int_equal(store_open(r->folder, simdisk_io(r->disk), &r->store, &r->error), 0);
            if (store_volume_open(r->store, "v", &r->volume) == 0) {
                r->sectors = r->sectors_wanted = volume_size_bytes(r->volume) / VOLUME_SECTOR_BYTES;
                assert_true(note_what_is_there(r));
                do_flush(r);
            }
            volume_unref(TAKE_PTR(r->volume));
            store_close(TAKE_PTR(r->store));
            check(r, at % 4 == 0);
            end(r);
        }
    }
}

static void no_failing_call_loses_what_was_promised(void **state)
{
    static const int errors[] = {-EIO, -ENOSPC, -EINTR};
    CLEANUP_FREE struct run *r = xcalloc(1, sizeof(*r));
    uint64_t seed = test_seed(1001);
    uint64_t end_seed = seed + replay_count();
    unsigned long failures = 0;

    for (; seed < end_seed; seed++) {
        uint64_t calls = calls_of(r, seed);
        for (uint64_t at = 1; at <= calls; at++, failures++) {
            begin(r, seed, at);
            simdisk_set_rough(r->disk, at % 2);
            simdisk_fail_at(r->disk, at, errors[random_below(&(struct random){at}, ARRAY_SIZE(errors))]);
            work(r);
            where = (struct where){seed, at};
            check(r, at % 4 == 0);
            end(r);
        }
    }
    printf("%lu failing calls\n", failures);
}

/* ---- two volumes that belong together ---- */

static const char *const pair[] = {"v", "w"};

static void fill_both(struct run *r, uint64_t stamp)
{
    uint8_t block[VOLUME_BLOCK_BYTES];

    for (size_t s = 0; s < 8; s++)
        fill_sector(block + s * VOLUME_SECTOR_BYTES, stamp);
    for (size_t i = 0; i < ARRAY_SIZE(pair); i++)
        if (store_volume_open(r->store, pair[i], &r->volume) == 0) {
            write_bytes(r->volume, block, sizeof(block), VOLUME_BLOCK_BYTES, false);
            volume_unref(TAKE_PTR(r->volume));
        }
}

/* Generation 1, kept as "one" and then called "uno"; generation 2, kept by going back to 1 and then to 2; "uno" goes. */
static void work_on_pair(struct run *r)
{
    char kept[STORE_NAME_SIZE];

    if (store_open(r->folder, simdisk_io(r->disk), &r->store, &r->error))
        return;
    if (import_image(r) == 0 && store_volume_clone(r->store, "i", NULL, "v", 0, &r->error) == 0)
        r->made = store_volume_clone(r->store, "i", NULL, "w", 0, &r->error) == 0;
    if (r->made) {
        fill_both(r, 1001);
        store_snapshot_create_group(r->store, pair, 2, "one", NULL, &r->error);
        store_snapshot_rename_group(r->store, pair, 2, "one", "uno", &r->error);
        fill_both(r, 1002);
        if (store_volume_rollback_group(r->store, pair, 2, "uno", kept, &r->error) == 0) {
            store_snapshot_rename_group(r->store, pair, 2, kept, "two", &r->error);
            store_volume_rollback_group(r->store, pair, 2, "two", kept, &r->error);
        }
        store_snapshot_remove_group(r->store, pair, 2, "uno", &r->error);
    }
    store_close(TAKE_PTR(r->store));
}

static uint64_t stamp_in(struct run *r, const char *name)
{
    uint64_t stamps[16];
    struct volume *volume;

    assert_int_equal(store_volume_open(r->store, name, &volume), 0);
    assert_int_equal(read_stamps(volume, ARRAY_SIZE(stamps), stamps), 0);
    volume_unref(volume);
    return stamps[8];
}

static uint64_t stamp_of_snapshot(struct run *r, const char *from, const char *snapshot)
{
    assert_int_equal(store_volume_clone(r->store, from, snapshot, "look", 0, &r->error), 0);
    uint64_t stamp = stamp_in(r, "look");
    assert_int_equal(store_volume_delete(r->store, "look", &r->error), 0);
    return stamp;
}

/* Which generation a snapshot keeps: what it was made or kept as says so. */
static uint64_t generation_of(const struct store_snapshot_info *info)
{
    if (strcmp(info->name, "pristine") == 0)
        return 9;
    return strcmp(info->comment, "before the rollback to uno") == 0 ? 1002 : 1001;
}

/* What both show after the last rollback that is recorded; 0: none is, and the writes before may be lost in one. */
static uint64_t generation_shown(const struct store_snapshot_info *infos, size_t count)
{
    if (count == 0 || strncmp(infos[count - 1].comment, "before", 6) != 0)
        return 0;
    return strcmp(infos[count - 1].comment, "before the rollback to uno") == 0 ? 1001 : 1002;
}

static void check_pair(struct run *r)
{
    CLEANUP_FREE struct store_snapshot_info *left = NULL, *right = NULL;
    size_t count, other_count;

    if (!r->made)
        return;
    assert_int_equal(store_snapshot_list(r->store, "v", &left, &count), 0);
    assert_int_equal(store_snapshot_list(r->store, "w", &right, &other_count), 0);
    assert_int_equal(count, other_count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(left[i].name, right[i].name);
        assert_int_equal(stamp_of_snapshot(r, "v", left[i].name), generation_of(&left[i]));
        assert_int_equal(stamp_of_snapshot(r, "w", left[i].name), generation_of(&left[i]));
    }
    uint64_t shown = generation_shown(left, count);
    if (shown) {
        assert_int_equal(stamp_in(r, "v"), shown);
        assert_int_equal(stamp_in(r, "w"), shown);
    }
}

static void a_cut_never_parts_what_belongs_together(void **state)
{
    CLEANUP_FREE struct run *r = xcalloc(1, sizeof(*r));
    uint64_t seed = test_seed(2001);
    uint64_t end_seed = seed + replay_count();

    for (; seed < end_seed; seed++) {
        begin(r, seed, 0);
        work_on_pair(r);
        uint64_t calls = simdisk_calls(r->disk);
        end(r);
        for (uint64_t at = 1; at <= calls; at++) {
            begin(r, seed, at);
            simdisk_set_rough(r->disk, seed % 2);
            simdisk_cut_at(r->disk, at);
            work_on_pair(r);
            where = (struct where){seed, at};
            recover(r);
            check_no_orphans(r);
            check_pair(r);
            store_close(TAKE_PTR(r->store));
            end(r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_power_cut_loses_what_was_promised),
        cmocka_unit_test(what_a_new_process_flushes_stays),
        cmocka_unit_test(no_failing_call_loses_what_was_promised),
        cmocka_unit_test(a_cut_never_parts_what_belongs_together),
    };

    /* Stopped volumes say so, thousands of times: standard error is for the seed of a failure. */
    if (!getenv("FARBOOT_CUT_VERBOSE") && !freopen("/dev/null", "w", stderr))
        return EXIT_FAILURE;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed)
        printf("failed at seed %llu, call %llu (FARBOOT_CUT_VERBOSE=1 says why)\n",
               (unsigned long long)where.seed, (unsigned long long)where.call);
    return failed;
}
