#include "dhcp/message.h"

#include "base/bytes.h"

enum { COOKIE = 0x63825363, SNAME_OFFSET = 44, FILE_OFFSET = 108, OPTIONS_OFFSET = 240, PIECE_MAX = 255 };
enum { OVERLOADS_FILE = 1, OVERLOADS_SNAME = 2 };

/* ---- decoding ---- */

/* Long options come in pieces, and the pieces from three places (RFC 3396). So the options are walked twice: first to
 * learn each one's whole length, then to copy the pieces behind each other. */
struct joining {
    struct dhcp_options *options;
    bool copying;
};

static void take_piece(struct joining *joining, uint8_t code, const uint8_t *piece, size_t length_bytes)
{
    struct dhcp_options *o = joining->options;
    __typeof__(o->at[0]) *option = &o->at[code];

    if (!joining->copying && !option->present) {
        option->present = true;
        o->order[o->count++] = code;
    }
    if (joining->copying && length_bytes)
        memcpy(o->bytes + option->offset + option->length_bytes, piece, length_bytes);
    option->length_bytes = (uint16_t)(option->length_bytes + length_bytes);
}

/* False when an option reaches over the end. A missing END is forgiven. */
static bool walk_area(struct joining *joining, const uint8_t *area, size_t length_bytes)
{
    struct reader r = reader_over(area, length_bytes);

    while (reader_left(&r)) {
        uint8_t code = reader_u8(&r);
        if (code == DHCP_OPTION_END)
            return true;
        if (code == DHCP_OPTION_PAD)
            continue;
        size_t piece_bytes = reader_u8(&r);
        const uint8_t *piece = reader_bytes(&r, piece_bytes);
        if (!reader_ok(&r))
            return false;
        take_piece(joining, code, piece, piece_bytes);
    }
    return true;
}

/* Option 52 counts in the options field only. */
static uint8_t find_overload(const uint8_t *area, size_t length_bytes)
{
    struct reader r = reader_over(area, length_bytes);

    while (reader_left(&r)) {
        uint8_t code = reader_u8(&r);
        if (code == DHCP_OPTION_PAD)
            continue;
        if (code == DHCP_OPTION_END)
            return 0;
        size_t piece_bytes = reader_u8(&r);
        if (code == DHCP_OPTION_OVERLOAD && piece_bytes == 1)
            return reader_u8(&r);
        reader_skip(&r, piece_bytes);
    }
    return 0;
}

static bool walk_options(struct joining *joining, const uint8_t *bytes, size_t length_bytes, uint8_t overload)
{
    return walk_area(joining, bytes + OPTIONS_OFFSET, length_bytes - OPTIONS_OFFSET) &&
           (!(overload & OVERLOADS_FILE) || walk_area(joining, bytes + FILE_OFFSET, DHCP_FILE_BYTES)) &&
           (!(overload & OVERLOADS_SNAME) || walk_area(joining, bytes + SNAME_OFFSET, DHCP_SNAME_BYTES));
}

static void lay_out(struct dhcp_options *options)
{
    for (size_t i = 0; i < options->count; i++) {
        __typeof__(options->at[0]) *option = &options->at[options->order[i]];
        option->offset = options->used_bytes;
        options->used_bytes = (uint16_t)(options->used_bytes + option->length_bytes);
        option->length_bytes = 0;
    }
}

static void drop_impossible(struct dhcp_options *options)
{
    uint8_t kept = 0;

    for (size_t i = 0; i < options->count; i++) {
        uint8_t code = options->order[i];
        options->at[code].present = dhcp_option_length_is_possible(code, options->at[code].length_bytes);
        if (options->at[code].present)
            options->order[kept++] = code;
    }
    options->count = kept;
}

static bool decode_options(struct dhcp_options *options, const uint8_t *bytes, size_t length_bytes, uint8_t overload)
{
    struct joining joining = {.options = options};

    /* All pieces together are shorter than the message, so they fit. */
    if (!walk_options(&joining, bytes, length_bytes, overload))
        return false;
    lay_out(options);
    joining.copying = true;
    walk_options(&joining, bytes, length_bytes, overload);
    drop_impossible(options);
    return true;
}

static void copy_field(char *to, const uint8_t *field, size_t field_bytes)
{
    memcpy(to, field, field_bytes);
    to[field_bytes] = '\0';
}

