#include "bootfiles/boot_folder.h"

#include "base/log.h"
#include "base/text.h"
#include "disk/boot_partition.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

enum { COPY_BYTES = 1 << 20, PATH_BYTES = 4096, REMOVE_FDS = 16 };

#define UNFINISHED ".unfinished" /* being made, or being removed */

struct boot_folders {
    struct store *store;
    char *store_path;
    char *path; /* STORE/folders */
    pthread_mutex_t lock; /* one is made or removed at a time */
};

/* ---- places ---- */

static char *place_of(const struct boot_folders *folders, uint64_t machine_id)
{
    return folder_place(folders->store_path, "boot", machine_id);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_tree(const char *path)
{
    int r = nftw(path, remove_entry, REMOVE_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

    return r < 0 && errno == ENOENT ? 0 : r;
}

static void remove_unfinished(const struct boot_folders *folders)
{
    DIR *directory = opendir(folders->path);
    const struct dirent *entry;

    while (directory && (entry = readdir(directory))) {
        CLEANUP_FREE char *path = xasprintf("%s/%s", folders->path, entry->d_name);
        if (string_starts_with(entry->d_name, "boot-") && string_ends_with(entry->d_name, UNFINISHED) &&
            remove_tree(path) < 0)
            log_warning("boot folder: %s, left by an interrupted change, cannot be removed", path);
    }
    if (directory)
        closedir(directory);
}

/* A name that came or went is so after a power cut, too. */
static int sync_places(const struct boot_folders *folders)
{
    CLEANUP_FD int fd = open(folders->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

struct boot_folders *boot_folders_new(struct store *store, const char *store_path)
{
    struct boot_folders *folders = xcalloc(1, sizeof(*folders));

    folders->store = store;
    folders->store_path = xstrdup(store_path);
    folders->path = xasprintf("%s/folders", store_path);
    pthread_mutex_init(&folders->lock, NULL);
    mkdir(folders->path, 0700); /* if that fails, making a folder in it tells why */
    remove_unfinished(folders);
    return folders;
}

void boot_folders_free(struct boot_folders *folders)
{
    if (!folders)
        return;
    pthread_mutex_destroy(&folders->lock);
    free(folders->store_path);
    free(folders->path);
    free(folders);
}

bool boot_folder_exists(struct boot_folders *folders, const struct machine *machine)
{
    CLEANUP_FREE char *place = place_of(folders, machine->id);

    return access(place, F_OK) == 0;
}

/* ---- the boot partition ---- */

struct partition_view {
    struct volume *volume;
    struct fat *fat;
};

static void cleanup_view(struct partition_view *view)
{
    fat_close(view->fat);
    volume_unref(view->volume);
}

static int open_partition(const struct boot_folders *folders, const struct machine *machine,
                          struct partition_view *view, struct error *error)
{
    struct disk_source boot;
    unsigned number;
    int r = store_volume_open(folders->store, machine->volume, &view->volume);

    if (r < 0)
        return error_set_errno(error, r, "%s: its disk", machine->name);
    struct disk_source disk = disk_source_over_volume(view->volume);
    r = boot_partition_find(&disk, VOLUME_MAY_WAIT, &boot, &number);
    if (r == 0)
        r = fat_open(&boot, VOLUME_MAY_WAIT, &view->fat);
    if (r == -ENOENT)
        return error_set(error, -ENODATA, "%s: its disk has no boot partition (FAT) to make a boot folder from",
                         machine->name);
    return r < 0 ? error_set_errno(error, r, "%s: its boot partition", machine->name) : 0;
}

/* ---- going through it ---- */

struct walk {
    struct fat *fat;
    /* Called for everything below the root, directories before what is in them. */
    int (*visit)(struct walk *walk, const char *path, const struct fat_entry *entry);
    unsigned entries;
    uint64_t bytes;
    unsigned depth;
    void *arg;
};

struct listing {
    struct walk *walk;
    struct fat_entry *entries;
    size_t count;
};

static bool collect(void *context, const struct fat_entry *entry)
{
    struct listing *listing = context;

    if ((listing->count & (listing->count - 1)) == 0)
        listing->entries =
            xrealloc(listing->entries, MAX(listing->count * 2, (size_t)1), sizeof(*listing->entries));
    listing->entries[listing->count++] = *entry;
    /* Counted before they are looked at: a directory that contains itself is as long at every depth. */
    return ++listing->walk->entries < BOOT_FOLDER_ENTRIES_MAX;
}

static int walk_directory(struct walk *walk, const char *path);

static int walk_entry(struct walk *walk, const char *directory, const struct fat_entry *entry)
{
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof(path), "%s%s%s", directory, *directory ? "/" : "", entry->name);

    if (length >= (int)sizeof(path))
        return -EFBIG;
    walk->bytes += entry->is_directory ? 0 : entry->size_bytes;
    if (walk->bytes > BOOT_FOLDER_MAX_BYTES)
        return -EFBIG;
    int r = walk->visit(walk, path, entry);
    return r == 0 && entry->is_directory ? walk_directory(walk, path) : r;
}

static int walk_directory(struct walk *walk, const char *path)
{
    struct listing listing = {.walk = walk};
    int r = walk->depth < FAT_PATH_DEPTH_MAX ? fat_list(walk->fat, path, VOLUME_MAY_WAIT, collect, &listing) : -ELOOP;

    if (r == 0 && walk->entries >= BOOT_FOLDER_ENTRIES_MAX)
        r = -EFBIG;
    walk->depth++;
    for (size_t i = 0; r == 0 && i < listing.count; i++)
        r = walk_entry(walk, path, &listing.entries[i]);
    walk->depth--;
    free(listing.entries);
    return r;
}

/* ---- making ---- */

static int copy_content(struct fat *fat, const char *path, struct folder_file *to)
{
    CLEANUP(cleanup_fat_file) struct fat_file *from = NULL;
    CLEANUP_FREE char *buffer = xcalloc(1, COPY_BYTES);
    uint64_t offset = 0;
    ssize_t got = 0;
    int r = fat_file_open(fat, path, VOLUME_MAY_WAIT, &from);

    while (r == 0 && (got = fat_file_read(from, buffer, COPY_BYTES, offset, VOLUME_MAY_WAIT)) > 0) {
        r = folder_file_write(to, buffer, (size_t)got, offset);
        offset += (uint64_t)got;
    }
    return r < 0 ? r : got < 0 ? (int)got : 0;
}

/* The directory of `path` within the folder. */
static int find_parent(struct folder *folder, const char *path, struct folder_object *parent)
{
    CLEANUP_FREE char *directory = xstrdup(path);
    struct folder_attributes found;
    char *slash = strrchr(directory, '/');

    if (!slash) {
        *parent = folder_top(folder);
        return 0;
    }
    *slash = '\0';
    int r = boot_folder_find(folder, directory, &found);
    *parent = found.object;
    return r;
}

static int extract_entry(struct walk *walk, const char *path, const struct fat_entry *entry)
{
    const struct folder_make make = {.kind = entry->is_directory ? FOLDER_DIRECTORY : FOLDER_FILE, .mode = 0755};
    CLEANUP(cleanup_folder_file) struct folder_file *file = NULL;
    struct folder *folder = walk->arg;
    struct folder_attributes made;
    struct folder_object parent;
    struct folder_step step;
    int r = find_parent(folder, path, &parent);

    if (r == 0)
        r = folder_make(folder, parent, entry->name, &make, &made, &step);
    if (r < 0 || entry->is_directory)
        return r;
    r = folder_file_open(folder, made.object, &file);
    return r < 0 ? r : copy_content(walk->fat, path, file);
}

static int fill(struct fat *fat, const char *path, struct error *error)
{
    CLEANUP(cleanup_folder) struct folder *folder = NULL;
    int r = folder_create(path, FOLDER_OWNER_ROOT, error);

    if (r == 0)
        r = folder_open(path, &folder, error);
    if (r < 0)
        return r;
    struct walk walk = {.fat = fat, .visit = extract_entry, .arg = folder};
    folder_set_filling(folder, true);
    r = walk_directory(&walk, "");
    if (r == 0)
        r = folder_sync(folder);
    return r < 0 ? error_set_errno(error, r, "%s", path) : 0;
}

static int make_under_lock(struct boot_folders *folders, const struct machine *machine, struct error *error)
{
    CLEANUP_FREE char *place = place_of(folders, machine->id);
    CLEANUP_FREE char *unfinished = xasprintf("%s" UNFINISHED, place);
    CLEANUP(cleanup_view) struct partition_view view = {0};

    if (boot_folder_exists(folders, machine))
        return 0;
    int r = open_partition(folders, machine, &view, error);
    if (r < 0)
        return r;
    remove_tree(unfinished);
    r = fill(view.fat, unfinished, error);
    if (r == 0 && (rename(unfinished, place) < 0 || sync_places(folders) < 0))
        r = error_set_errno(error, -errno, "%s", place);
    if (r < 0)
        remove_tree(unfinished);
    return r;
}

int boot_folder_make(struct boot_folders *folders, const struct machine *machine, struct error *error)
{
    if (boot_folder_exists(folders, machine))
        return 0;
    pthread_mutex_lock(&folders->lock);
    int r = make_under_lock(folders, machine, error);
    pthread_mutex_unlock(&folders->lock);
    return r;
}

int boot_folder_open(struct boot_folders *folders, const struct machine *machine, struct folder **folder,
                     struct error *error)
{
    CLEANUP_FREE char *place = place_of(folders, machine->id);
    int r = boot_folder_make(folders, machine, error);

    return r < 0 ? r : folder_open(place, folder, error);
}

/* Out of its place first, so that nobody sees half of it. */
int boot_folder_remove(struct boot_folders *folders, uint64_t machine_id, struct error *error)
{
    CLEANUP_FREE char *place = place_of(folders, machine_id);
    CLEANUP_FREE char *unfinished = xasprintf("%s" UNFINISHED, place);
    int r = 0;

    pthread_mutex_lock(&folders->lock);
    remove_tree(unfinished);
    if (rename(place, unfinished) < 0)
        r = errno == ENOENT ? 0 : error_set_errno(error, -errno, "%s", place);
    else if (sync_places(folders) < 0 || remove_tree(unfinished) < 0)
        r = error_set_errno(error, -errno, "%s: cannot be removed", unfinished);
    pthread_mutex_unlock(&folders->lock);
    return r;
}

/* ---- finding ---- */

struct search {
    const char *name;
    char found[FOLDER_NAME_MAX + 1];
};

static bool looks_alike(void *arg, const struct folder_entry *entry)
{
    struct search *search = arg;

    if (strcasecmp(entry->name, search->name) != 0)
        return true;
    COPY_STRING(search->found, entry->name);
    return false;
}

static int find_name(struct folder *folder, struct folder_object directory, const char *name,
                     struct folder_attributes *found)
{
    struct search search = {.name = name};
    bool ended;
    int r = folder_lookup(folder, directory, name, found);

    if (r != -ENOENT)
        return r;
    r = folder_list(folder, directory, 0, false, looks_alike, &search, &ended);
    if (r < 0)
        return r;
    return search.found[0] ? folder_lookup(folder, directory, search.found, found) : -ENOENT;
}

int boot_folder_find(struct folder *folder, const char *path, struct folder_attributes *found)
{
    CLEANUP_FREE char *copy = xstrdup(path);
    char *rest = NULL;
    int r = folder_attributes(folder, folder_top(folder), found);

    for (char *name = strtok_r(copy, "/", &rest); r == 0 && name; name = strtok_r(NULL, "/", &rest)) {
        if (found->kind != FOLDER_DIRECTORY)
            return -ENOENT;
        r = find_name(folder, found->object, name, found);
    }
    return r;
}

/* ---- comparing ---- */

struct comparison {
    struct folder *folder;
    struct fat *fat;
    struct boot_folder_difference *difference;
    char path[PATH_BYTES]; /* of the directory that is looked at */
    unsigned depth;
    int result;
};

static void note(struct boot_folder_difference *difference, const char *path)
{
    if (difference->files++ == 0)
        COPY_STRING(difference->example, path);
}

static bool same_content(struct fat_file *a, struct folder_file *b)
{
    CLEANUP_FREE char *one = xcalloc(2, COPY_BYTES);
    char *two = one + COPY_BYTES;
    uint64_t offset = 0;
    ssize_t got;

    while ((got = fat_file_read(a, one, COPY_BYTES, offset, VOLUME_MAY_WAIT)) > 0) {
        if (folder_file_read(b, two, (size_t)got, offset) != got || memcmp(one, two, (size_t)got) != 0)
            return false;
        offset += (uint64_t)got;
    }
    return got == 0;
}

static bool is_same(struct comparison *c, const char *path, const struct folder_attributes *object)
{
    CLEANUP(cleanup_fat_file) struct fat_file *a = NULL;
    CLEANUP(cleanup_folder_file) struct folder_file *b = NULL;

    return fat_file_open(c->fat, path, VOLUME_MAY_WAIT, &a) == 0 && fat_file_size_bytes(a) == object->size_bytes &&
           folder_file_open(c->folder, object->object, &b) == 0 && same_content(a, b);
}

static int compare_with_folder(struct walk *walk, const char *path, const struct fat_entry *entry)
{
    struct comparison *c = walk->arg;
    struct folder_attributes found;
    int r = boot_folder_find(c->folder, path, &found);

    if (r == -ENOENT && !entry->is_directory)
        note(c->difference, path);
    return r == -ENOENT ? 0 : r;
}

static bool compare_object(void *arg, const struct folder_entry *entry);

static int compare_directory(struct comparison *c, struct folder_object directory)
{
    bool ended;
    int r = c->depth < FAT_PATH_DEPTH_MAX ? 0 : -ELOOP;

    c->depth++;
    if (r == 0)
        r = folder_list(c->folder, directory, 0, true, compare_object, c, &ended);
    c->depth--;
    return r < 0 ? r : c->result;
}

static bool compare_object(void *arg, const struct folder_entry *entry)
{
    struct comparison *c = arg;
    const struct folder_attributes *object = entry->attributes;
    size_t length = strlen(c->path);

    snprintf(c->path + length, sizeof(c->path) - length, "%s%s", length ? "/" : "", entry->name);
    if (object->kind == FOLDER_DIRECTORY) {
        c->result = compare_directory(c, object->object);
    } else {
        c->difference->changed_seconds = MAX(c->difference->changed_seconds, (uint64_t)object->modified.tv_sec);
        if (object->kind != FOLDER_FILE || !is_same(c, c->path, object))
            note(c->difference, c->path);
    }
    c->path[length] = '\0';
    return c->result == 0;
}

int boot_folder_compare(struct boot_folders *folders, const struct machine *machine,
                        struct boot_folder_difference *difference, struct error *error)
{
    CLEANUP_FREE char *place = place_of(folders, machine->id);
    CLEANUP(cleanup_folder) struct folder *folder = NULL;
    CLEANUP(cleanup_view) struct partition_view view = {0};
    CLEANUP_FREE struct comparison *c = xcalloc(1, sizeof(*c));

    *difference = (struct boot_folder_difference){0};
    int r = folder_open(place, &folder, error);
    if (r == 0)
        r = open_partition(folders, machine, &view, error);
    if (r < 0)
        return r;
    *c = (struct comparison){.folder = folder, .fat = view.fat, .difference = difference};
    struct walk walk = {.fat = view.fat, .visit = compare_with_folder, .arg = c};
    r = walk_directory(&walk, "");
    if (r == 0)
        r = compare_directory(c, folder_top(folder));
    return r < 0 ? error_set_errno(error, r, "%s: its boot folder", machine->name) : 0;
}
