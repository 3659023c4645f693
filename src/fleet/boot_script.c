#include "fleet/boot_script.h"

#include "fleet/template.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* ---- iPXE ---- */

/* In a script's word everything but these must be percent-encoded: blanks end it, `$` and `%` begin
 * something. */
static void append_url_path(struct text *to, const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/+,@=";

    for (const char *p = path; *p; p++) {
        if (strchr(plain, *p))
            text_append_bytes(to, p, 1);
        else
            text_appendf(to, "%%%02X", (uint8_t)*p);
    }
}

/* A word between blanks: quotes mean nothing to iPXE. */
struct word {
    const char *at;
    size_t length_bytes;
};

/* iPXE splits a line into words, looks for `||`, `&&`, `;` and a leading `#` among them, and only then
 * expands `${…}`: a first character that comes from a setting is not looked at. */
static bool is_special_word(const struct word *word)
{
    static const char *const operators[] = {"||", "&&", ";"};

    for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
        if (word->length_bytes == strlen(operators[i]) &&
            memcmp(word->at, operators[i], word->length_bytes) == 0)
            return true;
    }
    return word->at[0] == '#';
}

static bool would_expand(const struct word *word)
{
    const char *start = memmem(word->at, word->length_bytes, "${", 2);

    return start && memchr(start, '}', (size_t)(word->at + word->length_bytes - start));
}

/* NULL at the end. */
static const char *next_word(const char *at, const char *end, struct word *word)
{
    while (at < end && is_blank(*at))
        at++;
    word->at = at;
    while (at < end && !is_blank(*at))
        at++;
    word->length_bytes = (size_t)(at - word->at);
    return word->length_bytes ? at : NULL;
}

static int append_arguments(struct text *to, const char *line, const char *end)
{
    struct word word;
    const char *at = line;

    while ((at = next_word(at, end, &word))) {
        if (would_expand(&word))
            return -EINVAL;
        text_append(to, " ");
        if (is_special_word(&word)) {
            text_appendf(to, "${char-%02x:string}", (uint8_t)word.at[0]);
            word.at++;
            word.length_bytes--;
        }
        text_append_bytes(to, word.at, word.length_bytes);
    }
    return 0;
}

/* A setting for each special first character that occurs. */
static void append_settings(struct text *to, const char *line, const char *end)
{
    struct word word;
    bool seen[256] = {false};
    const char *at = line;

    while ((at = next_word(at, end, &word))) {
        uint8_t first = (uint8_t)word.at[0];
        if (is_special_word(&word) && !seen[first])
            text_appendf(to, "set char-%02x:hex %02x\n", first, first);
        seen[first] = seen[first] || is_special_word(&word);
    }
}

int boot_script_ipxe(struct text *to, const struct boot_script *script)
{
    const char *line = script->cmdline;
    const char *end = line + template_line_length(line, script->cmdline_length_bytes);

    text_append(to, "#!ipxe\n");
    append_settings(to, line, end);
    text_appendf(to, "kernel %s", script->base_url);
    append_url_path(to, script->kernel);
    int r = append_arguments(to, line, end);
    if (r < 0)
        return r;
    /* A kernel started by UEFI finds its initramfs by this word; it comes last, so that no line ends in `\`.
     */
    for (size_t i = 0; i < script->initramfs_count; i++) {
        text_append(to, " initrd=");
        append_url_path(to, base_name(script->initramfs[i]));
    }
    text_append(to, script->initramfs_count ? "\n" : " \n");
    for (size_t i = 0; i < script->initramfs_count; i++) {
        text_append(to, "initrd --name ");
        append_url_path(to, base_name(script->initramfs[i]));
        text_appendf(to, " %s", script->base_url);
        append_url_path(to, script->initramfs[i]);
        text_append(to, "\n");
    }
    text_append(to, "boot\n");
    return to->failed ? -E2BIG : 0;
}

/* ---- iPXE, a disk like a local one ---- */

static void append_setting(struct text *to, const char *name, const char *value)
{
    if (*value)
        text_appendf(to, "set %s %s\n", name, value);
}

int boot_script_ipxe_san(struct text *to, const struct disk_location *disk)
{
    char server[INET_TEXT_SIZE];

    text_append(to, "#!ipxe\n");
    append_setting(to, "initiator-iqn", disk->initiator);
    append_setting(to, "username", disk->chap.user);
    append_setting(to, "password", disk->chap.secret);
    append_setting(to, "reverse-username", disk->chap.target_user);
    append_setting(to, "reverse-password", disk->chap.target_secret);
    text_appendf(to, "sanboot iscsi:%s::%u:0:%s\n", inet_format(server, disk->server), disk->port,
                 disk->target);
    return to->failed ? -E2BIG : 0;
}

/* ---- PXELINUX, U-Boot ---- */

/* U-Boot expands `${name}` and `$(name)` in what it hands to the kernel, and takes `\\` for an escape. */
static bool is_plain_append(const char *line, size_t length_bytes)
{
    for (size_t i = 0; i < length_bytes; i++) {
        if (line[i] == '\\' || (line[i] == '$' && i + 1 < length_bytes && strchr("{(", line[i + 1])))
            return false;
    }
    return true;
}

int boot_script_pxelinux(struct text *to, const struct boot_script *script)
{
    size_t length = template_line_length(script->cmdline, script->cmdline_length_bytes);

    if (!is_plain_append(script->cmdline, length))
        return -EINVAL;
    text_append(to, "default farboot\nprompt 0\ntimeout 1\n\nlabel farboot\n");
    text_appendf(to, "  kernel /%s\n", script->kernel);
    for (size_t i = 0; i < script->initramfs_count; i++)
        text_appendf(to, "%s/%s", i == 0 ? "  initrd " : ",", script->initramfs[i]);
    text_append(to, script->initramfs_count ? "\n  append " : "  append ");
    text_append_bytes(to, script->cmdline, length);
    text_append(to, "\n");
    return to->failed ? -E2BIG : 0;
}

/* ---- GRUB ---- */

/* Between single quotes GRUB's shell takes everything for itself but the quote. */
static void append_quoted(struct text *to, const char *bytes, size_t length_bytes)
{
    text_append(to, "'");
    for (size_t i = 0; i < length_bytes; i++) {
        if (bytes[i] == '\'')
            text_append(to, "'\\''");
        else
            text_append_bytes(to, bytes + i, 1);
    }
    text_append(to, "'");
}

static void append_quoted_path(struct text *to, const char *path)
{
    text_append(to, " ");
    CLEANUP_FREE char *rooted = xasprintf("/%s", path);
    append_quoted(to, rooted, strlen(rooted));
}

int boot_script_grub(struct text *to, const struct boot_script *script)
{
    const char *end = script->cmdline + template_line_length(script->cmdline, script->cmdline_length_bytes);
    const char *at = script->cmdline;
    struct word word;

    text_append(to, "linux");
    append_quoted_path(to, script->kernel);
    while ((at = next_word(at, end, &word))) {
        text_append(to, " ");
        append_quoted(to, word.at, word.length_bytes);
    }
    text_append(to, "\n");
    for (size_t i = 0; i < script->initramfs_count; i++) {
        text_append(to, i == 0 ? "initrd" : "");
        append_quoted_path(to, script->initramfs[i]);
    }
    text_append(to, script->initramfs_count ? "\nboot\n" : "boot\n");
    return to->failed ? -E2BIG : 0;
}
