#include "api/store_names.h"

#include "api/api.h"
#include "base/log.h"
#include "base/text.h"

#include <stdio.h>
#include <sys/random.h>

void store_name_new(char to[STORE_VOLUME_NAME_SIZE], const char *kind)
{
    uint64_t number;

    CHECK(getrandom(&number, sizeof(number), 0) == sizeof(number));
    snprintf(to, STORE_VOLUME_NAME_SIZE, "%s%016llx", kind, (unsigned long long)number);
}

static bool is_machines(const struct catalog_snapshot *snapshot, const char *volume)
{
    size_t count;
    const struct machine *machines = catalog_machines(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        if (string_equal(machines[i].volume, volume))
            return true;
    }
    return false;
}

static bool is_images(const struct catalog_snapshot *snapshot, const char *volume)
{
    size_t count;
    const struct image *images = catalog_images(snapshot, &count);

    for (size_t i = 0; i < count; i++) {
        if (string_equal(images[i].volume, volume))
            return true;
    }
    return false;
}

/* Only what we named ourselves: a volume that somebody else put into the store is none of our business. */
static bool is_orphan(const struct catalog_snapshot *snapshot, const char *volume)
{
    if (string_starts_with(volume, STORE_NAME_MACHINE))
        return !is_machines(snapshot, volume);
    return string_starts_with(volume, STORE_NAME_IMAGE) && !is_images(snapshot, volume);
}

static void sweep_kind(const struct catalog_snapshot *snapshot, struct store *store,
                       const struct store_volume_info *infos, size_t count, const char *kind)
{
    for (size_t i = 0; i < count; i++) {
        struct error error = {0};
        if (!string_starts_with(infos[i].name, kind) || !is_orphan(snapshot, infos[i].name))
            continue;
        if (store_volume_delete(store, infos[i].name, &error) == 0)
            log_info("store: removed %s, left by an interrupted change", infos[i].name);
        else
            log_warning("store: cannot remove %s, which belongs to nothing: %s", infos[i].name, error.text);
    }
}

void api_sweep(struct catalog *catalog, struct store *store)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(catalog);
    CLEANUP_FREE struct store_volume_info *infos = NULL;
    size_t count = 0;

    if (store_volume_list(store, &infos, &count) < 0)
        return;
    /* Clones before what they were cloned from. */
    sweep_kind(snapshot, store, infos, count, STORE_NAME_MACHINE);
    sweep_kind(snapshot, store, infos, count, STORE_NAME_IMAGE);
}
