#include "../test.h"

#include "base/text.h"
#include "ctl/progress.h"
#include "ctl/table.h"

#define MIB (1024ull * 1024)

static void progress_is_one_line(void **state)
{
    static const struct {
        struct progress_state state;
        const char *line;
    } rows[] = {
        {{.total_bytes = 100 * MIB, .elapsed_ms = 0}, "[                          ] 0 B  0 B/s  0:00:00"},
        {{.read_bytes = 25 * MIB, .total_bytes = 100 * MIB, .written_bytes = 200 * MIB, .elapsed_ms = 2000},
         "[######                    ] 200 MiB  100 MiB/s  0:00:06"},
        {{.read_bytes = 1 * MIB, .total_bytes = 4000 * MIB, .written_bytes = 1 * MIB, .elapsed_ms = 1000},
         "[                          ] 1.0 MiB  1.0 MiB/s  1:06:39"},
        {{.read_bytes = 200 * MIB, .total_bytes = 100 * MIB, .written_bytes = 1024 * MIB, .elapsed_ms = 4000},
         "[##########################] 1.0 GiB  256 MiB/s  0:00:00"},
        {{.read_bytes = 100 * MIB, .total_bytes = 100 * MIB, .written_bytes = 2808 * MIB, .elapsed_ms = 27000,
          .ended = true},
         "[##########################] 2.7 GiB  104 MiB/s  0:00:27"},
        {{.read_bytes = 100 * MIB, .written_bytes = 100 * MIB, .elapsed_ms = 5000}, "100 MiB  20.0 MiB/s  0:00:05"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char line[PROGRESS_LINE_SIZE];
        assert_string_equal(progress_format(line, &rows[i].state), rows[i].line);
    }
}

static void the_longest_progress_fits(void **state)
{
    const struct progress_state huge = {.read_bytes = 1, .total_bytes = UINT64_MAX, .written_bytes = UINT64_MAX,
                                        .elapsed_ms = UINT32_MAX};
    char line[PROGRESS_LINE_SIZE];

    assert_true(strlen(progress_format(line, &huge)) < 80);
}

/* What was printed to a file, which is no terminal; the caller frees. */
struct printed {
    FILE *file;
    char *text;
    size_t length;
};

static void begin_printing(struct printed *printed)
{
    printed->file = tmpfile();
    assert_non_null(printed->file);
}

static const char *end_printing(struct printed *printed)
{
    printed->length = (size_t)ftell(printed->file);
    printed->text = xcalloc(1, printed->length + 1);
    rewind(printed->file);
    assert_int_equal(fread(printed->text, 1, printed->length, printed->file), printed->length);
    fclose(printed->file);
    return printed->text;
}

static void a_terminal_is_not_drawn_on(void **state)
{
    struct printed printed;

    begin_printing(&printed);
    print_safe(printed.file, "a\033[2Jb\nc\177 \xc2\x9b \xc3\xa9");
    assert_string_equal(end_printing(&printed), "a\\x1b[2Jb\\x0ac\\x7f \\x9b \xc3\xa9");
    free(printed.text);
}

static void long_sentences_break_between_words(void **state)
{
    struct printed printed;

    begin_printing(&printed);
    print_wrapped(printed.file,
                  "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen",
                  10, 4);
    assert_string_equal(end_printing(&printed),
                        "one two three four five six seven eight nine ten eleven twelve\n"
                        "    thirteen fourteen fifteen sixteen\n");
    free(printed.text);
}

static void tables_are_aligned_and_cut(void **state)
{
    static const char *const titles[] = {"NAME", "WHAT", NULL};
    CLEANUP(cleanup_table) struct table *table = table_new(titles);
    struct printed printed;
    char long_text[101];

    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    table_cell(table, "pi-01");
    table_cell_coloured(table, COLOUR_GREEN, "up");
    table_cell(table, "caf\xc3\xa9");
    table_cell(table, long_text);
    begin_printing(&printed);
    table_print(table, printed.file);
    strcpy(&long_text[80 - 7 - 3], "...");
    CLEANUP_FREE char *expected = xasprintf("NAME   WHAT\npi-01  up\ncaf\xc3\xa9   %s\n", long_text);
    assert_string_equal(end_printing(&printed), expected);
    free(printed.text);
}

static void durations_are_short(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } rows[] = {{0, "0 s"}, {59, "59 s"}, {60, "1 min"}, {3600 * 3 + 720, "3 h 12 min"}, {86400 * 3 + 3600 * 4, "3 d 4 h"}};
    char text[40];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_string_equal(format_duration(text, sizeof(text), rows[i].seconds), rows[i].text);
    assert_string_equal(format_ago(text, sizeof(text), 100, 40), "1 min ago");
    assert_string_equal(format_ago(text, sizeof(text), 100, 200), "0 s ago");
    assert_string_equal(format_ago(text, sizeof(text), 100, 0), "never");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress_is_one_line),
        cmocka_unit_test(the_longest_progress_fits),
        cmocka_unit_test(a_terminal_is_not_drawn_on),
        cmocka_unit_test(long_sentences_break_between_words),
        cmocka_unit_test(tables_are_aligned_and_cut),
        cmocka_unit_test(durations_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
