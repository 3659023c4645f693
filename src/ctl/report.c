#include "ctl/report.h"

#include "base/text.h"
#include "ctl/terminal.h"

#include <time.h>

enum { LINE_MAX_BYTES = 4096, TITLE_COLUMNS = 15 };

static const json_t *report_of(const json_t *image)
{
    return json_object_get(image, "report");
}

const char *report_system(const json_t *image)
{
    return json_member_text(json_object_get(report_of(image), "os"), "name");
}

/* ---- sentences ---- */

/* "bootfs (vfat 512 MiB)" */
static void append_partition(struct text *line, const json_t *partition)
{
    const char *label = json_member_text(partition, "label"), *filesystem = json_member_text(partition, "filesystem");
    char size[16];

    format_size(size, sizeof(size), json_member_u64(partition, "length_bytes"));
    text_appendf(line, "%s%s (%s %s)", line->length_bytes ? ", " : "", *label ? label : "unnamed",
                 *filesystem ? filesystem : "unknown", size);
}

static void partitions_line(struct text *line, const json_t *report)
{
    const json_t *list = json_object_get(report, "partitions"), *partition;
    size_t i;

    json_array_foreach(list, i, partition)
        append_partition(line, partition);
}

/* The strings of an array, with commas. */
static void append_strings(struct text *line, const json_t *list)
{
    const json_t *string;
    size_t i;

    json_array_foreach(list, i, string)
        text_appendf(line, "%s%s", i == 0 ? "" : ", ", json_string_value(string));
}

static const char *login_words(const json_t *report)
{
    const char *answer = json_member_text(report, "iscsi");

    if (string_equal(answer, "yes"))
        return "the initramfs can log in to iSCSI";
    return string_equal(answer, "no") ? "the initramfs cannot log in to iSCSI"
                                      : "whether the initramfs can log in to iSCSI is unknown";
}

static void summary_line(struct text *line, const json_t *image)
{
    const json_t *report = report_of(image), *models = json_object_get(report, "models");
    const char *system = report_system(image), *architecture = json_member_text(report, "architecture");
    char size[16];

    text_appendf(line, "%s", format_size(size, sizeof(size), json_member_u64(image, "size_bytes")));
    if (*system)
        text_appendf(line, ", %s", system);
    if (*architecture)
        text_appendf(line, ", %s", architecture);
    if (json_array_size(models) > 0) {
        text_append(line, ", boots ");
        append_strings(line, models);
    }
}

/* ---- lines ---- */

static void print_line(const char *title, const char *content)
{
    if (!*content)
        return;
    printf("  %-12s ", title);
    print_wrapped(stdout, content, TITLE_COLUMNS, TITLE_COLUMNS);
}

static void print_advice(const json_t *report)
{
    const char *advice = json_member_text(report, "advice");

    if (!*advice)
        return;
    printf("  %sto do%s        ", colour_begin(stdout, COLOUR_YELLOW), colour_end(stdout));
    print_wrapped(stdout, advice, TITLE_COLUMNS, TITLE_COLUMNS);
}

void report_print_short(const json_t *image)
{
    CLEANUP_TEXT struct text summary = text_with_max(LINE_MAX_BYTES);
    CLEANUP_TEXT struct text partitions = text_with_max(LINE_MAX_BYTES);
    const char *name = json_member_text(image, "name");

    summary_line(&summary, image);
    partitions_line(&partitions, report_of(image));
    printf("%s: ", name);
    print_wrapped(stdout, text_string(&summary), (unsigned)strlen(name) + 2, 2);
    print_line("partitions", text_string(&partitions));
    print_line("iSCSI", login_words(report_of(image)));
    print_line("cloud-init", json_member_text(report_of(image), "cloud_init"));
    print_advice(report_of(image));
}

/* ---- everything ---- */

static void print_kernels(const json_t *report)
{
    const json_t *list = json_object_get(report, "kernels"), *kernel;
    size_t i;

    json_array_foreach(list, i, kernel) {
        CLEANUP_TEXT struct text line = text_with_max(LINE_MAX_BYTES);
        char size[16];
        text_appendf(&line, "%s (%s %s)", json_member_text(kernel, "path"), json_member_text(kernel, "architecture"),
                     format_size(size, sizeof(size), json_member_u64(kernel, "size_bytes")));
        print_line(i == 0 ? "kernels" : "", text_string(&line));
    }
}

static void print_initramfs(const json_t *report)
{
    const json_t *list = json_object_get(report, "initramfs"), *initramfs;
    size_t i;

    json_array_foreach(list, i, initramfs) {
        CLEANUP_TEXT struct text line = text_with_max(LINE_MAX_BYTES);
        char size[16];
        text_appendf(&line, "%s (%s %s, iSCSI: %s)", json_member_text(initramfs, "path"),
                     json_member_text(initramfs, "compression"),
                     format_size(size, sizeof(size), json_member_u64(initramfs, "size_bytes")),
                     json_member_text(initramfs, "can_login"));
        print_line(i == 0 ? "initramfs" : "", text_string(&line));
    }
}

static void print_machines(const json_t *image)
{
    CLEANUP_TEXT struct text line = text_with_max(LINE_MAX_BYTES);

    append_strings(&line, json_object_get(image, "machines"));
    print_line("used by", text_string(&line));
}

static void print_versions(const json_t *image)
{
    const json_t *versions = json_object_get(image, "versions"), *version;
    size_t i;

    json_array_foreach(versions, i, version) {
        CLEANUP_TEXT struct text line = text_with_max(LINE_MAX_BYTES);
        const char *comment = json_member_text(version, "comment");
        char size[16], ago[40];
        text_appendf(&line, "%llu, %s, %s%s%s", (unsigned long long)json_member_u64(version, "version"),
                     format_ago(ago, sizeof(ago), (uint64_t)time(NULL), json_member_u64(version, "created")),
                     format_size(size, sizeof(size), json_member_u64(version, "difference_bytes")), *comment ? ": " : "", comment);
        print_line(i == 0 ? "versions" : "", text_string(&line));
    }
}

static void print_space(const json_t *image)
{
    char size[16];

    print_line("takes", format_size(size, sizeof(size), json_member_u64(image, "stored_bytes")));
}

void report_print(const json_t *image)
{
    const json_t *report = report_of(image);

    report_print_short(image);
    print_kernels(report);
    print_initramfs(report);
    print_line("command line", json_member_text(report, "command_line"));
    print_versions(image);
    print_machines(image);
    print_space(image);
    print_line("SHA-256", json_member_text(image, "sha256"));
    print_line("source", json_member_text(image, "source_sha256"));
}
