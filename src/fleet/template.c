#include "fleet/template.h"

#include <strings.h>

/* ---- the command line ---- */

struct word {
    const char *at;
    size_t length_bytes;
    size_t gap_bytes; /* of the blanks behind it */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The word at `at`, which is not a blank. Quotes may stand anywhere in it, as in the kernel's own parser. */
static struct word read_word(const char *at, const char *end)
{
    bool quoted = false;
    const char *p = at;

    while (p < end && (quoted || !is_blank(*p))) {
        if (*p == '"')
            quoted = !quoted;
        p++;
    }
    const char *next = p;
    while (next < end && is_blank(*next))
        next++;
    return (struct word){.at = at, .length_bytes = (size_t)(p - at), .gap_bytes = (size_t)(next - p)};
}

static bool word_starts(const struct word *word, const char *prefix)
{
    size_t length = strlen(prefix);

    return word->length_bytes >= length && memcmp(word->at, prefix, length) == 0;
}

static bool word_ends(const struct word *word, const char *suffix)
{
    size_t length = strlen(suffix);

    return word->length_bytes >= length &&
           memcmp(word->at + word->length_bytes - length, suffix, length) == 0;
}

static bool is_iscsi_word(const struct word *word)
{
    static const char prefix[] = "iscsi_";

    if (word->length_bytes < sizeof(prefix) - 1 || strncasecmp(word->at, prefix, sizeof(prefix) - 1) != 0)
        return false;
    /* `iscsi_tcp.debug=1` speaks to a kernel module, not to the initramfs. */
    const char *value = memchr(word->at, '=', word->length_bytes);
    size_t name_bytes = value ? (size_t)(value - word->at) : word->length_bytes;
    return !memchr(word->at, '.', name_bytes);
}

static bool is_dropped(const struct word *word)
{
    /* `root=iscsi:` (RFC 4173) is the other way to name a target, and the later one would win. The first-boot
     * script of Raspberry Pi OS changes the disk's identity, which its own command line then no longer names.
     */
    return word_starts(word, "ip=") || is_iscsi_word(word) || word_starts(word, "root=iscsi:") ||
           (word_starts(word, "init=") && word_ends(word, "/firstboot"));
}

struct disk_chap disk_chap_of(const struct machine *machine)
{
    struct disk_chap chap = {0};
    char user[MAC_TEXT_SIZE];

