#include "../test.h"

#include "http/answer.h"

static void assert_head(const struct http_answer *answer, const char *expected)
{
    uint8_t head[HTTP_ANSWER_MAX_BYTES];
    size_t length = http_answer_encode(head, answer);

    assert_int_equal(length, strlen(expected));
    assert_memory_equal(head, expected, length);
}

static void heads_say_what_follows(void **state)
{
    const struct http_answer whole = {.status = 200,
                                      .content_type = "application/efi",
                                      .length_bytes = 1ull << 40,
                                      .keep_alive = true,
                                      .date_seconds = 784111777};
    const struct http_answer part = {.status = 206,
                                     .content_type = "text/plain",
                                     .length_bytes = 5,
                                     .first = 3,
                                     .size_bytes = 10,
                                     .date_seconds = 784111777};
    const struct http_answer none = {.status = 416, .content_type = "text/plain", .size_bytes = 10};

    /* The date is RFC 9110's own example. */
    assert_head(&whole, "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/efi\r\n"
                        "Content-Length: 1099511627776\r\nAccept-Ranges: bytes\r\nConnection: keep-alive\r\n\r\n");
    assert_head(&part, "HTTP/1.1 206 Partial Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                       "Content-Type: text/plain\r\nContent-Length: 5\r\nContent-Range: bytes 3-7/10\r\n"
                       "Accept-Ranges: bytes\r\nConnection: close\r\n\r\n");
    assert_head(&none, "HTTP/1.1 416 Range Not Satisfiable\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                       "Content-Type: text/plain\r\nContent-Length: 0\r\nContent-Range: bytes */10\r\n"
                       "Connection: close\r\n\r\n");
}

static void types_are_those_that_firmware_goes_by(void **state)
{
    assert_string_equal(http_content_type("EFI/BOOT/BOOTX64.EFI"), "application/efi");
    assert_string_equal(http_content_type("a.iso"), "application/vnd.efi-iso");
    assert_string_equal(http_content_type("cmdline.txt"), "text/plain");
    assert_string_equal(http_content_type("vmlinuz"), "application/octet-stream");
    assert_string_equal(http_content_type(".efi"), "application/octet-stream");
    assert_string_equal(http_content_type(""), "application/octet-stream");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_say_what_follows),
        cmocka_unit_test(types_are_those_that_firmware_goes_by),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
