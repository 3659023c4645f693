/*
 * What the store costs, as ratios to plain files measured in the same run and in turns, so that whatever else the
 * host does hits both alike.
 *
 *     store-bench FOLDER [VOLUMES]
 *
 * FOLDER lies on the file system that is to be measured, and needs some GiB. Prints one line per figure, with what it is
 * meant to be.
 */
#include "store/state.h"

#include "base/log.h"
#include "base/text.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <time.h>

enum {
    BLOCK = VOLUME_BLOCK_BYTES,
    TURNS = 15,
    WRITES = 80, /* each turn */
    READS = 20000,
    LAYERS = 8,
    READ_BLOCKS = 16384, /* 64 MiB, which the page cache keeps */
    VOLUMES = 1000,
    IDLE_CLONES = 100,
};

static const uint64_t disk_bytes = 64ull << 30;
static uint8_t block[BLOCK];
static uint64_t random_state = 1;

static uint64_t random_below(uint64_t limit)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (z ^ z >> 31) % limit;
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_doubles);
    return values[count / 2];
}

static void must(int rc, const char *what, const struct error *error)
{
    if (!rc)
        return;
    fprintf(stderr, "store-bench: %s: %s\n", what, error && error->text[0] ? error->text : strerror(-rc));
    exit(EXIT_FAILURE);
}

static void tell(const char *what, double value, const char *unit, double wanted)
{
    printf("%-52s %9.2f %-4s (at most %g) %s\n", what, value, unit, wanted, value <= wanted ? "" : "MISSED");
    fflush(stdout);
}

/* ---- a store to measure ---- */

static struct store *open_store(const char *folder)
{
    struct store *store;
    struct error error = {0};

    must(store_open(folder, NULL, &store, &error), folder, &error);
    return store;
}

static void import_image(struct store *store, const char *name, size_t blocks)
{
    struct store_import *import;
    struct error error = {0};

    must(store_import_begin(store, name, 1ull << 40, &import, &error), name, &error);
    for (size_t i = 0; i < blocks; i++) {
        memset(block, (int)(i % 255) + 1, sizeof(block));
        must(store_import_append(import, block, sizeof(block)), name, NULL);
    }
    must(store_import_commit(import, &error), name, &error);
}

static struct volume *clone_of(struct store *store, const char *from, const char *name, uint64_t size_bytes)
{
    struct volume *volume;
    struct error error = {0};

    must(store_volume_clone(store, from, NULL, name, size_bytes, &error), name, &error);
    must(store_volume_open(store, name, &volume), name, NULL);
    return volume;
}

static void snapshot(struct store *store, const char *volume, const char *name)
{
    struct error error = {0};

    must(store_snapshot_create_group(store, &volume, 1, name, NULL, &error), name, &error);
}

static int plain_file(const char *folder)
{
    CLEANUP_FREE char *path = xasprintf("%s/plain", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    must(fd < 0 ? -errno : 0, path, NULL);
    must(ftruncate(fd, (off_t)disk_bytes) < 0 ? -errno : 0, path, NULL);
    return fd;
}

/* ---- writes with a flush each ---- */

struct target {
    struct volume *volume; /* NULL: the plain file */
    int fd;
};

static void write_flushed(const struct target *t, uint64_t offset)
{
    const struct iovec vec = {block, sizeof(block)};

    if (t->volume) {
        must(volume_write(t->volume, &vec, 1, offset, false, VOLUME_MAY_WAIT), "writing", NULL);
        must(volume_flush(t->volume), "flushing", NULL);
    } else {
        must(pwrite(t->fd, block, sizeof(block), (off_t)offset) == BLOCK ? 0 : -errno, "writing", NULL);
        must(fdatasync(t->fd) < 0 ? -errno : 0, "flushing", NULL);
    }
}

static double time_writes(const struct target *t, const uint64_t *offsets)
{
    double begun = now_us();

    for (int i = 0; i < WRITES; i++)
        write_flushed(t, offsets[i]);
    return (now_us() - begun) / WRITES;
}

/* First the blocks that nobody wrote before, then the same ones again, both in turns. */
static void measure_writes(struct store *store, const char *folder)
{
    const struct target store_target = {.volume = clone_of(store, "image", "writes", disk_bytes)};
    const struct target plain_target = {.fd = plain_file(folder)};
    double first[2][TURNS], again[2][TURNS], first_ratio[TURNS], again_ratio[TURNS];
    uint64_t offsets[WRITES];

    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < WRITES; i++)
            offsets[i] = random_below(disk_bytes / BLOCK) * BLOCK;
        for (int side = 0; side < 2; side++) {
            int at = (side + turn) % 2;
            first[at][turn] = time_writes(at ? &store_target : &plain_target, offsets);
        }
        for (int side = 0; side < 2; side++) {
            int at = (side + turn) % 2;
            again[at][turn] = time_writes(at ? &store_target : &plain_target, offsets);
        }
        first_ratio[turn] = first[1][turn] / first[0][turn];
        again_ratio[turn] = again[1][turn] / again[0][turn];
    }
    printf("plain sparse file: first touch %.0f us, overwrite %.0f us\n", median(first[0], TURNS), median(again[0], TURNS));
    tell("first-touch 4 KiB write with flush, to plain file", median(first_ratio, TURNS), "x", 1.4);
    tell("4 KiB overwrite with flush, to plain file", median(again_ratio, TURNS), "x", 1.05);
    volume_unref(store_target.volume);
    close(plain_target.fd);
}

/* ---- reads ---- */

