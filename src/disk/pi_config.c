#include "disk/pi_config.h"

#include "base/text.h"

#include <ctype.h>
#include <stdio.h>

enum { LINE_SIZE = 512 };

struct model_words {
    const char *name;
    const char *section;
};

static const struct model_words models[PI_MODELS] = {
    [PI_3] = {"Pi 3", "pi3"},
    [PI_4] = {"Pi 4", "pi4"},
    [PI_5] = {"Pi 5", "pi5"},
};

const char *pi_model_name(enum pi_model model)
{
    CHECK(model < PI_MODELS);
    return models[model].name;
}

static char *trim(char *s)
{
    s += strspn(s, " \t\r");
    size_t length = strlen(s);
    while (length && strchr(" \t\r", s[length - 1]))
        s[--length] = '\0';
    return s;
}

/* A model's section is also left by the section of another model: each header decides anew. */
static bool section_holds(const char *section, enum pi_model model)
{
    return string_equal(section, "all") || string_equal(section, models[model].section);
}

/* `initramfs NAME followkernel` is the one setting without an equals sign. */
static void take_initramfs(struct pi_config *config, char *names)
{
    names += strspn(names, " \t=");
    names[strcspn(names, " \t,")] = '\0';
    COPY_STRING(config->initramfs, names);
}

static void take_setting(struct pi_config *config, char *line)
{
    char *equals = strchr(line, '=');

    if (string_starts_with(line, "initramfs") && line[9] && strchr(" \t=", line[9])) {
        take_initramfs(config, line + 9);
        return;
    }
    if (!equals)
        return;
    *equals = '\0';
    const char *value = trim(equals + 1);
    const char *key = trim(line);
    if (string_equal(key, "kernel"))
        COPY_STRING(config->kernel, value);
    else if (string_equal(key, "cmdline"))
        COPY_STRING(config->command_line, value);
    else if (string_equal(key, "os_prefix"))
        COPY_STRING(config->prefix, value);
    else if (string_equal(key, "auto_initramfs"))
        config->auto_initramfs = atoi(value) > 0;
    else if (string_equal(key, "arm_64bit"))
        config->is_32_bit = string_equal(value, "0");
}

void pi_config_parse(const char *text, size_t length_bytes, enum pi_model model, struct pi_config *config)
{
    bool holds = true;
    size_t at = 0;

    *config = (struct pi_config){.command_line = "cmdline.txt"};
    while (at < length_bytes) {
        const char *end = memchr(text + at, '\n', length_bytes - at);
        size_t length = (end ? (size_t)(end - text) : length_bytes) - at;
        char copy[LINE_SIZE];
        snprintf(copy, sizeof(copy), "%.*s", (int)MIN(length, sizeof(copy) - 1), text + at);
        char *line = trim(copy);
        if (*line == '[') {
            line[strcspn(line, "]")] = '\0';
            holds = section_holds(line + 1, model);
        } else if (holds && *line != '#') {
            take_setting(config, line);
        }
        at += length + 1;
    }
}

bool pi_auto_initramfs(const char *kernel, char initramfs[PI_CONFIG_NAME_SIZE])
{
    size_t length = strlen(kernel);

    if (!string_starts_with(kernel, "kernel") || !string_ends_with(kernel, ".img") ||
        length >= PI_CONFIG_NAME_SIZE)
        return false;
    snprintf(initramfs, PI_CONFIG_NAME_SIZE, "initramfs%.*s", (int)(length - 10), kernel + 6);
    return true;
}
