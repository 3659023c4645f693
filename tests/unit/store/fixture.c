#include "fixture.h"

#include "base/text.h"
#include "store/state.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void open_store(struct fixture *f)
{
    struct error error = {0};

    if (store_open(f->folder, f->io, &f->store, &error))
        fail_msg("store_open: %s", error.text);
}

void fixture_open(struct fixture *f, const struct store_io *io)
{
    *f = (struct fixture){.io = io};
    COPY_STRING(f->folder, "/tmp/farboot-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    open_store(f);
}

void fixture_reopen(struct fixture *f)
{
    store_close(f->store);
    open_store(f);
}

void fixture_close(struct fixture *f)
{
    store_close(f->store);
    nftw(f->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void fixture_import(struct fixture *f, const char *name, const void *bytes, size_t length_bytes)
{
    struct store_import *import;
    struct error error = {0};

    if (store_import_begin(f->store, name, 1ull << 40, &import, &error))
        fail_msg("store_import_begin: %s", error.text);
    assert_int_equal(store_import_append(import, bytes, length_bytes), 0);
    if (store_import_commit(import, &error))
        fail_msg("store_import_commit: %s", error.text);
}

void fixture_clone(struct fixture *f, const char *from, const char *snapshot, const char *name,
                   uint64_t size_bytes)
{
    struct error error = {0};

    if (store_volume_clone(f->store, from, snapshot, name, size_bytes, &error))
        fail_msg("store_volume_clone: %s", error.text);
}

void set_merge_step(struct store *store, uint64_t blocks)
{
    store->merge.step_blocks = blocks;
}

void count_layers(struct store *store, struct layer_count *count)
{
    CLEANUP_FREE struct tree_layer *layers = NULL;
    struct tree_hidden hidden;
    uint64_t waiting;
    size_t all;

    *count = (struct layer_count){0};
    assert_int_equal(tree_layer_list(store->tree, &layers, &all), 0);
    count->all = (unsigned)all;
    for (size_t i = 0; i < all; i++)
        count->passing += layers[i].state == TREE_LAYER_CREATING || layers[i].state == TREE_LAYER_DYING;
    count->hidden = tree_hidden_get(store->tree, &hidden, &waiting) == 0;
}

static int chain_of(struct store *store, uint64_t layer_id, struct chain **chain)
{
    struct layer *layers[CHAIN_LAYERS_MAX];
    struct tree_layer row;
    int count = 0;
    int rc = 0;

    for (uint64_t id = layer_id; !rc && id; id = row.parent) {
        rc = tree_layer_get(store->tree, id, &row);
        rc = rc ?: store_layer_get(store, &row, false, &layers[count]);
        count += !rc;
    }
    if (rc)
        while (count > 0)
            store_layer_put(store, layers[--count]);
    else
        *chain = chain_new(layers, count, store_layer_put, store);
    return rc;
}

int read_snapshot(struct store *store, const char *volume_name, const char *name, void *to, size_t capacity_bytes,
                  uint64_t *size_bytes)
{
    pthread_mutex_t nobody_else = PTHREAD_MUTEX_INITIALIZER;
    struct tree_snapshot snapshot;
    struct tree_volume volume;
    struct chain *chain;
    int rc = tree_volume_get(store->tree, volume_name, &volume);

    rc = rc ?: tree_snapshot_get(store->tree, volume.id, name, &snapshot);
    rc = rc ?: chain_of(store, snapshot.layer, &chain);
    if (rc)
        return rc;
    *size_bytes = chain->layers[0]->blocks * VOLUME_BLOCK_BYTES;
    const struct iovec vec = {to, MIN(*size_bytes, (uint64_t)capacity_bytes)};
    struct iov_cursor at = iov_cursor_over(&vec, 1);
    rc = chain_read(chain, 0, &nobody_else, &at, 0, vec.iov_len, false);
    chain_unref(chain);
    return rc;
}

int snapshot_create(struct store *store, const char *volume, const char *name, const char *comment,
                    struct error *error)
{
    return store_snapshot_create_group(store, &volume, 1, name, comment, error);
}

int snapshot_rename(struct store *store, const char *volume, const char *name, const char *new_name,
                    struct error *error)
{
    return store_snapshot_rename_group(store, &volume, 1, name, new_name, error);
}

int snapshot_remove(struct store *store, const char *volume, const char *name, struct error *error)
{
    return store_snapshot_remove_group(store, &volume, 1, name, error);
}

int roll_back(struct store *store, const char *volume, const char *snapshot, char kept[STORE_NAME_SIZE],
              struct error *error)
{
    return store_volume_rollback_group(store, &volume, 1, snapshot, kept, error);
}

void fixture_snapshot(struct fixture *f, const char *volume, const char *name)
{
    struct error error = {0};

    if (snapshot_create(f->store, volume, name, NULL, &error))
        fail_msg("store_snapshot_create: %s", error.text);
}

struct volume *fixture_volume(struct fixture *f, const char *name)
{
    struct volume *volume = NULL;

    assert_int_equal(store_volume_open(f->store, name, &volume), 0);
    return volume;
}

int read_bytes(struct volume *volume, void *to, size_t length_bytes, uint64_t offset, enum volume_wait wait)
{
    const struct iovec vec = {to, length_bytes};

    return volume_read(volume, &vec, 1, offset, wait);
}

int write_bytes(struct volume *volume, const void *from, size_t length_bytes, uint64_t offset, bool fua)
{
    const struct iovec vec = {(void *)from, length_bytes};
    int rc = volume_write(volume, &vec, 1, offset, fua, VOLUME_NO_WAIT);

    return rc == -EAGAIN ? volume_write(volume, &vec, 1, offset, fua, VOLUME_MAY_WAIT) : rc;
}

void assert_volume_equals(struct volume *volume, const uint8_t *expected, size_t length_bytes)
{
    CLEANUP_FREE uint8_t *found = xcalloc(1, length_bytes);

    assert_int_equal(volume_size_bytes(volume), length_bytes);
    memset(found, 0x5a, length_bytes);
    assert_int_equal(read_bytes(volume, found, length_bytes, 0, VOLUME_MAY_WAIT), 0);
    if (memcmp(found, expected, length_bytes) == 0)
        return;
    size_t at = 0;
    while (found[at] == expected[at])
        at++;
    fail_msg("byte %zu (block %zu, sector %zu) is %02x, not %02x", at, at / VOLUME_BLOCK_BYTES,
             at % VOLUME_BLOCK_BYTES / VOLUME_SECTOR_BYTES, found[at], expected[at]);
}

uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

uint64_t random_below(struct random *r, uint64_t limit)
{
    return random_next(r) % limit;
}

void random_fill(struct random *r, void *bytes, size_t length_bytes)
{
    uint8_t *at = bytes;

    for (; length_bytes >= 8; at += 8, length_bytes -= 8) {
        uint64_t value = random_next(r);
        memcpy(at, &value, 8);
    }
    for (; length_bytes > 0; length_bytes--)
        *at++ = (uint8_t)random_next(r);
}

uint64_t test_seed(uint64_t otherwise)
{
    const char *text = getenv("FARBOOT_TEST_SEED");
    uint64_t seed = otherwise;

    if (text && !parse_u64(text, UINT64_MAX, &seed))
        fail_msg("FARBOOT_TEST_SEED is no number: %s", text);
    printf("seed %llu\n", (unsigned long long)seed);
    return seed;
}
