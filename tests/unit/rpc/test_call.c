#include "../test.h"

#include "rpc/portmap.h"

struct sent {
    uint8_t bytes[512];
    struct writer w;
};

static void begin(struct sent *sent, uint32_t rpc_version, uint32_t flavor)
{
    sent->w = writer_over(sent->bytes, sizeof(sent->bytes));
    writer_be32(&sent->w, 0x1234);
    writer_be32(&sent->w, 0);
    writer_be32(&sent->w, rpc_version);
    writer_be32(&sent->w, 100003);
    writer_be32(&sent->w, 4);
    writer_be32(&sent->w, 1);
    writer_be32(&sent->w, flavor);
}

static void put_auth_sys(struct sent *sent, uint32_t groups)
{
    size_t length = xdr_put_later(&sent->w), start = sent->w.offset;

    writer_be32(&sent->w, 9);
    xdr_put_string(&sent->w, "pi-01");
    writer_be32(&sent->w, 1000);
    writer_be32(&sent->w, 100);
    writer_be32(&sent->w, groups);
    for (uint32_t i = 0; i < groups; i++)
        writer_be32(&sent->w, 20 + i);
    xdr_patch(&sent->w, length, (uint32_t)(sent->w.offset - start));
    writer_be32(&sent->w, 0);
    writer_be32(&sent->w, 0);
}

static void a_call_says_who_asks_for_what(void **state)
{
    struct sent sent;
    struct rpc_call call;

    begin(&sent, 2, RPC_AUTH_SYS);
    put_auth_sys(&sent, 2);
    struct reader r = reader_over(sent.bytes, sent.w.offset);
    assert_int_equal(rpc_decode_call(&r, &call), RPC_CALL_GOOD);
    assert_int_equal(reader_left(&r), 0);
    assert_true(call.xid == 0x1234 && call.program == 100003 && call.version == 4 && call.procedure == 1);
    assert_true(call.credential.uid == 1000 && call.credential.gid == 100 &&
                call.credential.group_count == 2);
    assert_int_equal(call.credential.groups[1], 21);
    for (size_t cut = 0; cut < sent.w.offset; cut++) {
        r = reader_over(sent.bytes, cut);
        assert_int_equal(rpc_decode_call(&r, &call), RPC_CALL_NONE);
    }
}

static void whoever_says_nothing_is_nobody(void **state)
{
    struct sent sent;
    struct rpc_call call;

    begin(&sent, 2, RPC_AUTH_NONE);
    for (int i = 0; i < 3; i++)
        writer_be32(&sent.w, 0);
    struct reader r = reader_over(sent.bytes, sent.w.offset);
    assert_int_equal(rpc_decode_call(&r, &call), RPC_CALL_GOOD);
    assert_int_equal(call.credential.uid, RPC_NOBODY);
}

static void what_we_do_not_speak_is_denied(void **state)
{
    struct sent sent;
    struct rpc_call call;
    uint8_t reply[64];
    struct writer w = writer_over(reply, sizeof(reply));

    begin(&sent, 3, RPC_AUTH_NONE);
    struct reader r = reader_over(sent.bytes, sent.w.offset);
    assert_int_equal(rpc_decode_call(&r, &call), RPC_CALL_OTHER_RPC);
    rpc_put_denied(&w, call.xid, RPC_CALL_OTHER_RPC);
    assert_memory_equal(reply, "\0\0\x12\x34\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\2", 24);
    begin(&sent, 2, 6);
    put_auth_sys(&sent, 0);
    r = reader_over(sent.bytes, sent.w.offset);
    assert_int_equal(rpc_decode_call(&r, &call), RPC_CALL_BAD_CREDENTIAL);
    begin(&sent, 2, RPC_AUTH_SYS);
    put_auth_sys(&sent, RPC_GROUPS_MAX + 1);
    r = reader_over(sent.bytes, sent.w.offset);
    assert_int_equal(rpc_decode_call(&r, &call), RPC_CALL_BAD_CREDENTIAL);
}

/* ---- the port mapper ---- */

static const struct portmap_entry entries[] = {{100003, 3, PORTMAP_TCP, 2049},
                                               {100005, 3, PORTMAP_UDP, 2050}};

static uint32_t ask(uint32_t procedure, uint32_t program, uint32_t protocol)
{
    uint8_t arguments[16], results[64];
    struct writer a = writer_over(arguments, sizeof(arguments)), w = writer_over(results, sizeof(results));

    writer_be32(&a, program);
    writer_be32(&a, 3);
    writer_be32(&a, protocol);
    writer_be32(&a, 99);
    struct reader r = reader_over(arguments, sizeof(arguments));
    assert_int_equal(portmap_answer(entries, ARRAY_SIZE(entries), procedure, &r, &w), RPC_SUCCESS);
    r = reader_over(results, w.offset);
    return reader_be32(&r);
}

static void ports_are_told_and_never_changed(void **state)
{
    assert_int_equal(ask(3, 100003, PORTMAP_TCP), 2049);
    assert_int_equal(ask(3, 100003, PORTMAP_UDP), 0);
    assert_int_equal(ask(3, 100021, PORTMAP_TCP), 0);
    assert_int_equal(ask(1, 100021, PORTMAP_TCP), 0);
    assert_int_equal(ask(2, 100003, PORTMAP_TCP), 0);
    assert_int_equal(ask(3, 100003, PORTMAP_TCP), 2049);
}

static void all_are_listed_and_nothing_is_forwarded(void **state)
{
    uint8_t results[64];
    struct writer w = writer_over(results, sizeof(results));
    struct reader none = reader_over("", 0);

    assert_int_equal(portmap_answer(entries, ARRAY_SIZE(entries), 4, &none, &w), RPC_SUCCESS);
    assert_int_equal(w.offset, 2 * 20 + 4);
    assert_int_equal(portmap_answer(entries, ARRAY_SIZE(entries), 5, &none, &w), RPC_PROCEDURE_UNAVAILABLE);
    assert_int_equal(portmap_answer(entries, ARRAY_SIZE(entries), 3, &none, &w), RPC_GARBAGE_ARGUMENTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_says_who_asks_for_what),
        cmocka_unit_test(whoever_says_nothing_is_nobody),
        cmocka_unit_test(what_we_do_not_speak_is_denied),
        cmocka_unit_test(ports_are_told_and_never_changed),
        cmocka_unit_test(all_are_listed_and_nothing_is_forwarded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
