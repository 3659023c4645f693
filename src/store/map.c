#include "store/map.h"

enum {
    UNIT_WORDS = UNIT_PAYLOAD_BYTES / 8,
    PAGE_WORDS = UNIT_WORDS * MAP_PAGE_UNITS,
    REGION_PAGES =
        MAP_REGION_UNITS / MAP_PAGE_UNITS, /* divides 64: a region's bits lie in one word of `changed` */
};

struct page {
    uint64_t words[PAGE_WORDS]; /* block n of the page is bit n mod 64 of word n / 64 */
    uint32_t generations[MAP_PAGE_UNITS];
    uint8_t changed; /* one bit per unit */
    uint8_t damaged;
};

struct map {
    uint64_t blocks;
    uint64_t page_count;
    struct page **pages; /* NULL: owns nothing there; &all_owned: everything, durably */
    uint64_t *changed;   /* one bit per page: where to look for changed units */
    bool *touched;       /* per region: the file holds something written there */
    bool has_damage;
};

/* Stands for every page whose blocks are all owned and whose units are all on disk: such a page never changes
 * again. */
static struct page all_owned;

__attribute__((constructor)) static void fill_all_owned(void)
{
    memset(all_owned.words, 0xff, sizeof(all_owned.words));
}

static uint64_t page_count_of(uint64_t blocks)
{
    return (blocks + MAP_PAGE_BLOCKS - 1) / MAP_PAGE_BLOCKS;
}

static uint64_t region_count_of(uint64_t blocks)
{
    return (page_count_of(blocks) + REGION_PAGES - 1) / REGION_PAGES;
}

uint64_t map_unit_count(uint64_t blocks)
{
    return (blocks + MAP_UNIT_BLOCKS - 1) / MAP_UNIT_BLOCKS;
}

struct map *map_new(uint64_t blocks)
{
    struct map *map = xcalloc(1, sizeof(*map));

    map_grow(map, blocks);
    return map;
}

static void page_free(struct page *page)
{
    if (page != &all_owned)
        free(page);
}

void map_free(struct map *map)
{
    if (!map)
        return;
    for (uint64_t i = 0; i < map->page_count; i++)
        page_free(map->pages[i]);
    free(map->pages);
    free(map->changed);
    free(map->touched);
    free(map);
}

uint64_t map_blocks(const struct map *map)
{
    return map->blocks;
}

void map_grow(struct map *map, uint64_t blocks)
{
    uint64_t before = map->page_count;
    uint64_t words_before = (before + 63) / 64;

    uint64_t regions_before = region_count_of(map->blocks);
    uint64_t regions = region_count_of(blocks);

    CHECK(blocks >= map->blocks);
    map->touched = xrealloc(map->touched, regions, sizeof(bool));
    memset(map->touched + regions_before, 0, (regions - regions_before) * sizeof(bool));
    map->blocks = blocks;
    map->page_count = page_count_of(blocks);
    uint64_t words = (map->page_count + 63) / 64;
    map->pages = xrealloc(map->pages, map->page_count, sizeof(struct page *));
    memset(map->pages + before, 0, (map->page_count - before) * sizeof(struct page *));
    map->changed = xrealloc(map->changed, words, sizeof(uint64_t));
    memset(map->changed + words_before, 0, (words - words_before) * sizeof(uint64_t));
}

/* ---- runs ---- */

/* How many of `limit` bits of the page, from `bit` on, equal that one; looks at 64 at a time. */
static uint64_t run_in_page(const struct page *page, uint64_t bit, uint64_t limit, bool owned)
{
    uint64_t flip = owned ? ~0ull : 0; /* so that what is looked for is the first 1 */
    uint64_t at = bit;

    while (at < bit + limit) {
        uint64_t different = (page->words[at / 64] ^ flip) >> at % 64;
        if (different)
            return MIN(at + (uint64_t)__builtin_ctzll(different) - bit, limit);
        at += 64 - at % 64;
    }
    return limit;
}

static bool page_owns(const struct page *page, uint64_t bit)
{
    return page && page->words[bit / 64] >> bit % 64 & 1;
}

