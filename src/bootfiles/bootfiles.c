#include "bootfiles/bootfiles.h"

#include "bootfiles/files.h"
#include "disk/boot_partition.h"
#include "eeprom/rollout.h"
#include "fleet/boot_program.h"
#include "fleet/boot_script.h"
#include "fleet/cloud_init.h"
#include "fleet/template.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

enum { HTTP_PORT = 80, SCRIPT_MAX_BYTES = 32 * 1024, PROGRAM_MAX_BYTES = 4 * 1024 * 1024 };

struct bootfiles {
    struct store *store;
    struct boot_folders *folders;
    char iqn_prefix[IQN_SIZE];
    uint16_t iscsi_port;
    uint16_t http_port;
    char boot_path[PATH_MAX];
    char program_folder[PATH_MAX];
    struct rollout *rollout;
};

/* A file of the volume, one of the boot folder, or a text. */
struct bootfile {
    struct volume *volume;
    struct fat_file *fat_file;
    struct folder_file *folder_file;
    char *text;
    uint64_t size_bytes;
    enum boot_role role;
};

/* A machine's boot partition, or its boot folder, while one request is answered. */
struct opened {
    struct bootfiles *bootfiles;
    const struct bootfile_request *request;
    struct volume *volume;
    struct files files;
    struct config_txt config;
    struct error *error;
};

struct bootfiles *bootfiles_new(const struct bootfiles_options *options)
{
    struct bootfiles *bootfiles = xcalloc(1, sizeof(*bootfiles));

    bootfiles->store = options->store;
    bootfiles->folders = options->folders;
    bootfiles->iscsi_port = options->iscsi_port;
    bootfiles->http_port = options->http_port;
    bootfiles->rollout = options->rollout;
    CHECK(COPY_STRING(bootfiles->iqn_prefix, options->iqn_prefix));
    CHECK(COPY_STRING(bootfiles->boot_path, options->boot_path));
    CHECK(COPY_STRING(bootfiles->program_folder, options->program_folder));
    return bootfiles;
}

void bootfiles_free(struct bootfiles *bootfiles)
{
    free(bootfiles);
}

/* ---- the boot partition and its config.txt ---- */

static char *read_include(void *arg, const char *name, size_t *length_bytes)
{
    struct opened *opened = arg;
    char *content = NULL;

    if (files_read(&opened->files, name, CONFIG_TXT_MAX_BYTES, &content, length_bytes) < 0)
        return NULL;
    return content;
}

static int read_config(struct opened *opened)
{
    const struct config_txt_files files = {.read = read_include, .arg = opened};
    CLEANUP_FREE char *content = NULL;
    size_t length = 0;
    int r = files_read(&opened->files, "config.txt", CONFIG_TXT_MAX_BYTES, &content, &length);

    /* Without one firmware goes by its own names, and so do we. */
    if (r == -ENOENT || r == -EISDIR || r == -EFBIG)
        return 0;
    if (r < 0)
        return error_set_errno(opened->error, r, "config.txt");
    config_txt_parse(&opened->config, content, length, &files);
    return 0;
}

static int open_partition(struct opened *opened)
{
    const struct machine *machine = opened->request->machine;
    struct disk_source boot;
    unsigned number;
    int r = store_volume_open(opened->bootfiles->store, machine->volume, &opened->volume);

    if (r < 0)
        return error_set_errno(opened->error, r, "its disk");
    struct disk_source disk = disk_source_over_volume(opened->volume);
    r = boot_partition_find(&disk, VOLUME_MAY_WAIT, &boot, &number);
    if (r == 0)
        r = fat_open(&boot, VOLUME_MAY_WAIT, &opened->files.fat);
    if (r == -ENOENT)
        return error_set(opened->error, -ENODATA, "its disk has no boot partition (FAT)");
    if (r < 0)
        return error_set_errno(opened->error, r, "its boot partition");
    return 0;
}

static int open_files(struct opened *opened)
{
    const struct machine *machine = opened->request->machine;
    struct boot_folders *folders = opened->bootfiles->folders;
    int r = machine->boot == MACHINE_BOOT_FOLDER && folders
                ? boot_folder_open(folders, machine, &opened->files.folder, opened->error)
                : open_partition(opened);

    return r < 0 ? r : read_config(opened);
}

