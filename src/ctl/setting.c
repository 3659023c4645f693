#include "ctl/setting.h"

#include "base/text.h"
#include "ctl/terminal.h"

#include <fcntl.h>
#include <stdio.h>

enum { NAME_COLUMNS = 16, TEXT_COLUMN = 19 };

/* What a file holds, or standard input for "-". NULL with a complaint. */
static char *read_file(enum setting key, const char *path)
{
    CLEANUP_TEXT struct text content = text_with_max(SETTING_VALUE_MAX_BYTES);
    CLEANUP_FD int fd = string_equal(path, "-") ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    char piece[4096];
    ssize_t got = fd < 0 ? -1 : 0;

    while (fd >= 0 && (got = read(fd, piece, sizeof(piece))) > 0 && !content.failed)
        text_append_bytes(&content, piece, (size_t)got);
    if (got < 0)
        fprintf(stderr, "farboot: --%s: %s: %s\n", setting_name(key), path, strerror(errno));
    else if (content.failed)
        fprintf(stderr, "farboot: --%s: %s: longer than %d KiB\n", setting_name(key), path,
                SETTING_VALUE_MAX_BYTES / 1024);
    else if (content.length_bytes != strlen(text_string(&content)))
        fprintf(stderr, "farboot: --%s: %s: not a text\n", setting_name(key), path);
    else
        return text_take(&content);
    return NULL;
}

/* The value as it is to be said; the caller frees. NULL with a complaint. */
static json_t *read_value(enum setting key, const char *given)
{
    CLEANUP_FREE char *content = NULL;

    if (!*given)
        return json_null();
    if (setting_is_file(key)) {
        content = read_file(key, given);
        if (!content)
            return NULL;
    }
    json_t *value = json_string(content ? content : given);
    if (!value)
        fprintf(stderr, "farboot: --%s: not UTF-8\n", setting_name(key));
    return value;
}

bool setting_options(const struct arguments *arguments, json_t *body)
{
    json_t *said = json_object();

    for (enum setting key = 0; key < SETTING_COUNT; key++) {
        json_t *value = arguments->settings[key] ? read_value(key, arguments->settings[key]) : NULL;
        if (arguments->settings[key] && !value) {
            json_decref(said);
            return false;
        }
        if (value)
            json_object_set_new(said, setting_name(key), value);
    }
    if (json_object_size(said) > 0)
        json_object_set(body, "settings", said);
    json_decref(said);
    return true;
}

/* "quiet splash (group)"; one that the program brings needs no word about it. */
static void print_setting(const char *name, const json_t *setting)
{
    CLEANUP_TEXT struct text line = text_with_max(SETTING_VALUE_MAX_BYTES + 64);
    const char *value = json_member_text(setting, "value"), *from = json_member_text(setting, "from");

    size_t length = strcspn(value, "\n");
    text_append_bytes(&line, *value ? value : "-", *value ? length : 1);
    if (value[length] && value[length + 1])
        text_appendf(&line, "... and %zu bytes more", strlen(value + length + 1));
    if (!string_equal(from, setting_source_name(SETTING_FROM_PROGRAM)))
        text_appendf(&line, " (%s)", from);
    printf("  %-*s ", NAME_COLUMNS, name);
    print_wrapped(stdout, text_string(&line), TEXT_COLUMN, TEXT_COLUMN);
}

void print_settings(const json_t *owner, bool all)
{
    json_t *settings = json_object_get(owner, "settings"), *setting;
    const char *name;

    printf("  settings\n");
    json_object_foreach(settings, name, setting) {
        if (all || *json_member_text(setting, "value"))
            print_setting(name, setting);
    }
}
