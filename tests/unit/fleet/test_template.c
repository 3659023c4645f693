#include "../test.h"

#include "fleet/template.h"

#include <stdio.h>

static const struct disk_location disk = {
    .initiator = "iqn.2026-11.internal.farboot:machine:dc-a6-32-01-02-03",
    .target = "iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03",
    .server = 0xc0000201,
    .port = 3260,
};

#define OURS                                                                                                 \
    "ip=dhcp iscsi_initiator=iqn.2026-11.internal.farboot:machine:dc-a6-32-01-02-03 "                        \
    "iscsi_target_name=iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03 iscsi_target_ip=192.0.2.1"

static void assert_cmdline(const char *before, const char *after, const struct disk_location *location)
{
    CLEANUP_TEXT struct text text = text_with_max(CMDLINE_MAX_BYTES * 2);

    assert_int_equal(template_cmdline(&text, before, strlen(before), location), 0);
    assert_string_equal(text_string(&text), after);

    /* What was rewritten comes out of a second rewriting unchanged. */
    CLEANUP_TEXT struct text again = text_with_max(CMDLINE_MAX_BYTES * 2);
    assert_int_equal(template_cmdline(&again, text_string(&text), text.length_bytes, location), 0);
    assert_string_equal(text_string(&again), after);
}

