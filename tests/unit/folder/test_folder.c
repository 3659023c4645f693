#include "../test.h"

#include "folder/folder.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static char place[PATH_MAX];

static struct folder *make_folder(enum folder_owner owner)
{
    struct error error = {0};
    struct folder *folder = NULL;
    CLEANUP_FREE char *command = xasprintf("rm -rf '%s'", place);

    assert_int_equal(system(command), 0);
    if (folder_create(place, owner, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(folder_open(place, &folder, &error), 0);
    return folder;
}

static struct folder *open_again(struct folder *folder)
{
    struct error error = {0};

    folder_unref(folder);
    assert_int_equal(folder_open(place, &folder, &error), 0);
    return folder;
}

static struct folder_object add(struct folder *folder, struct folder_object in, const char *name,
                                enum folder_kind kind)
{
    const struct folder_make make = {
        .kind = kind, .mode = 0640, .uid = 1, .gid = 2, .major = 8, .minor = 3, .target = "somewhere"};
    struct folder_attributes a;
    struct folder_step step;

    assert_int_equal(folder_make(folder, in, name, &make, &a, &step), 0);
    assert_true(step.before != step.after);
    return a.object;
}

static bool same(struct folder_object a, struct folder_object b)
{
    return a.inode == b.inode && a.generation == b.generation;
}

static void an_object_is_found_again_after_renames_and_restarts(void **state)
{
    struct folder *folder = make_folder(FOLDER_OWNER_MAPPED);
    struct folder_object top = folder_top(folder), parent;
    struct folder_object a = add(folder, top, "a", FOLDER_DIRECTORY);
    struct folder_object b = add(folder, a, "b", FOLDER_DIRECTORY);
    struct folder_object file = add(folder, b, "file", FOLDER_FILE);
    struct folder_step from, to;
    struct folder_attributes attributes;
    uint64_t id = folder_id(folder);

    assert_int_equal(folder_rename(folder, top, "a", top, "z", &from, &to), 0);
    assert_int_equal(folder_attributes(folder, file, &attributes), 0);
    folder = open_again(folder);
    assert_true(folder_id(folder) == id && same(folder_top(folder), top));
    assert_int_equal(folder_attributes(folder, file, &attributes), 0);
    assert_int_equal(folder_parent(folder, file, &parent), 0);
    assert_true(same(parent, b));
    assert_int_equal(folder_rename(folder, b, "file", top, "moved", &from, &to), 0);
    assert_int_equal(folder_parent(folder, file, &parent), 0);
    assert_true(same(parent, top));
    folder_unref(folder);
}

static void what_is_gone_is_stale_even_if_its_number_is_used_again(void **state)
{
    struct folder *folder = make_folder(FOLDER_OWNER_ROOT);
    struct folder_object top = folder_top(folder);
    struct folder_attributes attributes;
    struct folder_step step;

    for (int i = 0; i < 50; i++) {
        struct folder_object object = add(folder, top, "x", FOLDER_FILE);
        assert_int_equal(folder_remove(folder, top, "x", FOLDER_REMOVE_ANY, &step), 0);
        add(folder, top, "y", FOLDER_FILE);
        assert_int_equal(folder_attributes(folder, object, &attributes), -ESTALE);
        assert_int_equal(folder_remove(folder, top, "y", FOLDER_REMOVE_ANY, &step), 0);
    }
    folder_unref(folder);
}

static void one_of_two_names_may_go(void **state)
{
    struct folder *folder = make_folder(FOLDER_OWNER_ROOT);
    struct folder_object top = folder_top(folder);
    struct folder_object file = add(folder, top, "one", FOLDER_FILE);
    struct folder_attributes attributes;
    struct folder_step step, other;

    assert_int_equal(folder_link(folder, file, top, "two", &step), 0);
    assert_int_equal(folder_rename(folder, top, "one", top, "two", &step, &other), 0);
    assert_true(step.before == step.after);
    assert_int_equal(folder_remove(folder, top, "one", FOLDER_REMOVE_OTHER, &step), 0);
    assert_int_equal(folder_attributes(folder, file, &attributes), 0);
    assert_int_equal(attributes.links, 1);
    folder_unref(folder);
}

static void an_open_file_needs_no_name(void **state)
{
    struct folder *folder = make_folder(FOLDER_OWNER_ROOT);
    struct folder_object top = folder_top(folder);
    struct folder_object object = add(folder, top, "file", FOLDER_FILE);
    struct folder_attributes attributes;
    struct folder_file *file;
    struct folder_step step;
    char back[5] = "";

    assert_int_equal(folder_file_open(folder, object, &file), 0);
    assert_int_equal(folder_remove(folder, top, "file", FOLDER_REMOVE_ANY, &step), 0);
    assert_int_equal(folder_file_write(file, "data", 4, 0), 0);
    assert_int_equal(folder_file_read(file, back, sizeof(back), 0), 4);
    assert_string_equal(back, "data");
    assert_int_equal(folder_attributes(folder, object, &attributes), 0);
    folder_file_put(file);
    assert_int_equal(folder_attributes(folder, object, &attributes), -ESTALE);
    folder_unref(folder);
}

static void owners_and_kinds_are_data(void **state)
{
    struct folder *folder = make_folder(FOLDER_OWNER_MAPPED);
    struct folder_object top = folder_top(folder);
    const struct folder_change give = {.set_uid = true, .uid = 33, .set_mode = true, .mode = 04755};
    struct folder_attributes a;
    char target[FOLDER_TARGET_MAX + 1];
    struct stat st;

    for (unsigned kind = FOLDER_FILE; kind <= FOLDER_CHARACTER; kind++) {
        char name[2] = {(char)('a' + kind)};
        struct folder_object object = add(folder, top, name, (enum folder_kind)kind);
        assert_int_equal(folder_change(folder, object, &give), 0);
        assert_int_equal(folder_lookup(folder, top, name, &a), 0);
        assert_true(a.kind == kind && a.uid == 33 && a.gid == 2 && a.mode == 04755);
        CLEANUP_FREE char *path = xasprintf("%s/%s", place, name);
        assert_int_equal(lstat(path, &st), 0);
        assert_true((S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) && !(st.st_mode & (S_ISUID | 0077)));
        assert_int_equal(folder_read_link(folder, object, target), kind == FOLDER_SYMLINK ? 0 : -EINVAL);
    }
    assert_string_equal(
        (folder_lookup(folder, top, "c", &a), folder_read_link(folder, a.object, target), target),
        "somewhere");
    folder_unref(folder);
}

static void a_boot_folder_is_roots(void **state)
{
    struct folder *folder = make_folder(FOLDER_OWNER_ROOT);
    const struct folder_change give = {.set_uid = true, .uid = 33, .set_mode = true, .mode = 0};
    struct folder_object object = add(folder, folder_top(folder), "file", FOLDER_FILE);
    struct folder_attributes a;

    assert_int_equal(folder_change(folder, object, &give), 0);
    assert_int_equal(folder_attributes(folder, object, &a), 0);
    assert_true(a.uid == 0 && a.gid == 0 && a.mode == 0755);
    folder_unref(folder);
}

static void links_of_others_are_not_there(void **state)
{
    struct folder *folder = make_folder(FOLDER_OWNER_ROOT);
    struct folder_object top = folder_top(folder);
    CLEANUP_FREE char *link = xasprintf("%s/passwd", place);
    struct folder_attributes a;

    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(folder_lookup(folder, top, "passwd", &a), -ENOENT);
    assert_int_equal(folder_lookup(folder, top, "..", &a), -EINVAL);
    assert_int_equal(folder_lookup(folder, top, "a/b", &a), -EINVAL);
    folder_unref(folder);
}

static void every_change_has_a_value_of_its_own(void **state)
{
    struct folder *folder = make_folder(FOLDER_OWNER_ROOT);
    struct folder_object object = add(folder, folder_top(folder), "file", FOLDER_FILE);
    CLEANUP(cleanup_folder_file) struct folder_file *file = NULL;
    struct folder_attributes a;
    uint64_t last = 0;

    assert_int_equal(folder_file_open(folder, object, &file), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(folder_file_write(file, "x", 1, 0), 0);
        assert_int_equal(folder_file_attributes(file, &a), 0);
        assert_true(a.change > last);
        last = a.change;
    }
    folder_unref(folder);
}

static bool count_entry(void *arg, const struct folder_entry *entry)
{
    struct {
        unsigned count, max;
        uint64_t cookie;
    } *listing = arg;

    assert_true(entry->cookie >= 3 && entry->attributes);
    listing->cookie = entry->cookie;
    return ++listing->count < listing->max;
}

static void a_listing_goes_on_where_it_ended(void **state)
{
    struct folder *folder = make_folder(FOLDER_OWNER_ROOT);
    struct {
        unsigned count, max;
        uint64_t cookie;
    } listing = {.max = 0};
    bool ended = false;

    for (int i = 0; i < 40; i++) {
        char name[8];
        snprintf(name, sizeof(name), "n%d", i);
        add(folder, folder_top(folder), name, FOLDER_FILE);
    }
    while (!ended) {
        listing.max += 7;
        assert_int_equal(
            folder_list(folder, folder_top(folder), listing.cookie, true, count_entry, &listing, &ended), 0);
    }
    assert_int_equal(listing.count, 40);
    folder_unref(folder);
}

static void only_what_farboot_made_is_a_folder(void **state)
{
    struct error error = {0};
    struct folder *folder;

    assert_int_equal(folder_open("/usr", &folder, &error), -ENODATA);
    assert_non_null(strstr(error.text, "/usr: is no folder"));
    assert_int_equal(folder_create("/usr", FOLDER_OWNER_ROOT, &error), -EEXIST);
}

static void creating_exclusively_knows_its_own(void **state)
{
    struct folder *folder = make_folder(FOLDER_OWNER_ROOT);
    struct folder_make make = {.kind = FOLDER_FILE, .verifier = (const uint8_t *)"verifier"};
    struct folder_attributes first, second;
    struct folder_step step;

    assert_int_equal(folder_make(folder, folder_top(folder), "x", &make, &first, &step), 0);
    assert_int_equal(folder_make(folder, folder_top(folder), "x", &make, &second, &step), 0);
    assert_true(same(first.object, second.object) && step.before == step.after);
    make.verifier = (const uint8_t *)"another!";
    assert_int_equal(folder_make(folder, folder_top(folder), "x", &make, &second, &step), -EEXIST);
    folder_unref(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_found_again_after_renames_and_restarts),
        cmocka_unit_test(what_is_gone_is_stale_even_if_its_number_is_used_again),
        cmocka_unit_test(one_of_two_names_may_go),
        cmocka_unit_test(an_open_file_needs_no_name),
        cmocka_unit_test(owners_and_kinds_are_data),
        cmocka_unit_test(a_boot_folder_is_roots),
        cmocka_unit_test(links_of_others_are_not_there),
        cmocka_unit_test(every_change_has_a_value_of_its_own),
        cmocka_unit_test(a_listing_goes_on_where_it_ended),
        cmocka_unit_test(only_what_farboot_made_is_a_folder),
        cmocka_unit_test(creating_exclusively_knows_its_own),
    };
    char directory[] = "/var/tmp/farboot-folder-XXXXXX";

    if (!mkdtemp(directory))
        return 1;
    snprintf(place, sizeof(place), "%s/f", directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    CLEANUP_FREE char *command = xasprintf("rm -rf '%s'", directory);
    return system(command) || failed;
}
