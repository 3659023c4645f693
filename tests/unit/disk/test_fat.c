#include "images.h"

#include "base/text.h"
#include "disk/fat.h"
#include "disk/fat_name.h"

#include <stdio.h>

/* A tree with what trips readers up: long, short, mixed-case and non-ASCII names, deep folders, empty files,
 * a folder of many clusters, and files whose clusters lie scattered. */
static void make_tree(const char *image)
{
    run("rm -rf tree back && mkdir -p tree/overlays/deep/er tree/many back");
    run("cd tree && : > empty && printf x > one && head -c 1468 /dev/urandom > KERNEL.IMG && "
        "head -c 700001 /dev/urandom > 'a rather long name with spaces.bin' && head -c 99 /dev/urandom > "
        "lower.txt && "
        "head -c 12345 /dev/urandom > 'Grüße aus Ελλάδα.dat' && "
        "head -c 5000 /dev/urandom > overlays/deep/er/vc4-kms-v3d.dtbo && head -c 40 /dev/urandom > README");
    run("cd tree/many && for i in $(seq 1 300); do echo $i > \"entry number $i\"; done");
    run("MTOOLS_SKIP_CHECK=1 LC_ALL=C.UTF-8 mcopy -s -i %s tree/* ::/", image);
    /* Holes of one cluster each, which the next file then fills. */
    run("for i in $(seq 1 2 300); do echo \"::/many/entry number $i\"; done | "
        "MTOOLS_SKIP_CHECK=1 xargs -d '\\n' mdel -i %s",
        image);
    run("cd tree/many && for i in $(seq 1 2 300); do rm \"entry number $i\"; done");
    run("head -c 250000 /dev/urandom > tree/scattered && MTOOLS_SKIP_CHECK=1 mcopy -i %s tree/scattered ::/",
        image);
}

struct copy_job {
    struct fat *fat;
    const char *from;
    const char *to;
    unsigned files;
};

static void copy_tree(struct copy_job *job);

static void copy_file(const struct copy_job *job, const char *from, const char *to, uint32_t size_bytes)
{
    CLEANUP_FREE char *content = NULL;
    size_t length;

    assert_int_equal(fat_read_file(job->fat, from, 1 << 24, VOLUME_MAY_WAIT, &content, &length), 0);
    assert_int_equal(length, size_bytes);
    write_whole(to, content, length);
}

/* Reads what is listed back by its path while the listing goes on, so both must stand alone. */
static bool copy_entry(void *context, const struct fat_entry *entry)
{
    struct copy_job *job = context;
    CLEANUP_FREE char *from = xasprintf("%s/%s", job->from, entry->name);
    CLEANUP_FREE char *to = xasprintf("%s/%s", job->to, entry->name);

    if (entry->is_directory) {
        struct copy_job below = {.fat = job->fat, .from = from, .to = to};
        copy_tree(&below);
        job->files += below.files;
    } else {
        copy_file(job, from, to, entry->size_bytes);
        job->files++;
    }
    return true;
}

static void copy_tree(struct copy_job *job)
{
    run("mkdir -p '%s'", job->to);
    assert_int_equal(fat_list(job->fat, job->from, VOLUME_MAY_WAIT, copy_entry, job), 0);
}

static void all_files_read_back(const char *mkfs_options, unsigned size_mib, unsigned bits)
{
    run("rm -f fat.img && truncate -s %uM fat.img && mkfs.vfat %s -n FIRMWARE fat.img > /dev/null 2>&1",
        size_mib, mkfs_options);
    make_tree("fat.img");
    CLEANUP_FD int fd = open_image("fat.img");
    struct disk_source source = image_source(fd);
    CLEANUP(cleanup_fat) struct fat *fat = NULL;
    assert_int_equal(fat_open(&source, VOLUME_MAY_WAIT, &fat), 0);
    assert_int_equal(fat_bits(fat), bits);

    struct copy_job job = {.fat = fat, .from = "", .to = "back"};
    copy_tree(&job);
    assert_int_equal(job.files, 150 + 9);
    run("diff -r tree back");

    char label[FAT_NAME_SIZE];
    assert_int_equal(fat_label(fat, VOLUME_MAY_WAIT, label), 0);
    assert_string_equal(label, "FIRMWARE");
}

static void fat12_reads_back(void **state)
{
    all_files_read_back("-F 12 -s 1", 2, 12);
}

static void fat16_reads_back(void **state)
{
    all_files_read_back("-F 16 -s 4", 20, 16);
}

static void fat32_reads_back(void **state)
{
    all_files_read_back("-F 32 -s 1", 40, 32);
}

static void sectors_of_4096_bytes_read_back(void **state)
{
    all_files_read_back("-F 16 -S 4096 -s 1", 40, 16);
}

