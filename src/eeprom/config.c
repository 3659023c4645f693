#include "eeprom/config.h"

#include "base/inet.h"
#include "base/mac.h"

#include <stdio.h>

enum { VALUE_SIZE = 256, NETCONSOLE_MAX_BYTES = 32 };

/* ---- lines ---- */

struct line {
    const char *at;
    size_t length_bytes;
};

/* False at the end. A carriage return belongs to the line's end. */
static bool next_line(const char **at, const char *end, struct line *line)
{
    if (*at >= end)
        return false;
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    const char *stop = newline ? newline : end;

    *line = (struct line){*at, (size_t)(stop - *at)};
    if (line->length_bytes && line->at[line->length_bytes - 1] == '\r')
        line->length_bytes--;
    *at = newline ? newline + 1 : end;
    return true;
}

/* Of a configuration that is kept: between blanks. */
static bool next_word(const char **at, const char *end, struct line *word)
{
    static const char blanks[] = " \n";

    *at += strspn(*at, blanks);
    *word = (struct line){*at, strcspn(*at, blanks)};
    *at += word->length_bytes;
    return *at <= end && word->length_bytes;
}

static size_t key_length(const struct line *line)
{
    const char *equals = memchr(line->at, '=', line->length_bytes);

    return equals ? (size_t)(equals - line->at) : 0;
}

static bool same_key(const struct line *a, const struct line *b)
{
    size_t length = key_length(a);

    return length && length == key_length(b) && memcmp(a->at, b->at, length) == 0;
}

static bool has_key_of(const char *config, const struct line *line)
{
    const char *at = config, *end = config + strlen(config);
    struct line other;

    while (next_word(&at, end, &other)) {
        if (same_key(&other, line))
            return true;
    }
    return false;
}

/* ---- what values may be ---- */

static bool is_number(const char *value, uint64_t min, uint64_t max)
{
    uint64_t number;

    return parse_u64(value, max, &number) && number >= min;
}

static bool is_flag(const char *value)
{
    return string_equal(value, "0") || string_equal(value, "1");
}

static bool is_hex32(const char *value)
{
    size_t digits = string_starts_with(value, "0x") ? strlen(value + 2) : 0;

    return digits >= 1 && digits <= 8 && strspn(value + 2, "0123456789abcdefABCDEF") == digits;
}

enum mode { MODE_NETWORK = 2, MODE_RPIBOOT = 3, MODE_HTTP = 7, MODE_STOP = 0xe, MODE_RESTART = 0xf };

/* Modes are tried from the lowest digit. RPIBOOT never ends, STOP and RESTART end the round: the network must come
 * before any of them. 0 waits for a card for ever, and digits that mean nothing are taken for a card: nobody's wish. */
static bool is_boot_order(const char *value)
{
    bool comes_to_network = false;

    if (!is_hex32(value))
        return false;
    for (unsigned long order = strtoul(value, NULL, 16); order; order >>= 4) {
        unsigned mode = order & 0xf;
        if (mode == 0 || (mode > MODE_HTTP && mode < MODE_STOP))
            return false;
        if (mode == MODE_RPIBOOT || mode >= MODE_STOP)
            return comes_to_network && order <= 0xf;
        comes_to_network |= mode == MODE_NETWORK;
    }
    return comes_to_network;
}

static bool is_prefix_kind(const char *value)
{
    return is_number(value, 0, 2);
}

static bool is_address(const char *value)
{
    uint32_t address;

    return inet_parse(value, &address);
}

static bool is_mac(const char *value)
{
    struct mac mac;

    return mac_parse(value, &mac);
}

static bool is_short_text(const char *value)
{
    return strlen(value) <= 32;
}

static bool is_text(const char *value)
{
    return true;
}

static bool is_five_seconds_or_more(const char *value)
{
    return is_number(value, 5000, 3600 * 1000);
}

static bool is_half_a_second_or_more(const char *value)
{
    return is_number(value, 500, 3600 * 1000);
}

static bool is_count(const char *value)
{
    return string_equal(value, "-1") || is_number(value, 0, INT32_MAX);
}

static bool is_port(const char *value)
{
    return is_number(value, 1, UINT16_MAX);
}

static bool is_sha256(const char *value)
{
    return strlen(value) == 64 && strspn(value, "0123456789abcdefABCDEF") == 64;
}