    if (machine->chap.mode == MACHINE_CHAP_OFF)
        return chap;
    COPY_STRING(chap.user, machine_chap_user(user, &machine->mac));
    COPY_STRING(chap.secret, machine->chap.secret);
    if (machine->chap.mode == MACHINE_CHAP_MUTUAL) {
        COPY_STRING(chap.target_user, MACHINE_CHAP_TARGET_USER);
        COPY_STRING(chap.target_secret, machine->chap.target_secret);
    }
    return chap;
}

/* The words of open-iscsi's initramfs; dracut takes them too. Names and secrets need no quotes (fleet/secret.h). */
static void append_chap_words(struct text *to, const struct disk_chap *chap)
{
    if (chap->user[0])
        text_appendf(to, " iscsi_username=%s iscsi_password=%s", chap->user, chap->secret);
    if (chap->target_user[0])
        text_appendf(to, " iscsi_in_username=%s iscsi_in_password=%s", chap->target_user, chap->target_secret);
}

static void append_disk_words(struct text *to, const struct disk_location *disk)
{
    char server[INET_TEXT_SIZE];

    text_appendf(to, "ip=dhcp iscsi_initiator=%s iscsi_target_name=%s iscsi_target_ip=%s", disk->initiator,
                 disk->target, inet_format(server, disk->server));
    if (disk->port != ISCSI_PORT_DEFAULT)
        text_appendf(to, " iscsi_target_port=%u", disk->port);
    append_chap_words(to, &disk->chap);
    if (*disk->cloud_init)
        text_appendf(to, " %s", disk->cloud_init);
}

/* ---- what is wished for ---- */

/* The kernel takes `-` and `_` in a key for the same. */
static bool same_key(const char *a, const char *b, size_t length_bytes)
{
    for (size_t i = 0; i < length_bytes; i++) {
        if ((a[i] == '-' ? '_' : a[i]) != (b[i] == '-' ? '_' : b[i]))
            return false;
    }
    return true;
}

static size_t key_length(const struct word *word)
{
    const char *value = memchr(word->at, '=', word->length_bytes);

    return value ? (size_t)(value - word->at) : word->length_bytes;
}

static bool is_same_word(const struct word *word, const struct word *wish)
{
    size_t key = key_length(word);

    return word->length_bytes == wish->length_bytes && key_length(wish) == key &&
           same_key(word->at, wish->at, key) &&
           memcmp(word->at + key, wish->at + key, word->length_bytes - key) == 0;
}

static bool is_meant_by(const struct word *word, const struct word *wish)
{
    size_t key = key_length(wish);

    return key == wish->length_bytes ? key_length(word) == key && same_key(word->at, wish->at, key)
                                     : is_same_word(word, wish);
}

static bool is_among(const struct word *word, const char *wishes,
                     bool (*matches)(const struct word *word, const struct word *wish))
{
    const char *end = wishes + strlen(wishes);
    const char *at = wishes + strspn(wishes, " \t");

    while (at < end) {
        struct word wish = read_word(at, end);
        if (matches(word, &wish))
            return true;
        at += wish.length_bytes + wish.gap_bytes;
    }
    return false;
}

/* A word that is to be added moves to the end. */
static bool is_unwanted(const struct word *word, const struct disk_location *disk, const struct cmdline_wishes *wishes)
{
    return is_dropped(word) || (*disk->cloud_init && word_starts(word, "ds=")) || is_among(word, wishes->remove, is_meant_by) ||
           is_among(word, wishes->add, is_same_word);
}

/* ---- the line ---- */

static void begin_word(struct text *to, size_t line_start)
{
    if (to->length_bytes > line_start && !is_blank(to->data[to->length_bytes - 1]))
        text_append(to, " ");
}

static void append_wishes(struct text *to, size_t line_start, const char *wishes)
{
    const char *end = wishes + strlen(wishes);
    const char *at = wishes + strspn(wishes, " \t");

    while (at < end) {
        struct word wish = read_word(at, end);
        begin_word(to, line_start);
        text_append_bytes(to, wish.at, wish.length_bytes);
        at += wish.length_bytes + wish.gap_bytes;
    }
}

static void rewrite_line(struct text *to, const char *line, const char *end, const struct disk_location *disk,
                         const struct cmdline_wishes *wishes)
{
    size_t line_start = to->length_bytes;
    const char *at = line;
    bool placed = false;

    while (at < end && is_blank(*at))
        at++;
    text_append_bytes(to, line, (size_t)(at - line));
    while (at < end) {
        struct word word = read_word(at, end);
        if (word.length_bytes == 2 && word_starts(&word, "--"))
            break;
        at += word.length_bytes + word.gap_bytes;
        if (is_unwanted(&word, disk, wishes))
            continue;
        if (!placed && word_starts(&word, "root=")) {
            append_disk_words(to, disk);
            text_append(to, " ");
            placed = true;
        }
        text_append_bytes(to, word.at, word.length_bytes + word.gap_bytes);
    }
    if (!placed) {
        begin_word(to, line_start);
        append_disk_words(to, disk);
    }
    append_wishes(to, line_start, wishes->add);
    if (at < end) /* what belongs to init */
        begin_word(to, line_start);
    text_append_bytes(to, at, (size_t)(end - at));
}

size_t template_line_length(const char *bytes, size_t length_bytes)
{
    for (size_t i = 0; i < length_bytes; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r')
            return i;
    }
    return length_bytes;
}

int template_cmdline(struct text *to, const char *bytes, size_t length_bytes, const struct disk_location *disk,
                     const struct cmdline_wishes *wishes)
{
    if (length_bytes > CMDLINE_MAX_BYTES)
        return -E2BIG;
    if (length_bytes > 0 && memchr(bytes, '\0', length_bytes))
        return -EINVAL;
    size_t first = template_line_length(bytes, length_bytes);
    rewrite_line(to, bytes, bytes + first, disk, wishes);
    text_append_bytes(to, bytes + first, length_bytes - first);
    return to->failed ? -E2BIG : 0;
}
