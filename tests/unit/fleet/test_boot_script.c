#include "../test.h"

#include "fleet/boot_script.h"

static int make(int (*write)(struct text *, const struct boot_script *), struct text *text, const char *cmdline, size_t initramfs_count)
{
    const struct boot_script script = {
        .base_url = "tftp://192.0.2.1/",
        .kernel = "current/vmlinuz",
        .initramfs = {"current/initrd.img", "extra file.img"},
        .initramfs_count = initramfs_count,
        .cmdline = cmdline,
        .cmdline_length_bytes = strlen(cmdline),
    };

    return write(text, &script);
}

static int make_script(struct text *text, const char *cmdline, size_t initramfs_count)
{
    return make(boot_script_ipxe, text, cmdline, initramfs_count);
}

static void an_ipxe_script_loads_and_boots(void **state)
{
    CLEANUP_TEXT struct text one = text_with_max(4096);
    CLEANUP_TEXT struct text two = text_with_max(4096);
    CLEANUP_TEXT struct text none = text_with_max(4096);

    assert_int_equal(make_script(&one, "console=ttyS0 root=LABEL=writable rw\nsecond line\n", 1), 0);
    assert_string_equal(
        text_string(&one),
        "#!ipxe\n"
        "kernel tftp://192.0.2.1/current/vmlinuz console=ttyS0 root=LABEL=writable rw initrd=initrd.img\n"
        "initrd --name initrd.img tftp://192.0.2.1/current/initrd.img\n"
        "boot\n");
    assert_int_equal(make_script(&two, "root=x", 2), 0);
    assert_string_equal(text_string(&two),
                        "#!ipxe\n"
                        "kernel tftp://192.0.2.1/current/vmlinuz root=x initrd=initrd.img "
                        "initrd=extra%20file.img\n"
                        "initrd --name initrd.img tftp://192.0.2.1/current/initrd.img\n"
                        "initrd --name extra%20file.img tftp://192.0.2.1/extra%20file.img\n"
                        "boot\n");
    /* A line must not end in a backslash: the next one would belong to it. */
    assert_int_equal(make_script(&none, "root=x tail\\", 0), 0);
    assert_string_equal(text_string(&none),
                        "#!ipxe\nkernel tftp://192.0.2.1/current/vmlinuz root=x tail\\ \nboot\n");
}

static void ipxe_does_not_interpret_a_command_line(void **state)
{
    CLEANUP_TEXT struct text text = text_with_max(4096);
    CLEANUP_TEXT struct text refused = text_with_max(4096);

    assert_int_equal(make_script(&text, "a && b || #c ; d&&e $f ${g root=x && ; #", 0), 0);
    assert_string_equal(
        text_string(&text),
        "#!ipxe\n"
        "set char-26:hex 26\n"
        "set char-7c:hex 7c\n"
        "set char-23:hex 23\n"
        "set char-3b:hex 3b\n"
        "kernel tftp://192.0.2.1/current/vmlinuz a ${char-26:string}& b ${char-7c:string}| "
        "${char-23:string}c ${char-3b:string} d&&e $f ${g root=x ${char-26:string}& ${char-3b:string} "
        "${char-23:string} \n"
        "boot\n");
    assert_int_equal(make_script(&refused, "root=x a=${net0/mac}", 0), -EINVAL);
}

static void pxelinux_takes_names_from_the_servers_root(void **state)
{
    CLEANUP_TEXT struct text two = text_with_max(4096);
    CLEANUP_TEXT struct text none = text_with_max(4096);

    assert_int_equal(make(boot_script_pxelinux, &two, "root=x quiet\nsecond", 2), 0);
    assert_string_equal(text_string(&two), "default farboot\nprompt 0\ntimeout 1\n\nlabel farboot\n"
                                           "  kernel /current/vmlinuz\n"
                                           "  initrd /current/initrd.img,/extra file.img\n"
                                           "  append root=x quiet\n");
    assert_int_equal(make(boot_script_pxelinux, &none, "root=x", 0), 0);
    assert_null(strstr(text_string(&none), "initrd"));
}

static void u_boot_would_expand_what_it_passes_on(void **state)
{
    static const char *const refused[] = {"root=${disk}", "a=$(b)", "back\\slash"};
    CLEANUP_TEXT struct text text = text_with_max(4096);

    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(make(boot_script_pxelinux, &text, refused[i], 0), -EINVAL);
    assert_int_equal(make(boot_script_pxelinux, &text, "cost=$5", 0), 0);
}

static void grub_is_given_quoted_words(void **state)
{
    CLEANUP_TEXT struct text text = text_with_max(4096);
    CLEANUP_TEXT struct text none = text_with_max(4096);

    assert_int_equal(make(boot_script_grub, &text, "root=x a='b ${c};\n", 2), 0);
    assert_string_equal(text_string(&text), "linux '/current/vmlinuz' 'root=x' 'a='\\''b' '${c};'\n"
                                            "initrd '/current/initrd.img' '/extra file.img'\nboot\n");
    assert_int_equal(make(boot_script_grub, &none, "root=x", 0), 0);
    assert_string_equal(text_string(&none), "linux '/current/vmlinuz' 'root=x'\nboot\n");
}

static void a_disk_with_chap_is_attached_by_a_script(void **state)
{
    CLEANUP_TEXT struct text text = text_with_max(4096);
    const struct disk_location disk = {.initiator = "iqn.x:machine:a",
                                       .target = "iqn.x:root:a",
                                       .server = 0xc0000201,
                                       .port = 3262,
                                       .chap = {.user = "dc-a6-32-01-02-03",
                                                .secret = "Secret._-0123456",
                                                .target_user = "farboot",
                                                .target_secret = "anotherSecret456"}};

    assert_int_equal(boot_script_ipxe_san(&text, &disk), 0);
    assert_string_equal(text_string(&text), "#!ipxe\n"
                                            "set initiator-iqn iqn.x:machine:a\n"
                                            "set username dc-a6-32-01-02-03\n"
                                            "set password Secret._-0123456\n"
                                            "set reverse-username farboot\n"
                                            "set reverse-password anotherSecret456\n"
                                            "sanboot iscsi:192.0.2.1::3262:0:iqn.x:root:a\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ipxe_script_loads_and_boots),
        cmocka_unit_test(ipxe_does_not_interpret_a_command_line),
        cmocka_unit_test(pxelinux_takes_names_from_the_servers_root),
        cmocka_unit_test(u_boot_would_expand_what_it_passes_on),
        cmocka_unit_test(grub_is_given_quoted_words),
        cmocka_unit_test(a_disk_with_chap_is_attached_by_a_script),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
