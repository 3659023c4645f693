/*
 * Boot files of a machine whose disk is a file made with mkfs.vfat and mtools.
 *
 * The store is played by this file: its volume is that disk, and can be told not to be in memory.
 */
#include "../test.h"

#include "base/text.h"
#include "bootfiles/bootfiles.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* ---- the store ---- */

struct volume {
    int fd;
    uint64_t size_bytes;
    int refs;
    bool in_memory;
};

static struct volume disk = {.fd = -1, .in_memory = true};

int store_volume_open(struct store *store, const char *name, struct volume **volume)
{
    if (strcmp(name, "pi-01") != 0)
        return -ENOENT;
    *volume = volume_ref(&disk);
    return 0;
}

struct volume *volume_ref(struct volume *volume)
{
    volume->refs++;
    return volume;
}

void volume_unref(struct volume *volume)
{
    if (volume)
        volume->refs--;
}

uint64_t volume_size_bytes(const struct volume *volume)
{
    return volume->size_bytes;
}

int volume_read(struct volume *volume, const struct iovec *vec, int count, uint64_t offset,
                enum volume_wait wait)
{
    if (wait == VOLUME_NO_WAIT && !volume->in_memory)
        return -EAGAIN;
    return preadv(volume->fd, vec, count, (off_t)offset) < 0 ? -errno : 0;
}

/* ---- the disk ---- */

static char folder[] = "/tmp/farboot-test-bootfiles-XXXXXX";

static void run(const char *format, ...) PRINTF_LIKE(1, 2);

