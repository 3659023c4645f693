#include "../test.h"

#include "base/embedded.h"
#include "base/inet.h"
#include "catalog/catalog.h"
#include "catalog/database.h"

#include <pthread.h>
#include <stdio.h>

extern const struct embedded_file catalog_schema[];

struct fixture {
    char folder[64];
    char path[96];
    struct catalog *catalog;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    COPY_STRING(f->folder, "/tmp/farboot-catalog-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/catalog.db", f->folder);
    assert_int_equal(catalog_open(f->path, &f->catalog, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    CLEANUP_FREE char *wal = xasprintf("%s-wal", f->path);
    CLEANUP_FREE char *shm = xasprintf("%s-shm", f->path);

    catalog_close(f->catalog);
    unlink(f->path);
    unlink(wal);
    unlink(shm);
    rmdir(f->folder);
    free(f);
    return 0;
}

static struct image an_image(const char *name)
{
    struct image image = {.size_bytes = 1 << 30, .report = "{}"};

    COPY_STRING(image.name, name);
    COPY_STRING(image.volume, name);
    return image;
}

static struct machine a_machine(const struct image *image, unsigned number)
{
    struct machine machine = {.mac = {{0xdc, 0xa6, 0x32, 0, (uint8_t)(number >> 8), (uint8_t)number}},
                              .image_id = image->id,
                              .size_bytes = 1 << 30};

    snprintf(machine.name, sizeof(machine.name), "pi-%03u", number);
    snprintf(machine.volume, sizeof(machine.volume), "machine-%u", number);
    return machine;
}

static void what_was_written_is_found_by_every_key_and_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    for (unsigned i = 1; i <= 300; i++) {
        struct machine machine = a_machine(&image, i);
        machine.serial = 0x1000 + i;
        machine.address = 0xc0a81400 + i;
        assert_int_equal(catalog_machine_insert(f->catalog, &machine, NULL), 0);
    }
    for (int restart = 0; restart < 2; restart++) {
        const struct catalog_snapshot *snapshot = catalog_read(f->catalog);
        struct machine wanted = a_machine(&image, 257);
        const struct machine *found = catalog_machine_by_mac(snapshot, &wanted.mac);
        assert_non_null(found);
        assert_string_equal(found->name, "pi-257");
        assert_string_equal(found->image, "debian");
        assert_ptr_equal(catalog_machine_by_serial(snapshot, 0x1000 + 257), found);
        assert_ptr_equal(catalog_machine_by_address(snapshot, 0xc0a81400 + 257), found);
        assert_ptr_equal(catalog_machine_by_id(snapshot, found->id), found);
        assert_ptr_equal(catalog_machine_by_name(snapshot, "pi-257"), found);
        assert_null(catalog_machine_by_address(snapshot, 0));
        assert_null(catalog_machine_by_serial(snapshot, 7));
        catalog_snapshot_unref(snapshot);
        catalog_close(f->catalog);
        assert_int_equal(catalog_open(f->path, &f->catalog, NULL), 0);
    }
}

static void a_conflict_says_with_whom(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");
    struct error error = {0};

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    assert_int_equal(catalog_image_insert(f->catalog, &image, &error), -EEXIST);

    struct machine first = a_machine(&image, 1);
    first.address = 0xc0a81407;
    assert_int_equal(catalog_machine_insert(f->catalog, &first, NULL), 0);

    struct machine same_name = a_machine(&image, 2);
    COPY_STRING(same_name.name, first.name);
    assert_int_equal(catalog_machine_insert(f->catalog, &same_name, &error), -EEXIST);
    assert_non_null(strstr(error.text, "pi-001: a machine of that name exists"));

    struct machine same_mac = a_machine(&image, 2);
    same_mac.mac = first.mac;
    assert_int_equal(catalog_machine_insert(f->catalog, &same_mac, &error), -EEXIST);
    assert_non_null(strstr(error.text, "dc:a6:32:00:00:01 belongs to the machine pi-001"));

    struct machine same_address = a_machine(&image, 2);
    same_address.address = first.address;
    assert_int_equal(catalog_machine_insert(f->catalog, &same_address, &error), -EEXIST);
    assert_non_null(strstr(error.text, "192.168.20.7 is reserved for the machine pi-001"));
}

static void an_image_in_use_stays(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");
    struct error error = {0};

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    struct machine machine = a_machine(&image, 1);
    assert_int_equal(catalog_machine_insert(f->catalog, &machine, NULL), 0);
    assert_int_equal(catalog_image_delete(f->catalog, image.id, &error), -EBUSY);
    assert_string_equal(error.text, "debian: cannot be removed while machines use it: pi-001");
    assert_int_equal(catalog_machine_delete(f->catalog, machine.id, NULL), 0);
    assert_int_equal(catalog_image_delete(f->catalog, image.id, NULL), 0);
    assert_int_equal(catalog_image_delete(f->catalog, image.id, &error), -ENOENT);
}

/* ---- settings ---- */

static void assert_setting(struct fixture *f, const char *name, enum setting key, const char *value,
                           enum setting_source source)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(f->catalog);
    const struct machine *machine = catalog_machine_by_name(snapshot, name);

