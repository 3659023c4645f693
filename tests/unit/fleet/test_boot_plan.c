#include "../test.h"

#include "fleet/boot_plan.h"

#include <stdio.h>

/* Two machines. pi-02's serial is not known yet. */
static const struct machine machines[] = {
    {.id = 1, .name = "pi-01", .mac = {{0xdc, 0xa6, 0x32, 1, 2, 3}}, .serial = 0x1234abcd},
    {.id = 2, .name = "pi-02", .mac = {{0xdc, 0xa6, 0x32, 1, 2, 4}}, .address = 0xc0a81402},
    {.id = 3, .name = "pc-03", .mac = {{0x52, 0x54, 0x00, 1, 2, 5}}, .boot = MACHINE_BOOT_SAN},
};
static const struct mac stranger = {{0x00, 0x11, 0x22, 3, 4, 5}};

static const struct machine *by_mac(void *arg, const struct mac *mac)
{
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        if (mac_equal(&machines[i].mac, mac))
            return &machines[i];
    }
    return NULL;
}

static const struct machine *by_serial(void *arg, uint32_t serial)
{
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        if (machines[i].serial && machines[i].serial == serial)
            return &machines[i];
    }
    return NULL;
}

static const struct machine *by_address(void *arg, uint32_t address)
{
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        if (machines[i].address && machines[i].address == address)
            return &machines[i];
    }
    return NULL;
}

static const struct boot_lookup lookup = {.by_mac = by_mac, .by_serial = by_serial, .by_address = by_address};

static const struct boot_asker pi_01 = {
    .address = 0xc0a81465, .mac_known = true, .mac = {{0xdc, 0xa6, 0x32, 1, 2, 3}}};
static const struct boot_asker pi_02 = {
    .address = 0xc0a81466, .mac_known = true, .mac = {{0xdc, 0xa6, 0x32, 1, 2, 4}}};
static const struct boot_asker pc_03 = {
    .address = 0xc0a81467, .mac_known = true, .mac = {{0x52, 0x54, 0, 1, 2, 5}}};
static const struct boot_asker nobody = {.address = 0xc0a81468, .mac_known = true, .mac = stranger};
static const struct boot_asker routed = {.address = 0x0a000001};
static const struct boot_asker reserved = {.address = 0xc0a81402};

static struct boot_plan decide(const char *path, const struct boot_asker *asker)
{
    return boot_plan_decide(path, strlen(path), asker, &lookup);
}

