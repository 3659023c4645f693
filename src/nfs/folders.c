#include "nfs/folders.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

enum {
    WHEREABOUTS = 256, /* addresses whose owner is remembered for a moment */
    WHEREABOUTS_MS = 1000,
    REFUSALS = 64,
    REFUSAL_INTERVAL_MS = 60 * 1000,
    BUCKETS = 256,
};

struct open_folder {
    struct open_folder *next;
    uint64_t machine_id;
    enum nfs_folder_kind kind;
    struct folder *folder;
};

/* Asking the kernel's neighbour table takes longer than most calls do. */
struct whereabouts {
    uint32_t address;
    bool known;
    struct mac mac;
    uint64_t until_ms;
};

struct refusal {
    uint32_t address;
    char path[NFS_PATH_SIZE];
    uint64_t until_ms;
};

struct nfs_folders {
    struct nfs_folders_options options;
    pthread_mutex_t lock; /* guards all below */
    struct open_folder *open[BUCKETS];
    struct whereabouts whereabouts[WHEREABOUTS];
    struct refusal refusals[REFUSALS];
    unsigned next_refusal;
};

static const char *const names[] = {[NFS_FOLDER_BOOT] = "boot", [NFS_FOLDER_ROOT] = "root"};

struct nfs_folders *nfs_folders_new(const struct nfs_folders_options *options)
{
    struct nfs_folders *folders = xcalloc(1, sizeof(*folders));

    folders->options = *options;
    pthread_mutex_init(&folders->lock, NULL);
    CLEANUP_FREE char *place = xasprintf("%s/folders", options->store_path);
    mkdir(place, 0700); /* if that fails, making a folder in it tells why */
    return folders;
}

void nfs_folders_free(struct nfs_folders *folders)
{
    struct open_folder *open;

    if (!folders)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while ((open = folders->open[i])) {
            folders->open[i] = open->next;
            folder_unref(open->folder);
            free(open);
        }
    }
    pthread_mutex_destroy(&folders->lock);
    free(folders);
}

void nfs_folders_export_path(char to[NFS_PATH_SIZE], const char *path, const struct mac *mac)
{
    const uint8_t *b = mac->bytes;

    snprintf(to, NFS_PATH_SIZE, "%s/%02x-%02x-%02x-%02x-%02x-%02x", path, b[0], b[1], b[2], b[3], b[4], b[5]);
}

/* ---- who is at an address ---- */

static bool find_mac(struct nfs_folders *folders, uint32_t address, struct mac *mac)
{
    struct whereabouts *kept = &folders->whereabouts[address % WHEREABOUTS];
    uint64_t now_ms = clock_monotonic_ms();

    if (kept->address != address || now_ms >= kept->until_ms) {
        *kept = (struct whereabouts){.address = address, .until_ms = now_ms + WHEREABOUTS_MS};
        kept->known = presence_mac(folders->options.presence, address, &kept->mac);
    }
    *mac = kept->mac;
    return kept->known;
}

/* By its hardware address; one behind a router is known by an address that is reserved for it. */
static const struct machine *find_machine(struct nfs_folders *folders,
                                          const struct catalog_snapshot *snapshot, uint32_t address,
                                          bool *knows_mac)
{
    struct mac mac;

    *knows_mac = find_mac(folders, address, &mac);
    return *knows_mac ? catalog_machine_by_mac(snapshot, &mac)
                      : catalog_machine_by_address(snapshot, address);
}

/* ---- its folders ---- */

static struct open_folder **find_open(struct nfs_folders *folders, uint64_t machine_id,
                                      enum nfs_folder_kind kind)
{
    struct open_folder **at = &folders->open[machine_id % BUCKETS];

    while (*at && ((*at)->machine_id != machine_id || (*at)->kind != kind))
        at = &(*at)->next;
    return at;
}

/* NULL if there is none. */
static struct folder *get_folder(struct nfs_folders *folders, uint64_t machine_id, enum nfs_folder_kind kind)
{
    struct open_folder **at = find_open(folders, machine_id, kind);
    struct error error;
    struct folder *folder;

