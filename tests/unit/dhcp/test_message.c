#include "../test.h"

#include "base/bytes.h"
#include "dhcp/message.h"

enum { HEADER = 240 };

/* A message with these options behind the cookie. Gives its length. */
static size_t make(uint8_t to[DHCP_MESSAGE_MAX_BYTES], const void *options, size_t length_bytes)
{
    struct writer w = writer_over(to, DHCP_MESSAGE_MAX_BYTES);

    writer_bytes(&w, "\1\1\6\0\x12\x34\x56\x78\0\7\x80\0", 12);
    writer_fill(&w, 0, 16);
    writer_bytes(&w, "\xdc\xa6\x32\1\2\3", 6);
    writer_fill(&w, 0, 10 + DHCP_SNAME_BYTES + DHCP_FILE_BYTES);
    writer_be32(&w, 0x63825363);
    writer_bytes(&w, options, length_bytes);
    assert_true(writer_ok(&w));
    return w.offset;
}

#define MAKE(to, options) make((to), (options), sizeof(options) - 1)

static void expect_option(const struct dhcp_message *m, uint8_t code, const void *bytes, size_t length_bytes)
{
    size_t found_bytes;
    const uint8_t *found = dhcp_get(m, code, &found_bytes);

    assert_non_null(found);
    assert_int_equal(found_bytes, length_bytes);
    assert_memory_equal(found, bytes, length_bytes);
}

static void a_message_is_read(void **state)
{
    uint8_t bytes[DHCP_MESSAGE_MAX_BYTES];
    struct dhcp_message m;
    struct mac mac;

    size_t length = MAKE(bytes, "\x35\1\1\x32\4\xc0\xa8\x14\x1f\x37\3\1\3\x42\xff");
    assert_int_equal(dhcp_message_decode(&m, bytes, length), 0);
    assert_int_equal(m.op, DHCP_OP_REQUEST);
    assert_int_equal(m.xid, 0x12345678);
    assert_int_equal(m.secs, 7);
    assert_int_equal(m.flags, DHCP_FLAG_BROADCAST);
    mac = dhcp_mac(&m);
    assert_memory_equal(mac.bytes, "\xdc\xa6\x32\1\2\3", 6);
    assert_int_equal(dhcp_type(&m), DHCP_DISCOVER);
    assert_int_equal(dhcp_get_u32(&m, DHCP_OPTION_REQUESTED_ADDRESS, 0), 0xc0a8141f);
    assert_true(dhcp_asks_for(&m, DHCP_OPTION_TFTP_SERVER));
    assert_false(dhcp_asks_for(&m, DHCP_OPTION_DNS));
    assert_false(dhcp_has(&m, DHCP_OPTION_SERVER_ID));
    assert_int_equal(dhcp_get_u32(&m, DHCP_OPTION_SERVER_ID, 5), 5);
}

static void every_cut_is_refused_or_read(void **state)
{
    uint8_t bytes[DHCP_MESSAGE_MAX_BYTES];
    struct dhcp_message m;
    size_t length = MAKE(bytes, "\x35\1\1\x3c\4test");

    for (size_t cut = 0; cut < length; cut++) {
        CLEANUP_FREE uint8_t *copy = malloc(cut ? cut : 1); /* so that a sanitizer sees where it ends */
        memcpy(copy, bytes, cut);
        int r = dhcp_message_decode(&m, copy, cut);
        /* Between two options it only lacks its END. */
        bool whole = cut == HEADER || cut == HEADER + 3;
        assert_int_equal(r, whole ? 0 : -EBADMSG);
    }
}

static void no_message_at_all(void **state)
{
    uint8_t bytes[DHCP_MESSAGE_MAX_BYTES + 1] = {0};
    struct dhcp_message m;
    size_t length = MAKE(bytes, "\x35\1\1\xff");

    assert_int_equal(dhcp_message_decode(&m, bytes, length), 0);
    bytes[2] = DHCP_CHADDR_BYTES + 1; /* hlen */
    assert_int_equal(dhcp_message_decode(&m, bytes, length), -EBADMSG);
    bytes[2] = 6;
    assert_int_equal(dhcp_message_decode(&m, bytes, DHCP_MESSAGE_MAX_BYTES + 1), -EBADMSG);
    bytes[236] ^= 1; /* the cookie */
    assert_int_equal(dhcp_message_decode(&m, bytes, length), -EBADMSG);
}

