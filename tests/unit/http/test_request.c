#include "../test.h"

#include "base/text.h"
#include "http/request.h"

static enum http_decoded decode(const char *text, struct http_request *request, size_t *used)
{
    return http_request_decode((const uint8_t *)text, strlen(text), request, used);
}

static void requests_of_boot_clients(void **state)
{
    static const struct {
        const char *text;
        enum http_method method;
        const char *path;
        bool keep_alive;
    } rows[] = {
        /* EDK2 asks for the size first. */
        {"HEAD /boot/grubx64.efi HTTP/1.1\r\nHost: 192.168.20.1\r\nAccept: */*\r\nUser-Agent: UefiHttpBoot/1.0\r\n\r\n",
         HTTP_HEAD, "/boot/grubx64.efi", true},
        {"GET /vmlinuz HTTP/1.1\r\nUser-Agent: iPXE/1.21.1\r\nConnection: keep-alive\r\nHost: x\r\n\r\n", HTTP_GET,
         "/vmlinuz", true},
        /* U-Boot's wget */
        {"GET /current/initrd.img HTTP/1.0\r\n\r\n", HTTP_GET, "/current/initrd.img", false},
        {"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", HTTP_GET, "/a", true},
        {"GET http://192.168.20.1:8080/a/b?c=/d HTTP/1.1\r\nConnection: close\r\n\r\n", HTTP_GET, "/a/b", false},
        {"GET http://192.168.20.1 HTTP/1.1\r\n\r\n", HTTP_GET, "/", true},
        {"\r\n\r\nGET /a%20b%2Fc%25 HTTP/1.1\n\n", HTTP_GET, "/a b/c%", true},
        {"DELETE / HTTP/1.1\r\n\r\n", HTTP_OTHER_METHOD, "/", true},
        {"get / HTTP/1.1\r\n\r\n", HTTP_OTHER_METHOD, "/", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct http_request request;
        size_t used = 0;
        assert_int_equal(decode(rows[i].text, &request, &used), HTTP_REQUEST);
        assert_int_equal(used, strlen(rows[i].text));
        assert_int_equal(request.method, rows[i].method);
        assert_string_equal(request.path, rows[i].path);
        assert_int_equal(request.keep_alive, rows[i].keep_alive);
        assert_false(request.has_body);
        /* Whatever is cut short is waited for. */
        for (size_t length = 0; length < used - 1; length++)
            assert_int_equal(http_request_decode((const uint8_t *)rows[i].text, length, &request, &used),
                             HTTP_INCOMPLETE);
    }
}

static void what_follows_is_the_next_request(void **state)
{
    static const char text[] = "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
    struct http_request request;
    size_t used = 0;

    assert_int_equal(decode(text, &request, &used), HTTP_REQUEST);
    assert_string_equal(request.path, "/a");
    assert_int_equal(decode(text + used, &request, &used), HTTP_REQUEST);
    assert_string_equal(request.path, "/b");
}

static void what_is_wrong_is_seen(void **state)
{
    static const struct {
        const char *text;
        enum http_decoded decoded;
    } rows[] = {
        {"GET / HTTP/2.0\r\n\r\n", HTTP_OTHER_VERSION},
        {"GET / HTTP/1.1 x\r\n\r\n", HTTP_MALFORMED},
        {"GET /\r\n\r\n", HTTP_MALFORMED},
        {"GET\r\n\r\n", HTTP_MALFORMED},
        {" / HTTP/1.1\r\n\r\n", HTTP_MALFORMED},
        {"GET  HTTP/1.1\r\n\r\n", HTTP_MALFORMED},
        {"GET a HTTP/1.1\r\n\r\n", HTTP_MALFORMED},
        {"GET /%00 HTTP/1.1\r\n\r\n", HTTP_MALFORMED},
        {"GET /%2 HTTP/1.1\r\n\r\n", HTTP_MALFORMED},
        {"GET /%zz HTTP/1.1\r\n\r\n", HTTP_MALFORMED},
        {"GET / HTTP/1.1\r\nno colon\r\n\r\n", HTTP_MALFORMED},
        {"GET / HTTP/1.1\r\n: x\r\n\r\n", HTTP_MALFORMED},
        {"GET / HTTP/1.1\r\na : x\r\n\r\n", HTTP_MALFORMED},
        {"GET / HTTP/1.1\r\na: x\r\n b\r\n\r\n", HTTP_MALFORMED},
        {"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", HTTP_MALFORMED},
        {"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", HTTP_MALFORMED},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct http_request request;
        size_t used;
        if (decode(rows[i].text, &request, &used) != rows[i].decoded)
            fail_msg("%s", rows[i].text);
    }
}

static void a_head_has_a_limit(void **state)
{
    CLEANUP_FREE char *text = xcalloc(1, HTTP_HEAD_MAX_BYTES + 64);
    struct http_request request;
    struct text many = text_with_max(HTTP_HEAD_MAX_BYTES);
    size_t used;

    memset(text, 'a', HTTP_HEAD_MAX_BYTES);
    memcpy(text, "GET /", 5);
    assert_int_equal(decode(text, &request, &used), HTTP_TOO_LARGE);
    text[HTTP_HEAD_MAX_BYTES - 1] = '\0';
    assert_int_equal(decode(text, &request, &used), HTTP_INCOMPLETE);
    /* A path that fits into the head, but not into a request. */
    memcpy(text + 4000, " HTTP/1.1\r\n\r\n", 14);
    assert_int_equal(decode(text, &request, &used), HTTP_MALFORMED);

    text_append(&many, "GET / HTTP/1.1\r\n");
    for (int i = 0; i <= HTTP_HEADERS_MAX; i++)
        text_append(&many, "a: b\r\n");
    text_append(&many, "\r\n");
    assert_int_equal(decode(text_string(&many), &request, &used), HTTP_TOO_LARGE);
    text_free(&many);
}

static void a_body_is_announced(void **state)
{
    struct http_request request;
    size_t used;

    assert_int_equal(decode("GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", &request, &used), HTTP_REQUEST);
    assert_true(request.has_body);
    assert_int_equal(decode("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", &request, &used), HTTP_REQUEST);
    assert_true(request.has_body);
    assert_int_equal(decode("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", &request, &used), HTTP_REQUEST);
    assert_false(request.has_body);
}

static void ranges_of_a_file(void **state)
{
    static const struct {
        const char *range;
        uint64_t size_bytes;
        enum http_part part;
        uint64_t first;
        uint64_t length_bytes;
    } rows[] = {
        {"Range: bytes=0-0", 10, HTTP_PART, 0, 1},
        {"Range: bytes=2-", 10, HTTP_PART, 2, 8},
        {"Range: bytes=2-4", 10, HTTP_PART, 2, 3},
        {"Range: bytes=2-99", 10, HTTP_PART, 2, 8},
        {"Range: bytes=-3", 10, HTTP_PART, 7, 3},
        {"Range: bytes=-99", 10, HTTP_PART, 0, 10},
        {"range:BYTES=9-9223372036854775806", 10, HTTP_PART, 9, 1},
        {"Range: bytes=10-", 10, HTTP_NO_PART, 0, 0},
        {"Range: bytes=-0", 10, HTTP_NO_PART, 0, 0},
        {"Range: bytes=0-", 0, HTTP_NO_PART, 0, 0},
        /* As if not asked for (RFC 9110, 14.2). */
        {"Range: bytes=4-2", 10, HTTP_WHOLE, 0, 10},
        {"Range: bytes=0-1,4-5", 10, HTTP_WHOLE, 0, 10},
        {"Range: bytes=", 10, HTTP_WHOLE, 0, 10},
        {"Range: bytes=-", 10, HTTP_WHOLE, 0, 10},
        {"Range: bytes=a-b", 10, HTTP_WHOLE, 0, 10},
        {"Range: bytes=99999999999999999999-", 10, HTTP_WHOLE, 0, 10},
        {"Range: lines=0-1", 10, HTTP_WHOLE, 0, 10},
        {"If-Range: \"x\"\r\nRange: bytes=2-", 10, HTTP_WHOLE, 0, 10},
        {"X: y", 10, HTTP_WHOLE, 0, 10},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *text = xasprintf("GET / HTTP/1.1\r\n%s\r\n\r\n", rows[i].range);
        struct http_request request;
        uint64_t first, length;
        size_t used;
        assert_int_equal(decode(text, &request, &used), HTTP_REQUEST);
        enum http_part part = http_request_part(&request, rows[i].size_bytes, &first, &length);
        if (part != rows[i].part || (part != HTTP_NO_PART && (first != rows[i].first || length != rows[i].length_bytes)))
            fail_msg("%s: %d, %llu bytes from %llu", rows[i].range, part, (unsigned long long)length,
                     (unsigned long long)first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_boot_clients),
        cmocka_unit_test(what_follows_is_the_next_request),
        cmocka_unit_test(what_is_wrong_is_seen),
        cmocka_unit_test(a_head_has_a_limit),
        cmocka_unit_test(a_body_is_announced),
        cmocka_unit_test(ranges_of_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
