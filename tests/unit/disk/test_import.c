#include "fake_store.h"
#include "images.h"

#include "base/text.h"
#include "disk/import.h"

#include <fcntl.h>
#include <stdio.h>

static struct import_result result;
static struct error error;
static struct import_progress last_progress;

static void note_progress(void *context, const struct import_progress *progress)
{
    last_progress = *progress;
}

static int import_fd(int fd, const char *source)
{
    struct import_request request = {
        .name = "debian", .fd = fd, .source = source, .progress = note_progress, .limit_bytes = 64 << 20};

    fake_store.begun = fake_store.committed = fake_store.aborted = 0;
    error = (struct error){0};
    last_progress = (struct import_progress){0};
    int r = image_import(&request, &result, &error);
    /* Whatever happens, what was begun is committed or taken back. */
    assert_int_equal(fake_store.begun, fake_store.committed + fake_store.aborted);
    assert_int_equal(fake_store.committed, r == 0);
    return r;
}

static int import_file(const char *path)
{
    CLEANUP_FD int fd = open_image(path);

    return import_fd(fd, path);
}

/* The same bytes through a pipe, as from `curl | farboot image import -`. */
static int import_pipe(const char *path)
{
    CLEANUP_FREE char *command = xasprintf("cat %s", path);
    FILE *pipe = popen(command, "r");

    assert_non_null(pipe);
    int r = import_fd(fileno(pipe), path);
    pclose(pipe);
    return r;
}

static void assert_same_as(const char *command, const char *digest)
{
    CLEANUP_FREE char *line = output_of("%s | sha256sum | cut -d' ' -f1", command);

    assert_string_equal(digest, line);
}

static void assert_imports(const char *path, const char *format)
{
    CLEANUP_FREE char *cat = xasprintf("cat %s", path);
    int (*const ways[])(const char *) = {import_file, import_pipe};

    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        int r = ways[i](path);
        if (r < 0)
            fail_msg("%s: %d %s", path, r, error.text);
        assert_string_equal(result.format, format);
        assert_same_as(cat, result.source_sha256);
        assert_same_as("cat disk.img", result.sha256);
        size_t length;
        CLEANUP_FREE char *expected = read_whole("disk.img", &length);
        assert_int_equal(result.size_bytes, length);
        assert_int_equal(fake_store.length_bytes, length);
        assert_memory_equal(fake_store.bytes, expected, length);
        assert_int_equal(last_progress.bytes_out, length);
        assert_true(last_progress.bytes_in <= result.source_bytes);
    }
}

static void assert_refused(const char *path, int code, const char *words)
{
    int r = import_file(path);

    if (r != code || !strstr(error.text, words))
        fail_msg("%s: gave %d \"%s\", not %d with \"%s\"", path, r, error.text, code, words);
    assert_int_equal(error.code, code);
    assert_null(strchr(error.text, '\n'));
    assert_true(string_starts_with(error.text, path));
}

static int setup(void **state)
{
    if (images_setup(state) < 0)
        return -1;
    run("truncate -s 9M disk.img && printf 'label: dos\\nstart=2048,size=8192,type=c\\n' | sfdisk -q "
        "disk.img");
    run("head -c 3000001 /dev/urandom | dd of=disk.img bs=1M seek=2 conv=notrunc status=none");
    return 0;
}

static void raw_arrives_as_it_is(void **state)
{
    assert_imports("disk.img", "raw");
}

static void xz_in_one_and_in_many_blocks(void **state)
{
    run("xz -T1 -0 -k -c disk.img > disk.xz && xz -T2 -0 --block-size=1MiB -k -c disk.img > blocks.xz");
    assert_imports("disk.xz", "xz");
    assert_imports("blocks.xz", "xz");
}

static void several_members_are_one_disk(void **state)
{
    static const struct {
        const char *tool;
        const char *name;
    } tools[] = {{"xz -0", "xz"}, {"gzip -1", "gzip"}, {"zstd -q -1", "zstd"}, {"bzip2 -1", "bzip2"}};

    for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
        run("(head -c 4000000 disk.img | %s; tail -c +4000001 disk.img | %s) > two.bin", tools[i].tool,
            tools[i].tool);
        assert_imports("two.bin", tools[i].name);
        run("%s -c disk.img > one.bin", tools[i].tool);
        assert_imports("one.bin", tools[i].name);
        run("head -c 512 /dev/zero >> one.bin");
        assert_imports("one.bin", tools[i].name);
    }
}

