#include "api/settings.h"

#include "base/text.h"

json_t *settings_json(const struct settings *settings, enum setting_source source)
{
    json_t *all = json_object();

    for (enum setting key = 0; key < SETTING_COUNT; key++) {
        if (setting_is_for(key, source))
            json_object_set_new(all, setting_name(key),
                                json_pack("{s:s, s:s}", "value", settings->values[key], "from",
                                          setting_source_name(settings->sources[key])));
    }
    return all;
}

static void forget(struct settings *settings, enum setting_source source, enum setting key)
{
    if (settings->sources[key] != source)
        return;
    settings->values[key] = setting_built_in(key);
    settings->sources[key] = SETTING_FROM_PROGRAM;
}

static int read_setting(struct settings *settings, enum setting_source source, const char *name, const json_t *value,
                        struct error *error)
{
    char quoted[64];
    enum setting key;

    if (!setting_from_name(name, &key))
        return error_set(error, -EINVAL, "unknown setting \"%s\" (see farboot defaults show)",
                         quote_into(quoted, sizeof(quoted), name, strlen(name)));
    if (!json_is_string(value) && !json_is_null(value))
        return error_set(error, -EINVAL, "%s: must be a text, or null to be inherited", name);
    if (json_string_length(value) == 0) {
        forget(settings, source, key);
        return 0;
    }
    if (strlen(json_string_value(value)) != json_string_length(value))
        return error_set(error, -EINVAL, "%s: a text must not contain a NUL", name);
    settings->values[key] = json_string_value(value);
    settings->sources[key] = source;
    return setting_check(key, source, settings->values[key], error);
}

int settings_read(struct settings *settings, enum setting_source source, const json_t *said, struct error *error)
{
    const char *name;
    json_t *value;
    int r = 0;

    if (said && !json_is_object(said))
        return error_set(error, -EINVAL, "settings: must be an object");
    json_object_foreach((json_t *)said, name, value) {
        if (r == 0)
            r = read_setting(settings, source, name, value, error);
    }
    return r;
}
