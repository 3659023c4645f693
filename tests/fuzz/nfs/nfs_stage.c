#include "nfs_stage.h"

#include <stdio.h>

static struct nfs_stage stage;
static char directory[] = "/var/tmp/farboot-fuzz-XXXXXX";

static void find(void *arg, uint32_t address, struct nfs_exports *exports)
{
    exports->list[0] = (struct nfs_export){.path = "/srv/tftp/a", .folder = folder_ref(stage.boot)};
    exports->list[1] = (struct nfs_export){.path = "/srv/nfs/a", .folder = folder_ref(stage.root)};
    exports->count = 2;
}

static void refused(void *arg, uint32_t address, const char *path)
{
}

static struct folder *make(const char *name, enum folder_owner owner)
{
    CLEANUP_FREE char *path = xasprintf("%s/%s", directory, name);
    struct folder *folder = NULL;
    struct error error;

    CHECK(folder_create(path, owner, &error) == 0 && folder_open(path, &folder, &error) == 0);
    folder_set_filling(folder, true); /* nothing here has to outlive a power cut */
    return folder;
}

static void take_down(void)
{
    CLEANUP_FREE char *command = xasprintf("rm -rf '%s'", directory);

    nfs_server_free(stage.server);
    folder_unref(stage.boot);
    folder_unref(stage.root);
    CHECK(system(command) == 0);
}

static void put_up(void)
{
    /* The handles in the seeds were signed with these sixteen bytes. */
    const struct nfs_server_options options = {
        .key = "a key for fuzzin", .source = {.find = find, .refused = refused}, .port = 2049};

    CHECK(mkdtemp(directory));
    stage.boot = make("boot", FOLDER_OWNER_ROOT);
    stage.root = make("root", FOLDER_OWNER_MAPPED);
    stage.server = nfs_server_new(&options);
    atexit(take_down);
}

struct nfs_stage *nfs_stage(void)
{
    const struct folder_make file = {.kind = FOLDER_FILE};
    struct folder_attributes attributes;
    struct folder_step step;

    if (!stage.server)
        put_up();
    folder_make(stage.boot, folder_top(stage.boot), "file", &file, &attributes, &step);
    folder_make(stage.root, folder_top(stage.root), "file", &file, &attributes, &step);
    return &stage;
}