static void damage_is_told_in_one_sentence(void **state)
{
    static const char *const tools[] = {"xz -0", "xz -0 --block-size=1MiB", "gzip -1", "zstd -q -1",
                                        "bzip2 -1"};

    for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
        run("%s -c disk.img > whole.bin", tools[i]);
        static const char *const cuts[] = {"-c -1", "-c -9", "-c 2000000", "-c 700"};
        for (size_t cut = 0; cut < ARRAY_SIZE(cuts); cut++) {
            run("head %s whole.bin > cut.bin", cuts[cut]);
            assert_refused("cut.bin", -EBADMSG, "cut short");
        }
        run("cp whole.bin bad.bin && printf 'garbage!' | dd of=bad.bin bs=1 seek=1500000 conv=notrunc "
            "status=none");
        assert_refused("bad.bin", -EBADMSG, "damaged");
        run("(cat whole.bin; echo and more) > more.bin");
        assert_refused("more.bin", -EBADMSG, "something else follows");
        run("(cat whole.bin; head -c 100 whole.bin) > more.bin");
        assert_refused("more.bin", -EBADMSG, "cut short");
    }
}

static void zip_gives_its_one_disk(void **state)
{
    run("echo read me > README && mkdir -p __MACOSX && echo x > __MACOSX/._disk.img && rm -f one.zip");
    run("zip -q one.zip README __MACOSX/._disk.img disk.img README && zip -q -0 stored.zip disk.img");
    assert_imports("one.zip", "zip");
    assert_imports("stored.zip", "zip");
    run("zip -q -fd stream.zip disk.img 2> /dev/null || cat disk.img | zip -q > stream.zip -");
    assert_imports("stream.zip", "zip");
    run("printf 'a comment' | zip -qz one.zip > /dev/null");
    assert_imports("one.zip", "zip");
}

static void zip_with_anything_else_is_refused(void **state)
{
    run("cp disk.img second.img && rm -f two.zip text.zip && zip -q two.zip disk.img second.img README");
    assert_refused("two.zip", -ENOTUNIQ, "several disks (disk.img, second.img)");
    run("echo b > NOTES && zip -q text.zip README NOTES");
    assert_refused("text.zip", -EMEDIUMTYPE, "nothing in the zip archive is a disk (it holds README, NOTES)");
    run("rm -f whole.zip && zip -q whole.zip disk.img && head -c -1 whole.zip > cut.zip");
    assert_refused("cut.zip", -EBADMSG, "cut short");
    run("head -c 2000000 whole.zip > cut.zip");
    assert_refused("cut.zip", -EBADMSG, "cut short");
    run("(cat whole.zip; echo more) > more.zip");
    assert_refused("more.zip", -EBADMSG, "something else follows");
    run("cp whole.zip bad.zip && printf 'garbage!' | dd of=bad.zip bs=1 seek=1500000 conv=notrunc "
        "status=none");
    assert_refused("bad.zip", -EBADMSG, "damaged");
    run("rm -f locked.zip && zip -q -P secret locked.zip disk.img");
    assert_refused("locked.zip", -EOPNOTSUPP, "encrypted");
    run("rm -f xz.zip && xz -0 -k -f disk.img && zip -q xz.zip disk.img.xz");
    assert_refused("xz.zip", -EMEDIUMTYPE, "disk.img.xz");
}

static void what_is_not_a_disk_is_refused(void **state)
{
    run("head -c 3000000 /dev/urandom > noise && : > empty && echo hello > text");
    assert_refused("noise", -EMEDIUMTYPE, "is not a disk");
    assert_refused("empty", -EMEDIUMTYPE, "is empty");
    assert_refused("text", -EMEDIUMTYPE, "is not a disk");
    run("xz -0 -c noise > noise.xz && xz -0 -c disk.img | gzip -1 > twice.gz && xz -c empty > empty.xz");
    assert_refused("noise.xz", -EMEDIUMTYPE, "is not a disk");
    assert_refused("twice.gz", -EMEDIUMTYPE, "xz once more");
    assert_refused("empty.xz", -EMEDIUMTYPE, "is not a disk");
    run("tar cf disk.tar disk.img && lz4 -q -f disk.img disk.lz4");
    assert_refused("disk.tar", -EOPNOTSUPP, "tar archive");
    assert_refused("disk.lz4", -EOPNOTSUPP, "lz4");
    run("head -c 4000000 disk.img > short.img");
    assert_refused("short.img", -EBADMSG, "cut short: its partitions need 5.0 MiB and it has 3.8 MiB");
}

static void file_systems_without_a_table_are_disks(void **state)
{
    run("cp disk.img kept && truncate -s 9M fs && mkfs.vfat fs > /dev/null && cp fs disk.img");
    assert_imports("disk.img", "raw");
    run("rm fs && truncate -s 9M fs && mke2fs -q -t ext4 fs && cp fs disk.img");
    assert_imports("disk.img", "raw");
    run("mv kept disk.img");
}