bool map_run(const struct map *map, uint64_t block, uint64_t limit, uint64_t *length)
{
    CHECK(limit > 0 && block < map->blocks && limit <= map->blocks - block);
    bool owned = page_owns(map->pages[block / MAP_PAGE_BLOCKS], block % MAP_PAGE_BLOCKS);

    if (limit == 1) { /* most reads are of one block, and ask every layer down to the one that decides it */
        *length = 1;
        return owned;
    }
    uint64_t end = block + limit;
    uint64_t at = block;

    while (at < end) {
        const struct page *page = map->pages[at / MAP_PAGE_BLOCKS];
        uint64_t bit = at % MAP_PAGE_BLOCKS;
        uint64_t step = MIN(end - at, MAP_PAGE_BLOCKS - bit);
        uint64_t run = page ? run_in_page(page, bit, step, owned) : owned ? 0 : step;
        at += run;
        if (run < step)
            break;
    }
    *length = at - block;
    return owned;
}

bool map_owns_all(const struct map *map, uint64_t block, uint64_t count)
{
    uint64_t length;

    return map_run(map, block, count, &length) && length == count;
}

uint64_t map_count(const struct map *map)
{
    uint64_t owned = 0;

    for (uint64_t i = 0; i < map->page_count; i++)
        for (size_t w = 0; map->pages[i] && w < PAGE_WORDS; w++)
            owned += (uint64_t)__builtin_popcountll(map->pages[i]->words[w]);
    return owned;
}

/* ---- setting ---- */

static struct page *page_to_write(struct map *map, uint64_t index)
{
    if (!map->pages[index])
        map->pages[index] = xcalloc(1, sizeof(struct page));
    return map->pages[index];
}

static void note_changed(struct map *map, uint64_t page_index, unsigned unit)
{
    map->pages[page_index]->changed |= (uint8_t)(1u << unit);
    map->changed[page_index / 64] |= 1ull << page_index % 64;
}

static void set_in_page(struct map *map, uint64_t page_index, uint64_t bit, uint64_t count)
{
    struct page *page = page_to_write(map, page_index);

    if (page == &all_owned)
        return;
    for (uint64_t end = bit + count; bit < end;) {
        uint64_t step = MIN(end - bit, 64 - bit % 64);
        uint64_t mask = (step == 64 ? ~0ull : (1ull << step) - 1) << bit % 64;
        uint64_t *word = &page->words[bit / 64];
        if ((*word & mask) != mask) {
            *word |= mask;
            note_changed(map, page_index, (unsigned)(bit / MAP_UNIT_BLOCKS));
        }
        bit += step;
    }
}

void map_set(struct map *map, uint64_t block, uint64_t count)
{
    CHECK(block <= map->blocks && count <= map->blocks - block);
    while (count > 0) {
        uint64_t bit = block % MAP_PAGE_BLOCKS;
        uint64_t step = MIN(count, MAP_PAGE_BLOCKS - bit);
        set_in_page(map, block / MAP_PAGE_BLOCKS, bit, step);
        block += step;
        count -= step;
    }
}

/* ---- units ---- */

static void words_to_payload(uint8_t payload[UNIT_PAYLOAD_BYTES], const uint64_t *words)
{
    for (size_t i = 0; i < UNIT_PAYLOAD_BYTES; i++)
        payload[i] = (uint8_t)(words[i / 8] >> i % 8 * 8);
}

static void payload_to_words(uint64_t *words, const uint8_t payload[UNIT_PAYLOAD_BYTES])
{
    for (size_t i = 0; i < UNIT_PAYLOAD_BYTES; i++)
        words[i / 8] |= (uint64_t)payload[i] << i % 8 * 8;
}

void map_units_free(struct map_units *units)
{
    free(units->indexes);
    free(units->bytes);
    *units = (struct map_units){0};
}

static uint8_t *units_append(struct map_units *units, uint64_t index)
{
    if (units->count == units->capacity) {
        units->capacity = MAX(units->capacity * 2, (size_t)16);
        units->indexes = xrealloc(units->indexes, units->capacity, sizeof(uint64_t));
        units->bytes = xrealloc(units->bytes, units->capacity, UNIT_BYTES);
    }
    units->indexes[units->count] = index;
    return units->bytes + units->count++ * UNIT_BYTES;
}

static void take_unit(struct page *page, unsigned unit, uint64_t index, uint64_t layer_id,
                      struct map_units *units)
{
    uint8_t payload[UNIT_PAYLOAD_BYTES];

    words_to_payload(payload, page->words + unit * UNIT_WORDS);
    unit_encode(units_append(units, index), payload, ++page->generations[unit], layer_id, index);
}