    assert_non_null(machine);
    assert_string_equal(machine_setting(machine, key), value);
    assert_int_equal(machine->settings->sources[key], source);
}

static void say(struct settings *settings, enum setting_source source, enum setting key, const char *value)
{
    settings->values[key] = value;
    settings->sources[key] = source;
}

static void add_group(struct fixture *f, struct machine_group *group, const char *name, const char *cmdline_add)
{
    struct settings settings;

    settings_begin(&settings);
    if (cmdline_add)
        say(&settings, SETTING_FROM_GROUP, SETTING_CMDLINE_ADD, cmdline_add);
    *group = (struct machine_group){.settings = &settings};
    COPY_STRING(group->name, name);
    assert_int_equal(catalog_group_insert(f->catalog, group, NULL), 0);
}

static void say_for_machine(struct fixture *f, const char *name, enum setting key, const char *value)
{
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(f->catalog);
    struct machine machine = *catalog_machine_by_name(snapshot, name);
    struct settings settings = *machine.settings;

    say(&settings, value ? SETTING_FROM_MACHINE : SETTING_FROM_PROGRAM, key, value ? value : "");
    machine.settings = &settings;
    assert_int_equal(catalog_machine_update(f->catalog, &machine, NULL), 0);
}

static void a_machine_has_what_it_says_or_inherits(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");
    struct machine_group group;
    struct settings defaults;

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    add_group(f, &group, "kiosks", "from-group");
    struct machine machine = a_machine(&image, 1);
    machine.group_id = group.id;
    assert_int_equal(catalog_machine_insert(f->catalog, &machine, NULL), 0);
    struct machine other = a_machine(&image, 2);
    assert_int_equal(catalog_machine_insert(f->catalog, &other, NULL), 0);
    settings_begin(&defaults);
    say(&defaults, SETTING_FROM_DEFAULTS, SETTING_CMDLINE_ADD, "from-defaults");
    say(&defaults, SETTING_FROM_DEFAULTS, SETTING_BOOT, "san");
    assert_int_equal(catalog_defaults_update(f->catalog, &defaults, NULL), 0);

    for (int restart = 0; restart < 2; restart++) {
        assert_setting(f, "pi-001", SETTING_CMDLINE_ADD, "from-group", SETTING_FROM_GROUP);
        assert_setting(f, "pi-002", SETTING_CMDLINE_ADD, "from-defaults", SETTING_FROM_DEFAULTS);
        assert_setting(f, "pi-001", SETTING_BOOT, "san", SETTING_FROM_DEFAULTS);
        assert_setting(f, "pi-001", SETTING_CMDLINE_REMOVE, "", SETTING_FROM_PROGRAM);
        catalog_close(f->catalog);
        assert_int_equal(catalog_open(f->path, &f->catalog, NULL), 0);
    }
    say_for_machine(f, "pi-001", SETTING_CMDLINE_ADD, "own");
    say_for_machine(f, "pi-001", SETTING_BOOT, "disk");
    assert_setting(f, "pi-001", SETTING_CMDLINE_ADD, "own", SETTING_FROM_MACHINE);
    assert_setting(f, "pi-001", SETTING_BOOT, "disk", SETTING_FROM_MACHINE);
    say_for_machine(f, "pi-001", SETTING_CMDLINE_ADD, NULL);
    assert_setting(f, "pi-001", SETTING_CMDLINE_ADD, "from-group", SETTING_FROM_GROUP);
    assert_setting(f, "pi-001", SETTING_BOOT, "disk", SETTING_FROM_MACHINE);

    /* What was said of a machine goes with it. */
    assert_int_equal(catalog_machine_delete(f->catalog, machine.id, NULL), 0);
    machine.settings = NULL;
    assert_int_equal(catalog_machine_insert(f->catalog, &machine, NULL), 0);
    assert_setting(f, "pi-001", SETTING_BOOT, "san", SETTING_FROM_DEFAULTS);
}

