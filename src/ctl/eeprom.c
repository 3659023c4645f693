/*
 * farboot eeprom show, set, push, status, withdraw, card.
 */
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/job.h"
#include "ctl/send.h"
#include "ctl/table.h"
#include "eeprom/card.h"
#include "eeprom/config.h"
#include "eeprom/image.h"
#include "eeprom/signature.h"

#include <fcntl.h>
#include <time.h>

static int complain(const char *what, const char *why)
{
    fputs("farboot: ", stderr);
    print_safe(stderr, what);
    fprintf(stderr, ": %s\n", why);
    return CTL_EXIT_FAILED;
}

/* ---- whose configuration ---- */

/* A name in the list `noun` of the daemon. */
static int is_listed(const char *socket, const char *noun, const char *name, bool *listed)
{
    char path[CLIENT_PATH_SIZE];
    json_t *reply, *item;
    size_t i;

    snprintf(path, sizeof(path), "/v1/%s", noun);
    int status = client_ask(socket, "GET", path, NULL, &reply);
    *listed = false;
    json_array_foreach(json_object_get(reply, noun), i, item)
        *listed |= string_equal(json_member_text(item, "name"), name);
    json_decref(reply);
    return status;
}

/* Where `name`, a machine, a group or "defaults", is asked about. */
static int find_owner(const char *socket, const char *name, char path[CLIENT_PATH_SIZE])
{
    bool is_machine = false, is_group = false;
    int status = is_listed(socket, "machines", name, &is_machine);

    if (status == CTL_EXIT_OK && !is_machine)
        status = is_listed(socket, "groups", name, &is_group);
    if (status != CTL_EXIT_OK)
        return status;
    if (is_machine || is_group)
        return client_path(path, is_machine ? "machines" : "groups", name) ? CTL_EXIT_OK : CTL_EXIT_USAGE;
    if (!string_equal(name, "defaults"))
        return complain(name, "neither a machine nor a group, nor \"defaults\" (see farboot machine list)");
    snprintf(path, CLIENT_PATH_SIZE, "/v1/defaults");
    return CTL_EXIT_OK;
}

static int ask_owner(const char *socket, const char *name, char path[CLIENT_PATH_SIZE], json_t **owner)
{
    int status = find_owner(socket, name, path);

    return status == CTL_EXIT_OK ? client_ask(socket, "GET", path, NULL, owner) : status;
}

static const json_t *setting_of(const json_t *owner)
{
    return json_object_get(json_object_get(owner, "settings"), "eeprom");
}

static void print_config(const char *name, const json_t *owner, bool as_json)
{
    CLEANUP_TEXT struct text lines = text_with_max(2 * SETTING_VALUE_MAX_BYTES);
    const json_t *setting = setting_of(owner);

    if (as_json) {
        print_json(setting, false);
        return;
    }
    eeprom_config_lines(&lines, json_member_text(setting, "value"));
    printf("# %s, from: %s\n%s", name, json_member_text(setting, "from"), text_string(&lines));
}

int eeprom_show_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE];
    json_t *owner;
    int status = ask_owner(arguments->socket, arguments->operands[0], path, &owner);

    if (status != CTL_EXIT_OK)
        return status;
    print_config(arguments->operands[0], owner, arguments_value(arguments, "--json"));
    json_decref(owner);
    return CTL_EXIT_OK;
}

/* ---- set ---- */

static int assign(char **config, const char *assignment)
{
    CLEANUP_TEXT struct text changed = text_with_max(SETTING_VALUE_MAX_BYTES);
    struct error error = {0};

    if (eeprom_config_set(&changed, *config, assignment, &error) < 0) {
        fprintf(stderr, "farboot: %s\n", error.text);
        return CTL_EXIT_USAGE;
    }
    free(*config);
    *config = text_take(&changed);
    return CTL_EXIT_OK;
}

