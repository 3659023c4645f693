#include "fixture.h"

#include "store/map.h"
#include "store/sum.h"

enum { BLOCKS = 3 * MAP_PAGE_BLOCKS + 100 };

static void a_unit_survives_the_way_to_the_disk(void **state)
{
    struct random random = {7};
    uint8_t payload[UNIT_PAYLOAD_BYTES], found[UNIT_PAYLOAD_BYTES], unit[UNIT_BYTES];
    uint32_t generation;

    random_fill(&random, payload, sizeof(payload));
    unit_encode(unit, payload, 9, 17, 3);
    assert_int_equal(unit_decode(unit, 17, 3, found, &generation), UNIT_VALID);
    assert_memory_equal(found, payload, sizeof(payload));
    assert_int_equal(generation, 9);
}

static void a_unit_knows_its_place(void **state)
{
    uint8_t payload[UNIT_PAYLOAD_BYTES] = {1}, found[UNIT_PAYLOAD_BYTES], unit[UNIT_BYTES];
    uint32_t generation;

    unit_encode(unit, payload, 1, 17, 3);
    assert_int_equal(unit_decode(unit, 18, 3, found, &generation), UNIT_DAMAGED);
    assert_int_equal(unit_decode(unit, 17, 4, found, &generation), UNIT_DAMAGED);
    for (size_t bit = 0; bit < UNIT_BYTES * 8; bit++) {
        unit[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(unit_decode(unit, 17, 3, found, &generation), UNIT_DAMAGED);
        unit[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memset(unit, 0, sizeof(unit));
    assert_int_equal(unit_decode(unit, 17, 3, found, &generation), UNIT_EMPTY);
}

static void the_bytes_are_those_of_the_format(void **state)
{
    struct map *map = map_new(10000);
    struct map_units units = {0};

    map_set(map, 0, 1);
    map_set(map, 10, 2);
    map_set(map, MAP_UNIT_BLOCKS + 15, 1);
    map_take_changed(map, 5, &units);
    assert_int_equal(units.count, 3); /* the third is empty, and written with the others the first time */
    assert_int_equal(units.indexes[1], 1);
    assert_true(bytes_are_zero(units.bytes + 2 * UNIT_BYTES, UNIT_BYTES));
    assert_int_equal(units.bytes[0], 0x01);
    assert_int_equal(units.bytes[1], 0x0c);
    assert_int_equal(units.bytes[UNIT_BYTES + 1], 0x80);
    assert_int_equal(units.bytes[504], 1); /* the generation, little-endian */
    assert_int_equal(unit_offset(2), 8192 + 1024);
    map_units_free(&units);
    map_free(map);
}

static void one_good_header_is_enough(void **state)
{
    uint8_t header[UNIT_HEADER_BYTES];

    unit_header_encode(header, UNIT_MAGIC_MAP, 12);
    assert_memory_equal(header, "farbootM\1\0\0\0\0\x10\0\0\x0c", 17);
    assert_int_equal(unit_header_decode(header, UNIT_MAGIC_MAP, 12), 0);
    assert_int_equal(unit_header_decode(header, UNIT_MAGIC_MAP, 13), -EUCLEAN);
    assert_int_equal(unit_header_decode(header, UNIT_MAGIC_SUM, 12), -EUCLEAN);
    header[3] ^= 1;
    assert_int_equal(unit_header_decode(header, UNIT_MAGIC_MAP, 12), 0);
    header[UNIT_HEADER_COPY_BYTES + 20] ^= 1;
    assert_int_equal(unit_header_decode(header, UNIT_MAGIC_MAP, 12), -EUCLEAN);
}

/* ---- runs, beside one byte per block ---- */

static void check_runs(const struct map *map, const uint8_t *shadow, struct random *random)
{
    for (int i = 0; i < 200; i++) {
        uint64_t block = random_below(random, BLOCKS);
        uint64_t limit = 1 + random_below(random, BLOCKS - block);
        uint64_t expected = 1, length;
        while (expected < limit && shadow[block + expected] == shadow[block])
            expected++;
        assert_int_equal(map_run(map, block, limit, &length), shadow[block]);
        assert_int_equal(length, expected);
    }
}

static void runs_are_found_whatever_they_cross(void **state)
{
    struct random random = {test_seed(31)};
    CLEANUP_FREE uint8_t *shadow = xcalloc(1, BLOCKS);
    CLEANUP(cleanup_map) struct map *map = map_new(BLOCKS);

    check_runs(map, shadow, &random);
    for (int round = 0; round < 60; round++) {
        uint64_t block = random_below(&random, BLOCKS);
        uint64_t most = random_below(&random, 3) ? 70 : 40000;
        uint64_t count = MIN(1 + random_below(&random, most), BLOCKS - block);
        map_set(map, block, count);
        memset(shadow + block, 1, count);
        check_runs(map, shadow, &random);
    }
}

static void load(struct map *map, const struct map_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        map_load_unit(map, 5, units->indexes[i], units->bytes + i * UNIT_BYTES);
    map_loaded(map);
}

static void what_was_taken_is_what_is_loaded(void **state)
{
    CLEANUP(cleanup_map) struct map *map = map_new(BLOCKS);
    CLEANUP(cleanup_map) struct map *loaded = map_new(BLOCKS);
    struct map_units units = {0};

    map_set(map, 5, 10000);
    map_set(map, MAP_PAGE_BLOCKS, MAP_PAGE_BLOCKS); /* a page that is owned all over */
    map_set(map, BLOCKS - 1, 1);
    map_take_changed(map, 5, &units);
    assert_false(map_is_changed(map));
    load(loaded, &units);
    assert_false(map_is_changed(loaded));
    for (uint64_t block = 0; block < BLOCKS;) {
        uint64_t a, b;
        assert_int_equal(map_run(map, block, BLOCKS - block, &a), map_run(loaded, block, BLOCKS - block, &b));
        assert_int_equal(a, b);
        block += a;
    }
    map_set(loaded, MAP_PAGE_BLOCKS + 7, 9);
    assert_false(map_is_changed(loaded));
    map_units_free(&units);
}

static void setting_what_is_set_changes_nothing(void **state)
{
    CLEANUP(cleanup_map) struct map *map = map_new(BLOCKS);
    struct map_units units = {0}, again = {0};

    map_set(map, 100, 50);
    map_take_changed(map, 1, &units);
    map_set(map, 110, 20);
    assert_false(map_is_changed(map));
    map_give_back(map, &units);
    map_take_changed(map, 1, &again);
    assert_int_equal(again.count, 1);
    assert_int_equal(again.bytes[504], 2);
    map_units_free(&units);
    map_units_free(&again);
}

static void a_region_is_written_whole_once(void **state)
{
    CLEANUP(cleanup_map) struct map *map = map_new(3ull * MAP_REGION_UNITS * MAP_UNIT_BLOCKS);
    struct map_units units = {0}, again = {0};

    map_set(map, (MAP_REGION_UNITS + 9ull) * MAP_UNIT_BLOCKS, 1);
    map_take_changed(map, 1, &units);
    assert_int_equal(units.count, MAP_REGION_UNITS);
    assert_int_equal(units.indexes[0], MAP_REGION_UNITS);
    for (size_t i = 0; i < units.count; i++)
        assert_int_equal(bytes_are_zero(units.bytes + i * UNIT_BYTES, UNIT_BYTES), i != 9);
    map_set(map, (MAP_REGION_UNITS + 10ull) * MAP_UNIT_BLOCKS, 1);
    map_take_changed(map, 1, &again);
    assert_int_equal(again.count, 1);
    map_units_free(&units);
    map_units_free(&again);
}

static void a_grown_map_keeps_what_it_has(void **state)
{
    CLEANUP(cleanup_map) struct map *map = map_new(10);
    uint64_t length;

    map_set(map, 9, 1);
    map_grow(map, 70 * (uint64_t)MAP_PAGE_BLOCKS);
    assert_true(map_owns_all(map, 9, 1));
    assert_false(map_run(map, 10, map_blocks(map) - 10, &length));
    assert_int_equal(length, map_blocks(map) - 10);
    map_set(map, map_blocks(map) - 1, 1);
    assert_true(map_is_changed(map));
}

static void damage_is_known_where_it_is(void **state)
{
    CLEANUP(cleanup_map) struct map *map = map_new(BLOCKS);
    uint8_t unit[UNIT_BYTES] = {1, 2, 3};

    map_load_unit(map, 5, 2, unit);
    map_loaded(map);
    assert_true(map_has_damage(map));
    assert_false(map_is_damaged(map, 0, 2 * MAP_UNIT_BLOCKS));
    assert_true(map_is_damaged(map, 0, 2 * MAP_UNIT_BLOCKS + 1));
    assert_true(map_is_damaged(map, 3 * MAP_UNIT_BLOCKS - 1, 1));
    assert_false(map_is_damaged(map, 3 * MAP_UNIT_BLOCKS, BLOCKS - 3 * MAP_UNIT_BLOCKS));
}

/* ---- sums ---- */

static void sums_are_read_as_written(void **state)
{
    char path[] = "/tmp/farboot-sum-XXXXXX";
    const struct store_io *io = &store_io_system;
    struct sum sum = {0}, found = {0};

    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (uint32_t i = 0; i < 3 * SUM_UNIT_VALUES + 5; i++)
        sum_append(&sum, i * 2654435761u);
    assert_int_equal(sum_write(io, path, 8, &sum), 0);
    assert_int_equal(sum_read(io, path, 8, sum.count, &found), 0);
    assert_memory_equal(found.values, sum.values, sum.count * sizeof(uint32_t));
    sum_free(&found);
    assert_int_equal(sum_read(io, path, 9, sum.count, &found), -EUCLEAN);
    sum_free(&found);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)unit_offset(1) + 40), 1);
    assert_int_equal(sum_read(io, path, 8, sum.count, &found), -EUCLEAN);
    sum_free(&found);
    sum_free(&sum);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_survives_the_way_to_the_disk),
        cmocka_unit_test(a_unit_knows_its_place),
        cmocka_unit_test(the_bytes_are_those_of_the_format),
        cmocka_unit_test(one_good_header_is_enough),
        cmocka_unit_test(runs_are_found_whatever_they_cross),
        cmocka_unit_test(what_was_taken_is_what_is_loaded),
        cmocka_unit_test(setting_what_is_set_changes_nothing),
        cmocka_unit_test(a_region_is_written_whole_once),
        cmocka_unit_test(a_grown_map_keeps_what_it_has),
        cmocka_unit_test(damage_is_known_where_it_is),
        cmocka_unit_test(sums_are_read_as_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