static void command_lines_of_known_systems(void **state)
{
    static const struct {
        const char *before;
        const char *after;
    } rows[] = {
        /* Ubuntu 24.04 */
        {"console=serial0,115200 multipath=off dwc_otg.lpm_enable=0 console=tty1 root=LABEL=writable "
         "rootfstype=ext4 "
         "rootwait fixrtc\n",
         "console=serial0,115200 multipath=off dwc_otg.lpm_enable=0 console=tty1 " OURS
         " root=LABEL=writable rootfstype=ext4 rootwait fixrtc\n"},
        /* Raspberry Pi OS, Bookworm, first boot */
        {"console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes "
         "rootwait quiet "
         "init=/usr/lib/raspberrypi-sys-mods/firstboot splash plymouth.ignore-serial-consoles",
         "console=serial0,115200 console=tty1 " OURS
         " root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes "
         "rootwait quiet splash plymouth.ignore-serial-consoles"},
        /* Raspberry Pi OS, Trixie */
        {"console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes "
         "rootwait resize\n",
         "console=serial0,115200 console=tty1 " OURS
         " root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes "
         "rootwait resize\n"},
        /* Debian */
        {"console=tty0 console=ttyS1,115200 root=LABEL=RASPIROOT rw fsck.repair=yes net.ifnames=0 "
         "rootwait\r\n",
         "console=tty0 console=ttyS1,115200 " OURS
         " root=LABEL=RASPIROOT rw fsck.repair=yes net.ifnames=0 rootwait\r\n"},
        /* prepared by hand for another target, in whatever case */
        {"ip=::::pi-01:eth0:dhcp ISCSI_INITIATOR=iqn.1993-08.org.debian:01:abc ISCSI_TARGET_NAME=iqn.x:y "
         "ISCSI_TARGET_IP=10.0.0.1 ISCSI_TARGET_PORT=3261 iscsi_auto rw rootwait root=UUID=0c1e",
         "rw rootwait " OURS " root=UUID=0c1e"},
        {"root=iscsi:10.0.0.1::::iqn.x:y root=/dev/sda2 rw", OURS " root=/dev/sda2 rw"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_cmdline(rows[i].before, rows[i].after, &disk);
}

static void odd_command_lines(void **state)
{
    static const struct {
        const char *before;
        const char *after;
    } rows[] = {
        {"", OURS},
        {"\n", OURS "\n"},
        {"quiet", "quiet " OURS},
        {"quiet ", "quiet " OURS},
        {"quiet\n", "quiet " OURS "\n"},
        {"quiet ip=dhcp\n", "quiet " OURS "\n"},
        /* Everything that is not ours to change stays, blanks included. */
        {"  a\t b   root=x  c \n", "  a\t b   " OURS " root=x  c \n"},
        {"root=x root=y", OURS " root=x root=y"},
        /* Only the first line is read by firmware. */
        {"root=x\nip=dhcp root=y\n# note\n", OURS " root=x\nip=dhcp root=y\n# note\n"},
        {"root=x\r\n\r\n", OURS " root=x\r\n\r\n"},
        /* Quotes are the kernel's. */
        {"dyndbg=\"file a.c ip=1 root=2\" root=x", "dyndbg=\"file a.c ip=1 root=2\" " OURS " root=x"},
        {"a=\"open root=x", "a=\"open root=x " OURS},
        /* Words that only look alike. */
        {"ipv6.disable=1 iscsi_tcp.debug=1 rootwait root_squash=1 skip=1 init=/sbin/init root=x",
         "ipv6.disable=1 iscsi_tcp.debug=1 rootwait root_squash=1 skip=1 init=/sbin/init " OURS " root=x"},
        /* What stands behind `--` is init's. */
        {"quiet -- ip=dhcp root=x", "quiet " OURS " -- ip=dhcp root=x"},
        {"-- single", OURS " -- single"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        /* The second pass of an unbalanced quote sees our words inside it: once is enough there. */
        CLEANUP_TEXT struct text text = text_with_max(CMDLINE_MAX_BYTES);
        assert_int_equal(template_cmdline(&text, rows[i].before, strlen(rows[i].before), &disk), 0);
        assert_string_equal(text_string(&text), rows[i].after);
    }
}

static void another_port_is_named(void **state)
{
    struct disk_location elsewhere = disk;

    elsewhere.port = 3262;
    assert_cmdline("root=x", OURS " iscsi_target_port=3262 root=x", &elsewhere);
}

static struct machine machine_with_chap(enum machine_chap_mode mode)
{
    return (struct machine){
        .mac = {{0xdc, 0xa6, 0x32, 1, 2, 3}},
        .chap = {.mode = mode, .secret = "Secret._-0123456", .target_secret = "anotherSecret456"}};
}

static void secrets_are_handed_over_only_when_chap_is_on(void **state)
{
    static const struct {
        enum machine_chap_mode mode;
        const char *after;
    } rows[] = {
        {MACHINE_CHAP_OFF, OURS " root=x"},
        {MACHINE_CHAP_ON, OURS " iscsi_username=dc-a6-32-01-02-03 iscsi_password=Secret._-0123456 root=x"},
        {MACHINE_CHAP_MUTUAL, OURS " iscsi_username=dc-a6-32-01-02-03 iscsi_password=Secret._-0123456 "
                                   "iscsi_in_username=farboot iscsi_in_password=anotherSecret456 root=x"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct disk_location location = disk;
        struct machine machine = machine_with_chap(rows[i].mode);
        location.chap = disk_chap_of(&machine);
        assert_cmdline("iscsi_password=old root=x", rows[i].after, &location);
    }
}

static void what_is_no_command_line_is_refused(void **state)
{
    CLEANUP_TEXT struct text text = text_with_max(CMDLINE_MAX_BYTES);
    CLEANUP_FREE char *huge = xcalloc(CMDLINE_MAX_BYTES + 1, 1);

    assert_int_equal(template_cmdline(&text, "a\0b", 3, &disk), -EINVAL);
    memset(huge, 'a', CMDLINE_MAX_BYTES + 1);
    assert_int_equal(template_cmdline(&text, huge, CMDLINE_MAX_BYTES + 1, &disk), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines_of_known_systems),
        cmocka_unit_test(odd_command_lines),
        cmocka_unit_test(another_port_is_named),
        cmocka_unit_test(secrets_are_handed_over_only_when_chap_is_on),
        cmocka_unit_test(what_is_no_command_line_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