static int assign_all(char **config, const struct arguments *arguments)
{
    int status = assign(config, arguments->operands[1]);

    for (size_t i = 0; status == CTL_EXIT_OK && i < arguments->more_count; i++)
        status = assign(config, arguments->more[i]);
    return status;
}

int eeprom_set_command(const struct arguments *arguments)
{
    char path[CLIENT_PATH_SIZE];
    json_t *owner, *changed;
    int status = ask_owner(arguments->socket, arguments->operands[0], path, &owner);

    if (status != CTL_EXIT_OK)
        return status;
    CLEANUP_FREE char *config = xstrdup(json_member_text(setting_of(owner), "value"));
    json_decref(owner);
    status = assign_all(&config, arguments);
    if (status != CTL_EXIT_OK)
        return status;
    json_t *body = json_pack("{s:{s:s}}", "settings", "eeprom", config);
    if (!body)
        return complain(arguments->operands[1], "not UTF-8");
    status = client_ask(arguments->socket, "PATCH", path, body, &changed);
    json_decref(body);
    if (status != CTL_EXIT_OK)
        return status;
    print_config(arguments->operands[0], changed, arguments_value(arguments, "--json"));
    json_decref(changed);
    return CTL_EXIT_OK;
}

/* ---- push ---- */

static void print_pushed(const json_t *result)
{
    printf("%s: offered to %llu of them, for processor BCM%llu; the first to start gets it alone (see farboot eeprom "
           "status)\n",
           json_member_text(result, "file"), (unsigned long long)json_member_u64(result, "machines"),
           (unsigned long long)json_member_u64(result, "processor"));
}

int eeprom_push_command(const struct arguments *arguments)
{
    const char *path = arguments_value(arguments, "--image");
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return complain(path, strerror(errno));
    json_t *names = json_array();
    json_array_append_new(names, json_string(arguments->operands[0]));
    for (size_t i = 0; i < arguments->more_count; i++)
        json_array_append_new(names, json_string(arguments->more[i]));
    json_t *message = json_pack("{s:o, s:s}", "eeprom", names, "file", path);
    job_catch_interrupts();
    int status = send_and_follow(arguments, fd, message, print_pushed);
    json_decref(message);
    return status;
}

