#include "base/crc32c.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

enum { CRC32C_POLYNOMIAL_REVERSED = 0x82f63b78 };

static uint32_t table[256];

__attribute__((constructor)) static void fill_table(void)
{
    for (uint32_t i = 0; i < ARRAY_SIZE(table); i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? value >> 1 ^ (uint32_t)CRC32C_POLYNOMIAL_REVERSED : value >> 1;
        table[i] = value;
    }
}

uint32_t crc32c_reference(uint32_t crc, const void *bytes, size_t length_bytes)
{
    const uint8_t *at = bytes;

    crc = ~crc;
    for (size_t i = 0; i < length_bytes; i++)
        crc = crc >> 8 ^ table[(crc ^ at[i]) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)

#define HARDWARE __attribute__((target("sse4.2")))
#define step8(crc, value) ((uint32_t)_mm_crc32_u64((crc), (value)))
#define step1(crc, value) _mm_crc32_u8((crc), (value))

static bool have_instruction(void)
{
    return __builtin_cpu_supports("sse4.2");
}

#elif defined(__aarch64__)

#define HARDWARE __attribute__((target("+crc")))
#define step8(crc, value) __crc32cd((crc), (value))
#define step1(crc, value) __crc32cb((crc), (value))

static bool have_instruction(void)
{
    return getauxval(AT_HWCAP) & HWCAP_CRC32;
}

#endif

#if defined(HARDWARE)

HARDWARE static uint32_t crc32c_by_instruction(uint32_t crc, const void *bytes, size_t length_bytes)
{
    const uint8_t *at = bytes;

    crc = ~crc;
    for (; length_bytes >= 8; at += 8, length_bytes -= 8) {
        uint64_t value;
        memcpy(&value, at, sizeof(value));
        crc = step8(crc, value);
    }
    for (; length_bytes > 0; at++, length_bytes--)
        crc = step1(crc, *at);
    return ~crc;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length_bytes)
{
    static int8_t usable = -1;

    if (usable < 0)
        usable = have_instruction();
    return usable ? crc32c_by_instruction(crc, bytes, length_bytes) : crc32c_reference(crc, bytes, length_bytes);
}

#else

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length_bytes)
{
    return crc32c_reference(crc, bytes, length_bytes);
}

#endif
