/*
 * farboot machine chap.
 */
#include "ctl/command.h"

#include "base/text.h"
#include "ctl/client.h"
#include "ctl/terminal.h"

static json_t *wanted_change(const struct arguments *arguments)
{
    json_t *body = json_object();

    if (arguments->operands[1])
        json_object_set_new(body, "mode", json_string(arguments->operands[1]));
    if (arguments_value(arguments, "--new-secret"))
        json_object_set_new(body, "new_secret", json_true());
    return body;
}

static void print_chap(const json_t *chap)
{
    const char *user = json_member_text(chap, "user");

    print_safe(stdout, json_member_text(chap, "machine"));
    printf(": CHAP %s", json_member_text(chap, "mode"));
    if (*user)
        printf(", user %s", user);
    fputc('\n', stdout);
}

/* In a form for a script: one NAME=VALUE per line, of the words that an initiator's tools know. */
static void print_secret(const json_t *chap)
{
    static const struct {
        const char *title, *key;
    } lines[] = {
        {"username", "user"},
        {"password", "secret"},
        {"username_in", "target_user"},
        {"password_in", "target_secret"},
    };
    bool mutual = string_equal(json_member_text(chap, "mode"), "mutual");

    for (size_t i = 0; i < (mutual ? ARRAY_SIZE(lines) : 2); i++)
        printf("%s=%s\n", lines[i].title, json_member_text(chap, lines[i].key));
}

static int change(const struct arguments *arguments, const char *path, json_t *body, json_t **reply)
{
    if (arguments_value(arguments, "--force"))
        json_object_set_new(body, "force", json_true());
    return client_ask(arguments->socket, "PATCH", path, body, reply);
}

int machine_chap_command(const struct arguments *arguments)
{
    char machine[CLIENT_PATH_SIZE], path[CLIENT_PATH_SIZE + sizeof("/chap/secret")];
    bool show_secret = arguments_value(arguments, "--show-secret");
    json_t *reply = NULL;
    int status = CTL_EXIT_OK;

    if (!client_path(machine, "machines", arguments->operands[0]))
        return CTL_EXIT_USAGE;
    json_t *body = wanted_change(arguments);
    bool changes = json_object_size(body) > 0;
    snprintf(path, sizeof(path), "%s/chap", machine);
    if (changes)
        status = change(arguments, path, body, &reply);
    json_decref(body);
    if (status == CTL_EXIT_OK && (show_secret || !changes)) {
        json_decref(reply);
        snprintf(path, sizeof(path), "%s/chap%s", machine, show_secret ? "/secret" : "");
        status = client_ask(arguments->socket, "GET", path, NULL, &reply);
    }
    if (status != CTL_EXIT_OK)
        return status;
    if (arguments_value(arguments, "--json"))
        print_json(reply, false);
    else
        (show_secret ? print_secret : print_chap)(reply);
    json_decref(reply);
    return CTL_EXIT_OK;
}
