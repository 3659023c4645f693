#include "disk/inspect_parts.h"

#include "base/text.h"
#include "disk/fat.h"

#include <stdio.h>

enum {
    CONFIG_MAX_BYTES = 256 * 1024,
    COMMAND_LINE_MAX_BYTES = 16 * 1024,
    DEFAULT_KERNELS = 3,
    FIRMWARE_FILES = 2
};

/* What a model's firmware needs beside the kernel, and which kernel it takes when config.txt names none. */
struct model_files {
    const char *firmware[FIRMWARE_FILES];
    const char *device_trees[2]; /* beginning of the name; one of them is enough */
    const char *kernels[DEFAULT_KERNELS];
    const char *kernels_32_bit[DEFAULT_KERNELS];
};

static const struct model_files model_files[PI_MODELS] = {
    [PI_3] = {{"bootcode.bin", "start.elf"},
              {"bcm2710-rpi-3", "bcm2837-rpi-3"},
              {"kernel8.img", "kernel7.img", "kernel.img"},
              {"kernel7.img", "kernel.img"}},
    [PI_4] = {{"start4.elf"},
              {"bcm2711-rpi-4", "bcm2711-rpi-c"},
              {"kernel8.img", "kernel7l.img", "kernel.img"},
              {"kernel7l.img", "kernel.img"}},
    [PI_5] = {{NULL},
              {"bcm2712", NULL},
              {"kernel_2712.img", "kernel8.img"},
              {"kernel_2712.img", "kernel8.img"}},
};

/* One inspection of one boot partition. */
struct boot {
    struct fat *fat;
    unsigned partition;
    struct disk_report *report;
};

static bool is_file(struct fat *fat, const char *path)
{
    struct fat_entry entry;

    return fat_lookup(fat, path, VOLUME_MAY_WAIT, &entry) == 0 && !entry.is_directory;
}

struct search {
    const char *const *prefixes;
    size_t count;
    bool found;
};

static bool match_prefix(void *context, const struct fat_entry *entry)
{
    struct search *search = context;

    for (size_t i = 0; i < search->count; i++) {
        if (search->prefixes[i] &&
            strncasecmp(entry->name, search->prefixes[i], strlen(search->prefixes[i])) == 0 &&
            !entry->is_directory)
            search->found = true;
    }
    return !search->found;
}

static bool has_device_tree(struct fat *fat, const char *folder, const struct model_files *files)
{
    struct search search = {.prefixes = files->device_trees, .count = ARRAY_SIZE(files->device_trees)};

    fat_list(fat, folder, VOLUME_MAY_WAIT, match_prefix, &search);
    return search.found;
}

static bool has_firmware(struct fat *fat, const struct model_files *files)
{
    for (size_t i = 0; i < FIRMWARE_FILES && files->firmware[i]; i++) {
        if (!is_file(fat, files->firmware[i]))
            return false;
    }
    return true;
}

/* Finds the kernel in the report, or reads it into it. */
static struct report_kernel *note_kernel(struct boot *boot, const char *path)
{
    struct disk_report *report = boot->report;
    CLEANUP(cleanup_fat_file) struct fat_file *file = NULL;

    for (unsigned i = 0; i < report->kernel_count; i++) {
        if (report->kernels[i].partition == boot->partition && strcasecmp(report->kernels[i].path, path) == 0)
            return &report->kernels[i];
    }
    if (fat_file_open(boot->fat, path, VOLUME_MAY_WAIT, &file) < 0)
        return NULL;
    struct report_kernel *kernel = report_add_kernel(report, boot->partition, path);
    struct disk_source source = fat_file_source(file);
    if (kernel)
        report_read_kernel(kernel, &source);
    return kernel;
}

static void note_initramfs(struct boot *boot, const char *path)
{
    struct disk_report *report = boot->report;
    CLEANUP(cleanup_fat_file) struct fat_file *file = NULL;

    for (unsigned i = 0; i < report->initramfs_count; i++) {
        if (strcasecmp(report->initramfs[i].path, path) == 0)
            return;
    }
    if (fat_file_open(boot->fat, path, VOLUME_MAY_WAIT, &file) < 0)
        return;
    struct report_initramfs *initramfs = report_add_initramfs(report, boot->partition, path);
    if (!initramfs)
        return;
    struct disk_source source = fat_file_source(file);
    initramfs->size_bytes = source.size_bytes;
    initramfs_inspect(&source, &initramfs->found);
}