static void the_way_to_boot_is_a_setting(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    struct machine machine = a_machine(&image, 1);
    assert_int_equal(catalog_machine_insert(f->catalog, &machine, NULL), 0);
    say_for_machine(f, "pi-001", SETTING_BOOT, "san");
    CLEANUP(cleanup_catalog_snapshot) const struct catalog_snapshot *snapshot = catalog_read(f->catalog);
    assert_int_equal(catalog_machine_by_name(snapshot, "pi-001")->boot, MACHINE_BOOT_SAN);
}

static void a_group_with_machines_stays(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");
    struct machine_group group, same;
    struct error error = {0};

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    add_group(f, &group, "kiosks", NULL);
    same = group;
    same.settings = NULL;
    assert_int_equal(catalog_group_insert(f->catalog, &same, &error), -EEXIST);
    assert_string_equal(error.text, "kiosks: a group of that name exists; choose another name");
    struct machine machine = a_machine(&image, 1);
    machine.group_id = group.id;
    assert_int_equal(catalog_machine_insert(f->catalog, &machine, NULL), 0);
    assert_int_equal(catalog_group_delete(f->catalog, group.id, &error), -EBUSY);
    assert_string_equal(error.text, "kiosks: cannot be removed while machines are in it: pi-001");
    machine.group_id = 0;
    assert_int_equal(catalog_machine_update(f->catalog, &machine, NULL), 0);
    assert_int_equal(catalog_group_delete(f->catalog, group.id, NULL), 0);
    assert_int_equal(catalog_group_delete(f->catalog, group.id, &error), -ENOENT);
}

