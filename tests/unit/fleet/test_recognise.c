#include "../test.h"

#include "fleet/recognise.h"

#define BYTES(text) {(const uint8_t *)(text), sizeof(text) - 1}

#define LIST_PI3_ROM "\x2b\x3c\x43\x80\x81\x82\x83\x84\x85\x86\x87\x42"
#define LIST_PI3 LIST_PI3_ROM "\x01\x03"
#define LIST_PI4 "\x01\x03\x2b\x3c\x42\x43\x80\x81\x82\x83\x84\x85\x86\x87"
#define LIST_KLIBC "\x01\x03\x06\x0c\x0f\x11\x1a\x1c\x28\x77\x79"
#define LIST_KERNEL "\x01\x03\x06\x0c\x0f\x11\x1a\x28"
#define LIST_PC "\x01\x02\x03\x05\x06\x0b\x0c\x0d\x0f\x10\x11\x12\x2b\x36\x3c\x43\x80\x81\x82\x83\x84\x85\x86\x87"
#define FOURS "\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44"
#define CLASS_PI "PXEClient:Arch:00000:UNDI:002001"
#define PI_SAYS .architecture = BYTES("\0\0"), .interface_id = BYTES("\1\2\1"), .vendor_class = BYTES(CLASS_PI)

#define MAC_PI3 {{0xb8, 0x27, 0xeb, 0x64, 0x24, 0x7d}}
#define MAC_PI4 {{0xdc, 0xa6, 0x32, 0x2e, 0xf8, 0xed}}
#define MAC_OTHER {{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}}