static const char *meaning_of(const char *state)
{
    static const struct {
        const char *state;
        const char *meaning;
    } meanings[] = {
        {"waiting", "waits until another one was seen to boot"},
        {"offered", "gets it when it starts: restart it"},
        {"looked", "looked at it"},
        {"taken", "took it, and starts again"},
        {"restarted", "started again"},
        {"done", "boots with it"},
        {"unchanged", "did not take it: it has it, or its self-update is off"},
        {"failed", "wanted it once more: look at its screen; nobody else gets it"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
        if (string_equal(meanings[i].state, state))
            return meanings[i].meaning;
    }
    return "";
}

static void print_status(const json_t *reply)
{
    static const char *const titles[] = {"MACHINE", "STATE", "WHICH MEANS", NULL};
    CLEANUP(cleanup_table) struct table *table = table_new(titles);
    const json_t *machines = json_object_get(reply, "machines"), *machine;
    size_t i;

    json_array_foreach(machines, i, machine) {
        table_cell(table, json_member_text(machine, "name"));
        table_cell(table, json_member_text(machine, "state"));
        table_cell(table, meaning_of(json_member_text(machine, "state")));
    }
    table_print(table, stdout);
    if (json_array_size(machines) == 0)
        fprintf(stderr, "nothing is being pushed\n");
    if (json_is_true(json_object_get(reply, "stopped")))
        fprintf(stderr, "stopped, since one failed\n");
}

int eeprom_status_command(const struct arguments *arguments)
{
    json_t *reply;
    int status = client_ask(arguments->socket, "GET", "/v1/eeprom", NULL, &reply);

    if (status != CTL_EXIT_OK)
        return status;
    if (arguments_value(arguments, "--json"))
        print_json(reply, false);
    else
        print_status(reply);
    json_decref(reply);
    return CTL_EXIT_OK;
}

int eeprom_withdraw_command(const struct arguments *arguments)
{
    json_t *reply;
    int status = client_ask(arguments->socket, "DELETE", "/v1/eeprom", NULL, &reply);

    if (status == CTL_EXIT_OK)
        printf("withdrawn\n");
    json_decref(reply);
    return status;
}

/* ---- card ---- */

struct content {
    uint8_t *bytes;
    size_t length_bytes;
};

static void cleanup_content(struct content *content)
{
    free(content->bytes);
}

static int read_content(struct content *content, const char *path)
{
    enum { ROOM_BYTES = EEPROM_CARD_FILE_MAX_BYTES + 1 };
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t got = fd < 0 ? -1 : 0;

    content->bytes = xcalloc(1, ROOM_BYTES);
    while (fd >= 0 && (got = read(fd, content->bytes + content->length_bytes, ROOM_BYTES - content->length_bytes)) > 0)
        content->length_bytes += (size_t)got;
    if (got < 0)
        return complain(path, strerror(errno));
    if (content->length_bytes == 0 || content->length_bytes == ROOM_BYTES)
        return complain(path, content->length_bytes ? "longer than 2 MiB: that is something else" : "is empty");
    return CTL_EXIT_OK;
}

static int change_image(struct content *image, const char *path, const char *config)
{
    struct error error = {0};

    return eeprom_configure(image->bytes, image->length_bytes, config, &error) < 0 ? complain(path, error.text)
                                                                                   : CTL_EXIT_OK;
}

static int write_card(const char *path, const struct content *image, const struct content *recovery)
{
    CLEANUP_FREE uint8_t *card = xcalloc(1, EEPROM_CARD_BYTES);
    CLEANUP_TEXT struct text signature = text_with_max(EEPROM_SIGNATURE_MAX_BYTES);

    eeprom_signature(&signature, image->bytes, image->length_bytes, (uint64_t)time(NULL));
    const struct eeprom_card_file files[] = {
        {"recovery.bin", recovery->bytes, recovery->length_bytes},
        {"pieeprom.bin", image->bytes, image->length_bytes},
        {"pieeprom.sig", text_string(&signature), signature.length_bytes},
    };
    CHECK(eeprom_card(card, files, ARRAY_SIZE(files)) == 0);
    CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return complain(path, errno == EEXIST ? "exists already: remove it first, or choose another name" : strerror(errno));
    for (size_t done = 0; done < EEPROM_CARD_BYTES;) {
        ssize_t put = write(fd, card + done, EEPROM_CARD_BYTES - done);
        if (put < 0)
            return complain(path, strerror(errno));
        done += (size_t)put;
    }
    printf("%s: write it to a card, start each board of this kind from it, and wait for its green light to blink\n", path);
    return CTL_EXIT_OK;
}

int eeprom_card_command(const struct arguments *arguments)
{
    const char *whose = arguments_value(arguments, "--for"), *path = arguments_value(arguments, "--image");
    CLEANUP(cleanup_content) struct content image = {0};
    CLEANUP(cleanup_content) struct content recovery = {0};
    char owner_path[CLIENT_PATH_SIZE];
    json_t *owner = NULL;
    int status = read_content(&image, path);

    if (status == CTL_EXIT_OK)
        status = read_content(&recovery, arguments_value(arguments, "--recovery"));
    if (status == CTL_EXIT_OK)
        status = ask_owner(arguments->socket, whose ? whose : "defaults", owner_path, &owner);
    if (status == CTL_EXIT_OK)
        status = change_image(&image, path, json_member_text(setting_of(owner), "value"));
    json_decref(owner);
    return status == CTL_EXIT_OK ? write_card(arguments->operands[0], &image, &recovery) : status;
}
