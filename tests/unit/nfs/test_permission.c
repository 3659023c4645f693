#include "../test.h"

#include "nfs/permission.h"

static const struct rpc_credential root = {.flavor = RPC_AUTH_SYS};
static const struct rpc_credential owner = {.flavor = RPC_AUTH_SYS, .uid = 1000, .gid = 1000};
static const struct rpc_credential member = {
    .flavor = RPC_AUTH_SYS, .uid = 7, .gid = 7, .groups = {5, 100}, .group_count = 2};
static const struct rpc_credential other = {.flavor = RPC_AUTH_SYS, .uid = 8, .gid = 8};

static void the_mode_decides(void **state)
{
    const struct folder_attributes file = {.kind = FOLDER_FILE, .mode = 0750, .uid = 1000, .gid = 100};
    const struct folder_attributes data = {.kind = FOLDER_FILE, .mode = 0000};

    assert_int_equal(permission_of(&file, &owner), 7);
    assert_int_equal(permission_of(&file, &member), 5);
    assert_int_equal(permission_of(&file, &other), 0);
    assert_int_equal(permission_of(&file, &root), 7);
    assert_int_equal(permission_of(&data, &root), MAY_READ | MAY_WRITE);
}

static void changing_is_the_owners(void **state)
{
    const struct folder_attributes file = {.kind = FOLDER_FILE, .mode = 0666, .uid = 1000, .gid = 1000};
    const struct folder_change mode = {.set_mode = true}, give = {.set_uid = true, .uid = 1},
                               size = {.set_size = true};
    const struct folder_change group = {.set_gid = true, .gid = 100}, own = {.set_uid = true, .uid = 1000};
    const struct folder_change now = {.set_modified = FOLDER_TIME_NOW},
                               then = {.set_modified = FOLDER_TIME_GIVEN};

    assert_int_equal(permission_to_change(&file, &owner, &mode, false), 0);
    assert_int_equal(permission_to_change(&file, &other, &mode, false), -EPERM);
    assert_int_equal(permission_to_change(&file, &owner, &give, false), -EPERM);
    assert_int_equal(permission_to_change(&file, &owner, &own, false), 0);
    assert_int_equal(permission_to_change(&file, &root, &give, false), 0);
    assert_int_equal(permission_to_change(&file, &owner, &group, false), -EPERM);
    assert_int_equal(permission_to_change(&file, &other, &size, false), 0);
    assert_int_equal(permission_to_change(&file, &other, &now, false), 0);
    assert_int_equal(permission_to_change(&file, &other, &then, false), -EPERM);
}

static void whoever_has_it_open_may_cut_it(void **state)
{
    const struct folder_attributes file = {.kind = FOLDER_FILE, .mode = 0400, .uid = 1000};
    const struct folder_change size = {.set_size = true};

    assert_int_equal(permission_to_change(&file, &other, &size, false), -EACCES);
    assert_int_equal(permission_to_change(&file, &other, &size, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mode_decides),
        cmocka_unit_test(changing_is_the_owners),
        cmocka_unit_test(whoever_has_it_open_may_cut_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
