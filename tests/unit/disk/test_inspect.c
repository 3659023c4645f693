#include "images.h"

#include "base/text.h"
#include "disk/inspect.h"

#include <stdio.h>

static struct disk_report *report;

/* A file with just the bytes that tell a kernel's processor. */
static void make_kernel(const char *path, const char *architecture)
{
    uint8_t bytes[8192] = {0};

    if (string_equal(architecture, "arm64"))
        memcpy(bytes + 0x38, "ARM\x64", 4);
    if (string_equal(architecture, "armhf"))
        memcpy(bytes + 0x24, "\x18\x28\x6f\x01", 4);
    if (string_equal(architecture, "amd64")) {
        memcpy(bytes + 0x202, "HdrS", 4);
        bytes[0x236] = 1;
    }
    write_whole(path, bytes, sizeof(bytes));
}

static int setup(void **state)
{
    report = xcalloc(1, sizeof(*report));
    if (images_setup(state) < 0)
        return -1;
    make_kernel("arm64", "arm64");
    make_kernel("armhf", "armhf");
    make_kernel("amd64", "amd64");
    run("gzip -k arm64");
    run("mkdir -p can/usr/sbin can/scripts/local-top can/m cannot/scripts && echo > can/usr/sbin/iscsistart "
        "&& "
        "echo > can/scripts/local-top/iscsi && echo > can/m/iscsi_tcp.ko && echo > cannot/scripts/functions "
        "&& "
        "for i in can cannot; do (cd $i && find . | busybox cpio -o -H newc 2> /dev/null | gzip) > "
        "$i.initrd; done");
    run("mkdir -p root/etc root/boot root/usr/lib && printf 'NAME=x\\nPRETTY_NAME=\"Debian GNU/Linux 12 "
        "(bookworm)\"\\n"
        "ID=debian\\nVERSION_ID=\"12\"\\n' > root/usr/lib/os-release && ln -s ../usr/lib/os-release "
        "root/etc/os-release && mkdir -p root/usr/bin root/usr/lib/python3/dist-packages/cloudinit && "
        "echo > root/usr/bin/cloud-init && printf '# x\n__VERSION__ = \"22.4.2\"\n_PACKAGED_VERSION = \"22.4.2-1\"\n' > "
        "root/usr/lib/python3/dist-packages/cloudinit/version.py");
    return 0;
}

static int teardown(void **state)
{
    free(report);
    return images_teardown(state);
}

/* A Pi's layout: `boot/` on the FAT, `root/` on the ext4. */
static void inspect_pi(void)
{
    run("rm -f p1 p2 disk.img && truncate -s 40M p1 && mkfs.vfat -F 32 -s 1 -n bootfs p1 > /dev/null && "
        "mcopy -s -i p1 boot/* ::/ && truncate -s 8M p2 && mke2fs -q -t ext4 -L rootfs -d root p2 && "
        "truncate -s 50M disk.img && printf 'label: dos\\nlabel-id: "
        "0x12345678\\nstart=2048,size=40M,type=c\\n"
        "size=8M,type=83\\n' | sfdisk -q disk.img && dd if=p1 of=disk.img bs=1M seek=1 conv=notrunc "
        "status=none && "
        "dd if=p2 of=disk.img bs=1M seek=41 conv=notrunc status=none");
    CLEANUP_FD int fd = open_image("disk.img");
    struct disk_source source = image_source(fd);
    assert_int_equal(inspect_disk(&source, report), 0);
}

static void make_boot(const char *config)
{
    run("rm -rf boot && mkdir -p boot/overlays && printf '%s' > boot/config.txt && "
        "echo 'console=tty1 root=/dev/ram root=PARTUUID=12345678-02 rootwait' > boot/cmdline.txt",
        config);
    run("cd boot && touch bootcode.bin start.elf start4.elf bcm2710-rpi-3-b.dtb bcm2711-rpi-4-b.dtb "
        "bcm2712-rpi-5-b.dtb");
}

static void raspberry_pi_os_is_understood(void **state)
{
    make_boot("auto_initramfs=1\\narm_64bit=1\\n[cm4]\\nkernel=none\\n");
    run("cd boot && cp ../arm64.gz kernel8.img && cp ../arm64 kernel_2712.img && cp ../cannot.initrd "
        "initramfs8 && "
        "cp ../cannot.initrd initramfs_2712");
    inspect_pi();
    assert_string_equal(report->os_name, "Debian GNU/Linux 12 (bookworm)");
    assert_string_equal(report->cloud_init, "22.4.2");
    assert_string_equal(report->os_id, "debian");
    assert_string_equal(report->os_version, "12");
    assert_string_equal(report->disk_id, "12345678");
    assert_string_equal(report->architecture, "arm64");
    assert_string_equal(report->root, "PARTUUID=12345678-02");
    assert_int_equal(report->kernel_count, 2);
    assert_string_equal(report->kernels[0].path, "kernel8.img");
    assert_true(report->kernels[0].models[PI_3] && report->kernels[0].models[PI_4] &&
                !report->kernels[0].models[PI_5]);
    assert_true(report->kernels[1].models[PI_5]);
    assert_int_equal(report->initramfs_count, 2);
    assert_int_equal(report->can_login, INITRAMFS_NO);
    assert_non_null(strstr(report->advice, "update-initramfs -u"));
    assert_true(report->partitions[0].is_boot && report->partitions[1].is_root);
    assert_string_equal(report->partitions[0].filesystem.label, "bootfs");
    assert_string_equal(report->partitions[1].filesystem.type, "ext4");

    run("cp can.initrd boot/initramfs8");
    inspect_pi();
    assert_int_equal(report->can_login, INITRAMFS_NO); /* a Pi 5 would still not boot */
    run("cp can.initrd boot/initramfs_2712");
    inspect_pi();
    assert_int_equal(report->can_login, INITRAMFS_YES);
    assert_string_equal(report->advice, "");
    run("rm boot/initramfs*");
    inspect_pi();
    assert_int_equal(report->can_login, INITRAMFS_NO);
    assert_non_null(strstr(report->advice, "without an initramfs"));
}

