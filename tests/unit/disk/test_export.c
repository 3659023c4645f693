/* What an export writes, read by other people's tools and by our own import. */
#include "images.h"

#include "disk/export.h"
#include "disk/import.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static struct store *store;
static struct volume *volume;

static void import(const char *path, const char *name)
{
    CLEANUP_FD int fd = open_image(path);
    const struct import_request request = {.store = store, .name = name, .fd = fd, .source = path};
    struct import_result result;
    struct error error;

    if (image_import(&request, &result, &error) < 0)
        fail_msg("%s", error.text);
}

/* Some data, much nothing, and zeros that were written. */
static int setup(void **state)
{
    struct error error;

    if (images_setup(state) < 0)
        return -1;
    run("truncate -s 40M disk.img && head -c 5000000 /dev/urandom | dd of=disk.img bs=1M seek=3 conv=notrunc "
        "status=none && printf 'start=2048,type=83\\n' | sfdisk -q disk.img");
    if (store_open("store", NULL, &store, &error) < 0)
        fail_msg("%s", error.text);
    import("disk.img", "image");
    assert_int_equal(store_volume_clone(store, "image", NULL, "disk", 64 << 20, &error), 0);
    assert_int_equal(store_volume_open(store, "disk", &volume), 0);
    uint8_t zeros[8192] = {0};
    const struct iovec vec = {.iov_base = zeros, .iov_len = sizeof(zeros)};
    assert_int_equal(volume_write(volume, &vec, 1, 4 << 20, false, VOLUME_MAY_WAIT), 0);
    assert_int_equal(volume_discard(volume, 5 << 20, 1 << 20), 0);
    run("truncate -s 64M disk.img && fallocate -p -o 4M -l 8K disk.img && fallocate -p -o 5M -l 1M disk.img");
    return 0;
}

static int teardown(void **state)
{
    volume_unref(volume);
    store_close(store);
    return images_teardown(state);
}

static int export_to(const char *path, enum export_format format, const atomic_bool *cancelled)
{
    CLEANUP_FD int fd = open(path, O_RDWR | O_CREAT, 0600);
    struct export_request request = {
        .volume = volume, .fd = fd, .target = path, .format = format, .cancelled = cancelled};
    struct error error;
    uint64_t written;

    assert_true(fd >= 0);
    return image_export(&request, &written, &error);
}

static void a_raw_file_has_the_same_bytes_and_holes(void **state)
{
    struct stat info;

    run("head -c 70000000 /dev/urandom > out.img"); /* what was there before does not show */
    assert_int_equal(export_to("out.img", EXPORT_RAW, NULL), 0);
    run("cmp disk.img out.img");
    assert_int_equal(stat("out.img", &info), 0);
    assert_true(info.st_blocks * 512 < 6 << 20);
}

static void compressors_of_others_unpack_it(void **state)
{
    assert_int_equal(export_to("out.gz", EXPORT_GZIP, NULL), 0);
    run("gzip -dc out.gz | cmp - disk.img");
    assert_int_equal(export_to("out.xz", EXPORT_XZ, NULL), 0);
    run("xz -dc out.xz | cmp - disk.img");
    assert_int_equal(export_to("out.zst", EXPORT_ZSTD, NULL), 0);
    run("zstd -qdc out.zst | cmp - disk.img");
}

static void what_was_exported_is_imported_again(void **state)
{
    CLEANUP(cleanup_volume) struct volume *again = NULL;

    assert_int_equal(export_to("again.zst", EXPORT_ZSTD, NULL), 0);
    import("again.zst", "again");
    assert_int_equal(store_volume_open(store, "again", &again), 0);
    assert_int_equal(volume_size_bytes(again), volume_size_bytes(volume));
}

static void a_pipe_gets_every_byte(void **state)
{
    FILE *reader = popen("cmp - disk.img", "w");
    struct export_request request = {.volume = volume, .fd = fileno(reader), .target = "-", .format = EXPORT_RAW};
    struct error error;
    uint64_t written;

    assert_int_equal(image_export(&request, &written, &error), 0);
    assert_int_equal(written, volume_size_bytes(volume));
    assert_int_equal(pclose(reader), 0);
}

static void it_stops_when_it_is_cancelled(void **state)
{
    atomic_bool cancelled = true;

    assert_int_equal(export_to("out.img", EXPORT_RAW, &cancelled), -ECANCELED);
    assert_int_equal(export_to("out.xz", EXPORT_XZ, &cancelled), -ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raw_file_has_the_same_bytes_and_holes),
        cmocka_unit_test(compressors_of_others_unpack_it),
        cmocka_unit_test(what_was_exported_is_imported_again),
        cmocka_unit_test(a_pipe_gets_every_byte),
        cmocka_unit_test(it_stops_when_it_is_cancelled),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