static void names_compare_without_case(void **state)
{
    run("rm -f fat.img && truncate -s 20M fat.img && mkfs.vfat -F 16 fat.img > /dev/null");
    make_tree("fat.img");
    CLEANUP_FD int fd = open_image("fat.img");
    struct disk_source source = image_source(fd);
    CLEANUP(cleanup_fat) struct fat *fat = NULL;
    assert_int_equal(fat_open(&source, VOLUME_MAY_WAIT, &fat), 0);

    static const char *const there[] = {"kernel.img",
                                        "/KERNEL.IMG",
                                        "//Kernel.Img",
                                        "A RATHER LONG NAME WITH SPACES.BIN",
                                        "ARATHE~1.BIN",
                                        "arathe~1.bin",
                                        "OVERLAYS/Deep/ER/VC4-kms-v3d.DTBO",
                                        "GRÜßE AUS ΕΛΛάΔΑ.DAT",
                                        "lower.TXT",
                                        "overlays/",
                                        ""};
    for (size_t i = 0; i < ARRAY_SIZE(there); i++) {
        struct fat_entry entry;
        assert_int_equal(fat_lookup(fat, there[i], VOLUME_MAY_WAIT, &entry), 0);
    }
    static const char *const missing[] = {"nothing",
                                          "kernel.im",
                                          "kernel.imgg",
                                          ".",
                                          "..",
                                          "overlays/../KERNEL.IMG",
                                          "overlays/deep/er/none",
                                          "many/entry number 1"};
    for (size_t i = 0; i < ARRAY_SIZE(missing); i++) {
        struct fat_entry entry;
        assert_int_equal(fat_lookup(fat, missing[i], VOLUME_MAY_WAIT, &entry), -ENOENT);
    }
    struct fat_file *file;
    assert_int_equal(fat_file_open(fat, "kernel.img/x", VOLUME_MAY_WAIT, &file), -ENOTDIR);
    assert_int_equal(fat_file_open(fat, "overlays", VOLUME_MAY_WAIT, &file), -EISDIR);
}

static void pieces_of_any_size_add_up(void **state)
{
    run("rm -f fat.img && truncate -s 20M fat.img && mkfs.vfat -F 16 -s 1 fat.img > /dev/null");
    make_tree("fat.img");
    size_t length;
    CLEANUP_FREE char *expected = read_whole("tree/scattered", &length);
    CLEANUP_FD int fd = open_image("fat.img");
    struct disk_source source = image_source(fd);
    CLEANUP(cleanup_fat) struct fat *fat = NULL;
    CLEANUP(cleanup_fat_file) struct fat_file *file = NULL;
    assert_int_equal(fat_open(&source, VOLUME_MAY_WAIT, &fat), 0);
    assert_int_equal(fat_file_open(fat, "scattered", VOLUME_MAY_WAIT, &file), 0);
    fat_close(TAKE_PTR(fat));

    static const size_t sizes[] = {1, 511, 512, 513, 1468, 65464};
    char buffer[65464];
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t step = sizes[i] == 1 ? 4999 : sizes[i];
        for (size_t at = 0; at < length; at += step) {
            size_t want = MIN(sizes[i], length - at);
            assert_int_equal(fat_file_read(file, buffer, sizes[i], at, VOLUME_MAY_WAIT), want);
            assert_memory_equal(buffer, expected + at, want);
        }
    }
    assert_int_equal(fat_file_read(file, buffer, 10, length, VOLUME_MAY_WAIT), 0);
    assert_int_equal(fat_file_read(file, buffer, 10, UINT64_MAX, VOLUME_MAY_WAIT), 0);
}

static void a_cold_disk_is_never_waited_for(void **state)
{
    size_t length;
    CLEANUP_FREE char *image = read_whole("fat.img", &length);
    struct cold_memory memory = {.data = (uint8_t *)image};
    struct disk_source source = cold_source(&memory, length);
    CLEANUP(cleanup_fat) struct fat *fat = NULL;
    CLEANUP(cleanup_fat_file) struct fat_file *file = NULL;
    char byte;

    assert_int_equal(fat_open(&source, VOLUME_NO_WAIT, &fat), -EAGAIN);
    assert_int_equal(fat_open(&source, VOLUME_MAY_WAIT, &fat), 0);
    memory.is_warm = false;
    assert_int_equal(fat_file_open(fat, "scattered", VOLUME_NO_WAIT, &file), -EAGAIN);
    assert_int_equal(fat_file_open(fat, "scattered", VOLUME_MAY_WAIT, &file), 0);
    memory.is_warm = false;
    assert_int_equal(fat_file_read(file, &byte, 1, 0, VOLUME_NO_WAIT), -EAGAIN);
    memory.is_warm = true;
    assert_int_equal(fat_file_read(file, &byte, 1, 0, VOLUME_NO_WAIT), 1);
}

