#include "tftp/packet.h"

#include <stdio.h>
#include <strings.h>

/* A number outside the option's range makes it absent (RFC 2347: a server leaves out what it does not
 * accept). */
struct option_rule {
    const char *name;
    uint64_t min;
    uint64_t max;
};

enum option_index { OPTION_BLKSIZE, OPTION_TSIZE, OPTION_TIMEOUT, OPTION_WINDOWSIZE };

static const struct option_rule option_rules[] = {
    [OPTION_BLKSIZE] = {"blksize", 8, 65464},
    [OPTION_TSIZE] = {"tsize", 0, UINT64_MAX},
    [OPTION_TIMEOUT] = {"timeout", 1, 255},
    [OPTION_WINDOWSIZE] = {"windowsize", 1, 65535},
};

static void set_option(struct tftp_options *options, enum option_index index, uint64_t value)
{
    switch (index) {
    case OPTION_BLKSIZE:
        options->has_blksize = true;
        options->blksize = (uint32_t)value;
        break;
    case OPTION_TSIZE:
        options->has_tsize = true;
        options->tsize = value;
        break;
    case OPTION_TIMEOUT:
        options->has_timeout = true;
        options->timeout = (uint32_t)value;
        break;
    case OPTION_WINDOWSIZE:
        options->has_windowsize = true;
        options->windowsize = (uint32_t)value;
        break;
    }
}

static void read_option(struct tftp_options *options, const char *name, const char *text)
{
    uint64_t value;

    for (size_t i = 0; i < ARRAY_SIZE(option_rules); i++) {
        const struct option_rule *rule = &option_rules[i];
        if (strcasecmp(name, rule->name) == 0 && parse_u64(text, rule->max, &value) && value >= rule->min)
            set_option(options, (enum option_index)i, value);
    }
}

static void read_options(struct reader *r, struct tftp_options *options)
{
    for (int i = 0; i < TFTP_OPTIONS_MAX && reader_left(r) > 0; i++) {
        const char *name = reader_cstring(r);
        const char *value = reader_cstring(r);
        if (!name || !value)
            return;
        read_option(options, name, value);
    }
}

static bool read_path(struct reader *r, char to[TFTP_PATH_SIZE])
{
    const char *path = reader_cstring(r);

    if (!path || path[0] == '\0' || !copy_string(to, TFTP_PATH_SIZE, path))
        return false;
    /* Some UEFI firmware copies the END byte of the DHCP option along with the name. */
    size_t length = strlen(to);
    if ((uint8_t)to[length - 1] == 0xff)
        to[length - 1] = '\0';
    return to[0] != '\0';
}

static bool read_mode(struct reader *r, enum tftp_mode *mode)
{
    const char *name = reader_cstring(r);

    /* Other firmware ends the name with two NULs; a mode is never empty. */
    if (name && name[0] == '\0')
        name = reader_cstring(r);
    if (!name)
        return false;
    *mode = strcasecmp(name, "netascii") == 0 ? TFTP_MODE_NETASCII : TFTP_MODE_OCTET;
    return *mode == TFTP_MODE_NETASCII || strcasecmp(name, "octet") == 0;
}

enum tftp_request_kind tftp_decode_request(const void *bytes, size_t length_bytes,
                                           struct tftp_request *request)
{
    struct reader r = reader_over(bytes, length_bytes);
    uint16_t opcode = reader_be16(&r);

    *request = (struct tftp_request){.length_bytes = length_bytes};
    if (!reader_ok(&r) || (opcode != TFTP_OPCODE_RRQ && opcode != TFTP_OPCODE_WRQ))
        return TFTP_REQUEST_NONE;
    if (length_bytes > TFTP_REQUEST_MAX_BYTES)
        return TFTP_REQUEST_MALFORMED;
    if (opcode == TFTP_OPCODE_WRQ)
        return TFTP_REQUEST_WRITE;
    if (!read_path(&r, request->path) || !read_mode(&r, &request->mode))
        return TFTP_REQUEST_MALFORMED;
    read_options(&r, &request->options);
    return TFTP_REQUEST_READ;
}

enum tftp_reply_kind tftp_decode_reply(const void *bytes, size_t length_bytes, struct tftp_reply *reply)
{
    struct reader r = reader_over(bytes, length_bytes);
    uint16_t opcode = reader_be16(&r);
    uint16_t number = reader_be16(&r);

    *reply = (struct tftp_reply){.block = number, .code = number, .text = ""};
    if (!reader_ok(&r))
        return TFTP_REPLY_NONE;
    if (opcode == TFTP_OPCODE_ACK)
        return TFTP_REPLY_ACK;
    if (opcode != TFTP_OPCODE_ERROR)
        return TFTP_REPLY_NONE;
    size_t left = reader_left(&r);
    if (left > 0) {
        reply->text = (const char *)reader_bytes(&r, left);
        reply->text_length_bytes = strnlen(reply->text, left);
    }
    return TFTP_REPLY_ERROR;
}

void tftp_encode_data_header(uint8_t to[TFTP_DATA_HEADER_BYTES], uint16_t block)
{
    struct writer w = writer_over(to, TFTP_DATA_HEADER_BYTES);

    writer_be16(&w, TFTP_OPCODE_DATA);
    writer_be16(&w, block);
}

static void write_option(struct writer *w, bool wanted, enum option_index index, uint64_t value)
{
    char number[24];

    if (!wanted)
        return;
    snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
    writer_cstring(w, option_rules[index].name);
    writer_cstring(w, number);
}

size_t tftp_encode_oack(uint8_t to[TFTP_OACK_MAX_BYTES], const struct tftp_options *options)
{
    struct writer w = writer_over(to, TFTP_OACK_MAX_BYTES);

    writer_be16(&w, TFTP_OPCODE_OACK);
    write_option(&w, options->has_tsize, OPTION_TSIZE, options->tsize);
    write_option(&w, options->has_blksize, OPTION_BLKSIZE, options->blksize);
    write_option(&w, options->has_timeout, OPTION_TIMEOUT, options->timeout);
    write_option(&w, options->has_windowsize, OPTION_WINDOWSIZE, options->windowsize);
    CHECK(writer_ok(&w));
    return w.offset;
}

size_t tftp_encode_error(uint8_t to[TFTP_ERROR_MAX_BYTES], enum tftp_error_code code, const char *text)
{
    struct writer w = writer_over(to, TFTP_ERROR_MAX_BYTES);
    char cut[TFTP_ERROR_MAX_BYTES - 4];

    COPY_STRING(cut, text);
    writer_be16(&w, TFTP_OPCODE_ERROR);
    writer_be16(&w, (uint16_t)code);
    writer_cstring(&w, cut);
    CHECK(writer_ok(&w));
    return w.offset;
}

void tftp_append_netascii(struct text *to, const char *bytes, size_t length_bytes)
{
    size_t begun = 0;

    for (size_t i = 0; i < length_bytes; i++) {
        if (bytes[i] != '\n' && bytes[i] != '\r')
            continue;
        text_append_bytes(to, bytes + begun, i - begun);
        text_append_bytes(to, bytes[i] == '\n' ? "\r\n" : "\r\0", 2);
        begun = i + 1;
    }
    text_append_bytes(to, bytes + begun, length_bytes - begun);
}
