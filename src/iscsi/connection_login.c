/*
 * A connection until full feature phase: who it is, whether it may, its disks opened, its predecessor gone.
 */
#include "iscsi/connection_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "iscsi/access.h"

#include <openssl/crypto.h>
#include <stdio.h>

enum { FIRMWARE_RECV_BYTES = 65536 /* iPXE takes 8 KiB, UEFI 64; operating systems take more */ };

static void send_login_reply(struct connection *c)
{
    const struct login *login = c->login;
    size_t length = PDU_HEADER_BYTES + login->reply.data_bytes;
    uint8_t *to = stream_reserve(c->stream, length + 3);

    if (!to) {
        connection_end(c, "it does not read");
        return;
    }
    pdu_encode(&login->reply, to);
    if (login->reply.data_bytes)
        memcpy(to + PDU_HEADER_BYTES, text_string(&login->reply_text), login->reply.data_bytes);
    size_t trailer = pdu_write_trailer(&login->reply, (struct pdu_digests){0}, to + PDU_HEADER_BYTES);
    stream_commit(c->stream, length + trailer);
    stream_send(c->stream);
}

static void copy_to_entry(struct connection *c)
{
    const struct session_parameters *p = &c->login->parameters;
    struct registry *registry = &c->loop->service->registry;

    pthread_mutex_lock(&registry->lock);
    COPY_STRING(c->entry.initiator_name, p->initiator_name);
    COPY_STRING(c->entry.target_name, p->discovery ? "" : p->target_name);
    memcpy(c->entry.isid, p->isid, sizeof(c->entry.isid));
    c->entry.tsih = p->tsih;
    c->entry.machine_id = c->machine.id;
    COPY_STRING(c->entry.machine, c->machine.name);
    pthread_mutex_unlock(&registry->lock);
}

static bool mac_at_peer(struct connection *c, struct mac *mac)
{
    return presence_mac(c->loop->service->options.presence, inet_of_sockaddr(&c->peer), mac);
}

/* Whose disk the target name means, if anybody's. */
static const struct machine *machine_of_target(struct connection *c, const struct catalog_snapshot *snapshot)
{
    struct mac mac;

    if (!machine_mac_of_target(c->login->parameters.target_name, c->loop->service->iqn_prefix, &mac))
        return NULL;
    return catalog_machine_by_mac(snapshot, &mac);
}

/* Whose disk a discovery session may see: that of the machine it says it is, else of the one at its address.
 */
static const struct machine *machine_of_peer(struct connection *c, const struct catalog_snapshot *snapshot)
{
    const char *name = c->login->parameters.initiator_name;
    struct mac mac;

    if (!machine_mac_of_initiator(name, c->loop->service->iqn_prefix, &mac) && !mac_at_peer(c, &mac))
        return NULL;
    return catalog_machine_by_mac(snapshot, &mac);
}

static enum login_status decide_access(struct connection *c, const struct catalog_snapshot *snapshot)
{
    struct access_request request = {
        .iqn_prefix = c->loop->service->iqn_prefix,
        .initiator_name = c->login->parameters.initiator_name,
        .target_name = c->login->parameters.target_name,
        .machine = machine_of_target(c, snapshot),
    };

    request.knows_mac = mac_at_peer(c, &request.mac);
    if (request.machine)
        c->machine = machine_copy(request.machine);
    enum access access = access_decide(&request);
    if (access != ACCESS_GRANTED)
        connection_tell_refused(c, access_reason(access));
    return access_status(access);
}

/* What a machine's initiator must prove to know. False: nothing. */
static bool fill_account(const struct machine *machine, struct chap_account *account)
{
    const struct machine_chap *chap = &machine->chap;

    if (chap->mode == MACHINE_CHAP_OFF)
        return false;
    machine_chap_user(account->user, &machine->mac);
    COPY_STRING(account->secret, chap->secret);
    if (chap->mode == MACHINE_CHAP_MUTUAL) {
        COPY_STRING(account->target_user, MACHINE_CHAP_TARGET_USER);
        COPY_STRING(account->target_secret, chap->target_secret);
    }
    return true;
}

static bool account_of_session(struct connection *c, const struct catalog_snapshot *snapshot,
                               struct chap_account *account)
{
    bool discovery = c->login->parameters.discovery;
    const struct machine *machine = discovery ? machine_of_peer(c, snapshot) : &c->machine;

    return machine && fill_account(machine, account);
}

static void identify(struct connection *c)
{
    struct chap_account account = {0};
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(c->loop->service->options.catalog);
    enum login_status status = LOGIN_SUCCESS;

    c->is_firmware = access_is_firmware_name(c->login->parameters.initiator_name);
    if (!c->login->parameters.discovery)
        status = decide_access(c, snapshot);
    bool needs_chap = status == LOGIN_SUCCESS && account_of_session(c, snapshot, &account);
    if (c->login->parameters.discovery && c->loop->service->options.discovery_needs_chap && !needs_chap) {
        c->login->reason =
            "discovery needs CHAP (iscsi: discovery_auth), which is on for no machine of that name";
        status = LOGIN_AUTHENTICATION_FAILURE;
    }
    if (status == LOGIN_SUCCESS)
        copy_to_entry(c);
    connection_handle_login(c, login_identified(c->login, status, c->machine.id ? c->machine.name : NULL,
                                                needs_chap ? &account : NULL));
    OPENSSL_cleanse(&account, sizeof(account));
}