    if (*at)
        return (*at)->folder;
    CLEANUP_FREE char *place = folder_place(folders->options.store_path, names[kind], machine_id);
    if (access(place, F_OK) < 0)
        return NULL;
    if (folder_open(place, &folder, &error) < 0) {
        log_warning("NFS: %s", error.text);
        return NULL;
    }
    *at = xcalloc(1, sizeof(**at));
    **at = (struct open_folder){.machine_id = machine_id, .kind = kind, .folder = folder};
    return folder;
}

static void find(void *arg, uint32_t address, struct nfs_exports *exports)
{
    struct nfs_folders *folders = arg;
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(folders->options.catalog);
    bool knows_mac;

    pthread_mutex_lock(&folders->lock);
    const struct machine *machine = find_machine(folders, snapshot, address, &knows_mac);
    for (int kind = 0; machine && kind < NFS_FOLDER_KINDS; kind++) {
        struct folder *folder = get_folder(folders, machine->id, (enum nfs_folder_kind)kind);
        if (!folder)
            continue;
        struct nfs_export *export = &exports->list[exports->count++];
        *export = (struct nfs_export){.folder = folder_ref(folder)};
        nfs_folders_export_path(export->path, folders->options.paths[kind], &machine->mac);
    }
    pthread_mutex_unlock(&folders->lock);
}

void nfs_folders_forget(struct nfs_folders *folders, uint64_t machine_id)
{
    pthread_mutex_lock(&folders->lock);
    for (int kind = 0; kind < NFS_FOLDER_KINDS; kind++) {
        struct open_folder **at = find_open(folders, machine_id, (enum nfs_folder_kind)kind);
        struct open_folder *gone = *at;
        if (!gone)
            continue;
        *at = gone->next;
        folder_unref(gone->folder);
        free(gone);
    }
    pthread_mutex_unlock(&folders->lock);
}

/* ---- what was refused ---- */

/* A machine that mounts in a loop is told of once a minute. */
static bool is_news(struct nfs_folders *folders, uint32_t address, const char *path)
{
    uint64_t now_ms = clock_monotonic_ms();

    for (size_t i = 0; i < REFUSALS; i++) {
        const struct refusal *refusal = &folders->refusals[i];
        if (refusal->address == address && now_ms < refusal->until_ms && string_equal(refusal->path, path))
            return false;
    }
    struct refusal *refusal = &folders->refusals[folders->next_refusal++ % REFUSALS];
    *refusal = (struct refusal){.address = address, .until_ms = now_ms + REFUSAL_INTERVAL_MS};
    COPY_STRING(refusal->path, path);
    return true;
}

static void tell(struct nfs_folders *folders, const struct machine *machine, bool knows_mac, uint32_t address,
                 const char *path)
{
    char text[INET_TEXT_SIZE], quoted[2 * NFS_PATH_SIZE];
    const char *reason = "that is none of its folders; it has";
    struct nfs_exports exports = {.count = 0};

    find(folders, address, &exports);
    if (!machine)
        reason = knows_mac ? "no machine of ours is at that address"
                           : "nobody knows which machine is at that address";
    else if (!exports.count)
        reason = "it has no folder (farboot machine set --boot folder makes one)";
    quote_into(quoted, sizeof(quoted), path, strlen(path));
    event_post(&folders->options.events, machine, machine ? &machine->mac : NULL, STAGE_NONE, EVENT_WARNING,
               "nfs.refused", "%s asked for %s over NFS: %s%s%s", inet_format(text, address), quoted, reason,
               machine && exports.count ? " " : "", machine && exports.count ? exports.list[0].path : "");
    nfs_exports_release(&exports);
}

static void refused(void *arg, uint32_t address, const char *path)
{
    struct nfs_folders *folders = arg;
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(folders->options.catalog);
    bool knows_mac = false;

    pthread_mutex_lock(&folders->lock);
    bool news = is_news(folders, address, path);
    const struct machine *machine = news ? find_machine(folders, snapshot, address, &knows_mac) : NULL;
    pthread_mutex_unlock(&folders->lock);
    if (news)
        tell(folders, machine, knows_mac, address, path);
}

struct nfs_export_source nfs_folders_source(struct nfs_folders *folders)
{
    return (struct nfs_export_source){.find = find, .refused = refused, .arg = folders};
}
