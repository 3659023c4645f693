#include "images.h"

#include "base/text.h"
#include "disk/initramfs.h"

#include <stdio.h>

static int setup(void **state)
{
    if (images_setup(state) < 0)
        return -1;
    run("mkdir -p main/usr/sbin main/scripts/local-top main/usr/lib/modules/6.1/kernel "
        "early/kernel/x86/microcode && "
        "echo x > main/usr/sbin/iscsistart && echo x > main/scripts/local-top/iscsi && echo x > "
        "main/scripts/functions && "
        "echo x > main/usr/lib/modules/6.1/kernel/iscsi_tcp.ko.xz && head -c 5000 /dev/urandom > "
        "main/a-file-before && "
        "head -c 301 /dev/urandom > early/kernel/x86/microcode/GenuineIntel.bin && cp -r main none && "
        "rm none/usr/sbin/iscsistart");
    run("for i in main early none; do (cd $i && find . | LC_ALL=C sort | busybox cpio -o -H newc 2> "
        "/dev/null) > $i.cpio; "
        "done");
    return 0;
}

static struct initramfs_report inspect(const char *path)
{
    struct initramfs_report report;
    size_t length;
    CLEANUP_FREE char *bytes = read_whole(path, &length);
    struct disk_source source = disk_source_over_memory(bytes, length);

    assert_int_equal(initramfs_inspect(&source, &report), 0);
    return report;
}

static void every_compression_is_read(void **state)
{
    static const struct {
        const char *command;
        const char *name;
    } ways[] = {
        {"cat", ""},        {"gzip", "gzip"},  {"xz --check=crc32", "xz"},   {"xz --format=lzma", "lzma"},
        {"bzip2", "bzip2"}, {"lz4 -l", "lz4"}, {"zstd -q --long=24", "zstd"}};

    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        run("(cat early.cpio; %s < main.cpio) > initrd", ways[i].command);
        struct initramfs_report report = inspect("initrd");
        assert_int_equal(report.can_login, INITRAMFS_YES);
        assert_string_equal(report.compression, ways[i].name);
        run("(cat early.cpio; %s < none.cpio) > initrd", ways[i].command);
        report = inspect("initrd");
        assert_int_equal(report.can_login, INITRAMFS_NO);
        assert_true(report.was_read);
        assert_true(report.is_initramfs_tools);
        assert_true(report.has_iscsi_tcp);
    }
}

static void uncompressed_parts_in_a_row_are_read(void **state)
{
    run("(cat early.cpio none.cpio; head -c 3000 /dev/zero; cat early.cpio; zstd -q < main.cpio) > initrd");
    assert_int_equal(inspect("initrd").can_login, INITRAMFS_YES);
}

static void a_module_built_in_counts(void **state)
{
    run("rm -rf builtin && cp -r main builtin && rm builtin/usr/lib/modules/6.1/kernel/iscsi_tcp.ko.xz && "
        "cd builtin && find . | busybox cpio -o -H newc 2> /dev/null > ../initrd");
    assert_int_equal(inspect("initrd").can_login, INITRAMFS_NO);
    run("echo kernel/drivers/scsi/iscsi_tcp.ko > builtin/usr/lib/modules/6.1/modules.builtin && cd builtin "
        "&& "
        "find . | busybox cpio -o -H newc 2> /dev/null | gzip > ../initrd");
    assert_int_equal(inspect("initrd").can_login, INITRAMFS_YES);
}

static void dracut_is_recognised(void **state)
{
    run("rm -rf dracut && mkdir -p dracut/usr/sbin dracut/usr/lib/dracut/hooks dracut/lib/modules && cd "
        "dracut && "
        "echo x > usr/sbin/iscsiroot && echo x > usr/sbin/iscsistart && echo x > "
        "lib/modules/iscsi_tcp.ko.zst && "
        "find . | busybox cpio -o -H newc 2> /dev/null | xz --check=crc32 > ../initrd");
    assert_int_equal(inspect("initrd").can_login, INITRAMFS_YES);
    run("rm dracut/usr/sbin/iscsiroot && cd dracut && find . | busybox cpio -o -H newc 2> /dev/null > "
        "../initrd");
    struct initramfs_report report = inspect("initrd");
    assert_int_equal(report.can_login, INITRAMFS_NO);
    assert_true(report.is_dracut);
}

static void what_cannot_be_read_is_unknown(void **state)
{
    run("gzip < none.cpio | head -c 2000 > initrd");
    assert_int_equal(inspect("initrd").can_login, INITRAMFS_UNKNOWN);
    run("head -c 100000 /dev/urandom > initrd");
    assert_int_equal(inspect("initrd").can_login, INITRAMFS_UNKNOWN);
    run(": > initrd");
    assert_int_equal(inspect("initrd").can_login, INITRAMFS_UNKNOWN);
    run("head -c 100 main.cpio > initrd");
    assert_int_equal(inspect("initrd").can_login, INITRAMFS_UNKNOWN);
}

static void a_bomb_is_given_up(void **state)
{
    /* One file of 4 GiB less a byte, all zeros: 3 KiB per gigabyte. */
    run("(printf '070701%%040d%%08d%%08d00000000000000000000000000000000000000020000000000' 0 0 0 | head -c "
        "54; "
        "printf 'fffffff0'; printf '%%032d' 0; printf '0000000200000000'; printf 'a\\0\\0\\0'; "
        "head -c 3G /dev/zero) | zstd -q > initrd");
    struct initramfs_report report = inspect("initrd");
    assert_int_equal(report.files, 1);
    assert_int_equal(report.can_login, INITRAMFS_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_compression_is_read),
        cmocka_unit_test(uncompressed_parts_in_a_row_are_read),
        cmocka_unit_test(a_module_built_in_counts),
        cmocka_unit_test(dracut_is_recognised),
        cmocka_unit_test(what_cannot_be_read_is_unknown),
        cmocka_unit_test(a_bomb_is_given_up),
    };

    return cmocka_run_group_tests(tests, setup, images_teardown);
}
