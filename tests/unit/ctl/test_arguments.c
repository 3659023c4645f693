#include "../test.h"

#include "base/text.h"
#include "ctl/command.h"

#include <stdio.h>

static const struct command *find(const char *noun, const char *verb)
{
    const struct command *command = commands;

    while (command->noun && (!string_equal(command->noun, noun) || (verb && !string_equal(command->verb, verb))))
        command++;
    assert_non_null(command->noun);
    return command;
}

/* Splits at spaces; the words live in `line`. */
static int split(char *line, char **words, int max)
{
    int count = 0;

    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        assert_true(count < max);
        words[count++] = word;
    }
    return count;
}

struct parsed {
    struct arguments arguments;
    bool fits;
    bool wants_help;
    char error[160];
    char line[256];
};

static void parse(struct parsed *parsed, const struct command *command, const char *line)
{
    char *words[16];

    *parsed = (struct parsed){.arguments = {.command = command, .socket = "default"}};
    assert_true(COPY_STRING(parsed->line, line));
    int count = split(parsed->line, words, (int)ARRAY_SIZE(words));
    parsed->fits = arguments_parse(&parsed->arguments, count, words, &parsed->wants_help, parsed->error,
                                   sizeof(parsed->error));
}

static void words_find_their_places(void **state)
{
    struct parsed p;

    parse(&p, find("machine", "add"), "pi-01 --image=debian dc:a6:32:01:02:03 --size 64G --json --socket /x");
    assert_true(p.fits);
    assert_string_equal(p.arguments.operands[0], "pi-01");
    assert_string_equal(p.arguments.operands[1], "dc:a6:32:01:02:03");
    assert_string_equal(arguments_value(&p.arguments, "--image"), "debian");
    assert_string_equal(arguments_value(&p.arguments, "--size"), "64G");
    assert_string_equal(arguments_value(&p.arguments, "--json"), "");
    assert_null(arguments_value(&p.arguments, "--address"));
    assert_string_equal(p.arguments.socket, "/x");

    parse(&p, find("machine", "set"), "pi-01 --address=");
    assert_true(p.fits);
    assert_string_equal(arguments_value(&p.arguments, "--address"), "");

    parse(&p, find("machine", "set"), "pi-01 --boot=san --unset cmdline-add --cmdline-remove quiet");
    assert_true(p.fits);
    assert_string_equal(p.arguments.settings[SETTING_BOOT], "san");
    assert_string_equal(p.arguments.settings[SETTING_CMDLINE_ADD], "");
    assert_string_equal(p.arguments.settings[SETTING_CMDLINE_REMOVE], "quiet");

    parse(&p, find("defaults", "set"), "--image debian --cmdline-add=");
    assert_true(p.fits);
    assert_string_equal(p.arguments.settings[SETTING_IMAGE], "debian");
    assert_string_equal(p.arguments.settings[SETTING_CMDLINE_ADD], "");
    assert_null(p.arguments.settings[SETTING_BOOT]);

    parse(&p, find("image", "import"), "-");
    assert_true(p.fits);
    assert_string_equal(p.arguments.operands[0], "-");

    parse(&p, find("image", "import"), "-- --odd.img");
    assert_true(p.fits);
    assert_string_equal(p.arguments.operands[0], "--odd.img");

    parse(&p, find("watch", NULL), "");
    assert_true(p.fits);
    assert_null(p.arguments.operands[0]);
}

