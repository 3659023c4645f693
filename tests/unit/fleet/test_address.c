#include "../test.h"

#include "fleet/address.h"

enum { NOW = 1000, FIRST = 0xc0a81464, LAST = 0xc0a8146d /* .100 to .109 */, RESERVED = 0xc0a8141f };

static struct mac mac_number(uint32_t n)
{
    return (struct mac){{2, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static struct address_request asks(uint32_t n)
{
    return (struct address_request){.mac = mac_number(n), .first = FIRST, .last = LAST};
}

static bool put(struct address_table *table, uint32_t n, uint32_t address, enum address_state state, uint64_t until)
{
    struct address_binding binding = {address, mac_number(n), state, until};

    return address_put(table, &binding, false);
}

static uint32_t bind_new(struct address_table *table, uint32_t n, uint64_t until)
{
    struct address_request request = asks(n);
    uint32_t address = address_choose(table, &request, NOW);

    if (address)
        assert_true(put(table, n, address, ADDRESS_BOUND, until));
    return address;
}

static void a_client_keeps_its_address(void **state)
{
    struct address_table *table = address_table_new();
    struct address_request request = asks(1);
    uint32_t first = bind_new(table, 1, NOW + 100);

    assert_in_range(first, FIRST, LAST);
    assert_int_equal(address_choose(table, &request, NOW), first);
    /* after its lease */
    assert_int_equal(address_choose(table, &request, NOW + 1000), first);
    /* and after it was given back */
    assert_true(put(table, 1, first, ADDRESS_RELEASED, NOW));
    assert_int_equal(address_choose(table, &request, NOW + 1000), first);
    /* whatever it asks for */
    request.wanted = first == LAST ? FIRST : first + 1;
    assert_int_equal(address_choose(table, &request, NOW + 1000), first);
    address_table_free(table);
}

static void nobody_gets_what_another_holds(void **state)
{
    struct address_table *table = address_table_new();
    bool seen[LAST - FIRST + 1] = {0};

    for (uint32_t n = 0; n <= LAST - FIRST; n++) {
        uint32_t address = bind_new(table, n, NOW + 100);
        assert_in_range(address, FIRST, LAST);
        assert_false(seen[address - FIRST]);
        seen[address - FIRST] = true;
    }
    assert_int_equal(bind_new(table, 99, NOW + 100), 0);
    assert_int_equal(address_count(table), LAST - FIRST + 1);
    address_table_free(table);
}

static void the_longest_unused_address_goes_first(void **state)
{
    struct address_table *table = address_table_new();

    for (uint32_t n = 0; n <= LAST - FIRST; n++)
        assert_true(put(table, n, FIRST + n, ADDRESS_BOUND, NOW - 1 - (n == 4 ? 500 : n)));
    assert_int_equal(bind_new(table, 99, NOW + 100), FIRST + 4);
    /* Its former owner has to take another one now. */
    struct address_request request = asks(4);
    assert_int_not_equal(address_choose(table, &request, NOW), FIRST + 4);
    assert_false(address_may_have(table, &request, FIRST + 4, NOW));
    address_table_free(table);
}

static void a_reservation_wins(void **state)
{
    struct address_table *table = address_table_new();
    struct address_request request = asks(1);
    uint32_t before = bind_new(table, 1, NOW + 100);

    request.reserved = RESERVED; /* outside the range */
    assert_int_equal(address_choose(table, &request, NOW), RESERVED);
    assert_true(address_may_have(table, &request, RESERVED, NOW));
    assert_false(address_may_have(table, &request, before, NOW));
    request.first = request.last = 0; /* reservations only */
    assert_int_equal(address_choose(table, &request, NOW), RESERVED);
    address_table_free(table);
}

static void a_reservation_waits_for_who_has_it(void **state)
{
    struct address_table *table = address_table_new();
    struct address_request request = asks(1);

    assert_true(put(table, 2, RESERVED, ADDRESS_BOUND, NOW + 100));
    request.reserved = RESERVED;
    assert_in_range(address_choose(table, &request, NOW), FIRST, LAST);
    assert_int_equal(address_choose(table, &request, NOW + 100), RESERVED);
    address_table_free(table);
}

static bool is_first(const void *arg, uint32_t address)
{
    return address == FIRST;
}

static void what_is_kept_is_given_to_nobody(void **state)
{
    struct address_table *table = address_table_new();

    for (uint32_t n = 0; n < 200; n++) {
        struct address_request request = asks(n);
        request.is_kept = is_first;
        assert_int_not_equal(address_choose(table, &request, NOW), FIRST);
        request.wanted = FIRST;
        assert_int_not_equal(address_choose(table, &request, NOW), FIRST);
        assert_false(address_may_have(table, &request, FIRST, NOW));
    }
    address_table_free(table);
}

static void a_wish_is_granted_if_it_harms_nobody(void **state)
{
    struct address_table *table = address_table_new();
    struct address_request request = asks(1);

    request.wanted = FIRST + 7;
    assert_int_equal(address_choose(table, &request, NOW), FIRST + 7);
    request.wanted = LAST + 1;
    assert_in_range(address_choose(table, &request, NOW), FIRST, LAST);
    /* Somebody had it once: as long as there are others, he keeps it. */
    assert_true(put(table, 2, FIRST + 7, ADDRESS_BOUND, NOW - 10));
    request.wanted = FIRST + 7;
    assert_int_not_equal(address_choose(table, &request, NOW), FIRST + 7);
    address_table_free(table);
}

static void a_declined_address_is_kept_back(void **state)
{
    struct address_table *table = address_table_new();
    struct address_request request = asks(1);
    uint32_t address = bind_new(table, 1, NOW + 100);

    assert_true(put(table, 1, address, ADDRESS_DECLINED, NOW + 50));
    assert_null(address_of_mac(table, &request.mac));
    assert_int_not_equal(address_choose(table, &request, NOW), address);
    assert_false(address_may_have(table, &request, address, NOW));
    assert_true(address_may_have(table, &request, address, NOW + 50));
    address_table_free(table);
}

static void an_offer_is_held_for_a_moment(void **state)
{
    struct address_table *table = address_table_new();
    struct address_request request = asks(1);
    struct address_request other = asks(2);
    uint32_t address = address_choose(table, &request, NOW);

    assert_true(put(table, 1, address, ADDRESS_OFFERED, NOW + ADDRESS_OFFER_SECONDS));
    assert_false(address_may_have(table, &other, address, NOW + ADDRESS_OFFER_SECONDS - 1));
    assert_true(address_may_have(table, &other, address, NOW + ADDRESS_OFFER_SECONDS));
    address_withdraw(table, &request.mac);
    assert_null(address_at(table, address));
    /* A lease is not withdrawn. */
    assert_true(put(table, 1, address, ADDRESS_BOUND, NOW + 100));
    address_withdraw(table, &request.mac);
    assert_non_null(address_at(table, address));
    address_table_free(table);
}

static void strangers_cannot_exhaust_the_range_by_asking(void **state)
{
    struct address_table *table = address_table_new();

    for (uint32_t n = 0; n < 10000; n++) {
        struct address_request request = asks(n);
        request.stranger = true;
        uint32_t address = address_choose(table, &request, NOW);
        assert_int_not_equal(address, 0);
        struct address_binding binding = {address, request.mac, ADDRESS_OFFERED, NOW + ADDRESS_OFFER_SECONDS};
        assert_true(address_put(table, &binding, true));
    }
    assert_in_range(address_count(table), 1, 4);
    struct address_request machine = asks(123456);
    assert_int_not_equal(address_choose(table, &machine, NOW), 0);
    address_table_free(table);
}

static void one_client_and_one_address_have_one_binding(void **state)
{
    struct address_table *table = address_table_new();
    struct mac one = mac_number(1);
    struct mac two = mac_number(2);

    assert_true(put(table, 1, FIRST, ADDRESS_BOUND, NOW + 100));
    assert_true(put(table, 1, FIRST + 1, ADDRESS_BOUND, NOW + 100));
    assert_null(address_at(table, FIRST));
    assert_true(put(table, 2, FIRST + 1, ADDRESS_BOUND, NOW + 100));
    assert_null(address_of_mac(table, &one));
    assert_int_equal(address_of_mac(table, &two)->address, FIRST + 1);
    assert_int_equal(address_count(table), 1);
    /* also when the caller hands in what lies in the table itself */
    assert_true(address_put(table, address_of_mac(table, &two), false));
    assert_int_equal(address_of_mac(table, &two)->address, FIRST + 1);
    address_table_free(table);
}

/* Against a plain model: an array of owners. */
static void it_agrees_with_a_model(void **state)
{
    enum { ADDRESSES = 64, CLIENTS = 200, STEPS = 50000 };
    struct address_table *table = address_table_new();
    int owner[ADDRESSES];
    uint32_t random = 1;

    for (int i = 0; i < ADDRESSES; i++)
        owner[i] = -1;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1103515245u + 12345u;
        int client = (int)(random >> 8) % CLIENTS;
        int address = (int)(random >> 20) % ADDRESSES;
        for (int i = 0; i < ADDRESSES; i++) {
            if (owner[i] == client)
                owner[i] = -1;
        }
        owner[address] = client;
        assert_true(put(table, (uint32_t)client, FIRST + (uint32_t)address, ADDRESS_BOUND, NOW + 1));
    }
    size_t count = 0;
    for (int i = 0; i < ADDRESSES; i++) {
        const struct address_binding *there = address_at(table, FIRST + (uint32_t)i);
        assert_int_equal(there != NULL, owner[i] >= 0);
        if (!there)
            continue;
        struct mac mac = mac_number((uint32_t)owner[i]);
        assert_true(mac_equal(&there->mac, &mac));
        assert_ptr_equal(address_of_mac(table, &mac), there);
        count++;
    }
    assert_int_equal(address_count(table), count);
    address_table_free(table);
}

static void it_stops_growing(void **state)
{
    struct address_table *table = address_table_new();

    for (uint32_t n = 0; n < ADDRESS_TABLE_MAX - 1; n++)
        assert_true(put(table, n, 0x0a000000 + n, ADDRESS_BOUND, NOW + 1));
    assert_false(put(table, ADDRESS_TABLE_MAX, 0x0b000000, ADDRESS_BOUND, NOW + 1));
    assert_true(put(table, 5, 0x0b000000, ADDRESS_BOUND, NOW + 1));
    address_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_keeps_its_address),
        cmocka_unit_test(nobody_gets_what_another_holds),
        cmocka_unit_test(the_longest_unused_address_goes_first),
        cmocka_unit_test(a_reservation_wins),
        cmocka_unit_test(a_reservation_waits_for_who_has_it),
        cmocka_unit_test(what_is_kept_is_given_to_nobody),
        cmocka_unit_test(a_wish_is_granted_if_it_harms_nobody),
        cmocka_unit_test(a_declined_address_is_kept_back),
        cmocka_unit_test(an_offer_is_held_for_a_moment),
        cmocka_unit_test(strangers_cannot_exhaust_the_range_by_asking),
        cmocka_unit_test(one_client_and_one_address_have_one_binding),
        cmocka_unit_test(it_agrees_with_a_model),
        cmocka_unit_test(it_stops_growing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