static void ubuntu_is_understood(void **state)
{
    make_boot(
        "[all]\\narm_64bit=1\\nkernel=vmlinuz\\ncmdline=cmdline.txt\\ninitramfs initrd.img followkernel\\n");
    run("cp arm64.gz boot/vmlinuz && cp can.initrd boot/initrd.img && rm boot/bcm2712-rpi-5-b.dtb");
    inspect_pi();
    assert_string_equal(report->kernels[0].path, "vmlinuz");
    assert_true(report->models[PI_3] && report->models[PI_4] && !report->models[PI_5]);
    assert_string_equal(report->initramfs[0].path, "initrd.img");
    assert_int_equal(report->can_login, INITRAMFS_YES);

    run("sed -i 's|^kernel|os_prefix=current/\\nkernel|' boot/config.txt && mkdir boot/current && cd boot && "
        "mv vmlinuz initrd.img cmdline.txt *.dtb current");
    inspect_pi();
    assert_string_equal(report->kernels[0].path, "current/vmlinuz");
    assert_string_equal(report->initramfs[0].path, "current/initrd.img");
    assert_true(report->models[PI_4]);
    assert_string_equal(report->root, "PARTUUID=12345678-02");
}

static void another_processor_boots_no_pi(void **state)
{
    make_boot("kernel=vmlinuz\\n");
    run("cp amd64 boot/vmlinuz");
    inspect_pi();
    assert_string_equal(report->architecture, "amd64");
    assert_false(report->models[PI_3] || report->models[PI_4] || report->models[PI_5]);
}

static void a_disk_without_config_txt_is_told(void **state)
{
    run("rm -rf boot && mkdir -p boot/EFI/BOOT && echo > boot/EFI/BOOT/BOOTX64.EFI && cp amd64 "
        "root/boot/vmlinuz-6.1 && "
        "cp cannot.initrd root/boot/initrd.img-6.1");
    inspect_pi();
    assert_string_equal(report->kernels[0].path, "/boot/vmlinuz-6.1");
    assert_int_equal(report->kernels[0].partition, 2);
    assert_string_equal(report->initramfs[0].path, "/boot/initrd.img-6.1");
    assert_int_equal(report->can_login, INITRAMFS_NO);
    run("cp can.initrd root/boot/initrd.img-6.1");
    inspect_pi();
    assert_int_equal(report->can_login, INITRAMFS_YES);
    assert_non_null(strstr(report->advice, "no boot partition with a config.txt"));
    run("rm root/boot/*");
    inspect_pi();
    assert_non_null(strstr(report->advice, "No kernel was found"));
}

static void the_report_has_every_key(void **state)
{
    static const char *const keys[] = {"cloud_init",
        
        "size_bytes", "table",  "table_from_backup", "disk_id", "partitions",   "os",   "architecture",
        "kernels",    "models", "initramfs",         "iscsi",   "command_line", "root", "advice"};
    static const char *const partition_keys[] = {"number", "start_bytes", "length_bytes", "type",
                                                 "name",   "filesystem",  "label",        "uuid",
                                                 "active", "boot",        "root",         "needs_recovery"};

    make_boot("kernel=vmlinuz\\n");
    run("cp arm64 boot/vmlinuz");
    inspect_pi();
    memcpy(report->partitions[0].filesystem.label, "bad \xff", 6);
    json_t *json = disk_report_json(report);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_non_null(json_object_get(json, keys[i]));
    assert_int_equal(json_object_size(json), ARRAY_SIZE(keys));
    json_t *partition = json_array_get(json_object_get(json, "partitions"), 0);
    for (size_t i = 0; i < ARRAY_SIZE(partition_keys); i++)
        assert_non_null(json_object_get(partition, partition_keys[i]));
    assert_string_equal(json_string_value(json_object_get(partition, "label")), "bad ?");
    assert_string_equal(json_string_value(json_object_get(partition, "type")), "0x0c");
    assert_int_equal(json_integer_value(json_object_get(json, "size_bytes")), 50 << 20);
    json_decref(json);
}

static void nothing_at_all_is_still_a_report(void **state)
{
    CLEANUP_FREE uint8_t *zeros = xcalloc(1 << 20, 1);
    struct disk_source source = disk_source_over_memory(zeros, 1 << 20);

    assert_int_equal(inspect_disk(&source, report), 0);
    json_t *json = disk_report_json(report);
    assert_string_equal(json_string_value(json_object_get(json, "table")), "none");
    assert_string_equal(json_string_value(json_object_get(json, "iscsi")), "unknown");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raspberry_pi_os_is_understood), cmocka_unit_test(ubuntu_is_understood),
        cmocka_unit_test(another_processor_boots_no_pi), cmocka_unit_test(a_disk_without_config_txt_is_told),
        cmocka_unit_test(the_report_has_every_key),      cmocka_unit_test(nothing_at_all_is_still_a_report),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