static void what_does_not_fit_is_said(void **state)
{
    static const struct {
        const char *noun;
        const char *verb;
        const char *line;
        const char *error;
    } rows[] = {
        {"machine", "add", "", "NAME is missing"},
        {"machine", "add", "pi-01", "MAC is missing"},
        {"machine", "add", "a b c", "one word too many: c"},
        {"machine", "add", "a b --image", "--image needs a value: IMAGE"},
        {"machine", "add", "a b --imag x", "unknown option --imag; did you mean --image?"},
        {"machine", "list", "--verbose", "unknown option --verbose"},
        {"machine", "list", "--json=yes", "--json takes no value"},
        {"machine", "set", "a --cmdline-ad x", "unknown option --cmdline-ad; did you mean --cmdline-add?"},
        {"machine", "set", "a --cmdline-add", "--cmdline-add needs a value: WORDS"},
        {"machine", "set", "a --unset", "--unset needs a value: SETTING"},
        {"machine", "set", "a --unset nothing", "--unset nothing: no such setting"},
        {"machine", "set", "a --unset image", "--unset image: no such setting"},
        {"machine", "show", "a --boot disk", "unknown option --boot"},
        {"status", NULL, "--socket", "--socket needs a value: PATH"},
        {"watch", NULL, "a b", "one word too many: b"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct parsed p;
        parse(&p, find(rows[i].noun, rows[i].verb), rows[i].line);
        assert_false(p.fits);
        assert_string_equal(p.error, rows[i].error);
    }
}

static void help_is_heard_wherever_it_stands(void **state)
{
    struct parsed p;

    parse(&p, find("machine", "add"), "--nonsense --help");
    assert_true(p.fits && p.wants_help);
    parse(&p, find("image", "import"), "-- --help");
    assert_true(p.fits && !p.wants_help);
}

static void every_usage_fits_eighty_columns(void **state)
{
    for (const struct command *command = commands; command->noun; command++) {
        CLEANUP_FREE char *usage = command_usage(command, 2);
        for (const char *line = usage; line; line = strchr(line, '\n')) {
            line += line != usage;
            assert_true(strcspn(line, "\n") + (line == usage ? 2 : 0) <= 80);
        }
        assert_true(strlen(command->help) + 6 <= 80);
    }
}

static void nearest_words_are_suggested(void **state)
{
    static const char *const words[] = {"add", "list", "show", "set", "remove"};
    static const struct {
        const char *typed;
        const char *near;
    } rows[] = {
        {"ad", "add"}, {"lst", "list"}, {"remvoe", "remove"}, {"sohw", "show"}, {"frobnicate", NULL}, {"", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *near = suggest(rows[i].typed, words, ARRAY_SIZE(words));
        if (rows[i].near)
            assert_string_equal(near, rows[i].near);
        else
            assert_null(near);
    }
}

/* ---- the program ---- */

static int served;

static int serve(int argc, char **argv)
{
    served = argc;
    return string_equal(argv[0], "serve") ? 42 : 1;
}

static int run(const char *line)
{
    char copy[256], *words[16] = {"farboot"};

    assert_true(COPY_STRING(copy, line));
    return ctl_main(1 + split(copy, words + 1, 14), words, &(const struct ctl_hooks){.serve = serve});
}

static void exit_statuses_say_what_happened(void **state)
{
    static const struct {
        const char *line;
        int status;
    } rows[] = {
        {"", CTL_EXIT_USAGE},
        {"--version", CTL_EXIT_OK},
        {"help", CTL_EXIT_OK},
        {"--help", CTL_EXIT_OK},
        {"help machine", CTL_EXIT_OK},
        {"help machine add", CTL_EXIT_OK},
        {"help nothing", CTL_EXIT_USAGE},
        {"nothing", CTL_EXIT_USAGE},
        {"machine", CTL_EXIT_USAGE},
        {"machine --help", CTL_EXIT_OK},
        {"machine nothing", CTL_EXIT_USAGE},
        {"machine add --help", CTL_EXIT_OK},
        {"serve --help", CTL_EXIT_OK},
        {"serve --config x", 42},
        {"--socket /nowhere/farboot.sock status", CTL_EXIT_NO_DAEMON},
        {"--socket=/nowhere/farboot.sock image list", CTL_EXIT_NO_DAEMON},
        {"machine list --socket /nowhere/farboot.sock", CTL_EXIT_NO_DAEMON},
        {"image import /nowhere.img --socket /nowhere/farboot.sock", CTL_EXIT_FAILED},
        {"image import /dev/zero --socket /nowhere/farboot.sock", CTL_EXIT_NO_DAEMON},
        {"machine show a/b --socket /nowhere/farboot.sock", CTL_EXIT_USAGE},
        {"machine set pi --socket /nowhere/farboot.sock", CTL_EXIT_USAGE},
        {"machine set pi --size 1x --socket /nowhere/farboot.sock", CTL_EXIT_USAGE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int status = run(rows[i].line);
        if (status != rows[i].status)
            fail_msg("farboot %s: %d, expected %d", rows[i].line, status, rows[i].status);
    }
    assert_int_equal(served, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_find_their_places),
        cmocka_unit_test(what_does_not_fit_is_said),
        cmocka_unit_test(help_is_heard_wherever_it_stands),
        cmocka_unit_test(every_usage_fits_eighty_columns),
        cmocka_unit_test(nearest_words_are_suggested),
        cmocka_unit_test(exit_statuses_say_what_happened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