static void run(const char *format, ...)
{
    CLEANUP_FREE char *command = NULL;
    va_list ap;

    va_start(ap, format);
    assert_true(vasprintf(&command, format, ap) > 0);
    va_end(ap);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static void put(const char *name, const char *content)
{
    CLEANUP_FREE char *path = xasprintf("%s/one", folder);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    run("MTOOLS_SKIP_CHECK=1 mcopy -o -i %s/disk@@1M %s '::%s'", folder, path, name);
}

static int make_disk(void **state)
{
    struct stat status;

    assert_non_null(mkdtemp(folder));
    run("truncate -s 34M %s/disk && echo '2048,65536,c' | sfdisk -q %s/disk", folder, folder);
    run("PATH=$PATH:/sbin:/usr/sbin mkfs.vfat -F 16 --offset 2048 %s/disk 32768 > %s/log 2>&1", folder,
        folder);
    run("MTOOLS_SKIP_CHECK=1 mmd -i %s/disk@@1M ::current ::overlays", folder);
    put("config.txt",
        "kernel=vmlinuz\ncmdline=params.txt\ninitramfs initrd.img followkernel\nos_prefix=current/\n");
    put("cmdline.txt", "quiet root=LABEL=writable\n");
    put("current/params.txt", "current root=LABEL=writable rw\n");
    put("current/vmlinuz", "a kernel");
    put("initrd.img", "an initramfs");
    put("empty.txt", "");
    run("head -c 300000 /dev/urandom > %s/start4.elf && MTOOLS_SKIP_CHECK=1 mcopy -i %s/disk@@1M "
        "%s/start4.elf ::",
        folder, folder, folder);
    CLEANUP_FREE char *path = xasprintf("%s/disk", folder);
    disk.fd = open(path, O_RDWR);
    assert_int_equal(fstat(disk.fd, &status), 0);
    disk.size_bytes = (uint64_t)status.st_size;
    return 0;
}

static int remove_disk(void **state)
{
    close(disk.fd);
    run("rm -r %s", folder);
    return 0;
}

/* ---- tests ---- */

static const struct machine machine = {
    .id = 1, .name = "pi-01", .volume = "pi-01", .mac = {{0xdc, 0xa6, 0x32, 1, 2, 3}}};

#define OURS                                                                                                 \
    "ip=dhcp iscsi_initiator=iqn.2026-11.test:machine:dc-a6-32-01-02-03 "                                    \
    "iscsi_target_name=iqn.2026-11.test:root:dc-a6-32-01-02-03 iscsi_target_ip=192.0.2.1"

static int open_kind(enum boot_plan_kind kind, const char *path, struct bootfile **file)
{
    const struct bootfiles_options options = {
        .iqn_prefix = "iqn.2026-11.test", .iscsi_port = 3260, .boot_path = "/srv/tftp", .program_folder = folder};
    struct bootfiles *bootfiles = bootfiles_new(&options);
    const struct bootfile_request request = {.machine = &machine,
                                             .kind = kind,
                                             .path = path,
                                             .server = 0xc0000201,
                                             .base_url = "tftp://192.0.2.1/"};
    struct error error = {0};

    *file = NULL;
    int r = bootfiles_open(bootfiles, &request, file, &error);
    bootfiles_free(bootfiles);
    assert_true((error.text[0] != '\0') == (r < 0 && r != -ENOENT));
    return r;
}

static void assert_content(enum boot_plan_kind kind, const char *path, enum boot_role role,
                           const char *content)
{
    CLEANUP(cleanup_bootfile) struct bootfile *file = NULL;
    char buffer[4096] = "";

    assert_int_equal(open_kind(kind, path, &file), 0);
    assert_int_equal(bootfile_role(file), role);
    assert_int_equal(bootfile_size_bytes(file), strlen(content));
    assert_int_equal(bootfile_read(file, buffer, sizeof(buffer), 0, VOLUME_NO_WAIT), strlen(content));
    assert_string_equal(buffer, content);
    assert_int_equal(bootfile_read(file, buffer, sizeof(buffer), strlen(content), VOLUME_NO_WAIT), 0);
    assert_int_equal(bootfile_read(file, buffer, sizeof(buffer), UINT64_MAX, VOLUME_NO_WAIT), 0);
}

static void files_come_from_the_disk(void **state)
{
    CLEANUP(cleanup_bootfile) struct bootfile *file = NULL;
    CLEANUP_FREE char *expected = xcalloc(300000, 1);
    CLEANUP_FREE char *got = xcalloc(300000, 1);
    CLEANUP_FREE char *path = xasprintf("%s/start4.elf", folder);
    FILE *original = fopen(path, "r");

    assert_int_equal(fread(expected, 1, 300000, original), 300000);
    fclose(original);
    assert_int_equal(open_kind(BOOT_PLAN_FILE, "Start4.ELF", &file), 0);
    assert_int_equal(bootfile_size_bytes(file), 300000);
    assert_false(bootfile_is_generated(file));
    for (size_t at = 0; at < 300000; at += 1468)
        assert_int_equal(bootfile_read(file, got + at, MIN((size_t)1468, 300000 - at), at, VOLUME_NO_WAIT),
                         MIN((size_t)1468, 300000 - at));
    assert_memory_equal(got, expected, 300000);

    assert_content(BOOT_PLAN_FILE, "current/vmlinuz", BOOT_ROLE_KERNEL, "a kernel");
    assert_content(BOOT_PLAN_FILE, "initrd.img", BOOT_ROLE_INITRAMFS, "an initramfs");
    assert_content(BOOT_PLAN_FILE, "empty.txt", BOOT_ROLE_FIRMWARE, "");
}

static void what_is_not_there(void **state)
{
    static const char *const paths[] = {"recovery.elf", "overlays", "overlays/x", "config.txt/x",
                                        "current/cmdline.txt"};
    struct bootfile *file;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        assert_int_equal(open_kind(BOOT_PLAN_FILE, paths[i], &file), -ENOENT);
    assert_int_equal(open_kind(BOOT_PLAN_CMDLINE, "old/cmdline.txt", &file), -ENOENT);
    assert_int_equal(disk.refs, 0);
}

static void command_lines_are_rewritten_wherever_they_are(void **state)
{
    assert_content(BOOT_PLAN_CMDLINE, "cmdline.txt", BOOT_ROLE_CMDLINE,
                   "quiet " OURS " root=LABEL=writable\n");
    /* By the name that config.txt gives it. */
    assert_content(BOOT_PLAN_FILE, "current/params.txt", BOOT_ROLE_CMDLINE,
                   "current " OURS " root=LABEL=writable rw\n");
}

static void an_ipxe_script_names_what_config_txt_names(void **state)
{
    assert_content(BOOT_PLAN_IPXE, "boot.ipxe", BOOT_ROLE_FIRMWARE,
                   "#!ipxe\n"
                   "kernel tftp://192.0.2.1/current/vmlinuz current " OURS
                   " root=LABEL=writable rw initrd=initrd.img\n"
                   "initrd --name initrd.img tftp://192.0.2.1/initrd.img\n"
                   "boot\n");
}

static void other_boot_loaders_get_the_same_in_their_words(void **state)
{
    assert_content(BOOT_PLAN_PXELINUX, "pxelinux.cfg/01-dc-a6-32-01-02-03", BOOT_ROLE_FIRMWARE,
                   "default farboot\nprompt 0\ntimeout 1\n\nlabel farboot\n"
                   "  kernel /current/vmlinuz\n"
                   "  initrd /initrd.img\n"
                   "  append current " OURS " root=LABEL=writable rw\n");
}

static void a_boot_program_comes_from_its_folder(void **state)
{
    struct bootfile *file;

    run("printf program > %s/snponly.efi", folder);
    assert_content(BOOT_PLAN_PROGRAM, "ipxe/snponly.efi", BOOT_ROLE_FIRMWARE, "program");
    assert_int_equal(open_kind(BOOT_PLAN_PROGRAM, "ipxe/undionly.kpxe", &file), -ENODATA);
    run("truncate -s 5M %s/undionly.kpxe", folder);
    assert_int_equal(open_kind(BOOT_PLAN_PROGRAM, "ipxe/undionly.kpxe", &file), -EFBIG);
}

static void an_opened_file_keeps_its_volume_and_may_have_to_wait(void **state)
{
    struct bootfile *file;
    char buffer[10];

    assert_int_equal(open_kind(BOOT_PLAN_FILE, "initrd.img", &file), 0);
    assert_int_equal(disk.refs, 1);
    disk.in_memory = false;
    assert_int_equal(bootfile_read(file, buffer, 2, 0, VOLUME_NO_WAIT), -EAGAIN);
    assert_int_equal(bootfile_read(file, buffer, 2, 0, VOLUME_MAY_WAIT), 2);
    disk.in_memory = true;
    bootfile_close(file);
    assert_int_equal(disk.refs, 0);
}

static void the_next_request_sees_what_the_machine_wrote(void **state)
{
    put("cmdline.txt", "updated root=LABEL=writable\n");
    assert_content(BOOT_PLAN_CMDLINE, "cmdline.txt", BOOT_ROLE_CMDLINE,
                   "updated " OURS " root=LABEL=writable\n");
    put("config.txt", "kernel=nowhere.img\n");
    struct bootfile *file;
    assert_int_equal(open_kind(BOOT_PLAN_IPXE, "boot.ipxe", &file), -ENODATA);
}

static void a_disk_without_boot_partition(void **state)
{
    static uint8_t zeros[4096];
    struct bootfile *file;

    assert_int_equal(pwrite(disk.fd, zeros, sizeof(zeros), 0), sizeof(zeros));
    assert_int_equal(open_kind(BOOT_PLAN_FILE, "config.txt", &file), -ENODATA);
    assert_int_equal(disk.refs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_come_from_the_disk),
        cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(command_lines_are_rewritten_wherever_they_are),
        cmocka_unit_test(an_ipxe_script_names_what_config_txt_names),
        cmocka_unit_test(other_boot_loaders_get_the_same_in_their_words),
        cmocka_unit_test(a_boot_program_comes_from_its_folder),
        cmocka_unit_test(an_opened_file_keeps_its_volume_and_may_have_to_wait),
        cmocka_unit_test(the_next_request_sees_what_the_machine_wrote),
        cmocka_unit_test(a_disk_without_boot_partition),
    };

    return cmocka_run_group_tests(tests, make_disk, remove_disk);
}