static uint32_t decode_fixed(struct dhcp_message *m, struct reader *r)
{
    m->op = reader_u8(r);
    m->hardware_type = reader_u8(r);
    m->hardware_length_bytes = reader_u8(r);
    m->hops = reader_u8(r);
    m->xid = reader_be32(r);
    m->secs = reader_be16(r);
    m->flags = reader_be16(r);
    m->ciaddr = reader_be32(r);
    m->yiaddr = reader_be32(r);
    m->siaddr = reader_be32(r);
    m->giaddr = reader_be32(r);
    reader_copy(r, m->chaddr, sizeof(m->chaddr));
    reader_skip(r, DHCP_SNAME_BYTES + DHCP_FILE_BYTES);
    return reader_be32(r);
}

int dhcp_message_decode(struct dhcp_message *message, const void *bytes, size_t length_bytes)
{
    struct reader r = reader_over(bytes, length_bytes);
    const uint8_t *b = bytes;

    *message = (struct dhcp_message){0};
    uint32_t cookie = decode_fixed(message, &r);
    if (!reader_ok(&r) || cookie != COOKIE || length_bytes > DHCP_MESSAGE_MAX_BYTES ||
        message->hardware_length_bytes > DHCP_CHADDR_BYTES)
        return -EBADMSG;

    uint8_t overload = find_overload(b + OPTIONS_OFFSET, length_bytes - OPTIONS_OFFSET);
    if (!(overload & OVERLOADS_SNAME))
        copy_field(message->sname, b + SNAME_OFFSET, DHCP_SNAME_BYTES);
    if (!(overload & OVERLOADS_FILE))
        copy_field(message->file, b + FILE_OFFSET, DHCP_FILE_BYTES);
    return decode_options(&message->options, b, length_bytes, overload) ? 0 : -EBADMSG;
}

/* ---- encoding ---- */

/* The options field, then `file`, then `sname`: where an option may go. */
enum { AREA_OPTIONS, AREA_FILE, AREA_SNAME, AREAS };

struct areas {
    uint8_t bytes[DHCP_REPLY_MAX_BYTES + DHCP_FILE_BYTES + DHCP_SNAME_BYTES];
    struct writer writers[AREAS];
    size_t reserve_bytes[AREAS]; /* kept for END, and in the options field for what must come last */
};

static size_t encoded_bytes(size_t length_bytes)
{
    size_t pieces = length_bytes ? (length_bytes + PIECE_MAX - 1) / PIECE_MAX : 1;

    return length_bytes + 2 * pieces;
}

static void write_option(struct writer *w, uint8_t code, const uint8_t *bytes, size_t length_bytes)
{
    do {
        size_t piece_bytes = MIN(length_bytes, (size_t)PIECE_MAX);
        writer_u8(w, code);
        writer_u8(w, (uint8_t)piece_bytes);
        writer_bytes(w, bytes, piece_bytes);
        bytes += piece_bytes;
        length_bytes -= piece_bytes;
    } while (length_bytes);
}

static bool write_somewhere(struct areas *areas, uint8_t code, const uint8_t *bytes, size_t length_bytes)
{
    for (size_t i = 0; i < AREAS; i++) {
        if (writer_left(&areas->writers[i]) < encoded_bytes(length_bytes) + areas->reserve_bytes[i])
            continue;
        write_option(&areas->writers[i], code, bytes, length_bytes);
        return true;
    }
    return false;
}

static size_t options_total(const struct dhcp_message *m)
{
    size_t total = 1; /* END */

    for (size_t i = 0; i < m->options.count; i++)
        total += encoded_bytes(m->options.at[m->options.order[i]].length_bytes);
    return total;
}

static void prepare_areas(struct areas *areas, const struct dhcp_message *m, size_t room_bytes, bool overload)
{
    size_t relay_bytes = 0;
    size_t file_bytes = overload && !m->file[0] ? DHCP_FILE_BYTES : 0;
    size_t sname_bytes = overload && !m->sname[0] ? DHCP_SNAME_BYTES : 0;

    if (dhcp_has(m, DHCP_OPTION_RELAY_INFORMATION))
        relay_bytes = encoded_bytes(m->options.at[DHCP_OPTION_RELAY_INFORMATION].length_bytes);
    areas->writers[AREA_OPTIONS] = writer_over(areas->bytes, room_bytes);
    areas->writers[AREA_FILE] = writer_over(areas->bytes + DHCP_REPLY_MAX_BYTES, file_bytes);
    areas->writers[AREA_SNAME] = writer_over(areas->bytes + DHCP_REPLY_MAX_BYTES + DHCP_FILE_BYTES, sname_bytes);
    areas->reserve_bytes[AREA_OPTIONS] = relay_bytes + 1 + (overload ? 3 : 0);
    areas->reserve_bytes[AREA_FILE] = 1;
    areas->reserve_bytes[AREA_SNAME] = 1;
}

