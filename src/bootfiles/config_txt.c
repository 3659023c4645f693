#include "bootfiles/config_txt.h"

#include "base/text.h"

#include <stdio.h>
#include <strings.h>

struct parser {
    struct config_txt *config;
    const struct config_txt_files *files;
    bool for_all; /* no filter is in force */
    unsigned depth;
};

static void hear_name(struct parser *parser, enum boot_role role, const char *name)
{
    struct config_txt *config = parser->config;

    if (config->name_count == CONFIG_TXT_NAMES_MAX || !*name)
        return;
    struct config_txt_name *heard = &config->names[config->name_count];
    heard->role = role;
    if (COPY_STRING(heard->name, name))
        config->name_count++;
}

/* Takes a setting that names one file. */
static void set_name(struct parser *parser, char to[CONFIG_TXT_NAME_SIZE], enum boot_role role,
                     const char *value)
{
    hear_name(parser, role, value);
    if (parser->for_all && !copy_string(to, CONFIG_TXT_NAME_SIZE, value))
        to[0] = '\0';
}

static void set_kernel(struct parser *parser, char *value)
{
    set_name(parser, parser->config->kernel, BOOT_ROLE_KERNEL, value);
}

static void set_cmdline(struct parser *parser, char *value)
{
    set_name(parser, parser->config->cmdline, BOOT_ROLE_CMDLINE, value);
}

static void set_auto_initramfs(struct parser *parser, char *value)
{
    if (parser->for_all)
        parser->config->auto_initramfs = atoi(value) != 0;
}

static void set_os_prefix(struct parser *parser, char *value)
{
    struct config_txt *config = parser->config;

    if (parser->for_all && !COPY_STRING(config->os_prefix, value))
        config->os_prefix[0] = '\0';
    if (config->prefix_count < CONFIG_TXT_PREFIXES_MAX &&
        COPY_STRING(config->prefixes[config->prefix_count], value))
        config->prefix_count++;
}

/* `NAME[,NAME...] [followkernel|ADDRESS]`: several files are loaded one behind the other. */
static void set_initramfs(struct parser *parser, char *value)
{
    struct config_txt *config = parser->config;
    char *rest = NULL;

    value[strcspn(value, " \t")] = '\0';
    if (parser->for_all)
        config->initramfs_count = 0;
    for (char *name = strtok_r(value, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        hear_name(parser, BOOT_ROLE_INITRAMFS, name);
        if (parser->for_all && config->initramfs_count < CONFIG_TXT_INITRAMFS_MAX &&
            COPY_STRING(config->initramfs[config->initramfs_count], name))
            config->initramfs_count++;
    }
}

static void parse_bytes(struct parser *parser, const char *bytes, size_t length_bytes);

static void include(struct parser *parser, char *value)
{
    size_t length = 0;

    if (!parser->files || parser->depth == CONFIG_TXT_INCLUDE_DEPTH_MAX ||
        parser->config->include_count == CONFIG_TXT_INCLUDES_MAX)
        return;
    parser->config->include_count++;
    CLEANUP_FREE char *content = parser->files->read(parser->files->arg, value, &length);
    if (!content)
        return;
    parser->depth++;
    parse_bytes(parser, content, length);
    parser->depth--;
}

static const struct setting {
    const char *name;
    char separator;
    void (*set)(struct parser *parser, char *value);
} settings[] = {
    {"kernel", '=', set_kernel},       {"cmdline", '=', set_cmdline},
    {"os_prefix", '=', set_os_prefix}, {"auto_initramfs", '=', set_auto_initramfs},
    {"ramfsfile", '=', set_initramfs}, {"initramfs", ' ', set_initramfs},
    {"include", ' ', include},
};

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1]))
        text[--length] = '\0';
    return text;
}

static void parse_setting(struct parser *parser, char *line)
{
    size_t name_length = strcspn(line, "= \t");
    char *rest = line + name_length;
    char *value = rest + strspn(rest, " \t");
    char separator = *value == '=' ? '=' : ' ';

    if (separator == '=')
        value = value + 1 + strspn(value + 1, " \t");
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        const struct setting *setting = &settings[i];
        if (strlen(setting->name) == name_length && strncmp(line, setting->name, name_length) == 0 &&
            separator == setting->separator) {
            setting->set(parser, value);
            return;
        }
    }
}

static void parse_line(struct parser *parser, const char *at, size_t length_bytes)
{
    char buffer[512];

    /* Firmware itself reads far less of a line. */
    if (length_bytes >= sizeof(buffer))
        return;
    memcpy(buffer, at, length_bytes);
    buffer[length_bytes] = '\0';
    char *line = trim(buffer);
    if (line[0] == '[')
        parser->for_all = strcasecmp(line, "[all]") == 0;
    else if (line[0] && line[0] != '#')
        parse_setting(parser, line);
}

static void parse_bytes(struct parser *parser, const char *bytes, size_t length_bytes)
{
    size_t at = 0;

    while (at < length_bytes) {
        const char *end = memchr(bytes + at, '\n', length_bytes - at);
        size_t length = end ? (size_t)(end - (bytes + at)) : length_bytes - at;
        parse_line(parser, bytes + at, length);
        at += length + 1;
    }
}

void config_txt_parse(struct config_txt *config, const char *bytes, size_t length_bytes,
                      const struct config_txt_files *files)
{
    struct parser parser = {.config = config, .files = files, .for_all = true};

    *config = (struct config_txt){0};
    parse_bytes(&parser, bytes, MIN(length_bytes, (size_t)CONFIG_TXT_MAX_BYTES));
}

static bool is_named(const char *path, const char *prefix, const char *name)
{
    size_t length = strlen(prefix);

    /* A leading slash leaves all prefixes aside; none is left in a path. */
    if (name[0] == '/')
        return strcasecmp(path, name + 1) == 0;
    return strncasecmp(path, prefix, length) == 0 && strcasecmp(path + length, name) == 0;
}

static bool is_heard(const struct config_txt *config, const char *path, const char *name)
{
    if (is_named(path, "", name))
        return true;
    for (size_t i = 0; i < config->prefix_count; i++) {
        if (is_named(path, config->prefixes[i], name))
            return true;
    }
    return false;
}

static enum boot_role default_role(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    static const struct config_txt_name starts[] = {
        {BOOT_ROLE_KERNEL, "kernel"},
        {BOOT_ROLE_KERNEL, "vmlinuz"},
        {BOOT_ROLE_INITRAMFS, "initramfs"},
        {BOOT_ROLE_INITRAMFS, "initrd"},
    };

    if (strcasecmp(name, "cmdline.txt") == 0)
        return BOOT_ROLE_CMDLINE;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        if (strncasecmp(name, starts[i].name, strlen(starts[i].name)) == 0)
            return starts[i].role;
    }
    return BOOT_ROLE_FIRMWARE;
}

enum boot_role config_txt_role(const struct config_txt *config, const char *path)
{
    for (size_t i = config->name_count; i > 0; i--) {
        if (is_heard(config, path, config->names[i - 1].name))
            return config->names[i - 1].role;
    }
    return default_role(path);
}

bool config_txt_auto_initramfs(const char *kernel, char to[CONFIG_TXT_NAME_SIZE])
{
    static const char start[] = "kernel";
    const char *dot = strrchr(kernel, '.');

    if (!string_starts_with(kernel, start) || !dot)
        return false;
    int length = snprintf(to, CONFIG_TXT_NAME_SIZE, "initramfs%.*s", (int)(dot - kernel - (int)strlen(start)),
                          kernel + strlen(start));
    return length > 0 && length < CONFIG_TXT_NAME_SIZE;
}
