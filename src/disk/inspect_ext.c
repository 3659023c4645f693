#include "disk/inspect_parts.h"

#include "base/text.h"
#include "disk/ext4.h"

#include <stdio.h>

enum { OS_RELEASE_MAX_BYTES = 64 * 1024, CLOUD_INIT_FILE_MAX_BYTES = 64 * 1024, FILES_PER_FOLDER_MAX = 6 };

/* Names of one folder that look like kernels or like initramfs. */
struct names {
    char kernels[FILES_PER_FOLDER_MAX][EXT4_NAME_SIZE];
    unsigned kernel_count;
    char initramfs[FILES_PER_FOLDER_MAX][EXT4_NAME_SIZE];
    unsigned initramfs_count;
};

/* The value of `key` in os-release(5), without its quotes. */
static void take_value(const char *text, const char *key, char *to, size_t to_size)
{
    size_t key_length = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, key_length) != 0 || line[key_length] != '=')
            continue;
        const char *value = line + key_length + 1;
        size_t length = strcspn(value, "\r\n");
        if (length >= 2 && (*value == '"' || *value == '\'') && value[length - 1] == *value) {
            value++;
            length -= 2;
        }
        snprintf(to, to_size, "%.*s", (int)MIN(length, to_size - 1), value);
        return;
    }
}

static bool read_os_release(struct ext4 *ext4, struct disk_report *report)
{
    static const char *const paths[] = {"/etc/os-release", "/usr/lib/os-release"};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        CLEANUP_FREE char *text = NULL;
        size_t length;
        if (ext4_read_file(ext4, paths[i], OS_RELEASE_MAX_BYTES, &text, &length) < 0)
            continue;
        if (!report->os_name[0]) {
            take_value(text, "PRETTY_NAME", report->os_name, sizeof(report->os_name));
            take_value(text, "ID", report->os_id, sizeof(report->os_id));
            take_value(text, "VERSION_ID", report->os_version, sizeof(report->os_version));
        }
        return true;
    }
    return false;
}

/* `__VERSION__ = "22.4.2"`, as the program itself knows it. */
static void take_cloud_init_version(const char *text, struct disk_report *report)
{
    const char *found = strstr(text, "\n__VERSION__ = \"");

    if (!found)
        return;
    found = strchr(found, '"') + 1;
    size_t length = strspn(found, "0123456789.");
    if (length > 0 && length < sizeof(report->cloud_init))
        snprintf(report->cloud_init, sizeof(report->cloud_init), "%.*s", (int)length, found);
}

/* Where Debian and its relatives have it; elsewhere the folder is named by the version of Python. */
static void read_cloud_init(struct ext4 *ext4, struct disk_report *report)
{
    static const char program[] = "/usr/bin/cloud-init", module[] = "/usr/lib/python3/dist-packages/cloudinit/version.py";
    CLEANUP_FREE char *script = NULL, *text = NULL;
    size_t length;

    if (ext4_read_file(ext4, program, CLOUD_INIT_FILE_MAX_BYTES, &script, &length) < 0)
        return;
    COPY_STRING(report->cloud_init, "unknown");
    if (ext4_read_file(ext4, module, CLOUD_INIT_FILE_MAX_BYTES, &text, &length) == 0)
        take_cloud_init_version(text, report);
}

static bool collect(void *context, const struct ext4_entry *entry)
{
    struct names *names = context;
    const char *name = entry->name;
    bool is_kernel = string_starts_with(name, "vmlinuz-") || string_starts_with(name, "Image-") ||
                     string_starts_with(name, "vmlinux-");
    bool is_initramfs = string_starts_with(name, "initrd.img-") || string_starts_with(name, "initramfs-") ||
                        string_starts_with(name, "initrd-");

    if (entry->is_directory || entry->is_link)
        return true;
    if (is_kernel && names->kernel_count < FILES_PER_FOLDER_MAX)
        COPY_STRING(names->kernels[names->kernel_count++], name);
    /* Fedora's rescue and crash images are not what boots. */
    if (is_initramfs && !strstr(name, "kdump") && !strstr(name, "rescue") &&
        names->initramfs_count < FILES_PER_FOLDER_MAX)
        COPY_STRING(names->initramfs[names->initramfs_count++], name);
    return true;
}

static void note_kernel(struct ext4 *ext4, unsigned partition, const char *path, struct disk_report *report)
{
    CLEANUP(cleanup_ext4_file) struct ext4_file *file = NULL;

    if (ext4_file_open(ext4, path, &file) < 0)
        return;
    struct disk_source source = ext4_file_source(file);
    struct report_kernel *kernel = report_add_kernel(report, partition, path);
    if (kernel)
        report_read_kernel(kernel, &source);
}

static void note_initramfs(struct ext4 *ext4, unsigned partition, const char *path,
                           struct disk_report *report)
{
    CLEANUP(cleanup_ext4_file) struct ext4_file *file = NULL;

    if (ext4_file_open(ext4, path, &file) < 0)
        return;
    struct disk_source source = ext4_file_source(file);
    struct report_initramfs *initramfs = report_add_initramfs(report, partition, path);
    if (!initramfs)
        return;
    initramfs->size_bytes = source.size_bytes;
    initramfs_inspect(&source, &initramfs->found);
}

/* What is copied to the FAT at every update needs no second look: unpacking an initramfs takes seconds. */
static void look_in_folder(struct ext4 *ext4, const char *folder, unsigned partition,
                           struct disk_report *report)
{
    CLEANUP_FREE struct names *names = xcalloc(1, sizeof(*names));
    char path[EXT4_NAME_SIZE + 16];

    if (ext4_list(ext4, folder, collect, names) < 0)
        return;
    for (unsigned i = 0; i < names->kernel_count; i++) {
        snprintf(path, sizeof(path), "%s%s", folder, names->kernels[i]);
        note_kernel(ext4, partition, path, report);
    }
    for (unsigned i = 0; i < names->initramfs_count && !report->has_config; i++) {
        snprintf(path, sizeof(path), "%s%s", folder, names->initramfs[i]);
        note_initramfs(ext4, partition, path, report);
    }
}

bool inspect_ext(const struct disk_source *source, unsigned partition, struct disk_report *report)
{
    CLEANUP(cleanup_ext4) struct ext4 *ext4 = NULL;

    if (ext4_open(source, &ext4) < 0)
        return false;
    bool is_root = read_os_release(ext4, report);
    if (is_root)
        read_cloud_init(ext4, report);
    look_in_folder(ext4, is_root ? "/boot/" : "/", partition, report);
    return is_root;
}
