#include "../test.h"

#include "tftp/packet.h"

#define DECODE(literal, request) tftp_decode_request(literal, sizeof(literal) - 1, request)

static void a_raspberry_pi_request(void **state)
{
    struct tftp_request request;

    assert_int_equal(DECODE("\0\1"
                            "1234abcd/start4.elf\0octet\0tsize\0"
                            "0\0blksize\0"
                            "1468\0",
                            &request),
                     TFTP_REQUEST_READ);
    assert_string_equal(request.path, "1234abcd/start4.elf");
    assert_int_equal(request.mode, TFTP_MODE_OCTET);
    assert_true(request.options.has_tsize);
    assert_true(request.options.has_blksize);
    assert_int_equal(request.options.blksize, 1468);
    assert_false(request.options.has_timeout);
    assert_false(request.options.has_windowsize);
}

static void names_and_modes_are_read_without_case(void **state)
{
    struct tftp_request request;

    assert_int_equal(DECODE("\0\1a\0NetASCII\0BLKSIZE\0"
                            "1024\0WindowSize\0"
                            "8\0TimeOut\0"
                            "5\0",
                            &request),
                     TFTP_REQUEST_READ);
    assert_int_equal(request.mode, TFTP_MODE_NETASCII);
    assert_int_equal(request.options.blksize, 1024);
    assert_int_equal(request.options.windowsize, 8);
    assert_int_equal(request.options.timeout, 5);
}

static void odd_requests_of_real_firmware(void **state)
{
    struct tftp_request request;

    assert_int_equal(DECODE("\0\1grub.efi\xff\0octet\0", &request), TFTP_REQUEST_READ);
    assert_string_equal(request.path, "grub.efi");
    assert_int_equal(DECODE("\0\1grub.efi\0\0octet\0tsize\0"
                            "0\0",
                            &request),
                     TFTP_REQUEST_READ);
    assert_string_equal(request.path, "grub.efi");
    assert_true(request.options.has_tsize);
}

static void options_that_are_none_are_absent(void **state)
{
    struct tftp_request request;

    assert_int_equal(DECODE("\0\1a\0octet\0blksize\0"
                            "7\0tsize\0-1\0timeout\0"
                            "256\0windowsize\0"
                            "0\0",
                            &request),
                     TFTP_REQUEST_READ);
    assert_false(request.options.has_blksize);
    assert_false(request.options.has_tsize);
    assert_false(request.options.has_timeout);
    assert_false(request.options.has_windowsize);
    assert_int_equal(DECODE("\0\1a\0octet\0blksize\0"
                            "99999999999999999999999\0tsize\0"
                            "1e3\0timeout\0 5\0"
                            "multicast\0\0windowsize\0"
                            "65536\0blksize\0",
                            &request),
                     TFTP_REQUEST_READ);
    assert_false(request.options.has_blksize);
    assert_false(request.options.has_tsize);
    assert_false(request.options.has_timeout);
    assert_false(request.options.has_windowsize);
    /* A value without its NUL. */
    assert_int_equal(DECODE("\0\1a\0octet\0blksize\0"
                            "1024",
                            &request),
                     TFTP_REQUEST_READ);
    assert_false(request.options.has_blksize);
}

static void endless_options_end(void **state)
{
    uint8_t packet[TFTP_REQUEST_MAX_BYTES] = "\0\1a\0octet";
    struct tftp_request request;

    for (size_t i = 10; i + 4 <= 10 + 4 * TFTP_OPTIONS_MAX; i += 4)
        memcpy(packet + i, "x\0y", 4);
    memcpy(packet + 10 + 4 * TFTP_OPTIONS_MAX,
           "blksize\0"
           "1024",
           13);
    assert_int_equal(tftp_decode_request(packet, sizeof(packet), &request), TFTP_REQUEST_READ);
    assert_false(request.options.has_blksize);
}