/* A database as it was before there were settings keeps what it says of each machine. */
static void the_way_to_boot_survives_the_migration(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;

    catalog_close(f->catalog);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    for (size_t i = 0; !strstr(catalog_schema[i].name, "settings"); i++) {
        CLEANUP_FREE char *version = xasprintf("PRAGMA user_version = %zu", i + 1);
        assert_int_equal(sqlite3_exec(db, (const char *)catalog_schema[i].data, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, version, NULL, NULL, NULL), SQLITE_OK);
    }
    assert_int_equal(
        sqlite3_exec(db,
                     "INSERT INTO image (id, name, version, comment, volume, size_bytes, created_seconds, source_sha256, sha256, report)"
                     " VALUES (1, 'debian', 1, '', 'i', 4096, 0, '', '', '{}');"
                     "INSERT INTO machine (name, mac, serial, address, boot, image_id, volume, size_bytes,"
                     " created_seconds) VALUES ('pi-001', 'dc:a6:32:00:00:01', 0, 0, 'disk', 1, 'a', 4096, 0),"
                     " ('pi-002', 'dc:a6:32:00:00:02', 0, 0, 'san', 1, 'b', 4096, 0)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(catalog_open(f->path, &f->catalog, NULL), 0);
    assert_setting(f, "pi-001", SETTING_BOOT, "disk", SETTING_FROM_PROGRAM);
    assert_setting(f, "pi-002", SETTING_BOOT, "san", SETTING_FROM_MACHINE);
}

static void images_that_are_there_become_first_versions(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    sqlite3 *db;

    catalog_close(f->catalog);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    for (size_t i = 0; !strstr(catalog_schema[i].name, "image_versions"); i++) {
        CLEANUP_FREE char *version = xasprintf("PRAGMA user_version = %zu", i + 1);
        assert_int_equal(sqlite3_exec(db, (const char *)catalog_schema[i].data, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, version, NULL, NULL, NULL), SQLITE_OK);
    }
    assert_int_equal(
        sqlite3_exec(db,
                     "INSERT INTO image VALUES (7, 'debian', 'i', 4096, 0, 'in', 'out', '{}');"
                     "INSERT INTO machine (name, mac, serial, address, boot, image_id, volume, size_bytes,"
                     " created_seconds) VALUES ('pi-001', 'dc:a6:32:00:00:01', 0, 0, 'disk', 7, 'a', 4096, 0)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(catalog_open(f->path, &f->catalog, &error), 0);
    const struct catalog_snapshot *snapshot = catalog_read(f->catalog);
    const struct machine *machine = catalog_machine_by_name(snapshot, "pi-001");
    assert_int_equal(machine->image_id, 7);
    assert_int_equal(machine->image_version, 1);
    assert_string_equal(catalog_image_by_id(snapshot, 7)->sha256, "out");
    catalog_snapshot_unref(snapshot);
    assert_int_equal(catalog_image_delete(f->catalog, 7, &error), -EBUSY);
}

static void versions_are_numbered_and_the_newest_is_meant(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 1; n <= 3; n++) {
        struct image image = an_image("debian");
        snprintf(image.volume, sizeof(image.volume), "image-%u", n);
        snprintf(image.comment, sizeof(image.comment), "number %u", n);
        assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
        assert_int_equal(image.version, n);
    }
    struct image again = an_image("debian");
    again.version = 1;
    assert_int_equal(catalog_image_insert(f->catalog, &again, NULL), -EEXIST);
    const struct catalog_snapshot *snapshot = catalog_read(f->catalog);
    assert_int_equal(catalog_image_by_name(snapshot, "debian")->version, 3);
    assert_string_equal(catalog_image_version(snapshot, "debian", 2)->comment, "number 2");
    assert_null(catalog_image_version(snapshot, "debian", 4));
    catalog_snapshot_unref(snapshot);
}

/* Migrations run in the order of the table, so that must be the order of their names. */
static void migrations_stand_in_order(void **state)
{
    for (size_t i = 1; catalog_schema[i].name; i++)
        assert_true(strcmp(catalog_schema[i - 1].name, catalog_schema[i].name) < 0);
}

static void a_held_snapshot_does_not_change(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    struct machine machine = a_machine(&image, 1);
    assert_int_equal(catalog_machine_insert(f->catalog, &machine, NULL), 0);
    const struct catalog_snapshot *before = catalog_read(f->catalog);

    COPY_STRING(machine.name, "renamed");
    assert_int_equal(catalog_machine_update(f->catalog, &machine, NULL), 0);
    assert_non_null(catalog_machine_by_name(before, "pi-001"));
    catalog_snapshot_unref(before);

    const struct catalog_snapshot *after = catalog_read(f->catalog);
    assert_null(catalog_machine_by_name(after, "pi-001"));
    assert_non_null(catalog_machine_by_name(after, "renamed"));
    catalog_snapshot_unref(after);
}

static void a_volume_is_pending_exactly_while_no_record_names_it(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");
    struct pending_volume *pending;
    size_t count;

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    struct machine machine = a_machine(&image, 1);
    assert_int_equal(catalog_pending_put(f->catalog, machine.volume, NULL), 0);
    assert_int_equal(catalog_pending_list(f->catalog, &pending, &count), 0);
    assert_int_equal(count, 1);
    assert_string_equal(pending[0].name, machine.volume);
    free(pending);

    assert_int_equal(catalog_machine_insert(f->catalog, &machine, NULL), 0);
    assert_int_equal(catalog_pending_list(f->catalog, &pending, &count), 0);
    assert_int_equal(count, 0);
    free(pending);

    assert_int_equal(catalog_machine_delete(f->catalog, machine.id, NULL), 0);
    assert_int_equal(catalog_pending_list(f->catalog, &pending, &count), 0);
    assert_int_equal(count, 1);
    free(pending);
    assert_int_equal(catalog_pending_drop(f->catalog, machine.volume), 0);
    assert_int_equal(catalog_pending_list(f->catalog, &pending, &count), 0);
    assert_int_equal(count, 0);
    free(pending);
}

static struct machine_disk a_disk(const char *name, unsigned lun)
{
    struct machine_disk disk = {.lun = lun, .size_bytes = 1 << 20, .created_seconds = 100};

    COPY_STRING(disk.name, name);
    snprintf(disk.volume, sizeof(disk.volume), "machine-disk-%s", name);
    return disk;
}

static size_t pending_count(struct catalog *catalog)
{
    CLEANUP_FREE struct pending_volume *pending = NULL;
    size_t count;

    assert_int_equal(catalog_pending_list(catalog, &pending, &count), 0);
    return count;
}

static void further_disks_stand_with_their_machine(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");
    const char *volumes[MACHINE_LUNS];
    bool read_only;

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    for (unsigned i = 1; i <= 3; i++) {
        struct machine machine = a_machine(&image, i);
        assert_int_equal(catalog_machine_insert(f->catalog, &machine, NULL), 0);
        if (i != 2)
            continue;
        struct machine_disk data = a_disk("data", 5);
        struct machine_disk tools = a_disk("tools", 1);
        tools.shared = tools.read_only = true;
        tools.image_id = image.id;
        assert_int_equal(catalog_pending_put(f->catalog, data.volume, NULL), 0);
        assert_int_equal(catalog_disk_insert(f->catalog, machine.id, &data, NULL), 0);
        assert_int_equal(catalog_disk_insert(f->catalog, machine.id, &tools, NULL), 0);
        assert_int_equal(pending_count(f->catalog), 0);
    }
    for (int restart = 0; restart < 2; restart++) {
        const struct catalog_snapshot *snapshot = catalog_read(f->catalog);
        const struct machine *machine = catalog_machine_by_name(snapshot, "pi-002");
        assert_int_equal(catalog_machine_by_name(snapshot, "pi-001")->disk_count, 0);
        assert_int_equal(catalog_machine_by_name(snapshot, "pi-003")->disk_count, 0);
        assert_int_equal(machine->disk_count, 2);
        assert_string_equal(machine_volume_at_lun(machine, 1, &read_only), "debian");
        assert_true(read_only);
        assert_string_equal(machine_volume_at_lun(machine, 5, &read_only), "machine-disk-data");
        assert_false(read_only);
        assert_null(machine_volume_at_lun(machine, 2, &read_only));
        assert_string_equal(machine_disk_by_name(machine, "tools")->image, "debian");
        assert_int_equal(machine_own_volumes(machine, volumes), 2);
        assert_string_equal(volumes[0], "machine-2");
        assert_string_equal(volumes[1], "machine-disk-data");
        catalog_snapshot_unref(snapshot);
        catalog_close(f->catalog);
        assert_int_equal(catalog_open(f->path, &f->catalog, NULL), 0);
    }
}

static void a_name_and_a_lun_are_a_machines_only_once(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");
    struct error error = {0};

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    struct machine one = a_machine(&image, 1), two = a_machine(&image, 2);
    assert_int_equal(catalog_machine_insert(f->catalog, &one, NULL), 0);
    assert_int_equal(catalog_machine_insert(f->catalog, &two, NULL), 0);

    struct machine_disk data = a_disk("data", 1), same_lun = a_disk("more", 1), same_name = a_disk("data", 2);
    assert_int_equal(catalog_disk_insert(f->catalog, one.id, &data, NULL), 0);
    COPY_STRING(same_name.volume, "another");
    assert_int_equal(catalog_disk_insert(f->catalog, one.id, &same_lun, &error), -EEXIST);
    assert_int_equal(catalog_disk_insert(f->catalog, one.id, &same_name, &error), -EEXIST);
    assert_int_equal(catalog_disk_insert(f->catalog, two.id, &same_name, NULL), 0);

    COPY_STRING(data.name, "renamed");
    data.read_only = true;
    assert_int_equal(catalog_disk_update(f->catalog, &data, NULL), 0);
    const struct catalog_snapshot *snapshot = catalog_read(f->catalog);
    assert_true(machine_disk_by_name(catalog_machine_by_id(snapshot, one.id), "renamed")->read_only);
    catalog_snapshot_unref(snapshot);
}

static void a_disk_that_goes_leaves_its_volume_pending_and_is_remembered(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian"), other = an_image("tools");
    CLEANUP_FREE struct removed_disk *removed = NULL;
    struct error error = {0};
    size_t count;

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    assert_int_equal(catalog_image_insert(f->catalog, &other, NULL), 0);
    struct machine machine = a_machine(&image, 1);
    machine.disks[0] = a_disk("data", 1);
    machine.disks[1] = a_disk("tools", 2);
    machine.disks[1].shared = machine.disks[1].read_only = true;
    machine.disks[1].image_id = other.id;
    machine.disk_count = 2;
    assert_int_equal(catalog_machine_insert(f->catalog, &machine, NULL), 0);
    assert_int_equal(catalog_image_delete(f->catalog, other.id, &error), -EBUSY);
    assert_string_equal(error.text, "tools: cannot be removed while machines use it: pi-001");

    assert_int_equal(catalog_disk_delete(f->catalog, machine.disks[1].id, NULL), 0);
    assert_int_equal(pending_count(f->catalog), 0);
    assert_int_equal(catalog_image_delete(f->catalog, other.id, NULL), 0);
    assert_int_equal(catalog_removed_disks(f->catalog, machine.id, &removed, &count), 0);
    assert_int_equal(count, 1);
    assert_string_equal(removed[0].name, "tools");
    assert_int_equal(removed[0].created_seconds, 100);
    assert_true(removed[0].removed_seconds > 100);

    assert_int_equal(catalog_machine_delete(f->catalog, machine.id, NULL), 0);
    assert_int_equal(pending_count(f->catalog), 3); /* the image's, the machine's and its disk's */
}

struct lease_test {
    struct loop *loop;
    unsigned waiting;
    int worst;
};

static void lease_committed(void *arg, int result)
{
    struct lease_test *test = arg;

    test->worst = MIN(test->worst, result);
    if (--test->waiting == 0)
        loop_stop(test->loop);
}

static void leases_are_committed_together_and_kept(void **state)
{
    struct fixture *f = *state;
    struct lease_test test = {.loop = loop_new("test"), .waiting = 500};

    for (unsigned i = 0; i < 500; i++) {
        struct lease lease = {.address = 0x0a000000 + i % 250, .mac = {{2, 0, 0, 0, 0, (uint8_t)i}},
                              .state = LEASE_BOUND, .expires_seconds = 1000 + i};
        catalog_lease_put(f->catalog, &lease, 1, test.loop, lease_committed, &test);
    }
    loop_run(test.loop);
    loop_free(test.loop);
    assert_int_equal(test.worst, 0);

    struct lease *leases;
    size_t count;
    assert_int_equal(catalog_lease_list(f->catalog, &leases, &count), 0);
    assert_int_equal(count, 250);
    assert_int_equal(leases[249].expires_seconds, 1499);
    free(leases);
}

static void secrets_are_kept_until_the_machine_goes(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    struct machine machine = a_machine(&image, 1);
    assert_int_equal(catalog_machine_insert(f->catalog, &machine, NULL), 0);
    machine.chap = (struct machine_chap){MACHINE_CHAP_MUTUAL, "one-secret", "other-secret"};
    assert_int_equal(catalog_machine_set_chap(f->catalog, &machine, NULL), 0);
    struct machine renamed = machine;
    COPY_STRING(renamed.name, "renamed");
    renamed.chap = (struct machine_chap){0};
    assert_int_equal(catalog_machine_update(f->catalog, &renamed, NULL), 0);
    const struct catalog_snapshot *snapshot = catalog_read(f->catalog);
    const struct machine *found = catalog_machine_by_name(snapshot, "renamed");
    assert_int_equal(found->chap.mode, MACHINE_CHAP_MUTUAL);
    assert_string_equal(found->chap.secret, "one-secret");
    assert_string_equal(found->chap.target_secret, "other-secret");
    catalog_snapshot_unref(snapshot);
    assert_int_equal(catalog_machine_delete(f->catalog, machine.id, NULL), 0);
    assert_int_equal(catalog_machine_set_chap(f->catalog, &machine, NULL), -ENOENT);
}

struct crowd {
    struct fixture *fixture;
    struct image *image;
    unsigned first;
};

static void *add_machines(void *arg)
{
    struct crowd *crowd = arg;

    for (unsigned i = 0; i < 25; i++) {
        struct machine machine = a_machine(crowd->image, crowd->first + i);
        CHECK(catalog_machine_insert(crowd->fixture->catalog, &machine, NULL) == 0);
        const struct catalog_snapshot *snapshot = catalog_read(crowd->fixture->catalog);
        CHECK(catalog_machine_by_id(snapshot, machine.id));
        catalog_snapshot_unref(snapshot);
    }
    return NULL;
}

static void what_a_call_returned_is_visible_to_its_thread(void **state)
{
    struct fixture *f = *state;
    struct image image = an_image("debian");
    struct crowd crowds[4];
    pthread_t threads[4];
    size_t count;

    assert_int_equal(catalog_image_insert(f->catalog, &image, NULL), 0);
    for (unsigned i = 0; i < 4; i++) {
        crowds[i] = (struct crowd){f, &image, 1 + i * 100};
        assert_int_equal(pthread_create(&threads[i], NULL, add_machines, &crowds[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    const struct catalog_snapshot *snapshot = catalog_read(f->catalog);
    catalog_machines(snapshot, &count);
    assert_int_equal(count, 100);
    catalog_snapshot_unref(snapshot);
}

static void what_a_disk_must_know_goes_with_its_volume(void **state)
{
    struct fixture *f = *state;
    struct pending_volume *volumes;
    uint8_t *bytes;
    size_t length, count;

    assert_int_equal(catalog_disk_state_get(f->catalog, "machine-1", &bytes, &length), 0);
    assert_null(bytes);
    assert_int_equal(catalog_disk_state_put(f->catalog, "machine-1", "one", 3), 0);
    assert_int_equal(catalog_disk_state_put(f->catalog, "machine-1", "second", 6), 0);
    catalog_close(f->catalog);
    assert_int_equal(catalog_open(f->path, &f->catalog, NULL), 0);
    assert_int_equal(catalog_disk_state_get(f->catalog, "machine-1", &bytes, &length), 0);
    assert_int_equal(length, 6);
    assert_memory_equal(bytes, "second", 6);
    free(bytes);
    assert_int_equal(catalog_disk_state_list(f->catalog, &volumes, &count), 0);
    assert_int_equal(count, 1);
    assert_string_equal(volumes[0].name, "machine-1");
    free(volumes);
    assert_int_equal(catalog_pending_drop(f->catalog, "machine-1"), 0);
    assert_int_equal(catalog_disk_state_get(f->catalog, "machine-1", &bytes, &length), 0);
    assert_null(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_found_by_every_key_and_after_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_conflict_says_with_whom, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_image_in_use_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_held_snapshot_does_not_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_machine_has_what_it_says_or_inherits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_way_to_boot_is_a_setting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_group_with_machines_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_way_to_boot_survives_the_migration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(images_that_are_there_become_first_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(versions_are_numbered_and_the_newest_is_meant, set_up, tear_down),
        cmocka_unit_test_setup_teardown(migrations_stand_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_volume_is_pending_exactly_while_no_record_names_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_disk_must_know_goes_with_its_volume, set_up, tear_down),
        cmocka_unit_test_setup_teardown(further_disks_stand_with_their_machine, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_and_a_lun_are_a_machines_only_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disk_that_goes_leaves_its_volume_pending_and_is_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leases_are_committed_together_and_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_are_kept_until_the_machine_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_call_returned_is_visible_to_its_thread, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
