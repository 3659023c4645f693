/* An import into the real store, and what is then read from the volume it became. */
#include "images.h"

#include "base/text.h"
#include "disk/boot_partition.h"
#include "disk/import.h"
#include "disk/inspect.h"

#include <stdio.h>

static struct store *store;

static int setup(void **state)
{
    struct error error;

    if (images_setup(state) < 0)
        return -1;
    run("truncate -s 34M p1 && mkfs.vfat -F 32 -s 1 p1 > /dev/null && echo 'kernel=vmlinuz' > config.txt && "
        "head -c 3000000 /dev/urandom > vmlinuz && mcopy -i p1 config.txt vmlinuz ::/ && truncate -s 40M "
        "disk.img && "
        "printf 'label: dos\\nstart=2048,size=34M,type=c\\n' | sfdisk -q disk.img && "
        "dd if=p1 of=disk.img bs=1M seek=1 conv=notrunc status=none && xz -T2 -0 --block-size=4MiB -k "
        "disk.img");
    if (store_open("store", NULL, &store, &error) < 0)
        fail_msg("%s", error.text);
    return 0;
}

static int teardown(void **state)
{
    store_close(store);
    return images_teardown(state);
}

static int import(const char *path, const char *name, uint64_t limit_bytes, struct import_result *result,
                  struct error *error)
{
    CLEANUP_FD int fd = open_image(path);
    struct import_request request = {
        .store = store, .name = name, .fd = fd, .source = path, .limit_bytes = limit_bytes};

    return image_import(&request, result, error);
}

static size_t volumes(void)
{
    CLEANUP_FREE struct store_volume_info *infos = NULL;
    size_t count;

    assert_int_equal(store_volume_list(store, &infos, &count), 0);
    return count;
}

static void an_image_becomes_a_volume(void **state)
{
    struct import_result result;
    struct error error;
    CLEANUP(cleanup_volume) struct volume *volume = NULL;

    if (import("disk.img.xz", "pi", 0, &result, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(store_volume_open(store, "pi", &volume), 0);
    assert_true(volume_is_read_only(volume));
    struct disk_source source = disk_source_over_volume(volume);
    size_t length;
    CLEANUP_FREE char *expected = read_whole("disk.img", &length);
    assert_int_equal(source.size_bytes, length);
    CLEANUP_FREE char *read = xcalloc(length, 1);
    for (size_t at = 0, step = 1; at < length; at += step, step = step * 3 % 1000003 + 1) {
        size_t piece = MIN(step, length - at);
        assert_int_equal(disk_source_read(&source, read + at, piece, at, VOLUME_MAY_WAIT), 0);
    }
    assert_memory_equal(read, expected, length);
}

static void boot_files_are_served_from_it(void **state)
{
    CLEANUP(cleanup_volume) struct volume *volume = NULL;
    CLEANUP(cleanup_fat) struct fat *fat = NULL;
    CLEANUP(cleanup_fat_file) struct fat_file *file = NULL;
    struct disk_source boot;
    unsigned number;
    char block[1468];

    assert_int_equal(store_volume_open(store, "pi", &volume), 0);
    struct disk_source source = disk_source_over_volume(volume);
    assert_int_equal(boot_partition_find(&source, VOLUME_MAY_WAIT, &boot, &number), 0);
    assert_int_equal(number, 1);
    assert_int_equal(fat_open(&boot, VOLUME_MAY_WAIT, &fat), 0);
    assert_int_equal(fat_file_open(fat, "vmlinuz", VOLUME_MAY_WAIT, &file), 0);
    size_t length;
    CLEANUP_FREE char *expected = read_whole("vmlinuz", &length);
    for (size_t at = 0; at < length; at += sizeof(block)) {
        size_t piece = MIN(sizeof(block), length - at);
        assert_int_equal(fat_file_read(file, block, sizeof(block), at, VOLUME_MAY_WAIT), piece);
        assert_memory_equal(block, expected + at, piece);
    }
    /* Once read it is in the page cache, and no loop thread has to wait for it. */
    assert_int_equal(fat_file_read(file, block, sizeof(block), 77, VOLUME_NO_WAIT), sizeof(block));
}

static void failures_leave_nothing_behind(void **state)
{
    struct import_result result;
    struct error error;
    size_t before = volumes();

    CLEANUP_FREE char *used = output_of("du -sk store | cut -f1");
    assert_int_equal(import("disk.img.xz", "pi", 0, &result, &error), -EEXIST);
    assert_int_equal(import("disk.img.xz", "small", 20 << 20, &result, &error), -EFBIG);
    run("head -c -100 disk.img.xz > cut.xz && head -c 5M /dev/urandom > noise");
    assert_int_equal(import("cut.xz", "cut", 0, &result, &error), -EBADMSG);
    assert_int_equal(import("noise", "noise", 0, &result, &error), -EMEDIUMTYPE);
    assert_int_equal(volumes(), before);
    CLEANUP_FREE char *used_after = output_of("du -sk store | cut -f1");
    assert_true(atoi(used_after) - atoi(used) < 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_becomes_a_volume),
        cmocka_unit_test(boot_files_are_served_from_it),
        cmocka_unit_test(failures_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
