#include "../test.h"

#include "bootfiles/config_txt.h"

#include <stdio.h>

static struct config_txt parse(const char *content)
{
    struct config_txt config;

    config_txt_parse(&config, content, strlen(content), NULL);
    return config;
}

static void ubuntu_24_04(void **state)
{
    struct config_txt config = parse("[all]\n"
                                     "arm_64bit=1\n"
                                     "kernel=vmlinuz\n"
                                     "cmdline=cmdline.txt\n"
                                     "initramfs initrd.img followkernel\n"
                                     "\n"
                                     "# Enable the audio output, I2C and SPI interfaces on the GPIO header\n"
                                     "dtparam=audio=on\n"
                                     "[pi4]\n"
                                     "max_framebuffers=2\n"
                                     "[all]\n"
                                     "disable_overscan=1\n");

    assert_string_equal(config.kernel, "vmlinuz");
    assert_string_equal(config.cmdline, "cmdline.txt");
    assert_int_equal(config.initramfs_count, 1);
    assert_string_equal(config.initramfs[0], "initrd.img");
    assert_string_equal(config.os_prefix, "");
    assert_int_equal(config_txt_role(&config, "vmlinuz"), BOOT_ROLE_KERNEL);
    assert_int_equal(config_txt_role(&config, "INITRD.IMG"), BOOT_ROLE_INITRAMFS);
    assert_int_equal(config_txt_role(&config, "cmdline.txt"), BOOT_ROLE_CMDLINE);
    assert_int_equal(config_txt_role(&config, "start4.elf"), BOOT_ROLE_FIRMWARE);
}

static void a_tryboot_section_is_heard_but_does_not_decide(void **state)
{
    struct config_txt config = parse("[all]\r\n"
                                     "kernel=Image\r\n"
                                     "os_prefix=current/\r\n"
                                     "[tryboot]\r\n"
                                     "os_prefix=new/\r\n"
                                     "kernel=Image.try\r\n"
                                     "cmdline=other.txt\r\n");

    assert_string_equal(config.kernel, "Image");
    assert_string_equal(config.os_prefix, "current/");
    assert_string_equal(config.cmdline, "");
    assert_int_equal(config_txt_role(&config, "current/Image"), BOOT_ROLE_KERNEL);
    assert_int_equal(config_txt_role(&config, "new/Image"), BOOT_ROLE_KERNEL);
    assert_int_equal(config_txt_role(&config, "new/Image.try"), BOOT_ROLE_KERNEL);
    assert_int_equal(config_txt_role(&config, "new/other.txt"), BOOT_ROLE_CMDLINE);
    assert_int_equal(config_txt_role(&config, "old/Image"), BOOT_ROLE_FIRMWARE);
}

static void raspberry_pi_os(void **state)
{
    struct config_txt config = parse("auto_initramfs=1\narm_64bit=1\n[cm4]\notg_mode=1\n[all]\n");
    char name[CONFIG_TXT_NAME_SIZE];

    assert_true(config.auto_initramfs);
    assert_int_equal(config_txt_role(&config, "kernel8.img"), BOOT_ROLE_KERNEL);
    assert_int_equal(config_txt_role(&config, "kernel_2712.img"), BOOT_ROLE_KERNEL);
    assert_int_equal(config_txt_role(&config, "initramfs8"), BOOT_ROLE_INITRAMFS);
    assert_true(config_txt_auto_initramfs("kernel8.img", name));
    assert_string_equal(name, "initramfs8");
    assert_true(config_txt_auto_initramfs("kernel_2712.img", name));
    assert_string_equal(name, "initramfs_2712");
    assert_true(config_txt_auto_initramfs("kernel.img", name));
    assert_string_equal(name, "initramfs");
    assert_false(config_txt_auto_initramfs("vmlinuz", name));
    assert_false(config_txt_auto_initramfs("kernel", name));
}