/* The kernel's path for this model: what config.txt names, else the first of the model's own that is there.
 */
static bool find_kernel(struct boot *boot, const struct pi_config *config, const struct model_files *files,
                        char path[REPORT_PATH_SIZE])
{
    const char *const *names = config->is_32_bit ? files->kernels_32_bit : files->kernels;

    for (size_t i = 0; i < DEFAULT_KERNELS; i++) {
        const char *name = config->kernel[0] ? config->kernel : names[i];
        if (!name)
            return false;
        snprintf(path, REPORT_PATH_SIZE, "%.127s%.127s", config->prefix, name);
        if (is_file(boot->fat, path))
            return true;
    }
    return false;
}

static void find_initramfs(struct boot *boot, const struct pi_config *config, const char *kernel_path)
{
    char path[REPORT_PATH_SIZE];
    char automatic[PI_CONFIG_NAME_SIZE];
    const char *name = config->initramfs;

    if (!name[0] && config->auto_initramfs &&
        pi_auto_initramfs(kernel_path + strlen(config->prefix), automatic))
        name = automatic;
    if (!name[0])
        return;
    snprintf(path, sizeof(path), "%.127s%.127s", config->prefix, name);
    note_initramfs(boot, path);
}

static bool runs_on_pi(const struct report_kernel *kernel)
{
    const char *architecture = kernel->architecture;

    return string_equal(architecture, "arm64") || string_equal(architecture, "armhf") || !architecture[0];
}

static void look_for_model(struct boot *boot, enum pi_model model, const char *text, size_t length)
{
    const struct model_files *files = &model_files[model];
    struct pi_config config;
    char path[REPORT_PATH_SIZE];

    pi_config_parse(text, length, model, &config);
    if (!find_kernel(boot, &config, files, path))
        return;
    struct report_kernel *kernel = note_kernel(boot, path);
    find_initramfs(boot, &config, path);
    if (!kernel || !runs_on_pi(kernel) || !has_firmware(boot->fat, files) ||
        !has_device_tree(boot->fat, config.prefix, files))
        return;
    kernel->models[model] = true;
    boot->report->models[model] = true;
}

/* The value of the last root=, which is the one the kernel takes. */
static void find_root_word(struct disk_report *report)
{
    CLEANUP_FREE char *words = xstrdup(report->command_line);
    char *state = NULL;

    for (char *word = strtok_r(words, " \t", &state); word; word = strtok_r(NULL, " \t", &state)) {
        if (string_starts_with(word, "root="))
            COPY_STRING(report->root, word + 5);
    }
}

static void read_command_line(struct boot *boot, const char *text, size_t length)
{
    CLEANUP_FREE char *content = NULL;
    struct pi_config config;
    char path[REPORT_PATH_SIZE];
    size_t content_length;

    pi_config_parse(text, length, PI_4, &config);
    snprintf(path, sizeof(path), "%.127s%.127s", config.prefix, config.command_line);
    if (fat_read_file(boot->fat, path, COMMAND_LINE_MAX_BYTES, VOLUME_MAY_WAIT, &content, &content_length) <
        0)
        return;
    content[strcspn(content, "\r\n")] = '\0';
    COPY_STRING(boot->report->command_line, content);
    find_root_word(boot->report);
}

void inspect_boot(const struct disk_source *fat_source, unsigned partition, struct disk_report *report)
{
    CLEANUP(cleanup_fat) struct fat *fat = NULL;
    CLEANUP_FREE char *text = NULL;
    size_t length = 0;

    if (fat_open(fat_source, VOLUME_MAY_WAIT, &fat) < 0)
        return;
    struct boot boot = {.fat = fat, .partition = partition, .report = report};
    if (fat_read_file(fat, "config.txt", CONFIG_MAX_BYTES, VOLUME_MAY_WAIT, &text, &length) < 0)
        return;
    report->has_config = true;
    for (enum pi_model model = 0; model < PI_MODELS; model++)
        look_for_model(&boot, model, text, length);
    read_command_line(&boot, text, length);
}