/* With `all`, units that were never written are taken too, as the zeros they are. */
static void take_page(struct map *map, uint64_t page_index, bool all, uint64_t layer_id,
                      struct map_units *units)
{
    struct page *page = map->pages[page_index];
    uint64_t first = page_index * MAP_PAGE_UNITS;
    uint64_t count = MIN((uint64_t)MAP_PAGE_UNITS, map_unit_count(map->blocks) - first);

    for (unsigned unit = 0; unit < count; unit++) {
        if (page && page->changed >> unit & 1)
            take_unit(page, unit, first + unit, layer_id, units);
        else if (all)
            memset(units_append(units, first + unit), 0, UNIT_BYTES);
    }
    if (page)
        page->changed = 0;
    map->changed[page_index / 64] &= ~(1ull << page_index % 64);
}

/* The page, or the first time all of its region: afterwards the file is written in place there, and syncing
 * it no longer waits for the file system to note that preallocated space has been used. */
static void take_around(struct map *map, uint64_t page_index, uint64_t layer_id, struct map_units *units)
{
    uint64_t region = page_index / REGION_PAGES;
    uint64_t end = MIN((region + 1) * REGION_PAGES, map->page_count);

    if (map->touched[region]) {
        take_page(map, page_index, false, layer_id, units);
        return;
    }
    map->touched[region] = true;
    for (uint64_t page = region * REGION_PAGES; page < end; page++)
        take_page(map, page, true, layer_id, units);
}

void map_take_changed(struct map *map, uint64_t layer_id, struct map_units *units)
{
    for (uint64_t word = 0; word < (map->page_count + 63) / 64; word++)
        while (map->changed[word])
            take_around(map, word * 64 + (uint64_t)__builtin_ctzll(map->changed[word]), layer_id, units);
}

void map_give_back(struct map *map, const struct map_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        if (!bytes_are_zero(units->bytes + i * UNIT_BYTES, UNIT_BYTES))
            note_changed(map, units->indexes[i] / MAP_PAGE_UNITS, units->indexes[i] % MAP_PAGE_UNITS);
}

bool map_is_changed(const struct map *map)
{
    for (uint64_t word = 0; word < (map->page_count + 63) / 64; word++)
        if (map->changed[word])
            return true;
    return false;
}

void map_load_unit(struct map *map, uint64_t layer_id, uint64_t index, const uint8_t unit[UNIT_BYTES])
{
    uint8_t payload[UNIT_PAYLOAD_BYTES];
    uint32_t generation;
    enum unit_state state = unit_decode(unit, layer_id, index, payload, &generation);

    CHECK(index / MAP_PAGE_UNITS < map->page_count);
    if (state == UNIT_EMPTY)
        return;
    struct page *page = page_to_write(map, index / MAP_PAGE_UNITS);
    page->generations[index % MAP_PAGE_UNITS] = generation;
    map->touched[index / MAP_REGION_UNITS] = true;
    if (state == UNIT_DAMAGED) {
        page->damaged |= (uint8_t)(1u << index % MAP_PAGE_UNITS);
        map->has_damage = true;
    }
    payload_to_words(page->words + index % MAP_PAGE_UNITS * UNIT_WORDS, payload);
}

void map_loaded(struct map *map)
{
    for (uint64_t i = 0; i < map->page_count; i++) {
        struct page *page = map->pages[i];
        if (!page || memcmp(page->words, all_owned.words, sizeof(page->words)) != 0)
            continue;
        free(page);
        map->pages[i] = &all_owned;
    }
}

bool map_has_damage(const struct map *map)
{
    return map->has_damage;
}

bool map_is_damaged(const struct map *map, uint64_t block, uint64_t count)
{
    if (!map->has_damage)
        return false;
    for (uint64_t unit = block / MAP_UNIT_BLOCKS; unit <= (block + count - 1) / MAP_UNIT_BLOCKS; unit++) {
        const struct page *page = map->pages[unit / MAP_PAGE_UNITS];
        if (page && page->damaged >> unit % MAP_PAGE_UNITS & 1)
            return true;
    }
    return false;
}

void map_damage(const struct map *map, uint64_t *block, uint64_t *count)
{
    uint64_t end = 0;

    *block = UINT64_MAX;
    for (uint64_t at = 0; at < map->blocks; at += MAP_UNIT_BLOCKS) {
        if (!map_is_damaged(map, at, 1))
            continue;
        *block = MIN(*block, at);
        end = MIN(at + MAP_UNIT_BLOCKS, map->blocks);
    }
    *count = end - *block;
}