static const struct {
    const char *what;
    struct boot_signals signals;
    enum firmware firmware;
    uint32_t serial;
} cases[] = {
    {"3B mask ROM",
     {.mac = MAC_PI3, .xid = 0x26f30339, .parameters = BYTES(LIST_PI3_ROM), .uuid = BYTES("\0" FOURS), PI_SAYS},
     FIRMWARE_PI3_ROM, 0},
    {"3B+ mask ROM, or bootcode.bin",
     {.mac = MAC_PI3, .xid = 0x26f30339, .parameters = BYTES(LIST_PI3),
      .uuid = BYTES("\0\x7d\x24\x64\x55\x7d\x24\x64\x55\x7d\x24\x64\x55\x7d\x24\x64\x55"), PI_SAYS},
     FIRMWARE_PI3_BOOTCODE, 0x5564247d},
    {"Pi 4",
     {.mac = MAC_PI4, .parameters = BYTES(LIST_PI4),
      .uuid = BYTES("\0RPi4\x11\x31\xa0\x00\x32\x2e\xf8\xed\x10\x45\x15\x5b"), PI_SAYS},
     FIRMWARE_PI4, 0x5b154510},
    {"CM4 with the fourcc the other way round",
     {.mac = MAC_PI4, .parameters = BYTES(LIST_PI4),
      .uuid = BYTES("\0" "4iPR\x11\x31\xa0\x00\x32\x2e\xf8\xed\x10\x45\x15\x5b"), PI_SAYS},
     FIRMWARE_PI4, 0x5b154510},
    {"Pi 4 before fourccs",
     {.mac = MAC_PI4, .parameters = BYTES(LIST_PI4),
      .uuid = BYTES("\0\xcd\xab\x34\x12\xcd\xab\x34\x12\xcd\xab\x34\x12\xcd\xab\x34\x12"), PI_SAYS},
     FIRMWARE_PI4, 0x1234abcd},
    {"Pi 4 whose REQUEST leaves option 60 out",
     {.mac = MAC_PI4, .parameters = BYTES(LIST_PI4), .architecture = BYTES("\0\0"), .interface_id = BYTES("\1\2\1"),
      .uuid = BYTES("\0RPi4\x11\x31\xa0\x00\x32\x2e\xf8\xed\x10\x45\x15\x5b")},
     FIRMWARE_PI4, 0x5b154510},
    {"Pi 4 with a hardware address of the user's",
     {.mac = MAC_OTHER, .parameters = BYTES(LIST_PI4),
      .uuid = BYTES("\0RPi4\x11\x31\xc0\x00\x32\xaa\xbb\xcc\xcd\xab\x34\x12"), PI_SAYS},
     FIRMWARE_PI4, 0x1234abcd},
    {"Pi with an option 97 of the user's",
     {.mac = MAC_PI4, .parameters = BYTES(LIST_PI4),
      .uuid = BYTES("\0LAB1\x11\x31\xc0\x00\x32\xaa\xbb\xcc\xcd\xab\x34\x12"), PI_SAYS},
     FIRMWARE_PI4, 0x1234abcd},
    {"Pi 5",
     {.mac = {{0x2c, 0xcf, 0x67, 0xaa, 0xbb, 0xcc}}, .parameters = BYTES(LIST_PI4),
      .uuid = BYTES("\0" "5iPR\x70\x41\xd0\x00\x67\xaa\xbb\xcc\xe1\x9a\x98\xbd"), PI_SAYS},
     FIRMWARE_PI5, 0xbd989ae1},
    {"Pi 5 with the fourcc the other way round",
     {.mac = {{0x2c, 0xcf, 0x67, 0xaa, 0xbb, 0xcc}}, .parameters = BYTES(LIST_PI4),
      .uuid = BYTES("\0RPi5\x70\x41\xd0\x00\x67\xaa\xbb\xcc\xe1\x9a\x98\xbd"), PI_SAYS},
     FIRMWARE_PI5, 0xbd989ae1},
    {"a PC's PXE ROM that says the same as a Pi but for its list",
     {.mac = MAC_OTHER, .parameters = BYTES(LIST_PC), .uuid = BYTES("\0abcdefghijklmnop"), .has_message_size = true,
      PI_SAYS},
     FIRMWARE_PXE_BIOS, 0},
    {"a PXE ROM that sends none of 93, 94, 97",
     {.mac = MAC_OTHER, .vendor_class = BYTES("PXEClient")}, FIRMWARE_PXE_BIOS, 0},
    {"EDK2 PXE on x64",
     {.mac = MAC_OTHER, .vendor_class = BYTES("PXEClient:Arch:00007:UNDI:003000"), .architecture = BYTES("\0\7"),
      .has_message_size = true, .uuid = BYTES("\0abcdefghijklmnop")},
     FIRMWARE_UEFI_PXE, 0},
    {"EDK2 PXE on arm64",
     {.mac = MAC_OTHER, .vendor_class = BYTES("PXEClient:Arch:00011:UNDI:003000"), .architecture = BYTES("\0\13")},
     FIRMWARE_UEFI_PXE, 0},
    {"EDK2 HTTP boot",
     {.mac = MAC_OTHER, .vendor_class = BYTES("HTTPClient:Arch:00016:UNDI:003000"), .architecture = BYTES("\0\20")},
     FIRMWARE_UEFI_HTTP, 0},
    {"iPXE on a PC",
     {.mac = MAC_OTHER, .vendor_class = BYTES("PXEClient:Arch:00000:UNDI:002001"), .architecture = BYTES("\0\0"),
      .interface_id = BYTES("\1\2\1"), .user_class = BYTES("iPXE"), .client_id = BYTES("\1RT\0\0224V"),
      .has_message_size = true, .has_ipxe_options = true},
     FIRMWARE_IPXE, 0},
    {"iPXE with a user class after RFC 3004",
     {.mac = MAC_OTHER, .vendor_class = BYTES("PXEClient:Arch:00007:UNDI:003010"), .architecture = BYTES("\0\7"),
      .user_class = BYTES("\4iPXE")},
     FIRMWARE_IPXE, 0},
    {"iPXE on a Pi",
     {.mac = MAC_PI4, .vendor_class = BYTES("PXEClient:Arch:00011:UNDI:003010"), .architecture = BYTES("\0\13"),
      .user_class = BYTES("iPXE"), .has_ipxe_options = true, .has_message_size = true},
     FIRMWARE_IPXE, 0},
    {"U-Boot",
     {.mac = MAC_PI4, .vendor_class = BYTES("U-Boot.armv8"), .architecture = BYTES("\0\26"),
      .interface_id = BYTES("\1\0\0"), .has_message_size = true},
     FIRMWARE_U_BOOT, 0},
    {"klibc ipconfig on a Pi", {.mac = MAC_PI4, .parameters = BYTES(LIST_KLIBC)}, FIRMWARE_INITRAMFS, 0},
    {"the kernel's ip=dhcp", {.mac = MAC_PI4, .parameters = BYTES(LIST_KERNEL)}, FIRMWARE_INITRAMFS, 0},
    {"dhcpcd", {.mac = MAC_PI4, .vendor_class = BYTES("dhcpcd-9.4.1:Linux-6.1"), .client_id = BYTES("\377\1\2\3\4"),
                .has_host_name = true},
     FIRMWARE_INITRAMFS, 0},
    {"udhcpc", {.mac = MAC_OTHER, .vendor_class = BYTES("udhcp 1.35.0"), .client_id = BYTES("\1RT\0\0224V")},
     FIRMWARE_INITRAMFS, 0},
    {"systemd-networkd", {.mac = MAC_PI4, .client_id = BYTES("\377\1\2\3\4\0\2")}, FIRMWARE_OS, 0},
    {"dhclient", {.mac = MAC_OTHER, .has_host_name = true, .parameters = BYTES("\x01\x1c\x02\x03\x0f\x06\x0c")},
     FIRMWARE_OS, 0},
    {"nothing but a Pi's vendor", {.mac = MAC_PI4}, FIRMWARE_UNKNOWN, 0},
    {"nothing at all", {.mac = MAC_OTHER}, FIRMWARE_UNKNOWN, 0},
    {"lengths that are wrong",
     {.mac = MAC_OTHER, .architecture = BYTES("\0"), .uuid = BYTES("\0RPi4"), .interface_id = BYTES("\1"),
      .user_class = BYTES("iPX")},
     FIRMWARE_UNKNOWN, 0},
};

static void every_client_is_recognised(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct recognition r = recognise(&cases[i].signals);
        if (r.firmware != cases[i].firmware || r.serial != cases[i].serial)
            fail_msg("%s: %s, serial %08x", cases[i].what, firmware_name(r.firmware), r.serial);
    }
}

static void the_architecture_is_kept(void **state)
{
    struct boot_signals arm = {.architecture = BYTES("\0\13")};
    struct boot_signals none = {0};

    assert_int_equal(recognise(&arm).architecture, 11);
    assert_int_equal(recognise(&none).architecture, -1);
}

static void every_kind_has_a_name(void **state)
{
    for (int i = 0; i < FIRMWARE_COUNT; i++)
        assert_non_null(firmware_name((enum firmware)i));
    assert_true(firmware_is_pi3(FIRMWARE_PI3_BOOTCODE));
    assert_false(firmware_is_pi3(FIRMWARE_PI4));
    assert_true(firmware_is_pi(FIRMWARE_PI5));
    assert_true(firmware_boots(FIRMWARE_IPXE));
    assert_false(firmware_boots(FIRMWARE_INITRAMFS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_client_is_recognised),
        cmocka_unit_test(the_architecture_is_kept),
        cmocka_unit_test(every_kind_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
