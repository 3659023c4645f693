#include "fleet/address.h"

/*
 * Bindings live in one array and are chained, by index, into two hash tables and one list. Index 0 is never used, so
 * that a zeroed chain is an empty one. The list holds offers to strangers in the order they were made.
 */
struct entry {
    struct address_binding binding;
    uint32_t next_by_mac;
    uint32_t next_by_address; /* also the chain of free entries */
    uint32_t older_offer;
    uint32_t newer_offer;
    bool stranger_offer;
};

enum { BUCKETS = 1 << 14, FIRST_CAPACITY = 256, STRANGER_OFFERS_MIN = 4, STRANGER_SHARE = 4 };

struct address_table {
    struct entry *entries;
    uint32_t capacity;
    uint32_t used; /* entries ever taken, the unused first one included */
    uint32_t free_chain;
    size_t count;
    uint32_t by_mac[BUCKETS];
    uint32_t by_address[BUCKETS];
    uint32_t oldest_offer;
    uint32_t newest_offer;
    size_t stranger_offers;
    /* A range that was found full is not searched again in the same second: invented clients must not make every
     * question expensive. */
    uint32_t full_range_first;
    uint64_t full_at_seconds;
};

struct address_table *address_table_new(void)
{
    struct address_table *table = xcalloc(1, sizeof(*table));

    table->capacity = FIRST_CAPACITY;
    table->entries = xcalloc(table->capacity, sizeof(*table->entries));
    table->used = 1;
    return table;
}

void address_table_free(struct address_table *table)
{
    if (!table)
        return;
    free(table->entries);
    free(table);
}

size_t address_count(const struct address_table *table)
{
    return table->count;
}

