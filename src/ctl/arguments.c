#include "ctl/command.h"

#include "base/text.h"

#include <stdio.h>

enum { USAGE_COLUMNS = 80, USAGE_INDENT = 8, USAGE_MAX_BYTES = 2048, SUGGEST_WORD_MAX = 32, OPTION_SIZE = 40 };

static size_t option_count(const struct command *command)
{
    size_t count = 0;

    while (count < COMMAND_OPTIONS_MAX && command->options[count].name)
        count++;
    return count;
}

const char *arguments_value(const struct arguments *arguments, const char *option)
{
    const struct command *command = arguments->command;

    for (size_t i = 0; i < option_count(command); i++) {
        if (string_equal(command->options[i].name, option))
            return arguments->values[i];
    }
    CHECK(!"an option that the command's table has");
    return NULL;
}

/* ---- parsing ---- */

struct words {
    int count;
    char **all;
    int next;
    char *error;
    size_t error_size;
};

static bool refuse(struct words *words, const char *format, const char *a, const char *b)
{
    snprintf(words->error, words->error_size, format, a, b);
    return false;
}

/* Whether `word` is "--name" or "--name=value"; the value, if any, in `inline_value`. */
static bool names_option(const char *word, const char *name, const char **inline_value)
{
    size_t length = strlen(name);

    if (strncmp(word, name, length) != 0 || (word[length] && word[length] != '='))
        return false;
    *inline_value = word[length] ? word + length + 1 : NULL;
    return true;
}

/* The value of an option that needs one: behind its `=`, or the next word. NULL, and refused, when there is none. */
static const char *take_value(struct words *words, const char *option, const char *inline_value, const char *what)
{
    if (inline_value)
        return inline_value;
    if (words->next < words->count)
        return words->all[words->next++];
    refuse(words, "%s needs a value: %s", option, what);
    return NULL;
}

static bool take_unset(struct arguments *arguments, struct words *words, const char *inline_value)
{
    const char *name = take_value(words, "--unset", inline_value, "SETTING");
    enum setting key;

    if (!name)
        return false;
    if (!setting_from_name(name, &key) || !setting_is_for(key, arguments->command->settings))
        return refuse(words, "--unset %s: no such setting", name, NULL);
    arguments->settings[key] = "";
    return true;
}

/* Whether the word is a setting of whom the command is about; `*fits` then says whether there was a value. What is a
 * good one, the daemon knows. */
static bool take_setting_option(struct arguments *arguments, struct words *words, const char *word, bool *fits)
{
    enum setting_source source = arguments->command->settings;
    const char *value;
    char option[OPTION_SIZE];

    if (source == SETTING_FROM_PROGRAM)
        return false;
    if (names_option(word, "--unset", &value)) {
        *fits = take_unset(arguments, words, value);
        return true;
    }
    for (enum setting key = 0; key < SETTING_COUNT; key++) {
        snprintf(option, sizeof(option), "--%s", setting_name(key));
        if (!setting_is_for(key, source) || !names_option(word, option, &value))
            continue;
        arguments->settings[key] = take_value(words, option, value, setting_value_name(key));
        *fits = arguments->settings[key];
        return true;
    }
    return false;
}

static bool refuse_option(const struct command *command, struct words *words, const char *word)
{
    const char *names[COMMAND_OPTIONS_MAX + SETTING_COUNT];
    char settings[SETTING_COUNT][OPTION_SIZE];
    size_t count = 0;

    while (count < option_count(command)) {
        names[count] = command->options[count].name;
        count++;
    }
    for (enum setting key = 0; command->settings != SETTING_FROM_PROGRAM && key < SETTING_COUNT; key++) {
        snprintf(settings[key], OPTION_SIZE, "--%s", setting_name(key));
        names[count++] = settings[key];
    }
    const char *near = suggest(word, names, count);
    return near ? refuse(words, "unknown option %s; did you mean %s?", word, near)
                : refuse(words, "unknown option %s", word, NULL);
}

static bool take_option(struct arguments *arguments, struct words *words, const char *word)
{
    const struct command *command = arguments->command;
    const char *value;
    bool fits;

    for (size_t i = 0; i < option_count(command); i++) {
        const struct command_option *option = &command->options[i];
        if (!names_option(word, option->name, &value))
            continue;
        if (!option->value && value)
            return refuse(words, "%s takes no value", option->name, NULL);
        arguments->values[i] = option->value ? take_value(words, option->name, value, option->value) : "";
        return arguments->values[i];
    }
    return take_setting_option(arguments, words, word, &fits) ? fits : refuse_option(command, words, word);
}

