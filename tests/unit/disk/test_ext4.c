#include "images.h"

#include "base/text.h"
#include "disk/ext4.h"

#include <fcntl.h>
#include <stdio.h>

static struct disk_source source;
static int fd = -1;

static int setup(void **state)
{
    if (images_setup(state) < 0)
        return -1;
    run("mkdir -p tree/etc tree/usr/lib tree/many tree/deep/er && cd tree && "
        "printf 'PRETTY_NAME=\"Test 1\"\\n' > usr/lib/os-release && ln -s ../usr/lib/os-release "
        "etc/os-release && "
        "ln -s /usr/lib/os-release absolute && ln -s loop2 loop1 && ln -s loop1 loop2 && ln -s "
        "../../../../etc out && "
        "ln -s usr/lib lib && head -c 3000001 /dev/urandom > big && : > empty && echo tiny > tiny && "
        "truncate -s 5M sparse && echo end >> sparse && head -c 70000 /dev/urandom > deep/er/file");
    run("cd tree/many && for i in $(seq 1 400); do echo $i > a-file-with-a-longer-name-$i; done");
    return 0;
}

static struct ext4 *open_fs(const char *mke2fs_options)
{
    struct ext4 *ext4 = NULL;

    run("rm -f fs && truncate -s 40M fs && mke2fs -q %s -d tree fs 2> /dev/null", mke2fs_options);
    if (fd >= 0)
        close(fd);
    fd = open_image("fs");
    source = image_source(fd);
    assert_int_equal(ext4_open(&source, &ext4), 0);
    return ext4;
}

struct copy_job {
    struct ext4 *ext4;
    const char *from;
    const char *to;
};

static bool copy_entry(void *context, const struct ext4_entry *entry)
{
    const struct copy_job *job = context;
    CLEANUP_FREE char *from = xasprintf("%s/%s", job->from, entry->name);
    CLEANUP_FREE char *to = xasprintf("%s/%s", job->to, entry->name);
    CLEANUP_FREE char *content = NULL;
    size_t length;

    if (entry->is_link || string_equal(entry->name, "lost+found"))
        return true;
    if (entry->is_directory) {
        struct copy_job below = {.ext4 = job->ext4, .from = from, .to = to};
        run("mkdir -p %s", to);
        assert_int_equal(ext4_list(job->ext4, from, copy_entry, &below), 0);
        return true;
    }
    assert_int_equal(ext4_read_file(job->ext4, from, 8 << 20, &content, &length), 0);
    write_whole(to, content, length);
    return true;
}

static void all_files_read_back(void **state)
{
    static const char *const kinds[] = {"-t ext4",
                                        "-t ext4 -b 1024",
                                        "-t ext3",
                                        "-t ext2 -b 1024",
                                        "-t ext4 -O inline_data",
                                        "-t ext4 -O 64bit,bigalloc,metadata_csum -C 16384",
                                        "-t ext4 -O ^64bit,^extent,^dir_index"};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        CLEANUP(cleanup_ext4) struct ext4 *ext4 = open_fs(kinds[i]);
        struct copy_job job = {.ext4 = ext4, .from = "", .to = "back"};
        run("rm -rf back plain && mkdir back && cp -r tree plain && find plain -type l -delete");
        assert_int_equal(ext4_list(ext4, "/", copy_entry, &job), 0);
        run("diff -r plain back");
        assert_false(ext4_needs_recovery(ext4));
    }
}

static void links_are_followed_inside(void **state)
{
    CLEANUP(cleanup_ext4) struct ext4 *ext4 = open_fs("-t ext4");
    static const char *const there[] = {"/etc/os-release", "/absolute", "/lib/os-release", "/out/os-release"};

    for (size_t i = 0; i < ARRAY_SIZE(there); i++) {
        CLEANUP_FREE char *content = NULL;
        size_t length;
        assert_int_equal(ext4_read_file(ext4, there[i], 100, &content, &length), 0);
        assert_string_equal(content, "PRETTY_NAME=\"Test 1\"\n");
    }
    CLEANUP_FREE char *content = NULL;
    size_t length;
    assert_int_equal(ext4_read_file(ext4, "/loop1", 100, &content, &length), -ELOOP);
    assert_int_equal(ext4_read_file(ext4, "/none", 100, &content, &length), -ENOENT);
    assert_int_equal(ext4_read_file(ext4, "/etc", 100, &content, &length), -EISDIR);
    assert_int_equal(ext4_read_file(ext4, "/tiny/x", 100, &content, &length), -ENOTDIR);
    assert_int_equal(ext4_read_file(ext4, "/big", 100, &content, &length), -EFBIG);
    assert_int_equal(ext4_list(ext4, "/tiny", NULL, NULL), -ENOTDIR);
}