static void a_bomb_stops_at_the_limit(void **state)
{
    run("(cat disk.img; head -c 100M /dev/zero) | xz -0 > bomb.xz");
    assert_refused("bomb.xz", -EFBIG, "larger than the limit of 64.0 MiB");
}

static void the_store_is_heard(void **state)
{
    COPY_STRING(fake_store.taken, "debian");
    CLEANUP_FD int fd = open_image("disk.img");
    assert_int_equal(import_fd(fd, "disk.img"), -EEXIST);
    assert_string_equal(error.text, "debian: exists");
    fake_store.taken[0] = '\0';

    fake_store.fail_at_bytes = 5 << 20;
    fake_store.fail_with = -ENOSPC;
    assert_refused("disk.img", -ENOSPC, "no space is left in the store");
    fake_store.fail_with = -EIO;
    assert_refused("disk.img", -EIO, "Input/output error");
    /* The very last piece fails: nothing must be committed. */
    fake_store.fail_at_bytes = (9 << 20) - 1;
    assert_refused("disk.img", -EIO, "Input/output error");
    fake_store.fail_at_bytes = 0;
}

static void a_cancelled_import_ends(void **state)
{
    atomic_bool cancelled = true;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    struct import_request request = {.name = "debian", .fd = ends[0], .source = "-", .cancelled = &cancelled};
    assert_int_equal(image_import(&request, &result, &error), -ECANCELED);
    assert_string_equal(error.text, "the import was cancelled");
    close(ends[0]);
    close(ends[1]);
}

static void qcow2_goes_through_qemu_img(void **state)
{
    run("qemu-img convert -O qcow2 disk.img disk.qcow2 && qemu-img convert -c -O qcow2 disk.img small.qcow2");
    static const char *const files[] = {"disk.qcow2", "small.qcow2"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        CLEANUP_FREE char *cat = xasprintf("cat %s", files[i]);
        int r = import_file(files[i]);
        if (r < 0)
            fail_msg("%s: %s", files[i], error.text);
        assert_string_equal(result.format, "qcow2");
        assert_same_as("cat disk.img", result.sha256);
        assert_same_as(cat, result.source_sha256);
    }
    assert_int_equal(import_pipe("disk.qcow2"), 0);
    assert_same_as("cat disk.img", result.sha256);
    run("qemu-img create -q -f qcow2 -b disk.img -F raw over.qcow2");
    assert_refused("over.qcow2", -EOPNOTSUPP, "backing file");
    run("qemu-img create -q -f qcow2 -o data_file=outside.raw outer.qcow2 9M");
    assert_refused("outer.qcow2", -EOPNOTSUPP, "another file");
    run("qemu-img create -q -f qcow2 vast.qcow2 1T");
    assert_refused("vast.qcow2", -EFBIG, "limit");
    run("head -c 300000 disk.qcow2 > cut.qcow2 && dd if=/dev/urandom of=cut.qcow2 bs=1 seek=40 count=20 "
        "conv=notrunc "
        "status=none");
    assert_refused("cut.qcow2", -EBADMSG, "qemu-img cannot read");
    run("qemu-img convert -O vmdk disk.img disk.vmdk && qemu-img convert -O vhdx disk.img disk.vhdx && "
        "qemu-img convert -O vdi disk.img disk.vdi");
    assert_refused("disk.vmdk", -EOPNOTSUPP, "vmdk");
    assert_refused("disk.vhdx", -EOPNOTSUPP, "vhdx");
    assert_refused("disk.vdi", -EOPNOTSUPP, "vdi");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_arrives_as_it_is),
        cmocka_unit_test(xz_in_one_and_in_many_blocks),
        cmocka_unit_test(several_members_are_one_disk),
        cmocka_unit_test(damage_is_told_in_one_sentence),
        cmocka_unit_test(zip_gives_its_one_disk),
        cmocka_unit_test(zip_with_anything_else_is_refused),
        cmocka_unit_test(what_is_not_a_disk_is_refused),
        cmocka_unit_test(file_systems_without_a_table_are_disks),
        cmocka_unit_test(a_bomb_stops_at_the_limit),
        cmocka_unit_test(the_store_is_heard),
        cmocka_unit_test(a_cancelled_import_ends),
        cmocka_unit_test(qcow2_goes_through_qemu_img),
    };
    int failed = cmocka_run_group_tests(tests, setup, images_teardown);

    fake_store_reset();
    return failed;
}
