#include "fleet/dhcp_option.h"

#include "base/bytes.h"
#include "base/inet.h"
#include "base/text.h"

enum { VALUE_SIZE = 2 * DHCP_EXTRA_BYTES_MAX + 1 };

static bool put_addresses(struct writer *w, char *value)
{
    char *rest = value, *word;
    uint32_t address;

    while ((word = strsep(&rest, ","))) {
        if (!inet_parse(word, &address))
            return false;
        writer_be32(w, address);
    }
    return true;
}

static bool put_text(struct writer *w, char *value)
{
    for (const char *c = value; *c; c++) {
        if ((uint8_t)*c < 0x21 || (uint8_t)*c > 0x7e)
            return false;
    }
    writer_bytes(w, value, strlen(value));
    return true;
}

static bool put_hex(struct writer *w, char *value)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";

    if (strlen(value) % 2)
        return false;
    for (const char *c = value; *c; c += 2) {
        const char *high = strchr(digits, c[0]), *low = strchr(digits, c[1]);
        if (!high || !low)
            return false;
        writer_u8(w, (uint8_t)((high - digits) % 16 << 4 | (low - digits) % 16));
    }
    return true;
}

static bool put_number(struct writer *w, const char *value, size_t bytes)
{
    uint64_t number;

    if (!parse_u64(value, UINT64_MAX >> (64 - 8 * bytes), &number))
        return false;
    writer_big_endian(w, number, bytes);
    return true;
}

static bool put_u8(struct writer *w, char *value)
{
    return put_number(w, value, 1);
}

static bool put_u16(struct writer *w, char *value)
{
    return put_number(w, value, 2);
}

static bool put_u32(struct writer *w, char *value)
{
    return put_number(w, value, 4);
}

static const struct {
    const char *prefix;
    bool (*put)(struct writer *w, char *value);
} types[] = {
    {"ip:", put_addresses}, {"text:", put_text}, {"hex:", put_hex}, {"u8:", put_u8}, {"u16:", put_u16}, {"u32:", put_u32},
};

/* Addresses, leases, and what is a word of the conversation itself. */
static bool is_the_protocols_own(uint64_t code)
{
    static const uint8_t own[] = {0, 50, 51, 52, 53, 54, 55, 57, 58, 59, 61, 82, 97, 255};

    return memchr(own, (int)code, sizeof(own)) != NULL;
}

static bool read_value(struct dhcp_extra *extra, const char *text)
{
    struct writer w = writer_over(extra->bytes, sizeof(extra->bytes));
    char value[VALUE_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (!string_starts_with(text, types[i].prefix))
            continue;
        bool good = COPY_STRING(value, text + strlen(types[i].prefix)) && *value && types[i].put(&w, value);
        extra->length_bytes = w.offset;
        return good && writer_ok(&w);
    }
    return false;
}

/* One word, "150=ip:192.0.2.1". */
static bool read_word(struct dhcp_extra *extra, char *word)
{
    char *equals = strchr(word, '=');
    uint64_t code;

    if (!equals)
        return false;
    *equals = '\0';
    if (!parse_u64(word, UINT8_MAX, &code) || is_the_protocols_own(code))
        return false;
    extra->code = (uint8_t)code;
    return read_value(extra, equals + 1);
}

/* False when none is left. */
static bool take_word(const char **at, char to[VALUE_SIZE], bool *fits)
{
    *at += strspn(*at, " \n");
    size_t length = strcspn(*at, " \n");
    *fits = length < VALUE_SIZE;
    if (*fits) {
        memcpy(to, *at, length);
        to[length] = '\0';
    }
    *at += length;
    return length > 0;
}

bool dhcp_extra_next(const char **at, struct dhcp_extra *extra)
{
    char word[VALUE_SIZE];
    bool fits;

    return take_word(at, word, &fits) && fits && read_word(extra, word);
}

int dhcp_extra_check(const char *text, struct error *error)
{
    char word[VALUE_SIZE], quoted[80];
    struct dhcp_extra extra;
    size_t count = 0;
    bool fits;

    while (take_word(&text, word, &fits)) {
        quote_into(quoted, sizeof(quoted), word, fits ? strlen(word) : 0);
        if (!fits || !read_word(&extra, word))
            return error_set(error, -EINVAL, "dhcp-option: \"%s\" is not CODE=TYPE:VALUE, like 150=ip:192.0.2.1, with one of "
                                             "the types ip, text, hex, u8, u16, u32, and no option that DHCP itself needs",
                             quoted);
        if (++count > DHCP_EXTRA_MAX)
            return error_set(error, -E2BIG, "dhcp-option: more than %d options", DHCP_EXTRA_MAX);
    }
    return count ? 0 : error_set(error, -EINVAL, "dhcp-option: says no option");
}