static void cleanup_opened(struct opened *opened)
{
    folder_unref(opened->files.folder);
    fat_close(opened->files.fat);
    volume_unref(opened->volume);
}

/* ---- the kinds of boot files ---- */

static struct bootfile *bootfile_of_text(struct text *text, enum boot_role role)
{
    struct bootfile *file = xcalloc(1, sizeof(*file));

    file->size_bytes = text->length_bytes;
    file->text = text_take(text);
    file->role = role;
    return file;
}

static int report_missing(struct opened *opened, int r, const char *path)
{
    char quoted[BOOT_PATH_SIZE];

    /* A name that leads to no file is an everyday answer and needs no sentence. */
    if (r == -ENOENT || r == -ENOTDIR || r == -EISDIR)
        return -ENOENT;
    return error_set_errno(opened->error, r, "%s", quote_into(quoted, sizeof(quoted), path, strlen(path)));
}

static int open_file(struct opened *opened, const char *path, struct bootfile **file)
{
    struct fat_file *fat_file = NULL;
    struct folder_file *folder_file = NULL;
    uint64_t size_bytes = 0;
    int r = files_open(&opened->files, path, &fat_file, &folder_file);

    if (r < 0)
        return report_missing(opened, r, path);
    r = folder_file ? folder_file_size(folder_file, &size_bytes) : 0;
    if (r < 0) {
        folder_file_put(folder_file);
        return r;
    }
    *file = xcalloc(1, sizeof(**file));
    (*file)->fat_file = fat_file;
    (*file)->volume = fat_file ? volume_ref(opened->volume) : NULL;
    (*file)->folder_file = folder_file;
    (*file)->size_bytes = fat_file ? fat_file_size_bytes(fat_file) : size_bytes;
    (*file)->role = config_txt_role(&opened->config, path);
    return 0;
}

/* Where cloud-init finds its data. The prefix repeats whose it is, for a machine behind a router whose address says
 * nothing. */
static void locate_cloud_init(const struct opened *opened, struct disk_location *disk)
{
    CLEANUP_TEXT struct text word = text_with_max(sizeof(disk->cloud_init) - 1);
    const struct machine *machine = opened->request->machine;
    char server[INET_TEXT_SIZE], prefix[MAC_TEXT_SIZE], port[8] = "", url[64];

    if (opened->bootfiles->http_port == 0 || !cloud_init_is_wanted(machine))
        return;
    if (opened->bootfiles->http_port != HTTP_PORT)
        snprintf(port, sizeof(port), ":%u", opened->bootfiles->http_port);
    snprintf(url, sizeof(url), "http://%s%s/%s/", inet_format(server, opened->request->server), port,
             mac_format(prefix, &machine->mac, '-'));
    cloud_init_append_word(&word, machine, url);
    COPY_STRING(disk->cloud_init, text_string(&word));
}

static struct disk_location locate_disk(const struct opened *opened)
{
    const struct bootfiles *bootfiles = opened->bootfiles;
    const struct mac *mac = &opened->request->machine->mac;
    struct disk_location disk = {.server = opened->request->server,
                                 .port = bootfiles->iscsi_port,
                                 .chap = disk_chap_of(opened->request->machine)};

    machine_initiator_name(disk.initiator, bootfiles->iqn_prefix, mac);
    machine_target_name(disk.target, bootfiles->iqn_prefix, mac);
    locate_cloud_init(opened, &disk);
    return disk;
}

/* The machine's own command line with ours in it, appended to `to`. */
static int rewrite_cmdline(struct opened *opened, const char *path, struct text *to)
{
    struct disk_location disk = locate_disk(opened);
    const struct machine *machine = opened->request->machine;
    const struct cmdline_wishes wishes = {.add = machine_setting(machine, SETTING_CMDLINE_ADD),
                                          .remove = machine_setting(machine, SETTING_CMDLINE_REMOVE)};
    CLEANUP_FREE char *content = NULL;
    size_t length = 0;
    int r = files_read(&opened->files, path, CMDLINE_MAX_BYTES, &content, &length);

    if (r < 0)
        return report_missing(opened, r, path);
    r = template_cmdline(to, content, length, &disk, &wishes);
    if (r < 0)
        return error_set(opened->error, r, "its kernel command line is too long or not a text");
    return 0;
}