/* FNV-1a. The tables are bounded, so a peer that provokes collisions only slows what it asks itself. */
static uint32_t hash_bytes(const void *bytes, size_t length_bytes)
{
    const uint8_t *b = bytes;
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < length_bytes; i++)
        hash = (hash ^ b[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static uint32_t *mac_bucket(struct address_table *table, const struct mac *mac)
{
    return &table->by_mac[hash_bytes(mac->bytes, MAC_BYTES) % BUCKETS];
}

static uint32_t *address_bucket(struct address_table *table, uint32_t address)
{
    return &table->by_address[address % BUCKETS];
}

static uint32_t find_by_mac(const struct address_table *table, const struct mac *mac)
{
    uint32_t i = table->by_mac[hash_bytes(mac->bytes, MAC_BYTES) % BUCKETS];

    while (i && !mac_equal(&table->entries[i].binding.mac, mac))
        i = table->entries[i].next_by_mac;
    return i;
}

static uint32_t find_by_address(const struct address_table *table, uint32_t address)
{
    uint32_t i = table->by_address[address % BUCKETS];

    while (i && table->entries[i].binding.address != address)
        i = table->entries[i].next_by_address;
    return i;
}

const struct address_binding *address_of_mac(const struct address_table *table, const struct mac *mac)
{
    uint32_t i = find_by_mac(table, mac);

    return i ? &table->entries[i].binding : NULL;
}

const struct address_binding *address_at(const struct address_table *table, uint32_t address)
{
    uint32_t i = find_by_address(table, address);

    return i ? &table->entries[i].binding : NULL;
}

bool address_is_held(const struct address_binding *binding, uint64_t now_seconds)
{
    return binding->state != ADDRESS_RELEASED && now_seconds < binding->expires_seconds;
}

/* ---- changing ---- */

/* A declined address is the property of an unknown third party: its binding is not found by hardware address. */
static bool has_owner(const struct entry *entry)
{
    return entry->binding.state != ADDRESS_DECLINED;
}

static void list_append(struct address_table *table, uint32_t i)
{
    struct entry *entry = &table->entries[i];

    entry->older_offer = table->newest_offer;
    entry->newer_offer = 0;
    if (table->newest_offer)
        table->entries[table->newest_offer].newer_offer = i;
    else
        table->oldest_offer = i;
    table->newest_offer = i;
    table->stranger_offers++;
}

static void list_remove(struct address_table *table, uint32_t i)
{
    struct entry *entry = &table->entries[i];

    if (entry->older_offer)
        table->entries[entry->older_offer].newer_offer = entry->newer_offer;
    else
        table->oldest_offer = entry->newer_offer;
    if (entry->newer_offer)
        table->entries[entry->newer_offer].older_offer = entry->older_offer;
    else
        table->newest_offer = entry->older_offer;
    table->stranger_offers--;
}

static void chain_remove_mac(struct address_table *table, uint32_t i)
{
    uint32_t *link = mac_bucket(table, &table->entries[i].binding.mac);

    while (*link != i)
        link = &table->entries[*link].next_by_mac;
    *link = table->entries[i].next_by_mac;
}

static void chain_remove_address(struct address_table *table, uint32_t i)
{
    uint32_t *link = address_bucket(table, table->entries[i].binding.address);

    while (*link != i)
        link = &table->entries[*link].next_by_address;
    *link = table->entries[i].next_by_address;
}

static void remove_entry(struct address_table *table, uint32_t i)
{
    struct entry *entry = &table->entries[i];

    if (!i)
        return;
    if (has_owner(entry))
        chain_remove_mac(table, i);
    chain_remove_address(table, i);
    if (entry->stranger_offer)
        list_remove(table, i);
    *entry = (struct entry){.next_by_address = table->free_chain};
    table->free_chain = i;
    table->count--;
}

static bool grow(struct address_table *table)
{
    if (table->used < table->capacity)
        return true;
    if (table->capacity >= ADDRESS_TABLE_MAX)
        return false;
    table->capacity *= 2;
    table->entries = xrealloc(table->entries, table->capacity, sizeof(*table->entries));
    return true;
}

static uint32_t take_entry(struct address_table *table)
{
    uint32_t i = table->free_chain;

    if (i) {
        table->free_chain = table->entries[i].next_by_address;
        return i;
    }
    return grow(table) ? table->used++ : 0;
}

bool address_put(struct address_table *table, const struct address_binding *binding, bool stranger)
{
    struct address_binding kept = *binding; /* the caller may point into the table */

    remove_entry(table, find_by_address(table, kept.address));
    if (kept.state != ADDRESS_DECLINED)
        remove_entry(table, find_by_mac(table, &kept.mac));
    uint32_t i = take_entry(table);
    if (!i)
        return false;

    struct entry *entry = &table->entries[i];
    *entry = (struct entry){.binding = kept, .stranger_offer = stranger && kept.state == ADDRESS_OFFERED};
    uint32_t *bucket = address_bucket(table, kept.address);
    entry->next_by_address = *bucket;
    *bucket = i;
    if (has_owner(entry)) {
        bucket = mac_bucket(table, &kept.mac);
        entry->next_by_mac = *bucket;
        *bucket = i;
    }
    if (entry->stranger_offer)
        list_append(table, i);
    table->count++;
    return true;
}

void address_withdraw(struct address_table *table, const struct mac *mac)
{
    uint32_t i = find_by_mac(table, mac);

    if (i && table->entries[i].binding.state == ADDRESS_OFFERED)
        remove_entry(table, i);
}

/* ---- choosing ---- */

static bool in_range(const struct address_request *request, uint32_t address)
{
    return request->first && address >= request->first && address <= request->last;
}

static bool is_kept(const struct address_request *request, uint32_t address)
{
    return request->is_kept && request->is_kept(request->is_kept_arg, address);
}

/* Nobody else holds it. Who only had it once does not count. */
static bool is_open_to(const struct address_table *table, const struct mac *mac, uint32_t address, uint64_t now_seconds)
{
    const struct address_binding *there = address_at(table, address);

    if (!there || !address_is_held(there, now_seconds))
        return true;
    return there->state != ADDRESS_DECLINED && mac_equal(&there->mac, mac);
}

static bool may_be_given(const struct address_table *table, const struct address_request *request, uint32_t address,
                         uint64_t now_seconds)
{
    return in_range(request, address) && !is_kept(request, address) &&
           is_open_to(table, &request->mac, address, now_seconds);
}

/* A reservation made while somebody else has the address takes effect when that lease ends: at its next renewal the
 * other one is refused (`is_kept`), and until then two machines with one address would help nobody. */
static bool reservation_is_open(const struct address_table *table, const struct address_request *request,
                                uint64_t now_seconds)
{
    return request->reserved && is_open_to(table, &request->mac, request->reserved, now_seconds);
}

bool address_may_have(const struct address_table *table, const struct address_request *request, uint32_t address,
                      uint64_t now_seconds)
{
    const struct address_binding *mine = address_of_mac(table, &request->mac);

    if (reservation_is_open(table, request, now_seconds))
        return address == request->reserved;
    /* What it has now, it may go on having, but not a second one. */
    if (mine && address_is_held(mine, now_seconds) && mine->address != address &&
        may_be_given(table, request, mine->address, now_seconds))
        return false;
    return may_be_given(table, request, address, now_seconds);
}

/* An invented client costs nothing to make; real ones turn an offer into a lease at once. So strangers' open offers
 * may cover a share of the range only, and the oldest makes room for the next. */
static void forget_offers(struct address_table *table, const struct address_request *request, uint64_t now_seconds)
{
    size_t share = MAX((size_t)(request->last - request->first + 1) / STRANGER_SHARE, (size_t)STRANGER_OFFERS_MIN);

    while (table->oldest_offer && !address_is_held(&table->entries[table->oldest_offer].binding, now_seconds))
        remove_entry(table, table->oldest_offer);
    while (request->stranger && table->stranger_offers >= share)
        remove_entry(table, table->oldest_offer);
}

static bool had_longer_ago(const struct address_binding *a, const struct address_binding *b)
{
    return a->expires_seconds < b->expires_seconds;
}

/* Starts where the hardware address points, so that a client finds the same place again after its binding is lost. */
static uint32_t search_range(struct address_table *table, const struct address_request *request, uint64_t now_seconds)
{
    uint32_t size = request->last - request->first + 1;
    uint32_t start = hash_bytes(request->mac.bytes, MAC_BYTES) % size;
    const struct address_binding *longest_unused = NULL;

    for (uint32_t i = 0; i < size; i++) {
        uint32_t address = request->first + (start + i) % size;
        const struct address_binding *there = address_at(table, address);
        if ((there && address_is_held(there, now_seconds)) || is_kept(request, address))
            continue;
        if (!there)
            return address;
        if (!longest_unused || had_longer_ago(there, longest_unused))
            longest_unused = there;
    }
    return longest_unused ? longest_unused->address : 0;
}

static uint32_t choose_new(struct address_table *table, const struct address_request *request, uint64_t now_seconds)
{
    if (!request->first || (table->full_range_first == request->first && table->full_at_seconds == now_seconds))
        return 0;
    uint32_t address = search_range(table, request, now_seconds);
    if (!address) {
        table->full_range_first = request->first;
        table->full_at_seconds = now_seconds;
    }
    return address;
}

uint32_t address_choose(struct address_table *table, const struct address_request *request, uint64_t now_seconds)
{
    const struct address_binding *mine = address_of_mac(table, &request->mac);

    if (reservation_is_open(table, request, now_seconds))
        return request->reserved;
    if (mine && may_be_given(table, request, mine->address, now_seconds))
        return mine->address;
    forget_offers(table, request, now_seconds);
    if (request->wanted && may_be_given(table, request, request->wanted, now_seconds) &&
        !address_at(table, request->wanted))
        return request->wanted;
    return choose_new(table, request, now_seconds);
}