static void reads_at_an_offset(void **state)
{
    CLEANUP(cleanup_ext4) struct ext4 *ext4 = open_fs("-t ext4 -b 1024");
    CLEANUP(cleanup_ext4_file) struct ext4_file *file = NULL;
    size_t length;
    CLEANUP_FREE char *expected = read_whole("tree/big", &length);
    char buffer[70001];

    assert_int_equal(ext4_file_open(ext4, "/big", &file), 0);
    assert_int_equal(ext4_file_size_bytes(file), length);
    struct disk_source content = ext4_file_source(file);
    for (size_t at = 1; at + sizeof(buffer) < length; at += 99991) {
        assert_int_equal(disk_source_read(&content, buffer, sizeof(buffer), at, VOLUME_MAY_WAIT), 0);
        assert_memory_equal(buffer, expected + at, sizeof(buffer));
    }
    assert_int_equal(disk_source_read(&content, buffer, 2, length - 1, VOLUME_MAY_WAIT), -EINVAL);
}

static void an_unreplayed_journal_is_told(void **state)
{
    ext4_close(open_fs("-t ext4"));
    run("debugfs -w -R 'feature needs_recovery' fs > /dev/null 2>&1");
    CLEANUP(cleanup_ext4) struct ext4 *ext4 = NULL;
    assert_int_equal(ext4_open(&source, &ext4), 0);
    assert_true(ext4_needs_recovery(ext4));
    CLEANUP_FREE char *content = NULL;
    size_t length;
    assert_int_equal(ext4_read_file(ext4, "/tiny", 100, &content, &length), 0);
}

static void what_is_not_ext_is_said(void **state)
{
    CLEANUP_FREE uint8_t *zeros = xcalloc(1 << 20, 1);
    struct disk_source nothing = disk_source_over_memory(zeros, 1 << 20);
    struct ext4 *ext4;

    assert_int_equal(ext4_open(&nothing, &ext4), -EMEDIUMTYPE);
    nothing.size_bytes = 1000;
    assert_int_equal(ext4_open(&nothing, &ext4), -EMEDIUMTYPE);
}

static bool go_on(void *context, const struct ext4_entry *entry)
{
    return true;
}

static void ask_anything(const char *image, size_t length)
{
    struct disk_source memory = disk_source_over_memory(image, length);
    CLEANUP(cleanup_ext4) struct ext4 *ext4 = NULL;
    CLEANUP_FREE char *content = NULL;
    size_t content_length;

    if (ext4_open(&memory, &ext4) < 0)
        return;
    ext4_list(ext4, "/many", go_on, NULL);
    ext4_read_file(ext4, "/lib/os-release", 1 << 20, &content, &content_length);
}

enum { DAMAGED_DISKS = 150, CHANGES = 12, METADATA_BYTES = 1 << 19 };

/* Bytes of the metadata changed at random: an answer or an error, but always an end. */
static void damage_ends_in_an_answer(void **state)
{
    ext4_close(open_fs("-t ext4 -O ^metadata_csum -b 1024"));
    size_t length;
    CLEANUP_FREE char *image = read_whole("fs", &length);
    CLEANUP_FREE char *kept = xcalloc(METADATA_BYTES, 1);
    uint32_t random = 1;

    memcpy(kept, image, METADATA_BYTES);
    for (unsigned i = 0; i < DAMAGED_DISKS; i++) {
        for (unsigned change = 0; change < CHANGES; change++) {
            random = random * 1664525 + 1013904223;
            size_t within =
                change % 2 ? 1024 : METADATA_BYTES - 2048; /* every other one hits the superblock */
            image[1024 + (random >> 8) % within] = (char)(random >> 24);
        }
        memcpy(image + 1024 + 56, kept + 1024 + 56, 2); /* the magic stays, or nothing would be asked */
        ask_anything(image, length);
        memcpy(image, kept, METADATA_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_files_read_back),     cmocka_unit_test(links_are_followed_inside),
        cmocka_unit_test(reads_at_an_offset),      cmocka_unit_test(an_unreplayed_journal_is_told),
        cmocka_unit_test(what_is_not_ext_is_said), cmocka_unit_test(damage_ends_in_an_answer),
    };

    return cmocka_run_group_tests(tests, setup, images_teardown);
}