/* src_port@src_ip/dev,dst_port@dst_ip/dst_mac, where everything but the separators may be missing. */
static bool is_netconsole(const char *value)
{
    static const char separators[] = "@/,@/";
    size_t found = 0;

    if (strlen(value) > NETCONSOLE_MAX_BYTES)
        return false;
    for (const char *c = value; *c; c++) {
        if (!strchr("@/,", *c))
            continue;
        if (*c != separators[found++])
            return false;
    }
    return found == strlen(separators);
}

static bool is_zero(const char *value)
{
    return string_equal(value, "0");
}

/* ---- the table ---- */

static const struct key {
    const char *name;
    bool (*check)(const char *value);
    const char *expected;
} keys[] = {
    {"BOOT_ORDER", is_boot_order,
     "a boot order that comes to the network (digit 2, before 3, e or f), read from its last digit, like 0xf21"},
    {"MAX_RESTARTS", is_count, "a number, or -1 for no limit"},
    {"SD_BOOT_MAX_RETRIES", is_count, "a number, or -1 for no limit"},
    {"NET_BOOT_MAX_RETRIES", is_count, "a number, or -1 for no limit"},
    {"DHCP_TIMEOUT", is_five_seconds_or_more, "milliseconds, at least 5000"},
    {"DHCP_REQ_TIMEOUT", is_half_a_second_or_more, "milliseconds, at least 500"},
    {"DHCP_OPTION97", is_hex32, "a number like 0x34695052"},
    {"TFTP_FILE_TIMEOUT", is_five_seconds_or_more, "milliseconds, at least 5000"},
    {"TFTP_IP", is_address, "an IPv4 address"},
    {"TFTP_PREFIX", is_prefix_kind, "0 (serial number), 1 (TFTP_PREFIX_STR) or 2 (MAC address)"},
    {"TFTP_PREFIX_STR", is_short_text, "a text of at most 32 characters, with its slash"},
    {"CLIENT_IP", is_address, "an IPv4 address"},
    {"SUBNET", is_address, "an IPv4 netmask"},
    {"GATEWAY", is_address, "an IPv4 address"},
    {"MAC_ADDRESS", is_mac, "a MAC address"},
    {"NETCONSOLE", is_netconsole,
     "SRC_PORT@SRC_IP/DEV,DST_PORT@DST_IP/DST_MAC with all its separators, like 6665@169.254.1.1/,6666@/, at most 32 "
     "characters"},
    {"BOOT_UART", is_flag, "0 or 1"},
    {"WAKE_ON_GPIO", is_flag, "0 or 1"},
    {"POWER_OFF_ON_HALT", is_flag, "0 or 1"},
    {"DISABLE_HDMI", is_flag, "0 or 1"},
    {"ENABLE_SELF_UPDATE", is_flag, "0 or 1"},
    {"FREEZE_VERSION", is_flag, "0 or 1"},
    {"NET_INSTALL_ENABLED", is_flag, "0 or 1"},
    {"NET_INSTALL_AT_POWER_ON", is_flag, "0 or 1"},
    {"NET_INSTALL_KEYBOARD_WAIT", is_count, "milliseconds"},
    {"HTTP_HOST", is_text, ""},
    {"HTTP_PORT", is_port, "a port"},
    {"HTTP_PATH", is_text, ""},
    {"HTTP_CACERT_HASH", is_sha256, "a SHA-256 in hex"},
    {"BOOT_WATCHDOG_TIMEOUT", is_count, "seconds"},
    {"REBOOT_ON_FATAL_ERROR", is_flag, "0 or 1"},
    {"USE_IPV6", is_zero, "0: with 1 the board boots by IPv6 alone, and farboot answers by IPv4"},
};

static const struct key *find_key(const struct line *line)
{
    size_t length = key_length(line);

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (strlen(keys[i].name) == length && memcmp(keys[i].name, line->at, length) == 0)
            return &keys[i];
    }
    return NULL;
}

static bool is_plain(const char *value)
{
    for (; *value; value++) {
        if ((uint8_t)*value < 0x20 || (uint8_t)*value > 0x7e)
            return false;
    }
    return true;
}