/* ---- damage, on a FAT16 image made by hand: 512-byte sectors and clusters, one table of 20 sectors ---- */

enum { HAND_TABLE = 512, HAND_ROOT = 512 * 21, HAND_DATA = 512 * 22, HAND_BYTES = HAND_DATA + 512 * 4200 };

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static uint8_t *make_by_hand(void)
{
    uint8_t *disk = xcalloc(HAND_BYTES, 1);

    put16(disk + 11, 512);
    disk[13] = 1;
    put16(disk + 14, 1);
    disk[16] = 1;
    put16(disk + 17, 16);
    put16(disk + 19, 22 + 4200);
    disk[21] = 0xf8;
    put16(disk + 22, 20);
    return disk;
}

static void put_entry(uint8_t *disk, const char *name, uint8_t attributes, unsigned cluster,
                      uint32_t size_bytes)
{
    uint8_t *at = disk + HAND_ROOT;

    while (at[0])
        at += 32;
    memcpy(at, name, 11);
    at[11] = attributes;
    put16(at + 26, cluster);
    put16(at + 28, size_bytes);
    put16(at + 30, size_bytes >> 16);
}

static int open_by_hand(const uint8_t *disk, const char *path, struct fat_file **file)
{
    struct disk_source source = disk_source_over_memory(disk, HAND_BYTES);
    CLEANUP(cleanup_fat) struct fat *fat = NULL;

    assert_int_equal(fat_open(&source, VOLUME_MAY_WAIT, &fat), 0);
    assert_int_equal(fat_bits(fat), 16);
    return fat_file_open(fat, path, VOLUME_MAY_WAIT, file);
}

