#include "api/frozen.h"

#include "api/call.h"
#include "api/store_names.h"
#include "base/text.h"

#include <stdio.h>

/* ---- what is meant ---- */

static int find_image(const struct catalog_snapshot *catalog, struct frozen_source *source, struct error *error)
{
    const struct image *image;
    char name[NAME_SIZE];
    uint32_t version;

    if (!image_name_parse(source->text, name, &version))
        return error_set(error, -EINVAL, "%s: neither a machine (pi-01, pi-01@snapshot) nor an image (ubuntu, ubuntu:2)",
                         source->text);
    image = catalog_image_version(catalog, name, version);
    if (!image)
        return error_set(error, -ENOENT, "%s: no such machine and no such image (see farboot machine list, farboot "
                         "image list)", source->text);
    source->image = *image;
    source->image.report = NULL;
    return 0;
}

static int find_machine(const struct catalog_snapshot *catalog, struct frozen_source *source, struct error *error)
{
    char name[sizeof(source->text)];

    COPY_STRING(name, source->text);
    char *at = strchr(name, '@');
    if (at)
        *at++ = '\0';
    const struct machine *machine = catalog_machine_by_name(catalog, name);
    if (!machine && !at)
        return find_image(catalog, source, error);
    if (!machine)
        return error_set(error, -ENOENT, "%s: no such machine (see farboot machine list)", name);
    if (at && (!is_valid_name(at) || !COPY_STRING(source->snapshot, at)))
        return error_set(error, -EINVAL, "%s: not a snapshot of a machine, which looks like pi-01@before-upgrade",
                         source->text);
    if (!at && catalog_image_by_name(catalog, name))
        return error_set(error, -EINVAL, "%s: a machine and an image are called so: say %s@SNAPSHOT or %s:VERSION", name,
                         name, name);
    source->machine = *machine;
    return 0;
}

int frozen_source_find(const struct api *api, const char *text, struct frozen_source *source, struct error *error)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog = catalog_read(api->options.catalog);

    *source = (struct frozen_source){0};
    quote_into(source->text, sizeof(source->text), text, strlen(text));
    return find_machine(catalog, source, error);
}

int frozen_source_check_off(struct api *api, const struct frozen_source *source, struct error *error)
{
    const char *name = source->machine.name;
    char text[INET_TEXT_SIZE];
    uint32_t address;

    if (!source->machine.id || *source->snapshot || api_disk_users(api, source->machine.id, &address) == 0)
        return 0;
    return error_set(error, -EBUSY,
                     "%s: its disk is in use by %s: shut it down first, or name a snapshot (farboot snapshot create "
                     "%s@NAME, then %s@NAME)",
                     name, inet_format(text, address), name, name);
}

/* ---- the copy ---- */

static int clone_snapshot(const struct api_options *options, const struct machine *machine, const char *snapshot,
                          const char *name, struct error *error)
{
    int result = store_volume_clone(options->store, machine->volume, snapshot, name, 0, error);

    if (result == -ENOENT)
        return error_set(error, result, "%s: no such snapshot: %s (see farboot snapshot list %s)", machine->name,
                         snapshot, machine->name);
    return result;
}

/* The machine may be started while its disk is read: what is read is a snapshot that nobody sees for long. */
static int clone_now(const struct api_options *options, const struct machine *machine, const char *name,
                     struct error *error)
{
    const char *volume = machine->volume;
    int result = store_snapshot_create_group(options->store, &volume, 1, name, "being read", error);

    if (result < 0)
        return result;
    result = clone_snapshot(options, machine, name, name, error);
    store_snapshot_remove_group(options->store, &volume, 1, name, NULL);
    return result;
}

int frozen_copy_make(const struct api_options *options, const struct frozen_source *source, char name[NAME_SIZE],
                     const char *kind, struct error *error)
{
    store_name_new(name, kind);
    int result = catalog_pending_put(options->catalog, name, error);
    if (result < 0)
        return result;
    if (*source->snapshot)
        result = clone_snapshot(options, &source->machine, source->snapshot, name, error);
    else
        result = clone_now(options, &source->machine, name, error);
    if (result < 0)
        catalog_pending_drop(options->catalog, name);
    return result;
}

void frozen_copy_drop(const struct api_options *options, const char *name)
{
    if (store_volume_delete(options->store, name, NULL) == 0)
        catalog_pending_drop(options->catalog, name);
}
