#include "images.h"

#include "disk/boot_partition.h"
#include "disk/partition.h"

#include <stdio.h>

static struct partition_list list;
static char *disk;
static size_t disk_bytes;

static void make_disk(const char *size, const char *script)
{
    free(disk);
    run("rm -f disk.img && truncate -s %s disk.img && printf '%s' | sfdisk --quiet disk.img", size, script);
    disk = read_whole("disk.img", &disk_bytes);
}

static void read_list(void)
{
    struct disk_source source = disk_source_over_memory(disk, disk_bytes);

    assert_int_equal(partition_list_read(&source, VOLUME_MAY_WAIT, &list), 0);
}

/* Number, start and length of every partition, as sfdisk tells them. */
static void compare_with_sfdisk(void)
{
    for (unsigned i = 0; i < list.count; i++) {
        const struct partition *p = &list.partitions[i];
        CLEANUP_FREE char *line = output_of("sfdisk -d disk.img | sed -n 's/^disk.img%u : start= "
                                            "*\\([0-9]*\\), size= *\\([0-9]*\\),.*/\\1 \\2/p'",
                                            p->number);
        CLEANUP_FREE char *ours = xasprintf("%llu %llu", (unsigned long long)p->start_bytes / 512,
                                            (unsigned long long)p->length_bytes / 512);
        assert_string_equal(ours, line);
    }
    CLEANUP_FREE char *count = output_of("sfdisk -d disk.img | grep -c '^disk.img'");
    assert_int_equal(list.count, atoi(count));
}

#define PI_LAYOUT                                                                                            \
    "label: dos\\nlabel-id: 0xcafe1234\\nstart=2048,size=8192,type=c,bootable\\nstart=10240,type=83\\n"

static void a_pi_disk_is_an_mbr(void **state)
{
    make_disk("16M", PI_LAYOUT);
    read_list();
    assert_int_equal(list.table, PARTITION_TABLE_MBR);
    assert_int_equal(list.disk_id, 0xcafe1234);
    compare_with_sfdisk();
    assert_int_equal(list.partitions[0].type, 0x0c);
    assert_true(list.partitions[0].is_active);
    assert_false(list.partitions[1].is_active);
    assert_true(partition_is_for_firmware(list.table, &list.partitions[0]));
    assert_false(partition_is_for_firmware(list.table, &list.partitions[1]));
}

#define EXTENDED_LAYOUT                                                                                      \
    "label: "                                                                                                \
    "dos\\nstart=2048,size=2048,type=83\\nstart=4096,size=24000,type=5\\nstart=6144,size=2048,type=83\\n"    \
    "start=10240,size=2048,type=82\\nstart=14336,size=2048,type=c\\n"

static void logical_partitions_are_followed(void **state)
{
    make_disk("16M", EXTENDED_LAYOUT);
    /* sfdisk gives what is named after the extended partition numbers 3, 4 and 5: name them as logical ones.
     */
    run("printf 'label: dos\\n1:start=2048,size=2048,type=83\\n2:start=4096,size=24000,type=5\\n"
        "5:start=6144,size=2048,type=83\\n6:start=10240,size=2048,type=82\\n7:start=14336,size=2048,type="
        "c\\n' | "
        "sed 's/^\\([0-9]\\):/disk.img\\1:/' | sfdisk --quiet disk.img");
    free(disk);
    disk = read_whole("disk.img", &disk_bytes);
    read_list();
    assert_int_equal(list.count, 5);
    assert_int_equal(list.partitions[4].number, 7);
    compare_with_sfdisk();
}

/* The link of a chain that points back, at itself, or beyond the disk. */
static void a_chain_of_links_ends(void **state)
{
    make_disk("16M", EXTENDED_LAYOUT);
    uint8_t *link = (uint8_t *)disk + 4096 * 512;

    link[510] = 0x55;
    link[511] = 0xaa;
    memset(link + 446, 0, 16); /* a link without a partition: nothing but the rule on links ends the walk */
    link[462 + 4] = 0x05;
    static const uint32_t nexts[] = {0, 1, 0xffffffff, 0x7fffffff};
    for (size_t i = 0; i < ARRAY_SIZE(nexts); i++) {
        memcpy(link + 462 + 8, &nexts[i], 4);
        memcpy(disk + 4097 * 512, link, 512);
        read_list();
        assert_int_equal(list.count, 2);
    }
}

#define GPT_LAYOUT                                                                                           \
    "label: gpt\\nlabel-id: 11223344-5566-7788-99AA-BBCCDDEEFF00\\n"                                         \
    "start=2048,size=8192,type=U,name=\"EFI Grüße\"\\nstart=10240,size=8192,type=L\\n"

