#include "daemon/check.h"

#include "api/findings.h"

#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>

struct check {
    bool (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
    void *arg;
    struct catalog *catalog; /* NULL: volumes keep the names that the store has for them */
    json_t *findings;
    json_int_t found;
    json_int_t repaired;
};

static void on_finding(void *arg, const struct store_finding *finding)
{
    struct check *check = arg;
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *catalog = catalog_read(check->catalog);

    check->found++;
    check->repaired += finding->repaired;
    if (json_array_size(check->findings) < FINDINGS_LISTED_MAX)
        json_array_append_new(check->findings, finding_json(catalog, finding));
}

static bool on_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
    const struct check *check = arg;

    return check->progress(check->arg, done_bytes, total_bytes);
}

static int become_owner(const char *folder, struct error *error)
{
    struct stat info;

    if (stat(folder, &info) < 0)
        return error_set_errno(error, -errno, "%s", folder);
    if (geteuid() != 0 || info.st_uid == 0)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(info.st_gid, info.st_gid, info.st_gid) < 0 ||
        setresuid(info.st_uid, info.st_uid, info.st_uid) < 0)
        return error_set_errno(error, -errno, "%s: cannot become the account that owns it", folder);
    return 0;
}

static int check_opened(struct check *check, struct store *store, bool repair, struct error *error)
{
    const struct store_check how = {.repair = repair, .listener = {on_finding, check}, .progress = on_progress};

    return store_check(store, &how, error);
}

/* The store's lock keeps a daemon away from both databases. */
static int check_folder(struct check *check, const char *folder, bool repair, struct error *error)
{
    CLEANUP_FREE char *store_path = xasprintf("%s/store", folder);
    CLEANUP_FREE char *catalog_path = xasprintf("%s/catalog.db", folder);
    struct store *store = NULL;
    int rc = store_open_as_found(store_path, NULL, &store, error);

    if (rc)
        return rc;
    rc = catalog_open(catalog_path, &check->catalog, error);
    rc = rc ?: check_opened(check, store, repair, error);
    if (check->catalog)
        catalog_close(check->catalog);
    store_close(store);
    return rc;
}

static char *folder_above(const char *folder)
{
    CLEANUP_FREE char *meta = xasprintf("%s/meta.db", folder);

    return access(meta, F_OK) == 0 ? xasprintf("%s/..", folder) : xstrdup(folder);
}

int check_stopped_store(const char *folder, bool repair, bool (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes),
                        void *arg, json_t **result, struct error *error)
{
    CLEANUP_FREE char *above = folder_above(folder);
    struct check check = {.progress = progress, .arg = arg, .findings = json_array()};
    int rc = become_owner(above, error);

    rc = rc ?: check_folder(&check, above, repair, error);
    if (!rc)
        *result = json_pack("{s:I, s:I, s:O}", "found", check.found, "repaired", check.repaired, "findings",
                            check.findings);
    json_decref(check.findings);
    return rc;
}