static void an_option_of_impossible_length_is_absent(void **state)
{
    uint8_t bytes[DHCP_MESSAGE_MAX_BYTES];
    struct dhcp_message m;
    size_t length = MAKE(bytes, "\x35\2\1\1\x32\3\1\2\3\x36\0\x03\5\1\2\3\4\5\x3d\0\x50\0\xff");

    assert_int_equal(dhcp_message_decode(&m, bytes, length), 0);
    assert_int_equal(dhcp_type(&m), 0);
    assert_false(dhcp_has(&m, DHCP_OPTION_REQUESTED_ADDRESS));
    assert_false(dhcp_has(&m, DHCP_OPTION_SERVER_ID));
    assert_false(dhcp_has(&m, DHCP_OPTION_ROUTER));
    assert_true(dhcp_has(&m, DHCP_OPTION_CLIENT_ID));
    assert_true(dhcp_has(&m, 80));
    assert_int_equal(m.options.count, 2);
}

static void pieces_are_joined(void **state)
{
    uint8_t bytes[DHCP_MESSAGE_MAX_BYTES];
    struct dhcp_message m;
    /* Twice 43, an other one and pads between (RFC 3396). */
    size_t length = MAKE(bytes, "\x2b\3abc\0\0\x35\1\3\x2b\2de\xff\x2b\1X");

    assert_int_equal(dhcp_message_decode(&m, bytes, length), 0);
    expect_option(&m, DHCP_OPTION_VENDOR_SPECIFIC, "abcde", 5);
    assert_int_equal(dhcp_type(&m), DHCP_REQUEST);
}

static void overloaded_fields_are_read_in_their_order(void **state)
{
    uint8_t bytes[DHCP_MESSAGE_MAX_BYTES];
    struct dhcp_message m;
    size_t length = MAKE(bytes, "\x34\1\3\x2b\3one\xff");

    memcpy(bytes + 108, "\x2b\3two\xff", 6);            /* file */
    memcpy(bytes + 44, "\x2b\5three\x0c\2me\xff", 12);  /* sname */
    assert_int_equal(dhcp_message_decode(&m, bytes, length), 0);
    expect_option(&m, DHCP_OPTION_VENDOR_SPECIFIC, "onetwothree", 11);
    expect_option(&m, DHCP_OPTION_HOST_NAME, "me", 2);
    assert_string_equal(m.file, "");
    assert_string_equal(m.sname, "");

    bytes[HEADER + 2] = 1; /* only file carries options */
    assert_int_equal(dhcp_message_decode(&m, bytes, length), 0);
    expect_option(&m, DHCP_OPTION_VENDOR_SPECIFIC, "onetwo", 6);
    assert_memory_equal(m.sname, "\x2b\5three", 7);

    memset(bytes + 108, 0x2b, 128); /* an option that runs over the end of the field */
    assert_int_equal(dhcp_message_decode(&m, bytes, length), -EBADMSG);
}

static void fields_without_end_are_cut(void **state)
{
    uint8_t bytes[DHCP_MESSAGE_MAX_BYTES];
    struct dhcp_message m;
    size_t length = MAKE(bytes, "\x35\1\1\xff");

    memset(bytes + 44, 'n', DHCP_SNAME_BYTES + DHCP_FILE_BYTES);
    assert_int_equal(dhcp_message_decode(&m, bytes, length), 0);
    assert_int_equal(strlen(m.sname), DHCP_SNAME_BYTES);
    assert_int_equal(strlen(m.file), DHCP_FILE_BYTES);
}

static void every_option_at_once(void **state)
{
    uint8_t bytes[DHCP_MESSAGE_MAX_BYTES];
    uint8_t options[254 * 6];
    struct dhcp_message m;

    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < 254; i++)
            memcpy(options + (pass * 254 + i) * 3, (uint8_t[]){(uint8_t)(i + 1), 1, (uint8_t)i}, 3);
    }
    options[(DHCP_OPTION_OVERLOAD - 1) * 3 + 2] = 0;
    size_t length = make(bytes, options, sizeof(options));
    assert_int_equal(dhcp_message_decode(&m, bytes, length), 0);
    expect_option(&m, 254, "\xfd\xfd", 2);
}

