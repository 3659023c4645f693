/*
 * digest: how fast CRC32C is, in GB/s, by the length of what it covers.
 */
#include "base/clock.h"
#include "base/crc32c.h"

#include <stdio.h>

enum { RUN_NS = 100000000 };

static double gigabytes_per_second(uint32_t (*digest)(uint32_t, const void *, size_t), const uint8_t *bytes,
                                   size_t length_bytes)
{
    static volatile uint32_t result;
    uint64_t begun_ns = clock_monotonic_ns(), now_ns = begun_ns, done = 0;

    while (now_ns - begun_ns < RUN_NS) {
        for (size_t sum = 0; sum < 1 << 20; sum += length_bytes, done += length_bytes)
            result = digest(result, bytes, length_bytes);
        now_ns = clock_monotonic_ns();
    }
    return (double)done / (double)(now_ns - begun_ns);
}

int main(void)
{
    static const size_t lengths[] = {48, 512, 4096, 65536, 262144};
    static uint8_t bytes[262144];

    printf("%10s %16s %16s\n", "bytes", "fastest GB/s", "by table GB/s");
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        printf("%10zu %16.2f %16.2f\n", lengths[i], gigabytes_per_second(crc32c, bytes, lengths[i]),
               gigabytes_per_second(crc32c_reference, bytes, lengths[i]));
    return 0;
}
