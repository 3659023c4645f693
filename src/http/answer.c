#include "http/answer.h"

#include "base/text.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

static const struct {
    unsigned status;
    const char *phrase;
} statuses[] = {
    {200, "OK"},
    {206, "Partial Content"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {413, "Content Too Large"},
    {416, "Range Not Satisfiable"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

/* What firmware goes by: UEFI starts a program or attaches a disk, as the type says (EDK2's HTTP boot). */
static const struct {
    const char *ending;
    const char *type;
} types[] = {
    {".efi", "application/efi"}, {".iso", "application/vnd.efi-iso"}, {".txt", "text/plain"},
    {".ipxe", "text/plain"},     {".cfg", "text/plain"},
};

const char *http_status_phrase(unsigned status)
{
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        if (statuses[i].status == status)
            return statuses[i].phrase;
    }
    CHECK(!"a status that this server gives");
    return "";
}

const char *http_content_type(const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        size_t ending = strlen(types[i].ending);
        if (length > ending && strcasecmp(path + length - ending, types[i].ending) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

/* "Tue, 24 Nov 2026 19:30:00 GMT", in English whatever the locale. */
static void append_date(struct text *head, uint64_t seconds)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t time = (time_t)seconds;
    struct tm t;

    gmtime_r(&time, &t);
    text_appendf(head, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n", days + 3 * t.tm_wday, t.tm_mday,
                 months + 3 * t.tm_mon, t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static void append_range(struct text *head, const struct http_answer *answer)
{
    if (answer->status == 206)
        text_appendf(head, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)answer->first,
                     (unsigned long long)(answer->first + answer->length_bytes - 1),
                     (unsigned long long)answer->size_bytes);
    if (answer->status == 416)
        text_appendf(head, "Content-Range: bytes */%llu\r\n", (unsigned long long)answer->size_bytes);
}

size_t http_answer_encode(uint8_t to[HTTP_ANSWER_MAX_BYTES], const struct http_answer *answer)
{
    CLEANUP_TEXT struct text head = text_with_max(HTTP_ANSWER_MAX_BYTES);

    text_appendf(&head, "HTTP/1.1 %u %s\r\n", answer->status, http_status_phrase(answer->status));
    append_date(&head, answer->date_seconds);
    text_appendf(&head, "Content-Type: %s\r\nContent-Length: %llu\r\n", answer->content_type,
                 (unsigned long long)answer->length_bytes);
    append_range(&head, answer);
    if (answer->status == 405)
        text_append(&head, "Allow: GET, HEAD\r\n");
    if (answer->status < 300)
        text_append(&head, "Accept-Ranges: bytes\r\n");
    text_appendf(&head, "Connection: %s\r\n\r\n", answer->keep_alive ? "keep-alive" : "close");
    CHECK(!head.failed);
    memcpy(to, head.data, head.length_bytes);
    return head.length_bytes;
}
