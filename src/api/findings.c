#include "api/findings.h"

#include "api/answer.h"
#include "base/text.h"

#include <stdio.h>

enum { NAMED_MAX = 4 };

static const char *const problem_names[] = {
    [STORE_PROBLEM_TREE] = "tree", [STORE_PROBLEM_FILES] = "files", [STORE_PROBLEM_MAP] = "map",
    [STORE_PROBLEM_DATA] = "data", [STORE_PROBLEM_SUMS] = "sums",   [STORE_PROBLEM_ORPHAN] = "orphan",
};

static bool is_of_machine(const struct machine *machine, const char *volume, char to[OWNER_SIZE])
{
    if (string_equal(machine->volume, volume)) {
        snprintf(to, OWNER_SIZE, "%s", machine->name);
        return true;
    }
    for (unsigned i = 0; i < machine->disk_count; i++) {
        if (!machine->disks[i].shared && string_equal(machine->disks[i].volume, volume)) {
            snprintf(to, OWNER_SIZE, "disk %s of %s", machine->disks[i].name, machine->name);
            return true;
        }
    }
    return false;
}

const char *owner_of_volume(const struct catalog_snapshot *catalog, const char *volume, char to[OWNER_SIZE])
{
    size_t count;
    const struct machine *machines = catalog_machines(catalog, &count);

    for (size_t i = 0; i < count; i++) {
        if (is_of_machine(&machines[i], volume, to))
            return to;
    }
    const struct image *images = catalog_images(catalog, &count);
    for (size_t i = 0; i < count; i++) {
        if (string_equal(images[i].volume, volume)) {
            snprintf(to, OWNER_SIZE, "image %s", images[i].name);
            return to;
        }
    }
    snprintf(to, OWNER_SIZE, "%s", volume);
    return to;
}

json_t *finding_json(const struct catalog_snapshot *catalog, const struct store_finding *finding)
{
    json_t *affected = json_array();
    char owner[OWNER_SIZE];

    for (size_t i = 0; i < finding->volume_count; i++)
        json_array_append_new(affected, json_string(owner_of_volume(catalog, finding->volumes[i], owner)));
    return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:o}", "problem", problem_names[finding->problem], "sentence",
                     finding->sentence, "repaired", (int)finding->repaired, "layer", (json_int_t)finding->layer,
                     "offset", (json_int_t)finding->offset, "length_bytes", (json_int_t)finding->length_bytes,
                     "affected", affected);
}

const char *finding_affected(const struct catalog_snapshot *catalog, const struct store_finding *finding,
                             char to[AFFECTED_TEXT_SIZE])
{
    CLEANUP_TEXT struct text text = text_with_max(AFFECTED_TEXT_SIZE - 1);
    size_t named = MIN(finding->volume_count, (size_t)NAMED_MAX);
    char owner[OWNER_SIZE];

    for (size_t i = 0; i < named; i++)
        text_appendf(&text, "%s%s", i == 0 ? "" : ", ", owner_of_volume(catalog, finding->volumes[i], owner));
    if (named < finding->volume_count)
        text_appendf(&text, " and %zu more", finding->volume_count - named);
    copy_string(to, AFFECTED_TEXT_SIZE, named ? text_string(&text) : "nothing");
    return to;
}