static int open_cmdline(struct opened *opened, const char *path, struct bootfile **file)
{
    CLEANUP_TEXT struct text text = text_with_max(CMDLINE_MAX_BYTES * 2);
    int r = rewrite_cmdline(opened, path, &text);

    if (r == 0)
        *file = bootfile_of_text(&text, BOOT_ROLE_CMDLINE);
    return r;
}

static bool is_file(struct opened *opened, const char *prefix, const char *name,
                    char to[CONFIG_TXT_NAME_SIZE])
{
    int length = snprintf(to, CONFIG_TXT_NAME_SIZE, "%s%s", prefix, name);

    return length > 0 && length < CONFIG_TXT_NAME_SIZE && files_has(&opened->files, to);
}

/* Finds `name` below os_prefix or beside it, as firmware does; gives the path, or false. */
static bool find_file(struct opened *opened, const char *name, char to[CONFIG_TXT_NAME_SIZE])
{
    /* A leading slash leaves the prefix aside. */
    if (name[0] == '/')
        return is_file(opened, "", name + 1, to);
    return is_file(opened, opened->config.os_prefix, name, to) || is_file(opened, "", name, to);
}

struct script_names {
    char kernel[CONFIG_TXT_NAME_SIZE];
    char initramfs[BOOT_SCRIPT_INITRAMFS_MAX][CONFIG_TXT_NAME_SIZE];
    size_t initramfs_count;
    char cmdline[CONFIG_TXT_NAME_SIZE];
};

static bool find_kernel(struct opened *opened, struct script_names *names)
{
    static const char *const usual[] = {"vmlinuz", "kernel8.img", "kernel.img"};

    if (opened->config.kernel[0])
        return find_file(opened, opened->config.kernel, names->kernel);
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
        if (find_file(opened, usual[i], names->kernel))
            return true;
    }
    return false;
}

/* Those of config.txt, else the one that firmware would take by itself, else the usual name. A disk behind
 * iSCSI is out of reach without one, but that is for the machine to say. */
static void find_initramfs(struct opened *opened, struct script_names *names)
{
    const struct config_txt *config = &opened->config;
    const char *slash = strrchr(names->kernel, '/');
    char automatic[CONFIG_TXT_NAME_SIZE];

    for (size_t i = 0; i < config->initramfs_count; i++) {
        if (find_file(opened, config->initramfs[i], names->initramfs[names->initramfs_count]))
            names->initramfs_count++;
    }
    if (config->initramfs_count > 0)
        return;
    bool found = config->auto_initramfs &&
                 config_txt_auto_initramfs(slash ? slash + 1 : names->kernel, automatic) &&
                 find_file(opened, automatic, names->initramfs[0]);
    if (found || find_file(opened, "initrd.img", names->initramfs[0]))
        names->initramfs_count = 1;
}

static int find_script_names(struct opened *opened, struct script_names *names)
{
    const char *cmdline = opened->config.cmdline[0] ? opened->config.cmdline : "cmdline.txt";

    if (!find_kernel(opened, names))
        return error_set(opened->error, -ENODATA, "no kernel in its boot partition");
    find_initramfs(opened, names);
    if (!find_file(opened, cmdline, names->cmdline))
        return error_set(opened->error, -ENODATA, "no cmdline.txt in its boot partition");
    return 0;
}

static int (*const writers[])(struct text *to, const struct boot_script *script) = {
    [BOOT_PLAN_IPXE] = boot_script_ipxe,
    [BOOT_PLAN_PXELINUX] = boot_script_pxelinux,
    [BOOT_PLAN_GRUB] = boot_script_grub,
};

static bool is_script(enum boot_plan_kind kind)
{
    return kind < ARRAY_SIZE(writers) && writers[kind];
}

