/*
 * farboot image import, export, capture, list, show, remove.
 */
#include "ctl/ask.h"

#include "base/text.h"
#include "ctl/client.h"
#include "ctl/job.h"
#include "ctl/report.h"
#include "ctl/send.h"
#include "ctl/table.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

/* ---- import ---- */

static int open_file(const char *path, int *fd)
{
    if (string_equal(path, "-")) {
        if (isatty(STDIN_FILENO)) {
            fprintf(stderr, "farboot: - reads an image from standard input, which is a terminal: pipe one in\n");
            return CTL_EXIT_USAGE;
        }
        *fd = dup(STDIN_FILENO);
    } else {
        *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    }
    if (*fd >= 0)
        return CTL_EXIT_OK;
    fputs("farboot: ", stderr);
    print_safe(stderr, path);
    fprintf(stderr, ": cannot be opened: %s\n", strerror(errno));
    return CTL_EXIT_FAILED;
}

int image_import_command(const struct arguments *arguments)
{
    CLEANUP_FD int fd = -1;
    int status = open_file(arguments->operands[0], &fd);

    if (status != CTL_EXIT_OK)
        return status;
    job_catch_interrupts();
    json_t *message = json_pack("{s:s, s:s*, s:s*, s:b}", "file", arguments->operands[0], "name",
                                arguments_value(arguments, "--name"), "comment", arguments_value(arguments, "--comment"),
                                "new_version", arguments_value(arguments, "--new-version") != NULL);
    status = send_and_follow(arguments, fd, message, report_print_short);
    json_decref(message);
    return status;
}

/* ---- export ---- */

static int complain_of_file(const char *path, const char *why)
{
    fputs("farboot: ", stderr);
    print_safe(stderr, path);
    fprintf(stderr, ": %s\n", why);
    return CTL_EXIT_FAILED;
}

/* A file is never written over; a disk is what one names, unless something is mounted from it (O_EXCL). */
static int open_target(const char *path, int *fd, bool *made)
{
    struct stat info;

    *made = false;
    if (string_equal(path, "-")) {
        if (isatty(STDOUT_FILENO))
            return complain_of_file(path, "writes a disk to standard output, which is a terminal: pipe it on");
        *fd = dup(STDOUT_FILENO);
    } else if (stat(path, &info) < 0) {
        *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        *made = *fd >= 0;
    } else if (S_ISREG(info.st_mode)) {
        return complain_of_file(path, "exists already: remove it first, or choose another name");
    } else {
        *fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | (S_ISBLK(info.st_mode) ? O_EXCL : 0));
    }
    return *fd >= 0 ? CTL_EXIT_OK : complain_of_file(path, strerror(errno));
}

static void print_exported(const json_t *result)
{
    char size[16], written[16];

    fprintf(stderr, "%s: a disk of %s, written to %s (%s)\n", json_member_text(result, "source"),
            format_size(size, sizeof(size), json_member_u64(result, "size_bytes")), json_member_text(result, "file"),
            format_size(written, sizeof(written), json_member_u64(result, "written_bytes")));
}

int image_export_command(const struct arguments *arguments)
{
    const char *path = arguments->operands[1];
    CLEANUP_FD int fd = -1;
    bool made;
    int status = open_target(path, &fd, &made);

    if (status != CTL_EXIT_OK)
        return status;
    job_catch_interrupts();
    json_t *message = json_pack("{s:s, s:s}", "export", arguments->operands[0], "file", path);
    status = send_and_follow(arguments, fd, message, print_exported);
    json_decref(message);
    if (status != CTL_EXIT_OK && made)
        unlink(path);
    return status;
}

/* ---- capture ---- */

static void print_captured(const json_t *reply)
{
    const json_t *parts = json_object_get(reply, "identity"), *part;
    size_t i;

    printf("%s:%llu: captured from %s\n", json_member_text(reply, "name"),
           (unsigned long long)json_member_u64(reply, "version"), json_member_text(reply, "source"));
    json_array_foreach(parts, i, part) {
        const char *why = json_member_text(part, "why");
        printf("  %-10s %s%s%s\n", json_member_text(part, "state"), json_member_text(part, "what"), *why ? ": " : "", why);
    }
}

int image_capture_command(const struct arguments *arguments)
{
    const char *comment = arguments_value(arguments, "--comment");
    json_t *reply;
    json_t *body = json_pack("{s:s, s:s, s:s, s:b}", "from", arguments->operands[0], "name",
                             arguments_value(arguments, "--as"), "comment", comment ? comment : "", "keep_identity",
                             arguments_value(arguments, "--keep-identity") != NULL);

    if (!body) {
        fprintf(stderr, "farboot: what was given is not UTF-8\n");
        return CTL_EXIT_USAGE;
    }
    int status = client_ask(arguments->socket, "POST", "/v1/images", body, &reply);
    json_decref(body);
    if (status != CTL_EXIT_OK)
        return status;
    if (arguments_value(arguments, "--json"))
        print_json(reply, false);
    else
        print_captured(reply);
    json_decref(reply);
    return CTL_EXIT_OK;
}

/* ---- list ---- */

/* Of all versions. */
static size_t machine_count(const json_t *image)
{
    const json_t *versions = json_object_get(image, "versions"), *version;
    size_t i, count = 0;

    json_array_foreach(versions, i, version)
        count += json_array_size(json_object_get(version, "machines"));
    return count;
}

static void number_cell(struct table *table, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    table_cell(table, text);
}

static void add_row(struct table *table, const json_t *image, uint64_t now_seconds)
{
    char size[16], ago[40];

    table_cell(table, json_member_text(image, "name"));
    number_cell(table, json_member_u64(image, "version"));
    table_cell(table, format_size(size, sizeof(size), json_member_u64(image, "size_bytes")));
    number_cell(table, machine_count(image));
    table_cell(table, format_ago(ago, sizeof(ago), now_seconds, json_member_u64(image, "created")));
    table_cell(table, report_system(image));
}

static void print_list(const json_t *reply)
{
    static const char *const titles[] = {"NAME", "VERSION", "SIZE", "MACHINES", "IMPORTED", "SYSTEM", NULL};
    CLEANUP(cleanup_table) struct table *table = table_new(titles);
    const json_t *images = json_object_get(reply, "images"), *image;
    size_t i;

    json_array_foreach(images, i, image)
        add_row(table, image, (uint64_t)time(NULL));
    table_print(table, stdout);
    if (json_array_size(images) == 0)
        fprintf(stderr, "no images yet; import one: farboot image import FILE\n");
}

static int ask_and_print(const struct arguments *arguments, const char *path, void (*print)(const json_t *reply))
{
    return ask_and_tell(arguments, "GET", path, NULL, print);
}

int image_list_command(const struct arguments *arguments)
{
    return ask_and_print(arguments, "/v1/images", print_list);
}

/* ---- show, remove ---- */

int image_show_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE];

    if (!client_image_path(path, arguments->operands[0]))
        return CTL_EXIT_USAGE;
    return ask_and_print(arguments, path, report_print);
}

int image_remove_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE];
    json_t *reply;

    if (!client_image_path(path, arguments->operands[0]))
        return CTL_EXIT_USAGE;
    int status = client_ask(arguments->socket, "DELETE", path, NULL, &reply);
    if (status == CTL_EXIT_OK)
        printf("%s: removed\n", arguments->operands[0]);
    json_decref(reply);
    return status;
}
