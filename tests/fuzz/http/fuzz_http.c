/*
 * The heads of HTTP requests, one behind the other as on a connection.
 */
#include "base/base.h"
#include "fleet/boot_plan.h"
#include "http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(const struct http_request *request)
{
    char path[BOOT_PATH_SIZE];
    uint64_t first, length;
    const uint64_t sizes[] = {0, 1, 1ull << 40};

    CHECK(request->path[0] == '/' && strlen(request->path) < HTTP_PATH_SIZE);
    (void)boot_path_normalise(path, request->path, strlen(request->path));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        enum http_part part = http_request_part(request, sizes[i], &first, &length);
        CHECK(part == HTTP_NO_PART || (first <= sizes[i] && length <= sizes[i] - first));
        CHECK(part != HTTP_PART || length > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request request;
    size_t used;

    while (http_request_decode(data, size, &request, &used) == HTTP_REQUEST) {
        CHECK(used > 0 && used <= size);
        take(&request);
        data += used;
        size -= used;
    }
    return 0;
}