static int open_script(struct opened *opened, struct bootfile **file)
{
    CLEANUP_TEXT struct text cmdline = text_with_max(CMDLINE_MAX_BYTES * 2);
    CLEANUP_TEXT struct text text = text_with_max(SCRIPT_MAX_BYTES);
    struct script_names names = {0};
    int r = find_script_names(opened, &names);

    if (r == 0)
        r = rewrite_cmdline(opened, names.cmdline, &cmdline);
    if (r < 0)
        return r;
    struct boot_script script = {.base_url = opened->request->base_url,
                                 .kernel = names.kernel,
                                 .initramfs_count = names.initramfs_count,
                                 .cmdline = text_string(&cmdline),
                                 .cmdline_length_bytes = cmdline.length_bytes};
    for (size_t i = 0; i < names.initramfs_count; i++)
        script.initramfs[i] = names.initramfs[i];
    r = writers[opened->request->kind](&text, &script);
    if (r < 0)
        return error_set(opened->error, r, "its boot loader cannot pass on its kernel command line");
    *file = bootfile_of_text(&text, BOOT_ROLE_FIRMWARE);
    return 0;
}

/* Needs nothing of the disk but its name. */
static int open_ipxe_san(struct opened *opened, struct bootfile **file)
{
    CLEANUP_TEXT struct text text = text_with_max(SCRIPT_MAX_BYTES);
    struct disk_location disk = locate_disk(opened);
    int r = boot_script_ipxe_san(&text, &disk);

    if (r == 0)
        *file = bootfile_of_text(&text, BOOT_ROLE_FIRMWARE);
    return r;
}

static int open_from_disk(struct bootfiles *bootfiles, const struct bootfile_request *request, struct bootfile **file,
                          struct error *error)
{
    CLEANUP(cleanup_opened)
    struct opened opened = {.bootfiles = bootfiles, .request = request, .error = error};

    if (request->kind == BOOT_PLAN_IPXE_SAN)
        return open_ipxe_san(&opened, file);
    int r = open_files(&opened);
    if (r < 0)
        return r;
    if (is_script(request->kind))
        return open_script(&opened, file);
    if (request->kind == BOOT_PLAN_CMDLINE ||
        config_txt_role(&opened.config, request->path) == BOOT_ROLE_CMDLINE)
        return open_cmdline(&opened, request->path, file);
    return open_file(&opened, request->path, file);
}

int bootfiles_cloud_init(const struct bootfiles *bootfiles, const struct machine *machine, uint32_t server,
                         enum cloud_init_file file, struct text *to)
{
    CLEANUP_FREE char *folder = NULL;
    char address[INET_TEXT_SIZE], mac[MAC_TEXT_SIZE];

    if (machine->boot == MACHINE_BOOT_FOLDER)
        folder = xasprintf("%s:%s/%s", inet_format(address, server), bootfiles->boot_path,
                           mac_format(mac, &machine->mac, '-'));
    return cloud_init_write(to, machine, file, folder);
}

static int open_cloud_init(const struct bootfiles *bootfiles, const struct bootfile_request *request, struct bootfile **file, struct error *error)
{
    CLEANUP_TEXT struct text text = text_with_max(CLOUD_INIT_MAX_BYTES);
    enum cloud_init_file which;

    CHECK(cloud_init_from_name(request->path + strlen(CLOUD_INIT_FOLDER), &which));
    if (bootfiles_cloud_init(bootfiles, request->machine, request->server, which, &text) < 0)
        return error_set(error, -EFBIG, "what its settings tell cloud-init is too long");
    *file = bootfile_of_text(&text, BOOT_ROLE_FIRMWARE);
    return 0;
}

/* ---- boot programs ---- */

static int read_all(int fd, struct text *to)
{
    char piece[16 * 1024];
    ssize_t got;

    while ((got = read(fd, piece, sizeof(piece))) > 0)
        text_append_bytes(to, piece, (size_t)got);
    return got < 0 ? -errno : to->failed ? -EFBIG : 0;
}

static int open_program(struct bootfiles *bootfiles, const struct bootfile_request *request, struct bootfile **file,
                        struct error *error)
{
    CLEANUP_TEXT struct text text = text_with_max(PROGRAM_MAX_BYTES);
    CLEANUP_FREE char *path = xasprintf("%s/%s", bootfiles->program_folder, boot_program_name(request->path));
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : read_all(fd, &text);