static int check_line(const struct line *line, struct error *error)
{
    const struct key *key = find_key(line);
    char value[VALUE_SIZE] = "", quoted[80];
    size_t length = key_length(line);

    if (!key)
        return error_set(error, -EINVAL, "\"%s\" sets no key of the bootloader's that farboot knows (farboot-eeprom(1) "
                                         "lists them)",
                         quote_into(quoted, sizeof(quoted), line->at, line->length_bytes));
    size_t value_bytes = line->length_bytes - length - 1;
    if (value_bytes == 0 || value_bytes >= sizeof(value))
        return error_set(error, -EINVAL, "%s: needs a value of at most %d bytes", key->name, VALUE_SIZE - 1);
    memcpy(value, line->at + length + 1, value_bytes);
    if (!is_plain(value) || !key->check(value))
        return error_set(error, -EINVAL, "%s: \"%s\" is not %s", key->name,
                         quote_into(quoted, sizeof(quoted), value, strlen(value)),
                         *key->expected ? key->expected : "printable ASCII");
    return 0;
}

static bool sets(const char *config, const char *name)
{
    CLEANUP_FREE char *assignment = xasprintf("%s=", name);
    struct line line = {assignment, strlen(assignment)};

    return has_key_of(config, &line);
}

/* What no line says alone. */
static int check_together(const char *config, struct error *error)
{
    if (!sets(config, "BOOT_ORDER"))
        return error_set(error, -EINVAL, "BOOT_ORDER: must be set: boards leave the factory without the network in it");
    if (sets(config, "CLIENT_IP") && (!sets(config, "SUBNET") || !sets(config, "TFTP_IP")))
        return error_set(error, -EINVAL, "CLIENT_IP: turns DHCP off, and then needs SUBNET and TFTP_IP beside it");
    return 0;
}

int eeprom_config_check(const char *config, struct error *error)
{
    const char *at = config, *end = config + strlen(config);
    struct line line;
    size_t count = 0;

    while (next_word(&at, end, &line)) {
        int r = check_line(&line, error);
        if (r < 0)
            return r;
        if (has_key_of(at, &line))
            return error_set(error, -EINVAL, "%.*s: is said twice", (int)key_length(&line), line.at);
        if (++count > EEPROM_KEYS_MAX)
            return error_set(error, -E2BIG, "more than %d keys", EEPROM_KEYS_MAX);
    }
    return check_together(config, error);
}

/* ---- changing ---- */

static void append_behind(struct text *to, const char *separator, const struct line *line)
{
    if (to->length_bytes)
        text_append(to, separator);
    text_append_bytes(to, line->at, line->length_bytes);
}

int eeprom_config_set(struct text *to, const char *config, const char *assignment, struct error *error)
{
    const char *at = config, *end = config + strlen(config);
    const struct line given = {assignment, strlen(assignment)};
    struct line line;
    char quoted[80];
    bool removes = key_length(&given) + 1 == given.length_bytes;
    bool replaced = false;

    if (!key_length(&given) || strpbrk(assignment, " \n"))
        return error_set(error, -EINVAL, "\"%s\" is not KEY=VALUE, without blanks",
                         quote_into(quoted, sizeof(quoted), assignment, strlen(assignment)));
    while (next_word(&at, end, &line)) {
        bool same = same_key(&line, &given);
        if (!same)
            append_behind(to, " ", &line);
        else if (!removes)
            append_behind(to, " ", &given);
        replaced |= same;
    }
    if (!replaced && !removes)
        append_behind(to, " ", &given);
    return to->failed ? -E2BIG : 0;
}

void eeprom_config_lines(struct text *to, const char *config)
{
    const char *at = config, *end = config + strlen(config);
    struct line word;

    while (next_word(&at, end, &word)) {
        text_append_bytes(to, word.at, word.length_bytes);
        text_append(to, "\n");
    }
}

int eeprom_config_merge(struct text *to, const char *own, size_t own_bytes, const char *config)
{
    const char *at = own, *end = own + own_bytes;
    struct line line;

    while (next_line(&at, end, &line)) {
        if (!has_key_of(config, &line))
            append_behind(to, "\n", &line);
    }
    text_append(to, "\n[all]\n");
    eeprom_config_lines(to, config);
    return to->failed || to->length_bytes > EEPROM_CONFIG_MAX_BYTES ? -E2BIG : 0;
}
