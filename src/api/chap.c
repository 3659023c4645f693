/*
 * How a machine authenticates itself to its disk (CHAP). Its secret is told to nobody but whoever asks for it
 * by name.
 */
#include "api/answer.h"

static const char *user_of(const struct machine *machine, char to[MAC_TEXT_SIZE])
{
    return machine->chap.secret[0] ? machine_chap_user(to, &machine->mac) : "";
}

static json_t *chap_json(const struct machine *machine)
{
    char user[MAC_TEXT_SIZE];

    return json_pack("{s:s, s:s, s:o, s:s}", "machine", machine->name, "mode",
                     machine_chap_mode_name(machine->chap.mode), "user", json_text(user_of(machine, user)),
                     "target_user", MACHINE_CHAP_TARGET_USER);
}

/* Without the MAC address: what an administrator does to a machine says nothing of its boot. */
static void tell(struct api *api, const struct machine *machine, const char *kind, const char *sentence)
{
    struct event_sink sink = journal_sink(api->options.journal);
    struct machine named = *machine;

    named.mac = (struct mac){0};
    event_post(&sink, &named, NULL, STAGE_NONE, EVENT_INFO, kind, "%s", sentence);
}

/* ---- asking ---- */

void chap_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, snapshot);

    if (machine)
        call->reply = chap_json(machine);
}

void chap_secret_get(struct api_call *call)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, snapshot);

    if (!machine)
        return;
    if (!machine->chap.secret[0]) {
        error_set(&call->error, -ENOENT, "%s: has no secret yet; farboot machine chap %s on makes one",
                  machine->name, machine->name);
        return;
    }
    tell(call->api, machine, "machine.secret-shown", "its CHAP secret was shown to an administrator");
    call->reply = chap_json(machine);
    json_object_set_new(call->reply, "secret", json_string(machine->chap.secret));
    json_object_set_new(call->reply, "target_secret", json_string(machine->chap.target_secret));
}

/* ---- changing ---- */

static bool said(const struct api_call *call, const char *key)
{
    return json_is_true(json_object_get(call->body, key));
}

/* A machine that is running has the old secret, or none, and could not come back after the connection was
 * lost. */
void chap_set_check(struct api_call *call)
{
    static const char *const keys[] = {"mode", "new_secret", "force"};
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(call->api->options.catalog);
    const struct machine *machine = call_find_machine(call, snapshot);
    char text[INET_TEXT_SIZE];
    uint32_t address;

    if (!machine || call_check_keys(call, keys, ARRAY_SIZE(keys)) < 0)
        return;
    if (!said(call, "force") && api_disk_users(call->api, machine->id, &address) > 0)
        error_set(&call->error, -EBUSY,
                  "%s: its disk is in use by %s, which would not get back to it after a lost connection: "
                  "shut the machine "
                  "down first (or use --force and start it again soon)",
                  machine->name, inet_format(text, address));
}

static int read_mode(struct api_call *call, struct machine_chap *chap)
{
    const json_t *mode = json_object_get(call->body, "mode");

    if (mode && (!json_is_string(mode) || !machine_chap_mode_from_name(json_string_value(mode), &chap->mode)))
        return error_set(&call->error, -EINVAL, "mode: must be on, mutual or off");
    return 0;
}

/* Both at once; they must differ, or one side could be made to answer for the other (RFC 7143 9.2.1). */
static void make_secrets(struct machine_chap *chap)
{
    do {
        secret_make(chap->secret, random_bytes);
        secret_make(chap->target_secret, random_bytes);
    } while (strcmp(chap->secret, chap->target_secret) == 0);
}

static void set_under_lock(struct api_call *call)
{
    static const char *const sentences[] = {
        [MACHINE_CHAP_OFF] = "CHAP was switched off",
        [MACHINE_CHAP_ON] = "CHAP was switched on",
        [MACHINE_CHAP_MUTUAL] = "CHAP was switched on, both ways",
    };
    struct api *api = call->api;
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(api->options.catalog);
    const struct machine *old = call_find_machine(call, snapshot);

    if (!old)
        return;
    struct machine wanted = *old;
    bool renew = said(call, "new_secret");
    if (read_mode(call, &wanted.chap) < 0)
        return;
    if (renew || (wanted.chap.mode != MACHINE_CHAP_OFF && !wanted.chap.secret[0]))
        make_secrets(&wanted.chap);
    if (catalog_machine_set_chap(api->options.catalog, &wanted, &call->error) < 0)
        return;
    if (wanted.chap.mode != old->chap.mode)
        tell(api, &wanted, "machine.chap", sentences[wanted.chap.mode]);
    if (renew)
        tell(api, &wanted, "machine.chap", "got new CHAP secrets");
    call->reply = chap_json(&wanted);
}

void chap_set(struct api_call *call)
{
    pthread_mutex_lock(&call->api->change_lock);
    set_under_lock(call);
    pthread_mutex_unlock(&call->api->change_lock);
}