    if (r == -ENOENT)
        return error_set(error, -ENODATA, "%s is missing (install Debian's package ipxe, or put the file there)", path);
    if (r < 0)
        return error_set_errno(error, r, "%s", path);
    *file = bootfile_of_text(&text, BOOT_ROLE_FIRMWARE);
    return 0;
}

/* ---- bootloaders ---- */

static struct bootfile *bootfile_of_bytes(const void *bytes, size_t length_bytes)
{
    struct bootfile *file = xcalloc(1, sizeof(*file));

    file->text = xcalloc(1, length_bytes);
    memcpy(file->text, bytes, length_bytes);
    file->size_bytes = length_bytes;
    file->role = BOOT_ROLE_FIRMWARE;
    return file;
}

/* A bootloader that is pushed goes before what a system has laid into its own boot partition. NULL: none is. */
static struct bootfile *open_pushed(struct rollout *rollout, const struct bootfile_request *request)
{
    CLEANUP(cleanup_eeprom_package) struct eeprom_package *package = NULL;
    bool signature = strcmp(request->path, "pieeprom.sig") == 0;
    size_t length;

    if (signature)
        package = rollout_asked_for_signature(rollout, request->machine->id);
    else if (strcmp(request->path, "pieeprom.upd") == 0)
        package = rollout_asked_for_image(rollout, request->machine->id);
    if (!package)
        return NULL;
    if (signature)
        return bootfile_of_bytes(eeprom_package_signature(package), strlen(eeprom_package_signature(package)));
    const uint8_t *image = eeprom_package_image(package, &length);
    return bootfile_of_bytes(image, length);
}

int bootfiles_open(struct bootfiles *bootfiles, const struct bootfile_request *request,
                   struct bootfile **file, struct error *error)
{
    if (request->kind == BOOT_PLAN_CLOUD_INIT)
        return open_cloud_init(bootfiles, request, file, error);
    if (bootfiles->rollout && request->kind == BOOT_PLAN_FILE && (*file = open_pushed(bootfiles->rollout, request)))
        return 0;
    if (request->kind == BOOT_PLAN_PROGRAM)
        return open_program(bootfiles, request, file, error);
    return open_from_disk(bootfiles, request, file, error);
}

/* ---- a file that was opened ---- */

void bootfile_close(struct bootfile *file)
{
    if (!file)
        return;
    fat_file_close(file->fat_file);
    folder_file_put(file->folder_file);
    volume_unref(file->volume);
    free(file->text);
    free(file);
}

uint64_t bootfile_size_bytes(const struct bootfile *file)
{
    return file->size_bytes;
}

enum boot_role bootfile_role(const struct bootfile *file)
{
    return file->role;
}

enum stage bootfile_stage(const struct bootfile *file, enum boot_plan_kind kind)
{
    enum boot_role role = file ? file->role : BOOT_ROLE_FIRMWARE;

    /* cloud-init asks when the system is up already. */
    if (kind == BOOT_PLAN_CLOUD_INIT)
        return STAGE_NONE;
    return role == BOOT_ROLE_KERNEL || role == BOOT_ROLE_INITRAMFS ? STAGE_KERNEL : STAGE_FIRMWARE;
}

bool bootfile_is_generated(const struct bootfile *file)
{
    return file->text;
}

ssize_t bootfile_read(const struct bootfile *file, void *buffer, size_t length_bytes, uint64_t offset,
                      enum volume_wait wait)
{
    if (file->fat_file)
        return fat_file_read(file->fat_file, buffer, length_bytes, offset, wait);
    if (offset >= file->size_bytes)
        return 0;
    if (file->folder_file)
        return wait == VOLUME_NO_WAIT ? -EAGAIN : folder_file_read(file->folder_file, buffer, length_bytes, offset);
    size_t length = MIN(length_bytes, (size_t)(file->size_bytes - offset));
    memcpy(buffer, file->text + offset, length);
    return (ssize_t)length;
}
