/* A system loses its identity and nothing else, and e2fsck finds nothing to complain of. */
#include "images.h"

#include "disk/export.h"
#include "disk/identity.h"
#include "disk/import.h"

#include <fcntl.h>
#include <stdio.h>

static struct store *store;

/* An ext4 root in a partition: what Debian, Raspberry Pi OS and cloud-init leave behind on a machine that ran. */
static void make_disk(const char *name, const char *extra, const char *options)
{
    run("rm -rf root p2 && mkdir -p root/etc/ssh root/var/lib/dhcp root/var/lib/cloud/instances/i-1/sem root/var/lib/cloud/seed "
        "root/var/lib/cloud/data root/var/lib/systemd root/var/lib/dbus root/home/user root/var/lib/NetworkManager && "
        "printf 'ID=debian\\nVERSION_ID=12\\nPRETTY_NAME=\"Debian 12\"\\n' > root/etc/os-release && "
        "echo 0123456789abcdef0123456789abcdef > root/etc/machine-id && ln -s /etc/machine-id root/var/lib/dbus/machine-id && "
        "for k in rsa ed25519; do echo secret > root/etc/ssh/ssh_host_${k}_key; echo public > "
        "root/etc/ssh/ssh_host_${k}_key.pub; done && echo 'Port 22' > root/etc/ssh/sshd_config && "
        "echo lease > root/var/lib/dhcp/dhclient.eth0.leases && echo key > root/var/lib/NetworkManager/secret_key && "
        "ln -s instances/i-1 root/var/lib/cloud/instance && head -c 300000 /dev/urandom > root/var/lib/cloud/instances/i-1/obj.pkl "
        "&& echo mine > root/var/lib/cloud/seed/meta-data && echo x > root/var/lib/systemd/random-seed && "
        "echo pi-01 > root/etc/hostname && head -c 200000 /dev/urandom > root/home/user/work && "
        "ln root/var/lib/systemd/random-seed root/home/user/linked && "
        "for n in $(seq 400); do mkdir root/var/lib/cloud/data/a-folder-with-a-long-name-$n; done");
    run("%s", extra);
    run("mke2fs -q -t ext4 %s -d root p2 48M && truncate -s 52M %s && "
        "printf 'label: dos\\nstart=2048,size=48M,type=83\\n' | sfdisk -q %s && "
        "dd if=p2 of=%s bs=1M seek=1 conv=notrunc,sparse status=none",
        options, name, name, name);
}

static int setup(void **state)
{
    struct error error;

    if (images_setup(state) < 0)
        return -1;
    if (store_open("store", NULL, &store, &error) < 0)
        fail_msg("%s", error.text);
    return 0;
}

static int teardown(void **state)
{
    store_close(store);
    return images_teardown(state);
}

static struct volume *disk_of(const char *path)
{
    static unsigned count;
    CLEANUP_FD int fd = open_image(path);
    char image[32], name[32];
    struct import_result result;
    struct volume *volume;
    struct error error;