/* ---- encoding ---- */

static struct dhcp_message reply(void)
{
    struct dhcp_message m = {.op = DHCP_OP_REPLY, .hardware_type = 1, .hardware_length_bytes = 6, .xid = 7};

    dhcp_put_u8(&m, DHCP_OPTION_MESSAGE_TYPE, DHCP_OFFER);
    dhcp_put_u32(&m, DHCP_OPTION_SERVER_ID, 0xc0000201);
    return m;
}

static const struct dhcp_layout roomy = {DHCP_REPLY_MAX_BYTES, true};
static const struct dhcp_layout small = {DHCP_MESSAGE_SIZE_MIN - 28, true};
static const struct dhcp_layout plain = {DHCP_MESSAGE_SIZE_MIN - 28, false};

static void a_short_reply_is_padded_behind_its_end(void **state)
{
    uint8_t bytes[DHCP_REPLY_MAX_BYTES];
    struct dhcp_message m = reply();
    unsigned left_out;

    COPY_STRING(m.file, "boot.ipxe");
    assert_int_equal(dhcp_message_encode(&m, &roomy, bytes, &left_out), DHCP_REPLY_MIN_BYTES);
    assert_int_equal(left_out, 0);
    assert_memory_equal(bytes + HEADER, "\x35\1\2\x36\4\xc0\0\2\1\xff\0\0", 12);
    assert_string_equal((char *)bytes + 108, "boot.ipxe");
}

static void a_long_option_is_split(void **state)
{
    uint8_t bytes[DHCP_REPLY_MAX_BYTES];
    uint8_t value[600];
    struct dhcp_message m = reply();
    struct dhcp_message again;
    unsigned left_out;

    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (uint8_t)(i * 7);
    dhcp_put(&m, DHCP_OPTION_VENDOR_SPECIFIC, value, sizeof(value));
    ssize_t length = dhcp_message_encode(&m, &roomy, bytes, &left_out);
    assert_int_equal(length, HEADER + 9 + 600 + 3 * 2 + 1);
    assert_int_equal(dhcp_message_decode(&again, bytes, (size_t)length), 0);
    expect_option(&again, DHCP_OPTION_VENDOR_SPECIFIC, value, sizeof(value));
}

static void relay_information_comes_last(void **state)
{
    uint8_t bytes[DHCP_REPLY_MAX_BYTES];
    struct dhcp_message m = reply();
    unsigned left_out;

    dhcp_put(&m, DHCP_OPTION_RELAY_INFORMATION, "\1\3abc", 5);
    dhcp_put_text(&m, DHCP_OPTION_HOST_NAME, "pi");
    assert_true(dhcp_message_encode(&m, &roomy, bytes, &left_out) > 0);
    assert_memory_equal(bytes + HEADER + 9, "\x0c\2pi\x52\5\1\3abc\xff", 12);
}

static struct dhcp_message big_reply(void)
{
    struct dhcp_message m = reply();
    char text[101];

    memset(text, 'x', 100);
    text[100] = '\0';
    dhcp_put(&m, DHCP_OPTION_RELAY_INFORMATION, text, 100);
    dhcp_put_text(&m, DHCP_OPTION_ROOT_PATH, text);
    dhcp_put_text(&m, DHCP_OPTION_ISCSI_INITIATOR, text);
    text[50] = '\0';
    dhcp_put_text(&m, DHCP_OPTION_DOMAIN, text);
    return m;
}