static void chains_that_lie_are_refused(void **state)
{
    CLEANUP_FREE uint8_t *disk = make_by_hand();
    struct fat_file *file;

    put_entry(disk, "LOOP       ", 0, 2, 512 * 100);
    put16(disk + HAND_TABLE + 2 * 2, 3);
    put16(disk + HAND_TABLE + 3 * 2, 4);
    put16(disk + HAND_TABLE + 4 * 2, 3);
    put_entry(disk, "SHORT      ", 0, 5, 512 * 3);
    put16(disk + HAND_TABLE + 5 * 2, 0xffff);
    put_entry(disk, "BEYOND     ", 0, 6, 512 * 3);
    put16(disk + HAND_TABLE + 6 * 2, 5000);
    put_entry(disk, "FREE       ", 0, 7, 512 * 3);
    put_entry(disk, "NOWHERE    ", 0, 0, 1);
    put_entry(disk, "HUGE       ", 0, 2, UINT32_MAX);
    static const char *const bad[] = {"loop", "short", "beyond", "free", "nowhere", "huge"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(open_by_hand(disk, bad[i], &file), -EUCLEAN);

    put_entry(disk, "GOOD       ", 0, 5, 512);
    assert_int_equal(open_by_hand(disk, "good", &file), 0);
    fat_file_close(file);
}

/* What an old system renamed or deleted leaves long names behind that belong to nothing. */
static void a_long_name_of_another_entry_is_ignored(void **state)
{
    CLEANUP_FREE uint8_t *disk = make_by_hand();
    struct fat_file *file;
    uint8_t *orphan = disk + HAND_ROOT;

    orphan[0] = 0x41;
    put16(orphan + 1, 'x');
    orphan[11] = 0x0f;
    orphan[13] = (uint8_t)(fat_short_name_checksum((const uint8_t *)"KERNEL  IMG") + 1);
    put_entry(disk, "KERNEL  IMG", 0, 0, 0);
    assert_int_equal(open_by_hand(disk, "x", &file), -ENOENT);
    orphan[13]--;
    assert_int_equal(open_by_hand(disk, "x", &file), 0);
    fat_file_close(file);
    orphan[0] = 0x42; /* the piece with number 1 is missing */
    assert_int_equal(open_by_hand(disk, "x", &file), -ENOENT);
}

static void a_folder_in_a_loop_ends(void **state)
{
    CLEANUP_FREE uint8_t *disk = make_by_hand();
    struct fat_file *file;

    put_entry(disk, "FOLDER     ", 0x10, 2, 0);
    put16(disk + HAND_TABLE + 2 * 2, 2);
    memset(disk + HAND_DATA, 0xe5, 512);
    assert_int_equal(open_by_hand(disk, "folder/x", &file), -EUCLEAN);
    put_entry(disk, "AGAIN      ", 0x10, 0, 0);
    assert_int_equal(open_by_hand(disk, "again/again/x", &file), -EUCLEAN);
}

static void the_kept_clusters_survive_a_change(void **state)
{
    CLEANUP_FREE uint8_t *disk = make_by_hand();
    CLEANUP(cleanup_fat_file) struct fat_file *file = NULL;
    char buffer[1024];

    put_entry(disk, "KERNEL  IMG", 0, 2, 1024);
    put16(disk + HAND_TABLE + 2 * 2, 9);
    put16(disk + HAND_TABLE + 9 * 2, 0xfff8);
    memset(disk + HAND_DATA, 'a', 512);
    memset(disk + HAND_DATA + 7 * 512, 'b', 512);
    assert_int_equal(open_by_hand(disk, "kernel.img", &file), 0);
    memset(disk + HAND_TABLE, 0, 512 * 21);
    assert_int_equal(fat_file_read(file, buffer, sizeof(buffer), 0, VOLUME_MAY_WAIT), 1024);
    assert_int_equal(buffer[511], 'a');
    assert_int_equal(buffer[512], 'b');
}

/* Image builders make FAT32 file systems too small for the format; mtools refuses them, Linux and firmware do
 * not. */
static void a_small_fat32_is_still_fat32(void **state)
{
    CLEANUP_FREE uint8_t *disk = make_by_hand();
    struct disk_source source = disk_source_over_memory(disk, HAND_BYTES);
    CLEANUP(cleanup_fat) struct fat *fat = NULL;
    struct fat_entry entry;

    put16(disk + 17, 0);
    put16(disk + 22, 0);
    put16(disk + 36, 20);
    put16(disk + 44, 2);
    put16(disk + HAND_TABLE + 2 * 4, 0xfff8);
    put16(disk + HAND_TABLE + 2 * 4 + 2, 0xffff);
    put_entry(disk, "CMDLINE TXT", 0, 3, 1);
    assert_int_equal(fat_open(&source, VOLUME_MAY_WAIT, &fat), 0);
    assert_int_equal(fat_bits(fat), 32);
    assert_int_equal(fat_lookup(fat, "cmdline.txt", VOLUME_MAY_WAIT, &entry), 0);
    assert_int_equal(entry.first_cluster, 3);
}

static void surrogates_become_one_character(void **state)
{
    char name[FAT_NAME_SIZE];

    assert_true(fat_long_name(name, sizeof(name), (const uint16_t[]){'a', 0xd83d, 0xde00}, 3));
    assert_string_equal(name, "a😀");
    assert_true(fat_long_name(name, sizeof(name), (const uint16_t[]){0xd83d, 'b'}, 2));
    assert_string_equal(name, "\xef\xbf\xbd"
                              "b");
    assert_false(fat_long_name(name, sizeof(name), (const uint16_t[]){'a', '/', 'b'}, 3));
    assert_false(fat_long_name(name, 3, (const uint16_t[]){'a', 'b', 'c'}, 3));
}

static void case_bits_of_windows_nt_count(void **state)
{
    char name[40];

    fat_short_name(name, sizeof(name), (const uint8_t *)"CONFIG  TXT", 0x18);
    assert_string_equal(name, "config.txt");
    fat_short_name(name, sizeof(name), (const uint8_t *)"CONFIG  TXT", 0x08);
    assert_string_equal(name, "config.TXT");
    fat_short_name(name, sizeof(name),
                   (const uint8_t *)"\x05"
                                    "BC        ",
                   0);
    assert_string_equal(name, "σBC");
}

static void what_is_not_fat_is_said(void **state)
{
    CLEANUP_FREE uint8_t *disk = xcalloc(HAND_BYTES, 1);
    struct disk_source source = disk_source_over_memory(disk, HAND_BYTES);
    struct fat *fat;

    assert_int_equal(fat_open(&source, VOLUME_MAY_WAIT, &fat), -EMEDIUMTYPE);
    memset(disk, 0xff, HAND_BYTES);
    assert_int_equal(fat_open(&source, VOLUME_MAY_WAIT, &fat), -EMEDIUMTYPE);
    source = disk_source_over_memory(disk, 100);
    assert_int_equal(fat_open(&source, VOLUME_MAY_WAIT, &fat), -EMEDIUMTYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fat12_reads_back),
        cmocka_unit_test(fat16_reads_back),
        cmocka_unit_test(fat32_reads_back),
        cmocka_unit_test(sectors_of_4096_bytes_read_back),
        cmocka_unit_test(names_compare_without_case),
        cmocka_unit_test(pieces_of_any_size_add_up),
        cmocka_unit_test(a_cold_disk_is_never_waited_for),
        cmocka_unit_test(chains_that_lie_are_refused),
        cmocka_unit_test(a_long_name_of_another_entry_is_ignored),
        cmocka_unit_test(a_folder_in_a_loop_ends),
        cmocka_unit_test(the_kept_clusters_survive_a_change),
        cmocka_unit_test(a_small_fat32_is_still_fat32),
        cmocka_unit_test(surrogates_become_one_character),
        cmocka_unit_test(case_bits_of_windows_nt_count),
        cmocka_unit_test(what_is_not_fat_is_said),
    };

    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