static unsigned fill_areas(struct areas *areas, const struct dhcp_message *m)
{
    unsigned left_out = 0;

    for (size_t i = 0; i < m->options.count; i++) {
        uint8_t code = m->options.order[i];
        size_t length_bytes;
        const uint8_t *bytes = dhcp_get(m, code, &length_bytes);
        if (code != DHCP_OPTION_RELAY_INFORMATION && !write_somewhere(areas, code, bytes, length_bytes))
            left_out++;
    }
    return left_out;
}

static void close_areas(struct areas *areas, const struct dhcp_message *m)
{
    struct writer *options = &areas->writers[AREA_OPTIONS];
    bool file_used = areas->writers[AREA_FILE].offset > 0;
    bool sname_used = areas->writers[AREA_SNAME].offset > 0;
    uint8_t overload = (uint8_t)((file_used ? OVERLOADS_FILE : 0) | (sname_used ? OVERLOADS_SNAME : 0));
    size_t length_bytes;

    if (overload)
        write_option(options, DHCP_OPTION_OVERLOAD, &overload, 1);
    if (dhcp_has(m, DHCP_OPTION_RELAY_INFORMATION)) {
        const uint8_t *relay = dhcp_get(m, DHCP_OPTION_RELAY_INFORMATION, &length_bytes);
        write_option(options, DHCP_OPTION_RELAY_INFORMATION, relay, length_bytes);
    }
    writer_u8(options, DHCP_OPTION_END);
    if (file_used)
        writer_u8(&areas->writers[AREA_FILE], DHCP_OPTION_END);
    if (sname_used)
        writer_u8(&areas->writers[AREA_SNAME], DHCP_OPTION_END);
}

static void encode_field(struct writer *w, const char *text, const struct writer *area, size_t field_bytes)
{
    size_t text_bytes = strnlen(text, field_bytes);
    size_t used_bytes = area->offset ? area->offset : text_bytes;

    writer_bytes(w, area->offset ? (const void *)area->data : text, used_bytes);
    writer_fill(w, 0, field_bytes - used_bytes);
}

static void encode_fixed(struct writer *w, const struct dhcp_message *m, const struct areas *areas)
{
    writer_u8(w, m->op);
    writer_u8(w, m->hardware_type);
    writer_u8(w, m->hardware_length_bytes);
    writer_u8(w, m->hops);
    writer_be32(w, m->xid);
    writer_be16(w, m->secs);
    writer_be16(w, m->flags);
    writer_be32(w, m->ciaddr);
    writer_be32(w, m->yiaddr);
    writer_be32(w, m->siaddr);
    writer_be32(w, m->giaddr);
    writer_bytes(w, m->chaddr, sizeof(m->chaddr));
    encode_field(w, m->sname, &areas->writers[AREA_SNAME], DHCP_SNAME_BYTES);
    encode_field(w, m->file, &areas->writers[AREA_FILE], DHCP_FILE_BYTES);
    writer_be32(w, COOKIE);
}

ssize_t dhcp_message_encode(const struct dhcp_message *message, const struct dhcp_layout *layout, uint8_t *to,
                            unsigned *left_out)
{
    size_t max_bytes = MIN(layout->max_bytes, (size_t)DHCP_REPLY_MAX_BYTES);
    struct writer w = writer_over(to, max_bytes);
    struct areas areas;

    if (message->options.overflowed || max_bytes < DHCP_REPLY_MIN_BYTES)
        return -EMSGSIZE;
    size_t room_bytes = max_bytes - OPTIONS_OFFSET;
    prepare_areas(&areas, message, room_bytes, layout->may_overload && options_total(message) > room_bytes);
    *left_out = fill_areas(&areas, message);
    close_areas(&areas, message);
    encode_fixed(&w, message, &areas);
    writer_bytes(&w, areas.bytes, areas.writers[AREA_OPTIONS].offset);
    if (w.offset < DHCP_REPLY_MIN_BYTES)
        writer_fill(&w, 0, DHCP_REPLY_MIN_BYTES - w.offset);
    return writer_ok(&w) && writer_ok(&areas.writers[AREA_OPTIONS]) ? (ssize_t)w.offset : -EMSGSIZE;
}

size_t dhcp_message_size_limit(const struct dhcp_message *message)
{
    enum { IP_AND_UDP_BYTES = 28 };
    size_t size = dhcp_get_u16(message, DHCP_OPTION_MESSAGE_SIZE, DHCP_MESSAGE_SIZE_MIN);

    return MAX(size, (size_t)DHCP_MESSAGE_SIZE_MIN) - IP_AND_UDP_BYTES;
}

/* ---- options of a message ---- */

bool dhcp_has(const struct dhcp_message *message, uint8_t code)
{
    return message->options.at[code].present;
}

