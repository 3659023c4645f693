#include "../test.h"

#include "fleet/template.h"

#include <stdio.h>

static const struct disk_location disk = {
    .initiator = "iqn.2026-11.internal.farboot:machine:dc-a6-32-01-02-03",
    .target = "iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03",
    .server = 0xc0000201,
    .port = 3260,
};

static const struct cmdline_wishes nothing = {.add = "", .remove = ""};

#define OURS                                                                                                 \
    "ip=dhcp iscsi_initiator=iqn.2026-11.internal.farboot:machine:dc-a6-32-01-02-03 "                        \
    "iscsi_target_name=iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03 iscsi_target_ip=192.0.2.1"

static void assert_wishes(const char *before, const char *after, const struct disk_location *location,
                          const struct cmdline_wishes *wishes)
{
    CLEANUP_TEXT struct text text = text_with_max(CMDLINE_MAX_BYTES * 2);

    assert_int_equal(template_cmdline(&text, before, strlen(before), location, wishes), 0);
    assert_string_equal(text_string(&text), after);

    /* What was rewritten comes out of a second rewriting unchanged. */
    CLEANUP_TEXT struct text again = text_with_max(CMDLINE_MAX_BYTES * 2);
    assert_int_equal(template_cmdline(&again, text_string(&text), text.length_bytes, location, wishes), 0);
    assert_string_equal(text_string(&again), after);
}

static void assert_cmdline(const char *before, const char *after, const struct disk_location *location)
{
    assert_wishes(before, after, location, &nothing);
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
        assert_int_equal(template_cmdline(&text, rows[i].before, strlen(rows[i].before), &disk, &nothing), 0);
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

    assert_int_equal(template_cmdline(&text, "a\0b", 3, &disk, &nothing), -EINVAL);
    memset(huge, 'a', CMDLINE_MAX_BYTES + 1);
    assert_int_equal(template_cmdline(&text, huge, CMDLINE_MAX_BYTES + 1, &disk, &nothing), -E2BIG);
}

static void words_are_added_and_removed(void **state)
{
    static const struct {
        const char *before;
        struct cmdline_wishes wishes;
        const char *after;
    } rows[] = {
        /* Ubuntu 24.04: another console, no quiet, and a word that stands last and so wins. */
        {"console=serial0,115200 multipath=off console=tty1 root=LABEL=writable rootfstype=ext4 rootwait fixrtc\n",
         {.add = "console=ttyAMA10,115200 cgroup_enable=memory", .remove = "console=tty1 multipath"},
         "console=serial0,115200 " OURS " root=LABEL=writable rootfstype=ext4 rootwait fixrtc "
         "console=ttyAMA10,115200 cgroup_enable=memory\n"},
        /* Raspberry Pi OS */
        {"console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootwait quiet splash\n",
         {.add = "", .remove = "quiet splash console"},
         OURS " root=PARTUUID=4e639091-02 rootwait \n"},
        /* Debian: `-` and `_` are the same in a key, not in a value. */
        {"root=LABEL=RASPIROOT net.ifnames=0 dwc_otg.lpm_enable=0 x=a-b rw\r\n",
         {.add = "", .remove = "dwc-otg.lpm-enable x=a_b"},
         OURS " root=LABEL=RASPIROOT net.ifnames=0 x=a-b rw\r\n"},
        /* A word that is there already moves to the end. */
        {"quiet root=x rw", {.add = "quiet", .remove = ""}, OURS " root=x rw quiet"},
        {"quiet rw", {.add = "  a \t b ", .remove = ""}, "quiet rw " OURS " a b"},
        {"", {.add = "a", .remove = "b"}, OURS " a"},
        /* Before what belongs to init. */
        {"root=x -- single a", {.add = "a", .remove = "single"}, OURS " root=x a -- single a"},
        {"-- single", {.add = "a", .remove = ""}, OURS " a -- single"},
        /* With blanks inside quotes. */
        {"dyndbg=\"file a.c +p\" root=x", {.add = "b=\"c d\"", .remove = "dyndbg"}, OURS " root=x b=\"c d\""},
        {"dyndbg=\"file a.c +p\" root=x", {.add = "", .remove = "dyndbg=\"file a.c +p\""}, OURS " root=x"},
        /* Only what is meant. */
        {"quietly rootwait=1 root=x", {.add = "", .remove = "quiet rootwait=2 =1 t"}, "quietly rootwait=1 " OURS " root=x"},
        /* Ours are not the image's. */
        {"ip=dhcp root=x", {.add = "ip=:::::eth0:dhcp", .remove = "ip iscsi_initiator"},
         OURS " root=x ip=:::::eth0:dhcp"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_wishes(rows[i].before, rows[i].after, &disk, &rows[i].wishes);
}

static void cloud_init_is_sent_to_us(void **state)
{
    struct disk_location with_data = disk;

    COPY_STRING(with_data.cloud_init, "ds=nocloud;s=http://192.0.2.1/cloud-init/");
    assert_cmdline("ds=nocloud-net;s=file:///x root=LABEL=writable fixrtc",
                   OURS " ds=nocloud;s=http://192.0.2.1/cloud-init/ root=LABEL=writable fixrtc", &with_data);
    assert_cmdline("ds=nocloud root=x", "ds=nocloud " OURS " root=x", &disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines_of_known_systems),
        cmocka_unit_test(odd_command_lines),
        cmocka_unit_test(another_port_is_named),
        cmocka_unit_test(cloud_init_is_sent_to_us),
        cmocka_unit_test(secrets_are_handed_over_only_when_chap_is_on),
        cmocka_unit_test(words_are_added_and_removed),
        cmocka_unit_test(what_is_no_command_line_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