static void fields_are_overloaded_when_nothing_else_fits(void **state)
{
    uint8_t bytes[DHCP_REPLY_MAX_BYTES];
    struct dhcp_message m = big_reply();
    struct dhcp_message again;
    unsigned left_out;

    ssize_t length = dhcp_message_encode(&m, &small, bytes, &left_out);
    assert_in_range(length, 300, 548);
    assert_int_equal(left_out, 0);
    assert_int_equal(dhcp_message_decode(&again, bytes, (size_t)length), 0);
    assert_int_equal(dhcp_get_u8(&again, DHCP_OPTION_OVERLOAD, 0) & 1, 1);
    for (size_t i = 0; i < m.options.count; i++) {
        size_t value_bytes;
        const uint8_t *value = dhcp_get(&m, m.options.order[i], &value_bytes);
        expect_option(&again, m.options.order[i], value, value_bytes);
    }
    /* 82 and END close the options field. */
    assert_memory_equal(bytes + length - 103, "\x52\x64xxx", 5);
    assert_int_equal(bytes[length - 1], 0xff);
}

static void nothing_is_overloaded_unless_allowed_and_needed(void **state)
{
    uint8_t bytes[DHCP_REPLY_MAX_BYTES];
    struct dhcp_message m = big_reply();
    struct dhcp_message again;
    unsigned left_out;

    ssize_t length = dhcp_message_encode(&m, &plain, bytes, &left_out);
    assert_int_equal(left_out, 1);
    assert_int_equal(dhcp_message_decode(&again, bytes, (size_t)length), 0);
    assert_false(dhcp_has(&again, DHCP_OPTION_OVERLOAD));
    assert_true(dhcp_has(&again, DHCP_OPTION_ROOT_PATH));
    assert_true(dhcp_has(&again, DHCP_OPTION_RELAY_INFORMATION));

    length = dhcp_message_encode(&m, &roomy, bytes, &left_out);
    assert_int_equal(left_out, 0);
    assert_int_equal(dhcp_message_decode(&again, bytes, (size_t)length), 0);
    assert_false(dhcp_has(&again, DHCP_OPTION_OVERLOAD));

    /* A file name that is there stays. */
    COPY_STRING(m.file, "boot.ipxe");
    length = dhcp_message_encode(&m, &small, bytes, &left_out);
    assert_int_equal(dhcp_message_decode(&again, bytes, (size_t)length), 0);
    assert_string_equal(again.file, "boot.ipxe");
}

static void the_size_limit_is_the_clients(void **state)
{
    static const struct {
        uint16_t value;
        size_t limit;
    } sizes[] = {{0, 548}, {300, 548}, {576, 548}, {1472, 1444}, {1500, 1472}, {65535, 65507}};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct dhcp_message m = {0};
        uint8_t value[2] = {(uint8_t)(sizes[i].value >> 8), (uint8_t)sizes[i].value};
        dhcp_put(&m, DHCP_OPTION_MESSAGE_SIZE, value, 2);
        assert_int_equal(dhcp_message_size_limit(&m), sizes[i].limit);
    }
    struct dhcp_message none = {0};
    assert_int_equal(dhcp_message_size_limit(&none), 548);
}

static void too_much_is_said_so(void **state)
{
    uint8_t bytes[DHCP_REPLY_MAX_BYTES];
    uint8_t value[1500] = {0};
    struct dhcp_message m = reply();
    unsigned left_out;

    dhcp_put(&m, 43, value, sizeof(value));
    assert_true(dhcp_message_encode(&m, &roomy, bytes, &left_out) > 0);
    assert_int_equal(left_out, 1);
    dhcp_put(&m, 82, value, sizeof(value));
    assert_int_equal(dhcp_message_encode(&m, &roomy, bytes, &left_out), -EMSGSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_read),
        cmocka_unit_test(every_cut_is_refused_or_read),
        cmocka_unit_test(no_message_at_all),
        cmocka_unit_test(an_option_of_impossible_length_is_absent),
        cmocka_unit_test(pieces_are_joined),
        cmocka_unit_test(overloaded_fields_are_read_in_their_order),
        cmocka_unit_test(fields_without_end_are_cut),
        cmocka_unit_test(every_option_at_once),
        cmocka_unit_test(a_short_reply_is_padded_behind_its_end),
        cmocka_unit_test(a_long_option_is_split),
        cmocka_unit_test(relay_information_comes_last),
        cmocka_unit_test(fields_are_overloaded_when_nothing_else_fits),
        cmocka_unit_test(nothing_is_overloaded_unless_allowed_and_needed),
        cmocka_unit_test(the_size_limit_is_the_clients),
        cmocka_unit_test(too_much_is_said_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