const uint8_t *dhcp_get(const struct dhcp_message *message, uint8_t code, size_t *length_bytes)
{
    *length_bytes = 0;
    if (!dhcp_has(message, code))
        return NULL;
    *length_bytes = message->options.at[code].length_bytes;
    return message->options.bytes + message->options.at[code].offset;
}

static struct reader option_reader(const struct dhcp_message *message, uint8_t code)
{
    size_t length_bytes;
    const uint8_t *bytes = dhcp_get(message, code, &length_bytes);

    return reader_over(bytes, length_bytes);
}

uint8_t dhcp_get_u8(const struct dhcp_message *message, uint8_t code, uint8_t when_absent)
{
    struct reader r = option_reader(message, code);
    uint8_t value = reader_u8(&r);

    return reader_ok(&r) ? value : when_absent;
}

uint16_t dhcp_get_u16(const struct dhcp_message *message, uint8_t code, uint16_t when_absent)
{
    struct reader r = option_reader(message, code);
    uint16_t value = reader_be16(&r);

    return reader_ok(&r) ? value : when_absent;
}

uint32_t dhcp_get_u32(const struct dhcp_message *message, uint8_t code, uint32_t when_absent)
{
    struct reader r = option_reader(message, code);
    uint32_t value = reader_be32(&r);

    return reader_ok(&r) ? value : when_absent;
}

bool dhcp_starts_with(const struct dhcp_message *message, uint8_t code, const char *prefix)
{
    size_t length_bytes;
    const uint8_t *bytes = dhcp_get(message, code, &length_bytes);

    return bytes && length_bytes >= strlen(prefix) && memcmp(bytes, prefix, strlen(prefix)) == 0;
}

bool dhcp_asks_for(const struct dhcp_message *message, uint8_t code)
{
    size_t length_bytes;
    const uint8_t *parameters = dhcp_get(message, DHCP_OPTION_PARAMETERS, &length_bytes);

    return parameters && memchr(parameters, code, length_bytes) != NULL;
}

void dhcp_put(struct dhcp_message *message, uint8_t code, const void *bytes, size_t length_bytes)
{
    CHECK(!message->options.at[code].present);
    dhcp_set(message, code, bytes, length_bytes);
}

void dhcp_set(struct dhcp_message *message, uint8_t code, const void *bytes, size_t length_bytes)
{
    struct dhcp_options *o = &message->options;

    CHECK(code != DHCP_OPTION_PAD && code != DHCP_OPTION_END);
    if (length_bytes > sizeof(o->bytes) - o->used_bytes) {
        o->overflowed = true;
        return;
    }
    if (length_bytes)
        memcpy(o->bytes + o->used_bytes, bytes, length_bytes);
    if (!o->at[code].present)
        o->order[o->count++] = code;
    o->at[code].present = true;
    o->at[code].offset = o->used_bytes;
    o->at[code].length_bytes = (uint16_t)length_bytes;
    o->used_bytes = (uint16_t)(o->used_bytes + length_bytes);
}

void dhcp_put_u8(struct dhcp_message *message, uint8_t code, uint8_t value)
{
    dhcp_put(message, code, &value, sizeof(value));
}

void dhcp_put_u32(struct dhcp_message *message, uint8_t code, uint32_t value)
{
    dhcp_put_addresses(message, code, &value, 1);
}

void dhcp_put_addresses(struct dhcp_message *message, uint8_t code, const uint32_t *addresses, size_t count)
{
    uint8_t bytes[PIECE_MAX];
    struct writer w = writer_over(bytes, sizeof(bytes));

    for (size_t i = 0; i < count; i++)
        writer_be32(&w, addresses[i]);
    CHECK(writer_ok(&w));
    dhcp_put(message, code, bytes, w.offset);
}

void dhcp_put_text(struct dhcp_message *message, uint8_t code, const char *text)
{
    if (*text)
        dhcp_put(message, code, text, strlen(text));
}

void dhcp_copy_option(struct dhcp_message *message, const struct dhcp_message *from, uint8_t code)
{
    size_t length_bytes;
    const uint8_t *bytes = dhcp_get(from, code, &length_bytes);

    if (bytes)
        dhcp_put(message, code, bytes, length_bytes);
}

/* ---- what every message has ---- */

enum dhcp_message_type dhcp_type(const struct dhcp_message *message)
{
    return (enum dhcp_message_type)dhcp_get_u8(message, DHCP_OPTION_MESSAGE_TYPE, 0);
}

struct mac dhcp_mac(const struct dhcp_message *message)
{
    struct mac mac;

    memcpy(mac.bytes, message->chaddr, MAC_BYTES);
    return mac;
}
