#include "ctl/setting.h"

#include "base/text.h"
#include "ctl/terminal.h"

#include <stdio.h>

enum { NAME_COLUMNS = 16, TEXT_COLUMN = 19 };

bool setting_options(const struct arguments *arguments, json_t *body)
{
    json_t *said = json_object();

    for (enum setting key = 0; key < SETTING_COUNT; key++) {
        const char *given = arguments->settings[key];
        if (!given)
            continue;
        if (json_object_set_new(said, setting_name(key), *given ? json_string(given) : json_null()) < 0) {
            fprintf(stderr, "farboot: --%s: not UTF-8\n", setting_name(key));
            json_decref(said);
            return false;
        }
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

    text_append(&line, *value ? value : "-");
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
