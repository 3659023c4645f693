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

static void fill_table(void)
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

/* The instruction takes a new value every cycle but gives its result three cycles later: three streams side by side
 * keep it busy. Lengths of one stream: of the long ones first, then of short ones, the rest word by word. */
enum { LONG_BYTES = 1024, SHORT_BYTES = 128, WORD_BYTES = 8 };

/* What so many zero bytes make of a CRC, by each of its bytes: joins the CRCs of streams that follow each other. */
struct skip {
    uint32_t of_byte[4][256];
};

static struct skip skip_long, skip_short;

static void fill_skip(struct skip *skip, size_t zeros)
{
    uint32_t of_bit[32];

    for (unsigned bit = 0; bit < 32; bit++) {
        of_bit[bit] = UINT32_C(1) << bit;
        for (size_t i = 0; i < zeros; i++)
            of_bit[bit] = of_bit[bit] >> 8 ^ table[of_bit[bit] & 0xff];
    }
    for (unsigned place = 0; place < 4; place++)
        for (unsigned byte = 0; byte < 256; byte++)
            for (unsigned bit = 0; bit < 8; bit++)
                skip->of_byte[place][byte] ^= byte >> bit & 1 ? of_bit[place * 8 + bit] : 0;
}

static uint32_t skip_zeros(const struct skip *skip, uint32_t crc)
{
    return skip->of_byte[0][crc & 0xff] ^ skip->of_byte[1][crc >> 8 & 0xff] ^ skip->of_byte[2][crc >> 16 & 0xff] ^
           skip->of_byte[3][crc >> 24];
}

HARDWARE static inline uint32_t step_word(uint32_t crc, const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return step8(crc, value);
}

/* Three streams of `length_bytes` each. */
HARDWARE static inline uint32_t three_streams(uint32_t crc, const uint8_t *at, size_t length_bytes,
                                              const struct skip *skip)
{
    uint32_t second = 0, third = 0;

    for (const uint8_t *end = at + length_bytes; at < end; at += WORD_BYTES) {
        crc = step_word(crc, at);
        second = step_word(second, at + length_bytes);
        third = step_word(third, at + 2 * length_bytes);
    }
    crc = skip_zeros(skip, crc) ^ second;
    return skip_zeros(skip, crc) ^ third;
}

HARDWARE static uint32_t crc32c_by_instruction(uint32_t crc, const void *bytes, size_t length_bytes)
{
    const uint8_t *at = bytes;

    crc = ~crc;
    for (; length_bytes >= 3 * LONG_BYTES; at += 3 * LONG_BYTES, length_bytes -= 3 * LONG_BYTES)
        crc = three_streams(crc, at, LONG_BYTES, &skip_long);
    for (; length_bytes >= 3 * SHORT_BYTES; at += 3 * SHORT_BYTES, length_bytes -= 3 * SHORT_BYTES)
        crc = three_streams(crc, at, SHORT_BYTES, &skip_short);
    for (; length_bytes >= WORD_BYTES; at += WORD_BYTES, length_bytes -= WORD_BYTES)
        crc = step_word(crc, at);
    for (; length_bytes > 0; at++, length_bytes--)
        crc = step1(crc, *at);
    return ~crc;
}

#endif

static uint32_t (*fastest)(uint32_t crc, const void *bytes, size_t length_bytes) = crc32c_reference;

__attribute__((constructor)) static void choose(void)
{
    fill_table();
#if defined(HARDWARE)
    if (!have_instruction())
        return;
    fill_skip(&skip_long, LONG_BYTES);
    fill_skip(&skip_short, SHORT_BYTES);
    fastest = crc32c_by_instruction;
#endif
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length_bytes)
{
    return fastest(crc, bytes, length_bytes);
}
