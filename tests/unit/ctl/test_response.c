#include "../test.h"

#include "ctl/response.h"

#define OK "HTTP/1.1 200 OK\r\n"

static void answers_are_decoded_or_refused(void **state)
{
    static const struct {
        const char *bytes;
        int status; /* 0: refused */
        const char *body;
    } rows[] = {
        {OK "Content-Length: 2\r\n\r\n{}", 200, "{}"},
        {OK "content-length:2\r\n\r\n{}\n", 200, "{}"},
        {OK "\r\n{}", 200, "{}"},
        {"HTTP/1.1 404 Not Found\nContent-Length: 0\n\n", 404, ""},
        {OK "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n5;x=y\r\n\":1}\n\r\n0\r\n\r\n", 200, "{\"a\":1}\n"},
        {OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, ""},
        {"", 0, NULL},
        {"HTTP/1.1 200 OK", 0, NULL},
        {"HTTP/2 200\r\n\r\n", 0, NULL},
        {"HTTP/1.1 2x0 OK\r\n\r\n", 0, NULL},
        {OK "Content-Length: 2\r\n", 0, NULL},
        {OK "Content-Length: 3\r\n\r\n{}", 0, NULL},
        {OK "Content-Length: 99999999999999999999\r\n\r\n{}", 0, NULL},
        {OK "Transfer-Encoding: chunked\r\n\r\n", 0, NULL},
        {OK "Transfer-Encoding: chunked\r\n\r\n9\r\nabc\r\n0\r\n\r\n", 0, NULL},
        {OK "Transfer-Encoding: chunked\r\n\r\nx\r\nabc\r\n0\r\n\r\n", 0, NULL},
        {OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 0, NULL},
        {OK "Transfer-Encoding: chunked\r\n\r\nffffffff\r\nabc\r\n0\r\n\r\n", 0, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t length = strlen(rows[i].bytes);
        /* Exactly as long as the answer, so that a step beyond is seen. */
        CLEANUP_FREE char *bytes = xcalloc(1, length);
        struct response response;
        memcpy(bytes, rows[i].bytes, length);
        bool decoded = response_decode(bytes, length, &response);
        if (decoded != (rows[i].status != 0))
            fail_msg("row %zu: %s", i, decoded ? "decoded" : "refused");
        if (!decoded)
            continue;
        assert_int_equal(response.status, rows[i].status);
        assert_int_equal(response.body_bytes, strlen(rows[i].body));
        assert_memory_equal(response.body, rows[i].body, response.body_bytes);
    }
}

/* An answer cut at any byte is refused or is a shorter answer, never more than what came. */
static void answers_may_be_cut_anywhere(void **state)
{
    static const char whole[] = OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

    for (size_t length = 0; length < sizeof(whole); length++) {
        CLEANUP_FREE char *bytes = xcalloc(1, length);
        struct response response;
        memcpy(bytes, whole, length);
        if (response_decode(bytes, length, &response))
            assert_true(response.body_bytes <= length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_decoded_or_refused),
        cmocka_unit_test(answers_may_be_cut_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