static double time_reads(struct volume *volume)
{
    const struct iovec vec = {block, sizeof(block)};
    double begun = now_us();

    for (int i = 0; i < READS; i++)
        must(volume_read(volume, &vec, 1, random_below(READ_BLOCKS) * BLOCK, VOLUME_MAY_WAIT), "reading", NULL);
    return (now_us() - begun) / READS;
}

static void warm(struct volume *volume)
{
    const struct iovec vec = {block, sizeof(block)};

    for (uint64_t i = 0; i < READ_BLOCKS; i++)
        must(volume_read(volume, &vec, 1, i * BLOCK, VOLUME_MAY_WAIT), "reading", NULL);
}

/* Every layer decides some blocks, none of them all. */
static struct volume *eight_layers(struct store *store)
{
    const struct iovec vec = {block, sizeof(block)};
    struct volume *volume = clone_of(store, "image", "deep", 0);
    char name[16];

    for (int layer = 0; layer < LAYERS - 1; layer++) {
        for (int i = 0; i < 200; i++)
            must(volume_write(volume, &vec, 1, random_below(READ_BLOCKS) * BLOCK, false, VOLUME_MAY_WAIT), "writing", NULL);
        snprintf(name, sizeof(name), "s%d", layer);
        if (layer < LAYERS - 2)
            snapshot(store, "deep", name);
    }
    must(volume_flush(volume), "flushing", NULL);
    return volume;
}

static void measure_reads(struct store *store)
{
    struct volume *deep = eight_layers(store), *base;
    double ratio[TURNS];

    must(store_volume_open(store, "image", &base), "image", NULL);
    warm(base);
    warm(deep);
    for (int turn = 0; turn < TURNS; turn++) {
        double base_us = time_reads(base);
        ratio[turn] = time_reads(deep) / base_us;
    }
    tell("4 KiB read through 8 layers, to the image", median(ratio, TURNS), "x", 1.1);
    volume_unref(base);
    volume_unref(deep);
}

/* ---- changes of the tree ---- */

static void measure_changes(struct store *store, const char *size_name, uint64_t size_bytes, int volumes)
{
    CLEANUP_FREE double *clones = xcalloc((size_t)volumes, sizeof(double));
    CLEANUP_FREE double *snapshots = xcalloc((size_t)volumes, sizeof(double));
    CLEANUP_FREE double *rollbacks = xcalloc((size_t)volumes, sizeof(double));
    char names[2][32], kept[STORE_NAME_SIZE];
    const char *name = names[0];
    struct error error = {0};

    for (int i = 0; i < volumes; i++) {
        snprintf(names[0], sizeof(names[0]), "v-%s-%d", size_name, i);
        double begun = now_us();
        must(store_volume_clone(store, "image", NULL, name, size_bytes, &error), name, &error);
        clones[i] = (now_us() - begun) / 1000;
        begun = now_us();
        snapshot(store, name, "s");
        snapshots[i] = (now_us() - begun) / 1000;
        begun = now_us();
        must(store_volume_rollback_group(store, &name, 1, "pristine", kept, &error), name, &error);
        rollbacks[i] = (now_us() - begun) / 1000;
    }
    snprintf(names[1], sizeof(names[1]), "clone of %s", size_name);
    tell(names[1], median(clones, (size_t)volumes), "ms", 10);
    snprintf(names[1], sizeof(names[1]), "snapshot of %s", size_name);
    tell(names[1], median(snapshots, (size_t)volumes), "ms", 10);
    snprintf(names[1], sizeof(names[1]), "rollback of %s", size_name);
    tell(names[1], median(rollbacks, (size_t)volumes), "ms", 10);
}

/* ---- memory ---- */

static double used_mib(void)
{
    struct mallinfo2 info = mallinfo2();

    return (double)(info.uordblks + info.hblkhd) / (1 << 20);
}

/* Every other block: no page is all owned, which would cost nothing. */
static void measure_map(void)
{
    const uint64_t blocks = (1ull << 40) / BLOCK;
    double before = used_mib();
    struct map *map = map_new(blocks);

    for (uint64_t i = 0; i < blocks; i += 2)
        map_set(map, i, 1);
    tell("memory per TiB of written map", used_mib() - before, "MiB", 40);
    map_free(map);
}

static void measure_idle(struct store *store)
{
    struct volume *volumes[IDLE_CLONES];
    double before = used_mib();
    char name[32];

    for (int i = 0; i < IDLE_CLONES; i++) {
        snprintf(name, sizeof(name), "idle-%d", i);
        volumes[i] = clone_of(store, "image", name, 1ull << 40);
    }
    tell("memory of an idle open clone of 1 TiB", (used_mib() - before) / IDLE_CLONES, "MiB", 1);
    for (int i = 0; i < IDLE_CLONES; i++)
        volume_unref(volumes[i]);
}

int main(int argc, char **argv)
{
    uint64_t volumes = VOLUMES;

    if (argc < 2 || argc > 3 || (argc == 3 && !parse_u64(argv[2], 100000, &volumes))) {
        fprintf(stderr, "usage: store-bench FOLDER [VOLUMES]\n");
        return 2;
    }
    log_set_level(LOG_LEVEL_ERROR);
    CLEANUP_FREE char *folder = xasprintf("%s/store", argv[1]);
    struct store *store = open_store(folder);
    import_image(store, "image", READ_BLOCKS);
    measure_writes(store, argv[1]);
    measure_reads(store);
    measure_map();
    measure_idle(store);
    if (volumes > 0) {
        measure_changes(store, "1GiB", 1ull << 30, (int)volumes);
        measure_changes(store, "1TiB", 1ull << 40, (int)MAX(volumes / 10, 1ull));
    }
    store_close(store);
    return EXIT_SUCCESS;
}