static void check_gpt(bool from_backup)
{
    char text[GUID_TEXT_SIZE];

    read_list();
    assert_int_equal(list.table, PARTITION_TABLE_GPT);
    assert_int_equal(list.from_backup, from_backup);
    compare_with_sfdisk();
    assert_string_equal(guid_text(text, list.disk_guid), "11223344-5566-7788-99aa-bbccddeeff00");
    assert_string_equal(list.partitions[0].name, "EFI Grüße");
    assert_string_equal(partition_type_text(text, list.table, &list.partitions[0]),
                        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    assert_true(partition_is_for_firmware(list.table, &list.partitions[0]));
}

static void gpt_and_its_backup_agree(void **state)
{
    make_disk("16M", GPT_LAYOUT);
    check_gpt(false);
    disk[512 + 56] ^= 1; /* the header's checksum no longer holds */
    check_gpt(true);
    make_disk("16M", GPT_LAYOUT);
    disk[1024 + 3] ^= 1; /* the entries' does not */
    check_gpt(true);
    memset(disk, 0, 512 * 34);
    check_gpt(true);
    memset(disk + disk_bytes - 512, 0, 512);
    read_list();
    assert_int_equal(list.table, PARTITION_TABLE_NONE);
}

static void a_file_system_is_no_table(void **state)
{
    run("rm -f disk.img && truncate -s 16M disk.img && mkfs.vfat disk.img > /dev/null");
    free(disk);
    disk = read_whole("disk.img", &disk_bytes);
    read_list();
    assert_int_equal(list.table, PARTITION_TABLE_NONE);

    struct disk_source source = disk_source_over_memory(disk, disk_bytes);
    struct disk_source boot;
    unsigned number = 99;
    assert_int_equal(boot_partition_find(&source, VOLUME_MAY_WAIT, &boot, &number), 0);
    assert_int_equal(number, 0);
    assert_int_equal(boot.size_bytes, disk_bytes);
}

static void a_disk_cut_short_is_marked(void **state)
{
    make_disk("16M", PI_LAYOUT);
    disk_bytes = 8 << 20;
    read_list();
    assert_int_equal(list.count, 2);
    assert_false(list.partitions[0].is_cut);
    assert_true(list.partitions[1].is_cut);
    assert_int_equal(list.partitions[1].start_bytes + list.partitions[1].length_bytes, disk_bytes);
    disk_bytes = 4 << 20;
    read_list();
    assert_int_equal(list.count, 1);
    disk_bytes = 511;
    read_list();
    assert_int_equal(list.count, 0);
}

static unsigned boot_number(const char *first, const char *second)
{
    struct disk_source boot;
    unsigned number;

    run("rm -f disk.img part && truncate -s 64M disk.img && printf 'label: "
        "dos\\nsize=8M,type=83\\nsize=16M,type=c\\n"
        "size=16M,type=c\\nsize=16M,type=83\\n' | sfdisk --quiet disk.img");
    for (unsigned i = 2; i <= 3; i++) {
        run("rm -f part && truncate -s 16M part && mkfs.vfat part > /dev/null && %s",
            i == 2 ? first : second);
        run("dd if=part of=disk.img bs=1M seek=%u conv=notrunc status=none", i == 2 ? 9 : 25);
    }
    CLEANUP_FD int fd = open_image("disk.img");
    struct disk_source source = image_source(fd);
    assert_int_equal(boot_partition_find(&source, VOLUME_MAY_WAIT, &boot, &number), 0);
    return number;
}

static void the_boot_partition_is_the_likeliest(void **state)
{
    assert_int_equal(boot_number("true", "true"), 2);
    assert_int_equal(boot_number("true", "mmd -i part ::EFI"), 3);
    assert_int_equal(boot_number("mmd -i part ::EFI", "echo | mcopy -i part - ::config.txt"), 3);
    assert_int_equal(
        boot_number("echo | mcopy -i part - ::config.txt", "echo | mcopy -i part - ::config.txt"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pi_disk_is_an_mbr),
        cmocka_unit_test(logical_partitions_are_followed),
        cmocka_unit_test(a_chain_of_links_ends),
        cmocka_unit_test(gpt_and_its_backup_agree),
        cmocka_unit_test(a_file_system_is_no_table),
        cmocka_unit_test(a_disk_cut_short_is_marked),
        cmocka_unit_test(the_boot_partition_is_the_likeliest),
    };
    int failed = cmocka_run_group_tests(tests, images_setup, images_teardown);

    free(disk);
    return failed;
}