static bool take_operand(struct arguments *arguments, struct words *words, const char *word)
{
    const char *last = NULL;

    for (size_t i = 0; i < COMMAND_OPERANDS_MAX && arguments->command->operands[i]; i++) {
        last = arguments->command->operands[i];
        if (arguments->operands[i])
            continue;
        arguments->operands[i] = word;
        return true;
    }
    if (last && string_ends_with(last, "...") && arguments->more_count < COMMAND_MORE_MAX) {
        arguments->more[arguments->more_count++] = word;
        return true;
    }
    return refuse(words, "one word too many: %s", word, NULL);
}

static bool take_word(struct arguments *arguments, struct words *words, bool *only_operands)
{
    const char *word = words->all[words->next++];
    const char *value;

    if (*only_operands || word[0] != '-' || word[1] == '\0')
        return take_operand(arguments, words, word);
    if (string_equal(word, "--")) {
        *only_operands = true;
        return true;
    }
    if (!names_option(word, "--socket", &value))
        return take_option(arguments, words, word);
    if (!value && words->next == words->count)
        return refuse(words, "--socket needs a value: PATH", NULL, NULL);
    arguments->socket = value ? value : words->all[words->next++];
    return true;
}

static bool check_complete(const struct arguments *arguments, struct words *words)
{
    const struct command *command = arguments->command;

    for (size_t i = 0; i < COMMAND_OPERANDS_MAX && command->operands[i]; i++) {
        if (!arguments->operands[i] && command->operands[i][0] != '[')
            return refuse(words, "%s is missing", command->operands[i], NULL);
    }
    for (size_t i = 0; i < option_count(command); i++) {
        if (!arguments->values[i] && command->options[i].needed)
            return refuse(words, "%s %s is missing", command->options[i].name, command->options[i].value);
    }
    return true;
}

static bool help_is_wanted(int argc, char **argv)
{
    for (int i = 0; i < argc && !string_equal(argv[i], "--"); i++) {
        if (string_equal(argv[i], "--help") || string_equal(argv[i], "-h"))
            return true;
    }
    return false;
}

bool arguments_parse(struct arguments *arguments, int argc, char **argv, bool *wants_help, char *error,
                     size_t error_size)
{
    struct words words = {.count = argc, .all = argv, .error = error, .error_size = error_size};
    bool only_operands = false;

    *wants_help = help_is_wanted(argc, argv);
    if (*wants_help)
        return true;
    while (words.next < words.count) {
        if (!take_word(arguments, &words, &only_operands))
            return false;
    }
    return check_complete(arguments, &words);
}

/* ---- usage ---- */

static void usage_word(struct text *to, size_t *column, const char *format, const char *a, const char *b)
{
    char word[96];
    int width = snprintf(word, sizeof(word), format, a, b);

    if (*column + 1 + (size_t)width > USAGE_COLUMNS) {
        text_appendf(to, "\n%*s", USAGE_INDENT, "");
        *column = USAGE_INDENT;
    } else if (to->length_bytes) {
        text_append(to, " ");
        ++*column;
    }
    text_append(to, word);
    *column += (size_t)width;
}

char *command_usage(const struct command *command, size_t begins_at)
{
    struct text to = text_with_max(USAGE_MAX_BYTES);
    size_t column = begins_at;

    usage_word(&to, &column, "farboot %s", command->noun, NULL);
    if (command->verb)
        usage_word(&to, &column, "%s", command->verb, NULL);
    for (size_t i = 0; i < COMMAND_OPERANDS_MAX && command->operands[i]; i++)
        usage_word(&to, &column, "%s", command->operands[i], NULL);
    for (size_t i = 0; i < option_count(command); i++) {
        const struct command_option *option = &command->options[i];
        const char *format = option->needed ? "%s %s" : option->value ? "[%s %s]" : "[%s]";
        usage_word(&to, &column, format, option->name, option->value);
    }
    if (command->settings != SETTING_FROM_PROGRAM)
        usage_word(&to, &column, "[--SETTING VALUE]...", NULL, NULL);
    return text_take(&to);
}

/* ---- nearest word ---- */

/* How many letters must be put in, taken out or changed; both words are short. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[SUGGEST_WORD_MAX + 1];
    size_t a_length = strlen(a), b_length = strlen(b);

    for (unsigned j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            unsigned moved = MIN(row[j], row[j - 1]) + 1;
            row[j] = MIN(changed, moved);
        }
    }
    return row[b_length];
}

const char *suggest(const char *word, const char *const *known, size_t count)
{
    const char *nearest = NULL;
    unsigned least = 3; /* beyond two letters it is another word */

    if (strlen(word) > SUGGEST_WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (!known[i] || strlen(known[i]) > SUGGEST_WORD_MAX)
            continue;
        unsigned steps = distance(word, known[i]);
        if (steps < least && steps < strlen(known[i])) {
            least = steps;
            nearest = known[i];
        }
    }
    return nearest;
}
