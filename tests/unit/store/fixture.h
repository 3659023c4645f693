/*
 * A store in a folder of its own under /tmp, and the shadow: what a volume must read as, kept in plain
 * memory.
 */
#pragma once

#include "../test.h"

#include "store/store.h"

struct fixture {
    char folder[64];
    struct store *store;
    const struct store_io *io;
};

/* An empty folder; the store in it is open. */
void fixture_open(struct fixture *f, const struct store_io *io);
void fixture_reopen(struct fixture *f);
/* Closes the store and removes the folder. */
void fixture_close(struct fixture *f);

/* An image `name` with these bytes. */
void fixture_import(struct fixture *f, const char *name, const void *bytes, size_t length_bytes);
void fixture_clone(struct fixture *f, const char *from, const char *snapshot, const char *name,
                   uint64_t size_bytes);
/* How many blocks a step of a merge copies, so that small volumes need several. */
void set_merge_step(struct store *store, uint64_t blocks);
/* What the tree says: how many layers there are, how many of them are on their way in or out, and whether one waits to be
 * merged. */
struct layer_count {
    unsigned all;
    unsigned passing;
    bool hidden;
};

void count_layers(struct store *store, struct layer_count *count);
/* What a snapshot keeps, read through its layers without making anything. `size_bytes` is how long it is; at most
 * `capacity_bytes` are read. */
int read_snapshot(struct store *store, const char *volume, const char *name, void *to, size_t capacity_bytes,
                  uint64_t *size_bytes);
/* What the store does for a group, for one volume. */
int snapshot_create(struct store *store, const char *volume, const char *name, const char *comment,
                    struct error *error);
int snapshot_rename(struct store *store, const char *volume, const char *name, const char *new_name,
                    struct error *error);
int snapshot_remove(struct store *store, const char *volume, const char *name, struct error *error);
int roll_back(struct store *store, const char *volume, const char *snapshot, char kept[STORE_NAME_SIZE],
              struct error *error);
void fixture_snapshot(struct fixture *f, const char *volume, const char *name);
struct volume *fixture_volume(struct fixture *f, const char *name);

int read_bytes(struct volume *volume, void *to, size_t length_bytes, uint64_t offset, enum volume_wait wait);
int write_bytes(struct volume *volume, const void *from, size_t length_bytes, uint64_t offset, bool fua);
/* Fails the test, naming the first offset, unless the whole volume reads as `expected`. */
void assert_volume_equals(struct volume *volume, const uint8_t *expected, size_t length_bytes);

/* Small and seeded: the same numbers on every machine. */
struct random {
    uint64_t state;
};

uint64_t random_next(struct random *r);
/* From 0 to `limit` - 1. */
uint64_t random_below(struct random *r, uint64_t limit);
void random_fill(struct random *r, void *bytes, size_t length_bytes);
/* FARBOOT_TEST_SEED, or `otherwise`; printed, so that a failure can be run again. */
uint64_t test_seed(uint64_t otherwise);
