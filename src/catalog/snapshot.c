#include "catalog/snapshot.h"

#include "catalog/images.h"
#include "catalog/machines.h"

#include <stdatomic.h>

enum machine_index { BY_ID, BY_MAC, BY_ADDRESS, BY_SERIAL, INDEX_COUNT };

struct catalog_snapshot {
    atomic_uint references;
    struct machine *machines; /* by name */
    size_t machine_count;
    struct image *images; /* by name */
    size_t image_count;
    const struct machine **index[INDEX_COUNT];
};

static uint64_t key_of(const struct machine *machine, enum machine_index index)
{
    switch (index) {
    case BY_ID:
        return machine->id;
    case BY_MAC: {
        uint64_t key = 0;
        for (size_t i = 0; i < MAC_BYTES; i++)
            key = key << 8 | machine->mac.bytes[i];
        return key;
    }
    case BY_ADDRESS:
        return machine->address;
    case BY_SERIAL:
        return machine->serial;
    case INDEX_COUNT:
        break;
    }
    CHECK(false);
    return 0;
}

static int compare_by_key(const void *a, const void *b, void *index)
{
    uint64_t left = key_of(*(const struct machine *const *)a, *(enum machine_index *)index);
    uint64_t right = key_of(*(const struct machine *const *)b, *(enum machine_index *)index);

    return (left > right) - (left < right);
}

static void build_indexes(struct catalog_snapshot *snapshot)
{
    for (enum machine_index index = 0; index < INDEX_COUNT; index++) {
        snapshot->index[index] = xcalloc(snapshot->machine_count, sizeof(*snapshot->index[index]));
        for (size_t i = 0; i < snapshot->machine_count; i++)
            snapshot->index[index][i] = &snapshot->machines[i];
        qsort_r(snapshot->index[index], snapshot->machine_count, sizeof(*snapshot->index[index]), compare_by_key,
                &index);
    }
}

int snapshot_load(sqlite3 *db, const struct catalog_snapshot **snapshot)
{
    struct catalog_snapshot *loaded = xcalloc(1, sizeof(*loaded));

    atomic_init(&loaded->references, 1);
    int r = machines_load(db, &loaded->machines, &loaded->machine_count);
    if (r == 0)
        r = images_load(db, &loaded->images, &loaded->image_count);
    build_indexes(loaded);
    if (r < 0) {
        catalog_snapshot_unref(loaded);
        return r;
    }
    *snapshot = loaded;
    return 0;
}

const struct catalog_snapshot *snapshot_ref(const struct catalog_snapshot *snapshot)
{
    atomic_fetch_add_explicit(&((struct catalog_snapshot *)snapshot)->references, 1, memory_order_relaxed);
    return snapshot;
}

void catalog_snapshot_unref(const struct catalog_snapshot *snapshot)
{
    struct catalog_snapshot *s = (struct catalog_snapshot *)snapshot;

    if (!s || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1)
        return;
    for (enum machine_index index = 0; index < INDEX_COUNT; index++)
        free(s->index[index]);
    for (size_t i = 0; i < s->image_count; i++)
        free(s->images[i].report);
    free(s->images);
    free(s->machines);
    free(s);
}

static const struct machine *find(const struct catalog_snapshot *snapshot, enum machine_index index, uint64_t key)
{
    size_t low = 0;
    size_t high = snapshot->machine_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (key_of(snapshot->index[index][middle], index) < key)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == snapshot->machine_count || key_of(snapshot->index[index][low], index) != key)
        return NULL;
    return snapshot->index[index][low];
}

const struct machine *catalog_machine_by_id(const struct catalog_snapshot *snapshot, uint64_t id)
{
    return find(snapshot, BY_ID, id);
}

const struct machine *catalog_machine_by_mac(const struct catalog_snapshot *snapshot, const struct mac *mac)
{
    struct machine wanted = {.mac = *mac};

    return find(snapshot, BY_MAC, key_of(&wanted, BY_MAC));
}

const struct machine *catalog_machine_by_address(const struct catalog_snapshot *snapshot, uint32_t address)
{
    return address ? find(snapshot, BY_ADDRESS, address) : NULL;
}

const struct machine *catalog_machine_by_serial(const struct catalog_snapshot *snapshot, uint32_t serial)
{
    return serial ? find(snapshot, BY_SERIAL, serial) : NULL;
}

const struct machine *catalog_machine_by_name(const struct catalog_snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->machine_count; i++) {
        if (strcmp(snapshot->machines[i].name, name) == 0)
            return &snapshot->machines[i];
    }
    return NULL;
}

const struct image *catalog_image_by_name(const struct catalog_snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->image_count; i++) {
        if (strcmp(snapshot->images[i].name, name) == 0)
            return &snapshot->images[i];
    }
    return NULL;
}

const struct machine *catalog_machines(const struct catalog_snapshot *snapshot, size_t *count)
{
    *count = snapshot->machine_count;
    return snapshot->machines;
}

const struct image *catalog_images(const struct catalog_snapshot *snapshot, size_t *count)
{
    *count = snapshot->image_count;
    return snapshot->images;
}