static void spelling(void **state)
{
    struct config_txt config = parse("  kernel = a b.img \t\n"
                                     "#kernel=no\n"
                                     "xkernel=no\n"
                                     "kernel no\n"
                                     "initramfs=no.img\n"
                                     "initramfs one.img,two.img,/three.img 0x00800000\n"
                                     "cmdline=first.txt\ncmdline=/second.txt\n");

    assert_string_equal(config.kernel, "a b.img");
    assert_int_equal(config.initramfs_count, 3);
    assert_string_equal(config.initramfs[1], "two.img");
    assert_string_equal(config.cmdline, "/second.txt");
    assert_int_equal(config_txt_role(&config, "second.txt"), BOOT_ROLE_CMDLINE);
    assert_int_equal(config_txt_role(&config, "three.img"), BOOT_ROLE_INITRAMFS);
    assert_int_equal(config_txt_role(&config, "no.img"), BOOT_ROLE_FIRMWARE);
}

static void nothing_said(void **state)
{
    struct config_txt config = parse("");

    assert_string_equal(config.kernel, "");
    assert_int_equal(config.initramfs_count, 0);
    assert_int_equal(config_txt_role(&config, "sub/vmlinuz-6.1"), BOOT_ROLE_KERNEL);
    assert_int_equal(config_txt_role(&config, "sub/cmdline.txt"), BOOT_ROLE_CMDLINE);
}

static void too_much_said(void **state)
{
    char content[8192] = "";
    size_t used = 0;

    for (int i = 0; i < 200; i++)
        used += (size_t)snprintf(content + used, sizeof(content) - used, "kernel=k%d.img\nos_prefix=p%d/\n",
                                 i, i);
    struct config_txt config = parse(content);
    assert_string_equal(config.kernel, "k199.img");
    assert_int_equal(config.name_count, CONFIG_TXT_NAMES_MAX);
    assert_int_equal(config.prefix_count, CONFIG_TXT_PREFIXES_MAX);

    /* A name too long to keep leaves none; a line too long is no line. */
    snprintf(content, sizeof(content), "kernel=short.img\ncmdline=%0600d\nkernel=%0300d\n", 1, 1);
    config = parse(content);
    assert_string_equal(config.kernel, "");
    assert_string_equal(config.cmdline, "");
    assert_int_equal(config.name_count, 1);
}

static char *read_itself(void *arg, const char *name, size_t *length_bytes)
{
    unsigned *reads = arg;
    char *content;

    (*reads)++;
    if (strcmp(name, "missing.txt") == 0)
        return NULL;
    if (strcmp(name, "usercfg.txt") == 0)
        content = xstrdup("kernel=included.img\n[pi5]\n");
    else
        content = xstrdup("include loop.txt\ninclude loop.txt\ninclude loop.txt\n");
    *length_bytes = strlen(content);
    return content;
}

static void includes_are_followed_and_end(void **state)
{
    static const char once[] = "kernel=a.img\ninclude usercfg.txt\ninclude missing.txt\ncmdline=pi5.txt\n";
    static const char endless[] = "include loop.txt\n";
    unsigned reads = 0;
    const struct config_txt_files files = {.read = read_itself, .arg = &reads};
    struct config_txt config;

    config_txt_parse(&config, once, strlen(once), &files);
    assert_string_equal(config.kernel, "included.img");
    /* As if its lines stood here: so does the filter that it left in force. */
    assert_string_equal(config.cmdline, "");
    assert_int_equal(reads, 2);
    reads = 0;
    config_txt_parse(&config, endless, strlen(endless), &files);
    assert_true(reads <= CONFIG_TXT_INCLUDES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ubuntu_24_04),
        cmocka_unit_test(a_tryboot_section_is_heard_but_does_not_decide),
        cmocka_unit_test(raspberry_pi_os),
        cmocka_unit_test(spelling),
        cmocka_unit_test(nothing_said),
        cmocka_unit_test(too_much_said),
        cmocka_unit_test(includes_are_followed_and_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