static void plain_paths_lose_what_firmware_puts_around_them(void **state)
{
    static const struct {
        const char *path;
        const char *plain;
    } rows[] = {
        {"config.txt", "config.txt"},
        {"/config.txt", "config.txt"},
        {"//config.txt", "config.txt"},
        {"./config.txt", "config.txt"},
        {"\\config.txt", "config.txt"},
        {"overlays\\vc4.dtbo", "overlays/vc4.dtbo"},
        {"overlays//./vc4.dtbo", "overlays/vc4.dtbo"},
        {"/./overlays/vc4.dtbo/", "overlays/vc4.dtbo"},
        {"1234abcd/config.txt", "config.txt"},
        {"/1234ABCD//config.txt", "config.txt"},
        {"1234abcd\\config.txt", "config.txt"},
        {"dc-a6-32-01-02-03/config.txt", "config.txt"},
        {"DC-A6-32-01-02-03/overlays/README", "overlays/README"},
        {"...", "..."},
        {"%2e%2e/config.txt", "%2e%2e/config.txt"},
        {"deadbee/config.txt", "deadbee/config.txt"},
        {"dc:a6:32:01:02:03/config.txt", "dc:a6:32:01:02:03/config.txt"},
        {"1234abcd", "1234abcd"},
        {"K\xc3\xb6ln.txt", "K\xc3\xb6ln.txt"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct boot_plan plan = decide(rows[i].path, &pi_01);
        assert_int_equal(plan.kind, BOOT_PLAN_FILE);
        assert_string_equal(plan.path, rows[i].plain);
        assert_ptr_equal(plan.machine, &machines[0]);
        assert_false(plan.serial_learned);
    }
}

static void hostile_paths_are_refused(void **state)
{
    static const char *const paths[] = {"",
                                        "/",
                                        "//",
                                        ".",
                                        "./",
                                        "..",
                                        "../config.txt",
                                        "/../config.txt",
                                        "a/../../b",
                                        "..\\config.txt",
                                        "overlays/..",
                                        "overlays\\..\\..\\x",
                                        "1234abcd/../config.txt",
                                        "a\nb",
                                        "a\x1b[2Jb",
                                        "\x7f",
                                        "a\tb"};
    char longest[BOOT_PATH_SIZE + 10];

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        assert_int_equal(decide(paths[i], &pi_01).kind, BOOT_PLAN_REFUSED);
    assert_int_equal(boot_plan_decide("con\0fig", 7, &pi_01, &lookup).kind, BOOT_PLAN_REFUSED);
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(boot_plan_decide(longest, sizeof(longest), &pi_01, &lookup).kind, BOOT_PLAN_REFUSED);
    assert_int_equal(boot_plan_decide(longest, BOOT_PATH_SIZE - 2, &pi_01, &lookup).kind, BOOT_PLAN_FILE);
}

static void a_machine_reaches_only_its_own_files(void **state)
{
    static const struct {
        const struct boot_asker *asker;
        const char *path;
        enum boot_plan_kind kind;
        const struct machine *machine;
    } rows[] = {
        {&pi_01, "start4.elf", BOOT_PLAN_FILE, &machines[0]},
        {&pi_01, "1234abcd/start4.elf", BOOT_PLAN_FILE, &machines[0]},
        {&pi_01, "dc-a6-32-01-02-04/start4.elf", BOOT_PLAN_REFUSED, &machines[0]},
        {&pi_02, "1234abcd/start4.elf", BOOT_PLAN_REFUSED, &machines[1]},
        {&pi_02, "00-11-22-03-04-05/start4.elf", BOOT_PLAN_NOT_FOUND, &machines[1]},
        {&nobody, "start4.elf", BOOT_PLAN_NOT_FOUND, NULL},
        {&nobody, "1234abcd/start4.elf", BOOT_PLAN_REFUSED, NULL},
        {&nobody, "dc-a6-32-01-02-03/start4.elf", BOOT_PLAN_REFUSED, NULL},
        {&nobody, "99999999/start4.elf", BOOT_PLAN_NOT_FOUND, NULL},
        /* Nobody knows whose address it is: the prefix decides. */
        {&routed, "1234abcd/start4.elf", BOOT_PLAN_FILE, &machines[0]},
        {&routed, "dc-a6-32-01-02-04/start4.elf", BOOT_PLAN_FILE, &machines[1]},
        {&routed, "99999999/start4.elf", BOOT_PLAN_NOT_FOUND, NULL},
        {&routed, "start4.elf", BOOT_PLAN_NOT_FOUND, NULL},
        /* The address is reserved for pi-02. */
        {&reserved, "start4.elf", BOOT_PLAN_FILE, &machines[1]},
        {&reserved, "1234abcd/start4.elf", BOOT_PLAN_REFUSED, &machines[1]},
        {&pc_03, "boot.ipxe", BOOT_PLAN_IPXE_SAN, &machines[2]},
        {&pc_03, "config.txt", BOOT_PLAN_NOT_FOUND, &machines[2]},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct boot_plan plan = decide(rows[i].path, rows[i].asker);
        assert_int_equal(plan.kind, rows[i].kind);
        assert_ptr_equal(plan.machine, rows[i].machine);
        assert_true((plan.reason[0] != '\0') == (plan.kind == BOOT_PLAN_NOT_FOUND || plan.kind == BOOT_PLAN_REFUSED));
    }
}

static void a_serial_is_learned_once(void **state)
{
    struct boot_plan plan = decide("0badcafe/start4.elf", &pi_02);

    assert_int_equal(plan.kind, BOOT_PLAN_FILE);
    assert_true(plan.serial_learned);
    assert_int_equal(plan.serial, 0x0badcafe);
    assert_string_equal(plan.path, "start4.elf");
    /* pi-01 has one; what else it calls itself is served and changes nothing. */
    plan = decide("0badcafe/start4.elf", &pi_01);
    assert_int_equal(plan.kind, BOOT_PLAN_FILE);
    assert_false(plan.serial_learned);
    assert_false(decide("00000000/start4.elf", &pi_02).serial_learned);
}

static void some_files_are_written_by_farboot(void **state)
{
    static const struct {
        const char *path;
        enum boot_plan_kind kind;
    } rows[] = {
        {"cmdline.txt", BOOT_PLAN_CMDLINE},
        {"CMDLINE.TXT", BOOT_PLAN_CMDLINE},
        {"1234abcd/cmdline.txt", BOOT_PLAN_CMDLINE},
        {"1234abcd/current/cmdline.txt", BOOT_PLAN_CMDLINE},
        {"new/cmdline.txt", BOOT_PLAN_CMDLINE},
        {"old/cmdline.txt", BOOT_PLAN_CMDLINE},
        {"cmdline.txt.bak", BOOT_PLAN_FILE},
        {"boot.ipxe", BOOT_PLAN_IPXE},
        {"/boot.ipxe", BOOT_PLAN_IPXE},
        {"dc-a6-32-01-02-03/boot.ipxe", BOOT_PLAN_IPXE},
        {"sub/boot.ipxe", BOOT_PLAN_FILE},
        {"pxelinux.cfg/01-dc-a6-32-01-02-03", BOOT_PLAN_PXELINUX},
        {"boot/pxelinux.cfg/01-dc-a6-32-01-02-03", BOOT_PLAN_PXELINUX},
        {"pxelinux.cfg/01-dc-a6-32-01-02-04", BOOT_PLAN_FILE},
        {"pxelinux.cfg/default", BOOT_PLAN_FILE},
        {"boot/grub/grub.cfg-01-dc-a6-32-01-02-03", BOOT_PLAN_GRUB},
        {"boot/grub/grub.cfg", BOOT_PLAN_FILE},
        {"ipxe/snponly.efi", BOOT_PLAN_PROGRAM},
        {"ipxe/other.efi", BOOT_PLAN_FILE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(decide(rows[i].path, &pi_01).kind, rows[i].kind);
    /* A disk that iPXE is to start needs iPXE, and nothing else. */
    assert_int_equal(decide("ipxe/undionly.kpxe", &pc_03).kind, BOOT_PLAN_PROGRAM);
    assert_int_equal(decide("config.txt", &pc_03).kind, BOOT_PLAN_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_paths_lose_what_firmware_puts_around_them),
        cmocka_unit_test(hostile_paths_are_refused),
        cmocka_unit_test(a_machine_reaches_only_its_own_files),
        cmocka_unit_test(a_serial_is_learned_once),
        cmocka_unit_test(some_files_are_written_by_farboot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
