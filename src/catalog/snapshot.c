#include "catalog/snapshot.h"

#include "catalog/groups.h"
#include "catalog/images.h"
#include "catalog/machines.h"
#include "catalog/settings.h"

#include <stdatomic.h>

enum machine_index { BY_ID, BY_MAC, BY_ADDRESS, BY_SERIAL, INDEX_COUNT };

struct catalog_snapshot {
    atomic_uint references;
    struct machine *machines; /* by name */
    size_t machine_count;
    struct image *images; /* by name and version */
    size_t image_count;
    struct machine_group *groups; /* by name */
    size_t group_count;
    struct setting_row *rows; /* what was said; the texts of all below */
    size_t row_count;
    struct settings *settings; /* resolved: the defaults, then each group, then each machine */
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

/* ---- settings, resolved ---- */

static int compare_rows(const void *a, const void *b)
{
    const struct setting_row *left = a, *right = b;

    if (left->scope != right->scope)
        return left->scope < right->scope ? -1 : 1;
    return left->owner < right->owner ? -1 : left->owner > right->owner;
}

static size_t first_row_of(const struct catalog_snapshot *snapshot, const struct setting_row *wanted)
{
    size_t low = 0, high = snapshot->row_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_rows(&snapshot->rows[middle], wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Writes over what `settings` inherited. */
static void overlay(const struct catalog_snapshot *snapshot, struct settings *settings, enum setting_source scope,
                    uint64_t owner)
{
    struct setting_row wanted = {.scope = scope, .owner = owner};

    for (size_t i = first_row_of(snapshot, &wanted); i < snapshot->row_count; i++) {
        const struct setting_row *row = &snapshot->rows[i];
        if (compare_rows(row, &wanted) != 0)
            return;
        settings->values[row->key] = row->value;
        settings->sources[row->key] = scope;
    }
}

static const struct settings *settings_of_group(const struct catalog_snapshot *snapshot, uint64_t id)
{
    for (size_t i = 0; i < snapshot->group_count; i++) {
        if (snapshot->groups[i].id == id)
            return snapshot->groups[i].settings;
    }
    return snapshot->settings;
}

static void note_cloud_init(const struct catalog_snapshot *snapshot, struct machine *machine)
{
    for (size_t i = 0; i < snapshot->image_count; i++) {
        if (snapshot->images[i].id == machine->image_id)
            COPY_STRING(machine->cloud_init, snapshot->images[i].cloud_init);
    }
}

static void resolve_machine(const struct catalog_snapshot *snapshot, struct settings *settings, struct machine *machine)
{
    *settings = *settings_of_group(snapshot, machine->group_id);
    overlay(snapshot, settings, SETTING_FROM_MACHINE, machine->id);
    machine->settings = settings;
    note_cloud_init(snapshot, machine);
    CHECK(machine_boot_from_name(machine_setting(machine, SETTING_BOOT), &machine->boot));
}

static void resolve_settings(struct catalog_snapshot *snapshot)
{
    struct settings *next = xcalloc(1 + snapshot->group_count + snapshot->machine_count, sizeof(*next));

    snapshot->settings = next;
    if (snapshot->row_count > 0)
        qsort(snapshot->rows, snapshot->row_count, sizeof(*snapshot->rows), compare_rows);
    settings_begin(next);
    overlay(snapshot, next++, SETTING_FROM_DEFAULTS, 0);
    for (size_t i = 0; i < snapshot->group_count; i++) {
        *next = *snapshot->settings;
        overlay(snapshot, next, SETTING_FROM_GROUP, snapshot->groups[i].id);
        snapshot->groups[i].settings = next++;
    }
    for (size_t i = 0; i < snapshot->machine_count; i++)
        resolve_machine(snapshot, next++, &snapshot->machines[i]);
}

/* ---- life ---- */

int snapshot_load(sqlite3 *db, const struct catalog_snapshot **snapshot)
{
    struct catalog_snapshot *loaded = xcalloc(1, sizeof(*loaded));

    atomic_init(&loaded->references, 1);
    int r = machines_load(db, &loaded->machines, &loaded->machine_count);
    if (r == 0)
        r = images_load(db, &loaded->images, &loaded->image_count);
    if (r == 0)
        r = groups_load(db, &loaded->groups, &loaded->group_count);
    if (r == 0)
        r = settings_load(db, &loaded->rows, &loaded->row_count);
    resolve_settings(loaded);
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
    for (size_t i = 0; i < s->row_count; i++)
        free(s->rows[i].value);
    free(s->rows);
    free(s->settings);
    free(s->groups);
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
    return catalog_image_version(snapshot, name, 0);
}

const struct image *catalog_image_version(const struct catalog_snapshot *snapshot, const char *name, uint32_t version)
{
    for (size_t i = snapshot->image_count; i > 0; i--) {
        const struct image *image = &snapshot->images[i - 1];
        if (strcmp(image->name, name) == 0 && (version == 0 || image->version == version))
            return image;
    }
    return NULL;
}

const struct image *catalog_image_by_id(const struct catalog_snapshot *snapshot, uint64_t id)
{
    for (size_t i = 0; i < snapshot->image_count; i++) {
        if (snapshot->images[i].id == id)
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

const struct machine_group *catalog_group_by_name(const struct catalog_snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->group_count; i++) {
        if (strcmp(snapshot->groups[i].name, name) == 0)
            return &snapshot->groups[i];
    }
    return NULL;
}

const struct machine_group *catalog_groups(const struct catalog_snapshot *snapshot, size_t *count)
{
    *count = snapshot->group_count;
    return snapshot->groups;
}

const struct settings *catalog_defaults(const struct catalog_snapshot *snapshot)
{
    return snapshot->settings;
}