static void what_is_no_request(void **state)
{
    uint8_t packet[TFTP_REQUEST_MAX_BYTES + 1] = "\0\1a\0octet";
    struct tftp_request request;

    assert_int_equal(DECODE("", &request), TFTP_REQUEST_NONE);
    assert_int_equal(DECODE("\0", &request), TFTP_REQUEST_NONE);
    assert_int_equal(DECODE("\0\3\0\1data", &request), TFTP_REQUEST_NONE);
    assert_int_equal(DECODE("\0\5\0\0no\0", &request), TFTP_REQUEST_NONE);
    assert_int_equal(DECODE("\1\0a\0octet\0", &request), TFTP_REQUEST_NONE);
    assert_int_equal(DECODE("\0\1", &request), TFTP_REQUEST_MALFORMED);
    assert_int_equal(DECODE("\0\1\0octet\0", &request), TFTP_REQUEST_MALFORMED);
    assert_int_equal(DECODE("\0\1\xff\0octet\0", &request), TFTP_REQUEST_MALFORMED);
    assert_int_equal(DECODE("\0\1name", &request), TFTP_REQUEST_MALFORMED);
    assert_int_equal(DECODE("\0\1name\0", &request), TFTP_REQUEST_MALFORMED);
    assert_int_equal(DECODE("\0\1name\0octet", &request), TFTP_REQUEST_MALFORMED);
    assert_int_equal(DECODE("\0\1name\0\0", &request), TFTP_REQUEST_MALFORMED);
    assert_int_equal(DECODE("\0\1name\0\0\0octet\0", &request), TFTP_REQUEST_MALFORMED);
    assert_int_equal(DECODE("\0\1name\0mail\0", &request), TFTP_REQUEST_MALFORMED);
    assert_int_equal(DECODE("\0\2name\0octet\0", &request), TFTP_REQUEST_WRITE);
    assert_int_equal(tftp_decode_request(packet, sizeof(packet), &request), TFTP_REQUEST_MALFORMED);
    memset(packet + 2, 'a', TFTP_PATH_SIZE);
    memcpy(packet + 2 + TFTP_PATH_SIZE, "\0octet", 7);
    assert_int_equal(tftp_decode_request(packet, TFTP_REQUEST_MAX_BYTES, &request), TFTP_REQUEST_MALFORMED);
}

static void replies_of_a_client(void **state)
{
    struct tftp_reply reply;

    assert_int_equal(tftp_decode_reply("\0\4\xff\xfe", 4, &reply), TFTP_REPLY_ACK);
    assert_int_equal(reply.block, 0xfffe);
    assert_int_equal(tftp_decode_reply("\0\5\0\0Early terminate", 20, &reply), TFTP_REPLY_ERROR);
    assert_int_equal(reply.code, 0);
    assert_int_equal(reply.text_length_bytes, 15);
    assert_memory_equal(reply.text, "Early terminate", 15);
    assert_int_equal(tftp_decode_reply("\0\5\0\1no NUL", 10, &reply), TFTP_REPLY_ERROR);
    assert_int_equal(reply.text_length_bytes, 6);
    assert_int_equal(tftp_decode_reply("\0\5\0\1", 4, &reply), TFTP_REPLY_ERROR);
    assert_int_equal(reply.text_length_bytes, 0);
    assert_int_equal(tftp_decode_reply("\0\4\0", 3, &reply), TFTP_REPLY_NONE);
    assert_int_equal(tftp_decode_reply("\0\3\0\1", 4, &reply), TFTP_REPLY_NONE);
}

static void what_we_send(void **state)
{
    const struct tftp_options options = {.has_tsize = true,
                                         .tsize = UINT64_MAX,
                                         .has_blksize = true,
                                         .blksize = 65464,
                                         .has_timeout = true,
                                         .timeout = 255,
                                         .has_windowsize = true,
                                         .windowsize = 65535};
    static const char oack[] = "\0\6tsize\0"
                               "18446744073709551615\0blksize\0"
                               "65464\0timeout\0"
                               "255\0windowsize\0"
                               "65535";
    uint8_t packet[TFTP_OACK_MAX_BYTES];
    char text[500];

    assert_int_equal(tftp_encode_oack(packet, &options), sizeof(oack));
    assert_memory_equal(packet, oack, sizeof(oack));
    assert_int_equal(tftp_encode_oack(packet, &(struct tftp_options){.has_tsize = true, .tsize = 0}), 10);
    assert_memory_equal(packet,
                        "\0\6tsize\0"
                        "0",
                        10);
    tftp_encode_data_header(packet, 0xfffe);
    assert_memory_equal(packet, "\0\3\xff\xfe", 4);
    assert_int_equal(tftp_encode_error(packet, TFTP_ERROR_NOT_FOUND, "no"), 7);
    assert_memory_equal(packet, "\0\5\0\1no", 7);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(tftp_encode_error(packet, TFTP_ERROR_NOT_FOUND, text), TFTP_ERROR_MAX_BYTES);
    assert_int_equal(packet[TFTP_ERROR_MAX_BYTES - 1], 0);
}

static void netascii_line_ends(void **state)
{
    CLEANUP_TEXT struct text text = text_with_max(100);

    tftp_append_netascii(&text, "a\nb\r\n\r\nc\n", 9);
    assert_int_equal(text.length_bytes, 15);
    assert_memory_equal(text.data, "a\r\nb\r\0\r\n\r\0\r\nc\r\n", 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raspberry_pi_request),
        cmocka_unit_test(names_and_modes_are_read_without_case),
        cmocka_unit_test(odd_requests_of_real_firmware),
        cmocka_unit_test(options_that_are_none_are_absent),
        cmocka_unit_test(endless_options_end),
        cmocka_unit_test(what_is_no_request),
        cmocka_unit_test(replies_of_a_client),
        cmocka_unit_test(what_we_send),
        cmocka_unit_test(netascii_line_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