/* TargetName and TargetAddress of the disks that this initiator may see (RFC 7143 appendix C). */
static void fill_targets(struct connection *c)
{
    CLEANUP(cleanup_catalog_snapshot)
    const struct catalog_snapshot *snapshot = catalog_read(c->loop->service->options.catalog);
    const struct machine *machine = c->machine.id ? &c->machine : machine_of_peer(c, snapshot);
    char name[IQN_SIZE], address[INET_TEXT_SIZE], portal[64];
    struct sockaddr_in local;

    if (!machine || stream_local_address(c->stream, &local) < 0)
        return;
    snprintf(portal, sizeof(portal), "%s:%u,%d", inet_format(address, inet_of_sockaddr(&local)),
             inet_port_of_sockaddr(&local), ISCSI_PORTAL_GROUP);
    machine_target_name(name, c->loop->service->iqn_prefix, &machine->mac);
    COPY_STRING(c->session->visible_target, name);
    iscsi_text_put(&c->session->targets, "TargetName", name);
    iscsi_text_put(&c->session->targets, "TargetAddress", portal);
}

/* The name of an iSCSI initiator port: its node's name and its ISID. */
static const char *initiator_port_name(const struct session_parameters *p, char to[RESERVATION_PORT_SIZE])
{
    const uint8_t *isid = p->isid;

    snprintf(to, RESERVATION_PORT_SIZE, "%s,i,0x%02x%02x%02x%02x%02x%02x", p->initiator_name, isid[0],
             isid[1], isid[2], isid[3], isid[4], isid[5]);
    return to;
}

static enum login_status make_session(struct connection *c)
{
    char port[RESERVATION_PORT_SIZE];
    const struct session_parameters *p = &c->login->parameters;

    c->session = xcalloc(1, sizeof(*c->session));
    session_init(c->session, p, c->entry.tsih, c->login->asked.words[WORD_CMD_SN], 0);
    c->session->buffers = c->loop->buffers;
    c->session->statistics = &c->entry.statistics;
    c->session->buffered_in_all = &c->loop->service->buffered_bytes;
    scsi_nexus_init(&c->session->nexus, p->target_name, ISCSI_PORTAL_GROUP, initiator_port_name(p, port));
    fill_targets(c);
    return connection_attach_disks(c) < 0 ? LOGIN_OUT_OF_RESOURCES : LOGIN_SUCCESS;
}

static void enter_full_feature(struct connection *c, enum login_status status)
{
    if (status == LOGIN_SUCCESS)
        status = make_session(c);
    if (status != LOGIN_SUCCESS)
        connection_tell_refused(c, login_status_text(status));
    connection_handle_login(c, login_finished(c->login, status, c->entry.tsih));
}

/* The disks are open. Older sessions with the same names must be gone before this one begins. */
void connection_try_to_enter(struct connection *c)
{
    switch (registry_enter(&c->loop->service->registry, &c->entry, clock_monotonic_ms(), &c->predecessor)) {
    case REGISTRY_ENTERED:
        enter_full_feature(c, LOGIN_SUCCESS);
        return;
    case REGISTRY_NO_SESSION:
        enter_full_feature(c, LOGIN_NO_SESSION);
        return;
    case REGISTRY_WAIT:
        return;
    case REGISTRY_ASK_AGAIN:
        loop_timer_set(c->timer, REGISTRY_CONTEST_STEP_MS);
        return;
    case REGISTRY_KEEPS_OTHER:
        /* A status after which initiators try again: the other one may go. */
        connection_tell_conflict(c);
        connection_handle_login(c, login_finished(c->login, LOGIN_UNAVAILABLE, 0));
        return;
    }
}

static void open_disks(struct work *work)
{
    struct connection *c = CONTAINER_OF(work, struct connection, work);

    c->open_result = connection_open_disks(c);
}

static void disks_opened(struct work *work)
{
    struct connection *c = CONTAINER_OF(work, struct connection, work);

    c->working = false;
    if (c->phase == PHASE_GONE) {
        connection_go_on_ending(c);
        return;
    }
    if (c->open_result == 0)
        connection_try_to_enter(c);
    else
        enter_full_feature(c, LOGIN_UNAVAILABLE);
}

/* Agreed on everything: what is left may take a while. */
static void finish_login(struct connection *c)
{
    c->phase = PHASE_WAITING;
    if (c->login->parameters.peer_max_recv_bytes <= FIRMWARE_RECV_BYTES)
        c->is_firmware = true;
    stream_set_reading(c->stream, false);
    if (c->login->parameters.discovery) {
        connection_try_to_enter(c);
        return;
    }
    c->work = (struct work){.run = open_disks, .done = disks_opened, .home = c->loop->loop};
    c->working = true;
    if (!disk_gate_submit(c->loop->service->options.gate, c->machine.id, &c->work)) {
        c->working = false;
        enter_full_feature(c, LOGIN_OUT_OF_RESOURCES);
    }
}

static void begin_full_feature(struct connection *c)
{
    c->session->stat_sn = c->login->stat_sn;
    login_free(c->login);
    free(c->login);
    c->login = NULL;
    c->phase = PHASE_FULL;
    loop_timer_cancel(c->timer);
    stream_set_reading(c->stream, true);
    connection_publish(c);
    connection_tell_login(c);
    connection_renew_disks(c); /* the machine is as it was when the login began */
}

void connection_handle_login(struct connection *c, enum login_outcome outcome)
{
    switch (outcome) {
    case LOGIN_ANSWER:
        send_login_reply(c);
        return;
    case LOGIN_IDENTIFY:
        identify(c);
        return;
    case LOGIN_FINISH:
        finish_login(c);
        return;
    case LOGIN_COMPLETE:
        send_login_reply(c);
        if (c->phase != PHASE_GONE)
            begin_full_feature(c);
        return;
    case LOGIN_REFUSED:
        log_debug("iscsi: login refused: %s", login_status_text(c->login->status));
        if (c->login->reason)
            connection_tell_refused(c, c->login->reason);
        send_login_reply(c);
        if (c->phase != PHASE_GONE)
            connection_leave(c);
        return;
    }
}