    snprintf(image, sizeof(image), "image-%u", ++count);
    snprintf(name, sizeof(name), "disk-%u", count);
    const struct import_request request = {.store = store, .name = image, .fd = fd, .source = path};
    if (image_import(&request, &result, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(store_volume_clone(store, image, NULL, name, 0, &error), 0);
    assert_int_equal(store_volume_open(store, name, &volume), 0);
    return volume;
}

/* Its partition as the file "p2". */
static void take_out(struct volume *volume)
{
    CLEANUP_FD int fd = open("out.img", O_RDWR | O_CREAT | O_TRUNC, 0600);
    const struct export_request request = {.volume = volume, .fd = fd, .target = "out.img"};
    struct error error;
    uint64_t written;

    assert_int_equal(image_export(&request, &written, &error), 0);
    run("dd if=out.img of=p2 bs=1M skip=1 count=48 status=none");
}

static const struct identity_part *part_of(const struct identity_report *report, const char *what)
{
    for (unsigned i = 0; i < report->count; i++) {
        if (strcmp(report->parts[i].what, what) == 0)
            return &report->parts[i];
    }
    return NULL;
}

static void assert_cleaned(const char *options)
{
    struct identity_report report;
    struct error error = {0};

    make_disk("disk.img", "mkdir -p root/usr/bin && touch root/usr/bin/cloud-init", options);
    CLEANUP(cleanup_volume) struct volume *volume = disk_of("disk.img");
    if (identity_clean(volume, "pi-01", &report, &error) < 0)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < 5; i++) {
        const char *what = (const char *[]){"machine-id", "SSH host keys", "DHCP leases and DUID", "cloud-init instance",
                                            "random seed"}[i];
        assert_non_null(part_of(&report, what));
        assert_int_equal(part_of(&report, what)->state, IDENTITY_CLEANED);
    }
    assert_int_equal(part_of(&report, "host name")->state, IDENTITY_KEPT);
    take_out(volume);
    run("e2fsck -fn p2 > e2fsck.txt 2>&1 || { cat e2fsck.txt; false; }");
    run("rm -rf dumped && mkdir dumped && debugfs -R 'rdump / dumped' p2 2> /dev/null");
    run("test -f dumped/etc/machine-id && test ! -s dumped/etc/machine-id && cat dumped/home/user/work | cmp - root/home/user/work");
    run("test \"$(ls dumped/etc/ssh)\" = sshd_config && test \"$(ls dumped/var/lib/cloud)\" = seed");
    run("test ! -e dumped/var/lib/dhcp/dhclient.eth0.leases && test ! -e dumped/var/lib/systemd/random-seed");
    run("test \"$(cat dumped/home/user/linked)\" = x && test \"$(cat dumped/etc/hostname)\" = pi-01");
}

static void ext4_with_checksums_is_cleaned(void **state)
{
    assert_cleaned("-O metadata_csum,64bit");
}

static void ext4_with_data_in_inodes_is_cleaned(void **state)
{
    assert_cleaned("-O inline_data,^64bit");
}

static void ext2_with_small_blocks_is_cleaned(void **state)
{
    assert_cleaned("-b 1024 -O ^has_journal,^extent,^metadata_csum,^64bit");
}

static void host_keys_stay_where_nothing_makes_new_ones(void **state)
{
    struct identity_report report;
    struct error error = {0};

    make_disk("disk.img", "true", "");
    CLEANUP(cleanup_volume) struct volume *volume = disk_of("disk.img");
    assert_int_equal(identity_clean(volume, "pi-01", &report, &error), 0);
    assert_int_equal(part_of(&report, "SSH host keys")->state, IDENTITY_KEPT);
    take_out(volume);
    run("e2fsck -fn p2 > /dev/null 2>&1");
    run("debugfs -R 'cat /etc/ssh/ssh_host_rsa_key' p2 2> /dev/null | grep -q secret");
}

static void a_journal_that_was_not_replayed_is_refused(void **state)
{
    struct identity_report report;
    struct error error = {0};

    make_disk("disk.img", "true", "");
    run("dd if=/dev/zero of=block bs=4096 count=1 status=none && "
        "printf 'jo\\njw -b 5000 block\\njc\\n' | debugfs -w p2 > /dev/null 2>&1 && "
        "dd if=p2 of=disk.img bs=1M seek=1 conv=notrunc status=none");
    CLEANUP(cleanup_volume) struct volume *volume = disk_of("disk.img");
    assert_int_equal(identity_clean(volume, "pi-01", &report, &error), -EBUSY);
    assert_non_null(strstr(error.text, "pi-01: its identity cannot be cleaned, partition 1 cannot be written to: its journal"));
    take_out(volume);
    run("dd if=disk.img bs=1M skip=1 count=48 status=none | cmp - p2");
}

static void a_file_system_in_error_is_refused(void **state)
{
    struct identity_report report;
    struct error error = {0};

    make_disk("disk.img", "true", "");
    run("printf 'ssv state 2\\n' | debugfs -w p2 > /dev/null 2>&1 && dd if=p2 of=disk.img bs=1M seek=1 conv=notrunc status=none");
    CLEANUP(cleanup_volume) struct volume *volume = disk_of("disk.img");
    assert_int_equal(identity_clean(volume, "pi-01", &report, &error), -EBUSY);
}

static void a_disk_without_a_system_is_refused(void **state)
{
    struct identity_report report;
    struct error error = {0};

    run("truncate -s 8M data.img && printf 'start=2048,type=83\\n' | sfdisk -q data.img");
    CLEANUP(cleanup_volume) struct volume *volume = disk_of("data.img");
    assert_int_equal(identity_clean(volume, "pi-01", &report, &error), -EOPNOTSUPP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ext4_with_checksums_is_cleaned),
        cmocka_unit_test(ext4_with_data_in_inodes_is_cleaned),
        cmocka_unit_test(ext2_with_small_blocks_is_cleaned),
        cmocka_unit_test(host_keys_stay_where_nothing_makes_new_ones),
        cmocka_unit_test(a_journal_that_was_not_replayed_is_refused),
        cmocka_unit_test(a_file_system_in_error_is_refused),
        cmocka_unit_test(a_disk_without_a_system_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
